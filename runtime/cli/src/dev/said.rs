//! Log and events of the plugin, on standard error as they come.

use std::io;
use std::time::SystemTime;

use palisade::{Event, EventKind, EventLine, EventSink, LogLine, LogRecord, LogSink};
use palisade_signer::{Format, Terminal};
use serde::Serialize;

use crate::observe::line;

/// Shows log lines.
#[derive(Debug)]
pub(super) struct SaidLog(pub(super) Format);

impl LogSink for SaidLog {
    fn write(&self, record: &LogRecord<'_>) {
        let Some(said) = LogLine::of(record, SystemTime::now()) else {
            return;
        };
        match self.0 {
            Format::People => Terminal::of_process(self.0).note(line::log(&said)),
            Format::Json => write_json(&said),
        }
    }
}

/// Shows events, but for changes of state: what led to them says the same.
#[derive(Debug)]
pub(super) struct SaidEvents(pub(super) Format);

impl EventSink for SaidEvents {
    fn emit(&self, event: Event) {
        if matches!(event.kind, EventKind::StateChanged { .. }) {
            return;
        }
        let Some(said) = EventLine::of(&event) else { return };
        match self.0 {
            Format::People => Terminal::of_process(self.0).note(line::event(&said)),
            Format::Json => write_json(&said.json),
        }
    }
}

/// One line on standard error. Nobody to tell when it is closed.
fn write_json(line: &impl Serialize) {
    let mut terminal = Terminal::into_writers(Format::Json, Box::new(io::stderr()), Box::new(io::sink()));
    let _ = terminal.json_line(line);
}
