//! What a plugin says about its life among others: dependencies, topics, schedule, health, restarts.

use std::time::Duration;

use schemars::JsonSchema;
use semver::VersionReq;
use serde::Serialize;

use super::id::PluginId;
use super::read::{At, Problems, object};
use super::values::{count_u32, distinct, duration, text, word};
use super::wire::{self, textual};
use super::{cron, prose};

/// Another plugin this one needs, uses when present, or cannot live beside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Dependency {
    /// The other plugin.
    pub id: PluginId,
    /// Which of its versions.
    #[schemars(with = "wire::SemVerRange")]
    pub version: VersionReq,
    /// How they stand to each other.
    #[schemars(default)]
    pub kind: DependencyKind,
}

impl Dependency {
    pub(super) fn read_all(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Vec<Self>> {
        distinct(
            at,
            problems,
            Self::read,
            ("plugin", |dependency: &Self| dependency.id.clone()),
        )
    }

    fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        object(at, problems, |fields| {
            let id = fields.required("id", PluginId::read);
            let version = fields.required("version", |at, problems| {
                text(
                    at,
                    problems,
                    "a version range such as \"^1.2\" or \">=1.2, <3\"",
                    |range| range.parse().map_err(|_| None),
                )
            });
            let kind = fields.or_default("kind", DependencyKind::read);
            Some(Self {
                id: id?,
                version: version?,
                kind,
            })
        })
    }
}

/// How a plugin stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DependencyKind {
    /// It must be there, and starts first.
    #[default]
    Required,
    /// It is used when it is there.
    Optional,
    /// It must not be there.
    Conflict,
}

impl DependencyKind {
    fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        let choices = [
            ("required", Self::Required),
            ("optional", Self::Optional),
            ("conflict", Self::Conflict),
        ];
        word(at, problems, &choices)
    }
}

/// Topics a plugin publishes and receives. Each side needs its permission, `events:publish` and `events:subscribe`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Events {
    /// Topics it publishes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, extend("uniqueItems" = true))]
    pub publish: Vec<Topic>,
    /// Topics it receives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default, extend("uniqueItems" = true))]
    pub subscribe: Vec<TopicPattern>,
}

impl Events {
    pub(super) fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        object(at, problems, |fields| {
            let publish = fields.or_default("publish", |at, problems| {
                distinct(at, problems, Topic::read, ("topic", Topic::clone))
            });
            let subscribe = fields.or_default("subscribe", |at, problems| {
                distinct(at, problems, TopicPattern::read, ("topic", TopicPattern::clone))
            });
            Some(Self { publish, subscribe })
        })
    }
}

textual!(
    /// A topic: at most 128 bytes, labels of `[a-z0-9_-]` joined by dots.
    Topic,
    expected: "a topic such as orders.created: labels of a-z, 0-9, _ and - joined by dots, at most 128 bytes",
    pattern: r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$",
    accepts: is_topic,
    suggest: lower_case
);

textual!(
    /// Topics: a [`Topic`] in which a label may be `*`, any one label.
    TopicPattern,
    expected: "a topic such as orders.created, or orders.* for every label there, at most 128 bytes",
    pattern: r"^([a-z0-9_-]+|\*)(\.([a-z0-9_-]+|\*))*$",
    accepts: is_topic_pattern,
    suggest: lower_case
);

impl TopicPattern {
    /// Whether a topic is one of these.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        let (mut pattern, mut labels) = (self.as_str().split('.'), topic.split('.'));
        loop {
            match (pattern.next(), labels.next()) {
                (None, None) => return true,
                (Some(wanted), Some(label)) if wanted == "*" || wanted == label => {}
                _ => return false,
            }
        }
    }
}

/// A command the host runs by the clock. Needs the permission `schedule:run`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ScheduledCommand {
    /// What the entry is called by: `[a-z][a-z0-9_-]{0,63}`, unique in the manifest.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_-]{0,63}$"))]
    pub name: String,
    /// When it runs.
    #[serde(flatten)]
    pub when: Recurrence,
    /// Which command runs.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_-]{0,63}$"))]
    pub command: String,
}

impl ScheduledCommand {
    pub(super) fn read_all(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Vec<Self>> {
        distinct(at, problems, Self::read, ("name", |entry: &Self| entry.name.clone()))
    }

    fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        object(at, problems, |fields| {
            let name = fields.required("name", prose::identifier);
            let cron = fields.optional("cron", |at, problems| {
                Some(Cron::read(at, problems).map(Recurrence::Cron))
            });
            let every = fields.optional("every", |at, problems| {
                Some(duration(at, problems).map(Recurrence::Every))
            });
            let command = fields.required("command", prose::identifier);
            let when = match (cron, every) {
                (Some(when), None) | (None, Some(when)) => when,
                (both, _) => {
                    fields.complain("", |at, problems| {
                        let found = if both.is_some() { "both" } else { "neither" };
                        problems.contrary(at, "either `cron` or `every`", found.to_owned(), None);
                    });
                    None
                }
            };
            Some(Self {
                name: name?,
                when: when?,
                command: command?,
            })
        })
    }
}

