//! The lines: how they are written and what is read from them.

use std::time::SystemTime;

use palisade_abi::Level;
use palisade_bundle::{PluginId, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::event::Event;
use crate::services::{LogRecord, LogSource};

/// The longest line: 16 times the largest event that a plugin can make.
pub(super) const LINE_BYTES: usize = 1024 * 1024;

/// Which file a line belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Target {
    /// What happened, to all plugins.
    Events,
    /// What one plugin said.
    Log(PluginId),
}

/// A kind of line that a file of the journal holds.
pub trait JournalLine: Sized {
    /// Reads one line; `None` for one that a crash tore, or that something else wrote.
    fn parse(line: &str) -> Option<Self>;
}

/// One line of a plugin's log. `text` was made safe to print before it was written, but a file can be written by others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LogLine {
    /// When, by the host's clock: RFC 3339 in UTC, with milliseconds.
    pub time: String,
    /// How important the plugin says it is.
    #[serde(serialize_with = "write_level", deserialize_with = "read_level")]
    pub level: Level,
    /// Which plugin.
    pub plugin_id: String,
    /// Which version of it; `None` for what has none.
    pub version: Option<String>,
    /// By which door it came.
    pub source: LogSource,
    /// The line, without a line end.
    pub text: String,
}

impl LogLine {
    /// The line as it is written at `time`; `None` at a time that has no date.
    #[must_use]
    pub fn of(record: &LogRecord<'_>, time: SystemTime) -> Option<Self> {
        let time = jiff::Timestamp::try_from(time).ok()?;
        Some(Self {
            time: format!("{time:.3}"),
            level: record.level,
            plugin_id: record.plugin_id.to_owned(),
            version: record.version.map(str::to_owned),
            source: record.source,
            text: record.text.to_owned(),
        })
    }
}

impl JournalLine for LogLine {
    fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

/// One event. What is in it comes from plugins in part, and is not safe to print.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EventLine {
    /// What happened, such as `plugin:enabled`; `journal:dropped` where events are missing.
    pub event: String,
    /// When.
    pub timestamp: Option<Timestamp>,
    /// Which plugin.
    pub plugin_id: Option<String>,
    /// Which version of it.
    pub version: Option<String>,
    /// Its place among the events of this plugin.
    pub seq: Option<u64>,
    /// What an operator asked for, unless the plugin did it of itself.
    pub operation_id: Option<String>,
    /// Everything that this kind of event has beside that.
    pub facts: Map<String, Value>,
    /// The whole line.
    pub json: Box<RawValue>,
}

#[derive(Deserialize)]
struct EventMembers {
    event: String,
    timestamp: Option<Timestamp>,
    plugin_id: Option<String>,
    version: Option<String>,
    seq: Option<u64>,
    operation_id: Option<String>,
    #[serde(rename = "event_id")]
    _event_id: Option<String>,
    #[serde(flatten)]
    facts: Map<String, Value>,
}

impl EventLine {
    /// The event as it is written.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        Self::parse(std::str::from_utf8(&to_bytes(event)?).ok()?)
    }
}

impl JournalLine for EventLine {
    fn parse(line: &str) -> Option<Self> {
        let EventMembers {
            event,
            timestamp,
            plugin_id,
            version,
            seq,
            operation_id,
            _event_id,
            facts,
        } = serde_json::from_str(line).ok()?;
        Some(Self {
            event,
            timestamp,
            plugin_id,
            version,
            seq,
            operation_id,
            facts,
            json: serde_json::from_str(line).ok()?,
        })
    }
}

/// A value as a line; `None` when it has no JSON.
pub(super) fn to_bytes(value: &impl Serialize) -> Option<Vec<u8>> {
    let mut line = serde_json::to_vec(value).ok()?;
    // JSON of a plugin is passed on as it wrote it, and a line break in JSON is white space.
    line.iter_mut()
        .filter(|byte| matches!(byte, b'\n' | b'\r'))
        .for_each(|byte| *byte = b' ');
    line.push(b'\n');
    Some(line)
}

/// The line that says how many are missing.
pub(super) fn dropped(target: &Target, count: u64, time: SystemTime) -> Option<Vec<u8>> {
    match target {
        Target::Log(id) => {
            let record = LogRecord {
                plugin_id: id.as_str(),
                version: None,
                level: Level::Warn,
                source: LogSource::Host,
                text: &format!("{count} log lines were dropped"),
            };
            to_bytes(&LogLine::of(&record, time)?)
        }
        Target::Events => {
            let timestamp = Timestamp::try_from(time).ok()?;
            to_bytes(&json!({"event": "journal:dropped", "timestamp": timestamp, "count": count}))
        }
    }
}

fn write_level<S: Serializer>(level: &Level, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(level.as_str())
}

fn read_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Level, D::Error> {
    let word = String::deserialize(deserializer)?;
    let level = Level::ALL.into_iter().find(|level| level.as_str() == word);
    level.ok_or_else(|| serde::de::Error::custom("no log level"))
}
