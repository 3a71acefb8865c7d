//! Rules of single fields that are no type of their own, and rules between fields.

use semver::Version;
use serde_json::{Map, Value, json};

use super::error::ManifestFault;
use super::read::{At, Problems};
use super::values::{any_object, text};
use super::version::{UnsupportedVersion, VersionSubject};
use super::{MANIFEST_VERSION, Manifest};
use crate::container::check_name;
use crate::schema::{Schema, Violation, place};
use crate::suggest::closest;
use crate::{Blame, Code, Coded};

/// Longest version: it becomes part of a file name.
const MAX_VERSION_BYTES: usize = 128;

pub(super) fn version(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Version> {
    text(at, problems, "a SemVer 2 version such as \"1.2.0\"", |text| {
        let short = text.len() <= MAX_VERSION_BYTES;
        Version::parse(text)
            .ok()
            .filter(|_| short)
            .ok_or_else(|| completed(text))
    })
}

/// `v1.2` → `1.2.0`.
fn completed(text: &str) -> Option<String> {
    let bare = text.trim().trim_start_matches(['v', 'V', '=']);
    let candidates = [bare.to_owned(), format!("{bare}.0"), format!("{bare}.0.0")];
    candidates
        .into_iter()
        .find(|candidate| candidate.len() <= MAX_VERSION_BYTES && Version::parse(candidate).is_ok())
}

pub(super) fn manifest_version(at: &At<'_>, problems: &mut Problems<'_>) -> Option<u32> {
    match at.as_u32() {
        Some(MANIFEST_VERSION) => return Some(MANIFEST_VERSION),
        Some(other) => {
            let subject = VersionSubject::Manifest;
            let unsupported = UnsupportedVersion {
                subject,
                required: other.to_string(),
                actual: MANIFEST_VERSION.to_string(),
            };
            problems.report(at, ManifestFault::Version(unsupported));
        }
        None => problems.unexpected(at, "the number 1"),
    }
    None
}

pub(super) fn entry_point(at: &At<'_>, problems: &mut Problems<'_>) -> Option<String> {
    text(
        at,
        problems,
        "the path of a module in the bundle such as \"plugin.wasm\"",
        |path| {
            if is_module_path(path) {
                return Ok(path.to_owned());
            }
            let meant = path.replace('\\', "/");
            let meant = meant.trim_start_matches("./").trim_start_matches('/');
            let meant = format!(
                "{}.wasm",
                meant
                    .strip_suffix(".wat")
                    .or(meant.strip_suffix(".wasm"))
                    .unwrap_or(meant)
            );
            Err(is_module_path(&meant).then_some(meant))
        },
    )
}

fn is_module_path(path: &str) -> bool {
    path.ends_with(".wasm") && check_name(path.as_bytes()).is_ok()
}

/// The default configuration. What the schema requires may be missing: the operator gives it.
pub(super) fn config(at: &At<'_>, problems: &mut Problems<'_>, schema: Option<&Value>) -> Option<Map<String, Value>> {
    let config = any_object(at, problems)?;
    let Some(schema) = schema.and_then(|schema| Schema::compile(schema).ok()) else {
        return Some(config);
    };
    let value = Value::Object(config.clone());
    for violation in schema
        .violations(&value)
        .iter()
        .filter(|violation| violation.keyword != "required")
    {
        at.descend(&violation.pointer, &mut |place| {
            problems.unexpected(place, &violation.expected)
        });
    }
    Some(config)
}

/// Rules between fields of a manifest that is right otherwise.
pub(super) fn together(manifest: &Manifest, root: &At<'_>, problems: &mut Problems<'_>) {
    if let (Some(min), Some(max)) = (&manifest.min_core_version, &manifest.max_core_version)
        && min.cmp_precedence(max).is_gt()
    {
        let expected = format!("at least `min_core_version`, {min}");
        root.descend("/max_core_version", &mut |at| problems.unexpected(at, &expected));
    }
    for (index, dependency) in manifest.dependencies.iter().enumerate() {
        if dependency.id == manifest.id {
            let pointer = format!("/dependencies/{index}/id");
            root.descend(&pointer, &mut |at| {
                problems.unexpected(at, "another plugin than this one")
            });
        }
    }
    for (index, entry) in manifest.schedule.iter().enumerate() {
        let unknown = !manifest.commands.is_empty() && manifest.command(&entry.command).is_none();
        if unknown && !problems.is_full() {
            let names = manifest.commands.iter().map(|command| command.name.as_str());
            let suggestion = closest(&entry.command, names).map(str::to_owned);
            root.descend(&format!("/schedule/{index}/command"), &mut |at| {
                problems.unexpected_but(at, "a command that `commands` lists", suggestion.clone());
            });
        }
    }
}

/// A configuration that does not fit the plugin's schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration does not fit: {}", summary(.violations))]
pub struct ConfigError {
    /// What does not fit, never empty.
    pub violations: Vec<Violation>,
}

impl Coded for ConfigError {
    fn code(&self) -> Code {
        Code::ConfigInvalid
    }

    fn blame(&self) -> Blame {
        Blame::Bundle
    }

    fn details(&self) -> Map<String, Value> {
        let errors: Vec<Value> = self.violations.iter().map(Violation::to_json).collect();
        Map::from_iter([("errors".to_owned(), json!(errors))])
    }
}

pub(super) fn check_config(schema: Option<&Value>, config: &Value) -> Result<(), ConfigError> {
    let object = Value::Object(Map::from_iter([("type".to_owned(), json!("object"))]));
    let mut violations = Vec::new();
    for schema in [Some(&object), schema].into_iter().flatten() {
        match Schema::compile(schema) {
            Ok(schema) => violations.extend(schema.violations(config)),
            Err(error) => violations.push(Violation {
                pointer: String::new(),
                keyword: String::new(),
                expected: format!("a `config_schema` that can be used: {error}"),
            }),
        }
    }
    if violations.is_empty() {
        Ok(())
    } else {
        Err(ConfigError { violations })
    }
}

fn summary(violations: &[Violation]) -> String {
    let Some(first) = violations.first() else {
        return String::new();
    };
    let place = place(&first.pointer);
    match violations.len() - 1 {
        0 => format!("{place}expected {}", first.expected),
        1 => format!("{place}expected {}, and 1 more problem", first.expected),
        more => format!("{place}expected {}, and {more} more problems", first.expected),
    }
}