/// When a scheduled command runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recurrence {
    /// At the times a cron expression names.
    Cron(Cron),
    /// Again and again, this long after the last start.
    #[serde(serialize_with = "wire::serialize_duration")]
    Every(#[schemars(with = "wire::DurationText")] Duration),
}

textual!(
    /// A cron expression: minute, hour, day of month, month, day of week, with an optional field for seconds before
    /// them.
    Cron,
    expected: "a cron expression of five fields such as \"0 6 * * MON-FRI\", or six with seconds first",
    pattern: r"^[0-9A-Za-z*?,/-]+( +[0-9A-Za-z*?,/-]+){4,5}$",
    accepts: cron::is_cron,
    suggest: cron::without_nickname
);

/// How the host finds out that a plugin is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct HealthChecks {
    /// Time between two checks.
    #[serde(serialize_with = "wire::serialize_duration")]
    #[schemars(with = "wire::DurationText")]
    pub interval: Duration,
    /// Wall clock of one check.
    #[serde(serialize_with = "wire::serialize_duration")]
    #[schemars(with = "wire::DurationText")]
    pub timeout: Duration,
    /// Failures in a row that make it unhealthy.
    #[schemars(range(min = 1))]
    pub failure_threshold: u32,
    /// Successes in a row that make it healthy again.
    #[schemars(range(min = 1))]
    pub success_threshold: u32,
}

impl HealthChecks {
    pub(super) fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        let default = Self::default();
        object(at, problems, |fields| {
            let checks = Self {
                interval: fields.optional("interval", duration).unwrap_or(default.interval),
                timeout: fields.optional("timeout", duration).unwrap_or(default.timeout),
                failure_threshold: fields
                    .optional("failure_threshold", count_u32)
                    .unwrap_or(default.failure_threshold),
                success_threshold: fields
                    .optional("success_threshold", count_u32)
                    .unwrap_or(default.success_threshold),
            };
            Some(checks)
        })
    }
}

impl Default for HealthChecks {
    /// Often enough to notice within two minutes, rare enough to cost nothing.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
            failure_threshold: 3,
            success_threshold: 2,
        }
    }
}

/// What happens after a crash: how soon a fresh instance is tried, and when the host gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct RestartPolicy {
    /// Wait before the first restart; doubles with every further one.
    #[serde(serialize_with = "wire::serialize_duration")]
    #[schemars(with = "wire::DurationText")]
    pub delay: Duration,
    /// Longest wait.
    #[serde(serialize_with = "wire::serialize_duration")]
    #[schemars(with = "wire::DurationText")]
    pub max_delay: Duration,
    /// Failures within `window` that are still forgiven; one more, and the plugin is quarantined.
    #[schemars(range(min = 1))]
    pub max_failures: u32,
    /// How long a failure counts.
    #[serde(serialize_with = "wire::serialize_duration")]
    #[schemars(with = "wire::DurationText")]
    pub window: Duration,
}

impl RestartPolicy {
    pub(super) fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        let default = Self::default();
        object(at, problems, |fields| {
            let policy = Self {
                delay: fields.optional("delay", duration).unwrap_or(default.delay),
                max_delay: fields.optional("max_delay", duration).unwrap_or(default.max_delay),
                max_failures: fields
                    .optional("max_failures", count_u32)
                    .unwrap_or(default.max_failures),
                window: fields.optional("window", duration).unwrap_or(default.window),
            };
            if policy.delay > policy.max_delay {
                fields.complain("/delay", |at, problems| {
                    problems.unexpected(at, "a delay that is at most `max_delay`")
                });
            }
            Some(policy)
        })
    }
}

impl Default for RestartPolicy {
    /// 5 s, 10 s, 20 s … at most 5 min; the sixth failure within 5 min is one too many.
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(5),
            max_delay: Duration::from_secs(5 * 60),
            max_failures: 5,
            window: Duration::from_secs(5 * 60),
        }
    }
}

fn is_topic(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    text.len() <= 128
        && text
            .split('.')
            .all(|label| !label.is_empty() && label.bytes().all(allowed))
}

fn is_topic_pattern(text: &str) -> bool {
    text.len() <= 128 && text.split('.').all(|label| label == "*" || is_topic(label))
}

fn lower_case(text: &str) -> Option<String> {
    Some(text.to_ascii_lowercase().replace(['/', ':'], "."))
}
