//! Where log lines of plugins go.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use palisade_abi::Level;
use serde::{Deserialize, Serialize};

/// A place for log lines. Called on the plugin's own task, so it must not block for long.
pub trait LogSink: fmt::Debug + Send + Sync {
    /// Takes one line.
    fn write(&self, record: &LogRecord<'_>);
}

/// One line of a plugin's log. `text` is at most 8 KiB and safe to print: control and bidirectional characters are
/// escaped.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LogRecord<'a> {
    /// Which plugin wrote it.
    pub plugin_id: &'a str,
    /// Which version of it; `None` for what has none, such as a native service.
    pub version: Option<&'a str>,
    /// How important the plugin says it is; what it prints is `Info` on stdout and `Warn` on stderr.
    pub level: Level,
    /// By which door it came.
    pub source: LogSource,
    /// The line, without a line end.
    pub text: &'a str,
}

/// By which door a log line came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogSource {
    /// The `log` host call.
    Log,
    /// WASI standard output.
    Stdout,
    /// WASI standard error.
    Stderr,
    /// The host itself, about this plugin: lines dropped, a failed cleanup.
    Host,
}

/// A log that nobody reads.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiscardLog;

impl LogSink for DiscardLog {
    fn write(&self, _record: &LogRecord<'_>) {}
}

/// A log kept in memory, for tests and for showing the last lines of a command. Unbounded: the sandbox bounds what
/// one command can write.
#[derive(Debug, Default)]
pub struct MemoryLog {
    lines: Mutex<Vec<StoredLog>>,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything written since the last call.
    pub fn take(&self) -> Vec<StoredLog> {
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl LogSink for MemoryLog {
    fn write(&self, record: &LogRecord<'_>) {
        let line = StoredLog {
            plugin_id: record.plugin_id.to_owned(),
            level: record.level,
            source: record.source,
            text: record.text.to_owned(),
        };
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

/// An owned [`LogRecord`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredLog {
    /// Which plugin wrote it.
    pub plugin_id: String,
    /// How important the plugin says it is.
    pub level: Level,
    /// By which door it came.
    pub source: LogSource,
    /// The line, without a line end.
    pub text: String,
}
