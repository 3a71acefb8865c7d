//! What a server says while it runs, on standard error.

use std::fmt;
use std::io::{self, Write};
use std::time::SystemTime;

use palisade::{LogLine, LogRecord, LogSink, Timestamp, Visible};
use palisade_signer::{Failure, Format, Problem, Surroundings, Terminal, style};
use serde::Serialize;

use crate::observe::line;

/// Says things as they come, from any thread: to a person in lines, to a program in JSON Lines.
#[derive(Clone, Debug)]
pub(super) struct Voice(pub(super) Format);

/// A line about the server itself.
#[derive(Serialize)]
struct Said<'a> {
    time: Option<Timestamp>,
    level: &'static str,
    text: &'a str,
}

impl Voice {
    pub(super) fn note(&self, text: &str) {
        match self.0 {
            Format::People => self.line(&Visible(text)),
            Format::Json => self.json("info", text),
        }
    }

    pub(super) fn warn(&self, text: &str) {
        match self.0 {
            Format::People => self.line(&format_args!("{}: {}", style::warning("warning"), Visible(text))),
            Format::Json => self.json("warn", text),
        }
    }

    /// What failed while everything else goes on.
    pub(super) fn report(&self, failure: Failure, surroundings: &Surroundings) {
        let Failure::Reported(report) = failure else { return };
        let id = u128::from_be_bytes(surroundings.random().unwrap_or_default());
        let now = SystemTime::now().try_into().unwrap_or(surroundings.now);
        Terminal::of_process(self.0).report(&Problem::new(&report, "serve", format!("{id:032x}"), now));
    }

    fn json(&self, level: &'static str, text: &str) {
        let time = SystemTime::now().try_into().ok();
        write_json(&Said { time, level, text });
    }

    fn line(&self, text: &dyn fmt::Display) {
        Terminal::of_process(self.0).note(text);
    }
}

impl LogSink for Voice {
    fn write(&self, record: &LogRecord<'_>) {
        let Some(said) = LogLine::of(record, SystemTime::now()) else {
            return;
        };
        match self.0 {
            Format::People => self.line(&line::log(&said)),
            Format::Json => write_json(&said),
        }
    }
}

/// Nobody to tell when standard error is closed.
fn write_json(line: &impl Serialize) {
    let mut terminal = Terminal::into_writers(Format::Json, Box::new(io::stderr()), Box::new(io::sink()));
    let _ = terminal.json_line(line);
    let _ = io::stderr().flush();
}
