//! What a service writes, as lines of the host's log.

use std::sync::Arc;

use palisade_abi::Level;

use crate::sandbox::{LINE_BYTES, readable};
use crate::services::{LogRecord, LogSink, LogSource};

/// Where the output of a service goes.
pub(super) struct Output {
    pub(super) service: Arc<str>,
    pub(super) log: Arc<dyn LogSink>,
}

impl Output {
    fn write(&self, source: LogSource, level: Level, line: &[u8]) {
        self.log.write(&LogRecord {
            plugin_id: &self.service,
            version: None,
            level,
            source,
            text: &readable(line),
        });
    }
}

/// One stream, and the line it is in.
pub(super) struct Lines {
    source: LogSource,
    level: Level,
    pending: Vec<u8>,
}

impl Lines {
    pub(super) fn of_stdout() -> Self {
        Self::new(LogSource::Stdout, Level::Info)
    }

    pub(super) fn of_stderr() -> Self {
        Self::new(LogSource::Stderr, Level::Warn)
    }

    fn new(source: LogSource, level: Level) -> Self {
        Self {
            source,
            level,
            pending: Vec::new(),
        }
    }

    /// Whole lines are passed on, the rest waits for its end.
    pub(super) fn take(&mut self, bytes: &[u8], output: &Output) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            // What is past the longest line is cut off anyway, so a line without end costs no more than one.
            let room = (LINE_BYTES + 1).saturating_sub(self.pending.len());
            let (line, ended) = match piece.split_last() {
                Some((b'\n', line)) => (line, true),
                _ => (piece, false),
            };
            self.pending.extend(line.iter().take(room));
            if ended {
                output.write(self.source, self.level, &self.pending);
                self.pending.clear();
            }
        }
    }

    /// Passes on a line that has no end.
    pub(super) fn finish(&mut self, output: &Output) {
        if !self.pending.is_empty() {
            output.write(self.source, self.level, &self.pending);
            self.pending.clear();
        }
    }
}
