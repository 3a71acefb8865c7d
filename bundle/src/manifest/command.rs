//! What a plugin answers to, and how many of it run.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::read::{At, Problems, object};
use super::values::{any, boolean, count_u32, distinct, word};
use super::{prose, wire};
use crate::schema::Schema;

/// A command of a plugin.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Command {
    /// What it is called by: `[a-z][a-z0-9_-]{0,63}`, unique in the manifest.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_-]{0,63}$"))]
    pub name: String,
    /// What it does, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(default, length(max = prose::MAX_DESCRIPTION_CHARS))]
    pub description: String,
    /// What its arguments look like; arguments that do not fit are refused before the plugin is entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<wire::JsonSchemaDocument>")]
    pub input_schema: Option<Value>,
    /// What its result looks like.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<wire::JsonSchemaDocument>")]
    pub output_schema: Option<Value>,
    /// Whether running it twice is as good as once, so that a host may retry.
    #[serde(skip_serializing_if = "is_false")]
    #[schemars(default)]
    pub idempotent: bool,
    /// What its arguments are.
    #[schemars(default)]
    pub encoding: Encoding,
}

impl Command {
    /// The list of a manifest. An empty one is refused: without a list every command is let through, so it would say
    /// the opposite of what it means.
    pub(super) fn read_all(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Vec<Self>> {
        let commands = distinct(
            at,
            problems,
            Self::read,
            ("command name", |command: &Self| command.name.clone()),
        )?;
        if commands.is_empty() {
            problems.unexpected(at, "at least one command, or no key at all");
        }
        Some(commands)
    }

    fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        object(at, problems, |fields| {
            let name = fields.required("name", prose::identifier);
            let input_schema = fields.optional("input_schema", schema);
            let encoding = fields.or_default("encoding", Encoding::read);
            if input_schema.is_some() && encoding == Encoding::Bytes {
                fields.complain("/input_schema", |at, problems| {
                    let found = "a schema for bytes".to_owned();
                    problems.contrary(at, "no schema, or `\"encoding\": \"json\"`", found, None);
                });
            }
            Some(Self {
                description: fields.or_default("description", prose::description),
                input_schema,
                output_schema: fields.optional("output_schema", schema),
                idempotent: fields.or_default("idempotent", boolean),
                encoding,
                name: name?,
            })
        })
    }
}

/// What the arguments of a command are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// One JSON value; checked before the plugin sees it.
    #[default]
    Json,
    /// Any bytes, handed over as they are.
    Bytes,
}

impl Encoding {
    fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        word(at, problems, &[("json", Self::Json), ("bytes", Self::Bytes)])
    }
}

/// How instances of a plugin live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Instance {
    /// Whether an instance outlives a command.
    #[schemars(default)]
    pub mode: InstanceMode,
    /// How many run side by side at most.
    #[schemars(default = "one", range(min = 1))]
    pub max: u32,
}

impl Instance {
    pub(super) fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        object(at, problems, |fields| {
            let mode = fields.or_default("mode", InstanceMode::read);
            let max = fields.optional("max", count_u32).unwrap_or_else(one);
            Some(Self { mode, max })
        })
    }
}

impl Default for Instance {
    fn default() -> Self {
        Self {
            mode: InstanceMode::default(),
            max: one(),
        }
    }
}

/// Whether an instance outlives a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InstanceMode {
    /// One long-lived instance: initialised once, commands in order, memory kept between them.
    #[default]
    Session,
    /// A new instance for every command, with nothing left from another caller.
    Fresh,
}

impl InstanceMode {
    fn read(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Self> {
        word(at, problems, &[("session", Self::Session), ("fresh", Self::Fresh)])
    }
}

/// A JSON Schema that compiles. What does not is reported at the very place inside it.
pub(super) fn schema(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Value> {
    let value = any(at, problems);
    if !value.is_object() && !value.is_boolean() {
        problems.unexpected(at, "a JSON Schema: an object, true or false");
        return None;
    }
    let Err(error) = Schema::compile(&value) else {
        return Some(value);
    };
    at.descend(error.pointer(), &mut |place| {
        problems.contrary(place, error.expected(), error.found().to_owned(), None);
    });
    None
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
