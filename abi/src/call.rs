//! What crosses the boundary as JSON or as a number with a meaning.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The largest state record that is handed to `plugin_init`. A guest reads the input of every instance, whether it wants
/// the record or not, and that much takes a tenth of the fuel of a start.
pub const MAX_INIT_STATE_BYTES: usize = 64 * 1024;

/// The input of `plugin_init`. A guest ignores members it does not know, so later minor versions may add some.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InitInput {
    /// The manifest's `id`.
    pub plugin_id: String,
    /// The manifest's `version`.
    pub version: String,
    /// The effective configuration, an object.
    #[serde(default)]
    pub config: Value,
    /// The permissions in force, canonical names in ascending order.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// What a command of this instance may use.
    #[serde(default)]
    pub limits: InitLimits,
    /// The state record that an earlier instance left behind, if it is at most [`MAX_INIT_STATE_BYTES`]; a larger one is
    /// there for `state_get`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Box<RawValue>>,
}

/// The effective limits a guest is told about; the host enforces them whatever the guest does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InitLimits {
    /// Fuel for one command.
    pub fuel: u64,
    /// Linear memory.
    pub memory_bytes: u64,
    /// Wall clock of one command.
    pub execution_time_ms: u64,
    /// The longest result of one command.
    pub output_bytes: u64,
}

/// The JSON of an error reply. Bytes that are not of this shape are taken as the message itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuestError {
    /// The plugin's own stable word, such as `NAME_EMPTY`.
    pub code: String,
    /// One sentence for a person.
    pub message: String,
    /// Facts for a program.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

/// How bytes are meant that go into a command: checked as JSON, or passed through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// The arguments are one JSON value, or empty for a command without input.
    #[default]
    Json,
    /// The arguments are any bytes.
    Bytes,
}

/// What `palisade_describe` answers with, as JSON: the manifest's `commands`.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Description {
    /// The commands in source order.
    pub commands: Vec<CommandDescription>,
}

/// One entry of the manifest's `commands`.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct CommandDescription {
    /// The name a caller uses.
    pub name: String,
    /// What it does, for a person; empty when the author wrote nothing.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of the arguments, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Value>,
    /// JSON Schema of the result, when it is JSON and the schema is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// Whether doing it twice is the same as doing it once.
    #[serde(default)]
    pub idempotent: bool,
    /// How the arguments are meant.
    #[serde(default)]
    pub encoding: Encoding,
}

/// How much a log line matters; the first argument of the import `log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i32)]
pub enum Level {
    /// Step by step, for the author.
    Trace = 0,
    /// For finding a fault.
    Debug = 1,
    /// Ordinary events.
    Info = 2,
    /// Odd, but handled.
    Warn = 3,
    /// Something failed.
    Error = 4,
    /// Last words before a trap, such as a panic message: the host logs the line as an error, and when the same entry
    /// into the guest ends in a trap, the last such line is the message of `GUEST_TRAP`.
    Fatal = 5,
}

impl Level {
    /// Every level, ascending; the index is the number on the wire.
    pub const ALL: [Self; 6] = [
        Self::Trace,
        Self::Debug,
        Self::Info,
        Self::Warn,
        Self::Error,
        Self::Fatal,
    ];

    /// The lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

impl From<Level> for i32 {
    fn from(level: Level) -> Self {
        level as Self
    }
}

impl TryFrom<i32> for Level {
    type Error = UnknownLevel;

    fn try_from(number: i32) -> Result<Self, UnknownLevel> {
        let level = Self::ALL.into_iter().find(|level| i32::from(*level) == number);
        level.ok_or(UnknownLevel(number))
    }
}

/// A number that is no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownLevel(pub i32);

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a log level: 0 (trace) to 5 (fatal)", self.0)
    }
}

impl std::error::Error for UnknownLevel {}
