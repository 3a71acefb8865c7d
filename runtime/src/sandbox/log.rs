//! Takes what a guest says and prints, bounds it, makes it safe to read, and hands it to the host's log.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use palisade_abi::Level;
use palisade_bundle::{Permission, printable};

use super::meter::{FUEL_PER_BYTE, FUEL_PER_LOG_LINE};
use super::powers::Powers;
use super::shares::Shares;
use crate::services::{Clock, LogRecord, LogSink, LogSource};

/// Longest line, in bytes (sandbox.md, "Limits"); the rest of it is cut off.
pub(crate) const LINE_BYTES: usize = 8 * 1024;

/// The log of one instance, shared between its host functions and its standard streams.
#[derive(Clone)]
pub(super) struct SharedLog(Arc<Shared>);

struct Shared {
    /// Fuel for what was written and not charged yet.
    unpaid_fuel: AtomicU64,
    /// Whether anything was said since the last command ended; most commands say nothing and need no lock.
    touched: AtomicBool,
    capture: Mutex<Capture>,
}

struct Capture {
    sink: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    /// The rate of all instances together.
    shares: Arc<Shares>,
    plugin_id: Arc<str>,
    version: Arc<str>,
    may_write: bool,
    limit_bytes: u64,
    written_bytes: u64,
    dropped: u64,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    last_words: Option<Vec<u8>>,
}

impl SharedLog {
    pub(super) fn new(powers: &Powers) -> Self {
        Self(Arc::new(Shared {
            unpaid_fuel: AtomicU64::new(0),
            touched: AtomicBool::new(false),
            capture: Mutex::new(Capture {
                sink: Arc::clone(&powers.services.log),
                clock: Arc::clone(&powers.services.clock),
                shares: Arc::clone(&powers.shares),
                plugin_id: Arc::clone(powers.plugin_id()),
                version: Arc::clone(&powers.version),
                may_write: powers.check(&Permission::LogWrite).is_ok(),
                limit_bytes: powers.limits.log_bytes,
                written_bytes: 0,
                dropped: 0,
                stdout: Vec::new(),
                stderr: Vec::new(),
                last_words: None,
            }),
        }))
    }

    /// What the guest logs; several lines if it says so.
    pub(super) fn say(&self, level: Level, text: &[u8]) {
        self.owe(text);
        let mut capture = self.capture();
        if level == Level::Fatal {
            capture.last_words = Some(text.get(..LINE_BYTES).unwrap_or(text).to_vec());
        }
        for line in text.split(|byte| *byte == b'\n') {
            capture.line(LogSource::Log, level, line);
        }
    }

    /// What the guest prints; whole lines are passed on, the rest waits for its end.
    pub(super) fn print(&self, source: LogSource, bytes: &[u8]) {
        self.owe(bytes);
        self.capture().print(source, bytes);
    }

    fn owe(&self, bytes: &[u8]) {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        let [length, lines] = [bytes.len(), lines].map(|number| u64::try_from(number).unwrap_or(u64::MAX));
        let fuel = (lines.saturating_mul(FUEL_PER_LOG_LINE)).saturating_add(length.saturating_mul(FUEL_PER_BYTE));
        self.0.unpaid_fuel.fetch_add(fuel, Ordering::Relaxed);
        self.0.touched.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_unpaid_fuel(&self) -> bool {
        self.0.unpaid_fuel.load(Ordering::Relaxed) > 0
    }

    pub(super) fn take_unpaid_fuel(&self) -> u64 {
        self.0.unpaid_fuel.swap(0, Ordering::Relaxed)
    }

    /// The last thing the guest said at level `Fatal`.
    pub(super) fn last_words(&self) -> Option<String> {
        self.capture().last_words.as_deref().map(readable)
    }

    /// Ends a command: unfinished lines are passed on, what was dropped is said once, the budget starts over.
    pub(super) fn end_command(&self) {
        if self.0.touched.load(Ordering::Relaxed) {
            self.0.touched.store(false, Ordering::Relaxed);
            self.capture().end_command();
        }
    }

    /// What the host itself has to say about this plugin.
    pub(super) fn note(&self, text: &str) {
        // It may quote the guest.
        let text = readable(text.as_bytes());
        self.capture().write(LogSource::Host, Level::Warn, &text);
    }

    fn capture(&self) -> MutexGuard<'_, Capture> {
        self.0.capture.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Capture {
    fn print(&mut self, source: LogSource, bytes: &[u8]) {
        let mut pending = std::mem::take(self.pending(source));
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            // What is past the longest line is cut off anyway, so a line without end costs no more than one.
            let room = (LINE_BYTES + 1).saturating_sub(pending.len());
            let (line, ended) = match piece.split_last() {
                Some((b'\n', line)) => (line, true),
                _ => (piece, false),
            };
            pending.extend(line.iter().take(room));
            if ended {
                self.line(source, level_of(source), &pending);
                pending.clear();
            }
        }
        *self.pending(source) = pending;
    }

    fn pending(&mut self, source: LogSource) -> &mut Vec<u8> {
        match source {
            LogSource::Stderr => &mut self.stderr,
            LogSource::Stdout | LogSource::Log | LogSource::Host => &mut self.stdout,
        }
    }

    fn line(&mut self, source: LogSource, level: Level, line: &[u8]) {
        if !self.may_write || self.written_bytes >= self.limit_bytes || !self.is_on_time() {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let text = readable(line);
        let written = self
            .written_bytes
            .saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        if written > self.limit_bytes {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.written_bytes = written;
        self.write(source, level, &text);
    }

    /// Whether a line is within the rate now, counting it if so.
    fn is_on_time(&self) -> bool {
        self.shares.log_rate.is_on_time(self.clock.now())
    }

    fn end_command(&mut self) {
        for source in [LogSource::Stdout, LogSource::Stderr] {
            let pending = std::mem::take(self.pending(source));
            if !pending.is_empty() {
                self.line(source, level_of(source), &pending);
            }
        }
        if self.dropped > 0 {
            let dropped = std::mem::take(&mut self.dropped);
            self.write(
                LogSource::Host,
                Level::Warn,
                &format!("{dropped} log lines were dropped"),
            );
        }
        self.written_bytes = 0;
        self.last_words = None;
    }

    fn write(&self, source: LogSource, level: Level, text: &str) {
        self.sink.write(&LogRecord {
            plugin_id: &self.plugin_id,
            // Code that was never in a bundle has an empty one.
            version: (!self.version.is_empty()).then_some(&*self.version),
            level,
            source,
            text,
        });
    }
}

fn level_of(source: LogSource) -> Level {
    match source {
        LogSource::Stderr | LogSource::Host => Level::Warn,
        LogSource::Stdout | LogSource::Log => Level::Info,
    }
}

/// A line as text that is safe to print, cut off at [`LINE_BYTES`] as it is printed: escapes are longer than what they
/// stand for.
pub(crate) fn readable(line: &[u8]) -> String {
    let start = line.get(..LINE_BYTES).unwrap_or(line);
    let mut text = printable(&String::from_utf8_lossy(start));
    if text.len() > LINE_BYTES || start.len() < line.len() {
        text.truncate(text.floor_char_boundary(LINE_BYTES));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use super::super::shares::MemoryBudget;
    use crate::services::{HostServices, ManualClock, MemoryLog};

    fn log(limit_bytes: u64) -> (SharedLog, Arc<MemoryLog>, Arc<ManualClock>) {
        let sink = Arc::new(MemoryLog::new());
        let clock = Arc::new(ManualClock::new());
        let services = HostServices {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            log: Arc::clone(&sink) as Arc<dyn LogSink>,
            ..HostServices::default()
        };
        let mut powers = Powers::none("test", &services, Arc::new(MemoryBudget::new(0)));
        powers.limits.log_bytes = limit_bytes;
        (SharedLog::new(&powers), sink, clock)
    }

    fn texts(sink: &MemoryLog) -> Vec<String> {
        sink.take().into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn passes_on_whole_lines_and_the_rest_at_the_end_of_the_command() {
        let (log, sink, _clock) = log(1_000);
        log.print(LogSource::Stdout, b"one\ntw");
        log.print(LogSource::Stderr, b"oops\n");
        assert_eq!(texts(&sink), ["one", "oops"]);
        log.print(LogSource::Stdout, b"o\nthree");
        log.end_command();
        assert_eq!(texts(&sink), ["two", "three"]);
    }

    #[test]
    fn a_hundred_lines_a_second_pass_and_the_next_is_dropped_and_counted() {
        let (log, sink, clock) = log(1_000_000);
        for _ in 0..150 {
            log.say(Level::Info, b"again");
        }
        assert_eq!(sink.take().len(), 100);
        clock.advance(Duration::from_millis(10));
        log.say(Level::Info, b"on time");
        log.say(Level::Info, b"too early");
        log.end_command();
        assert_eq!(texts(&sink), ["on time", "51 log lines were dropped"]);
    }

    #[test]
    fn a_command_may_write_its_budget_and_not_a_byte_more() {
        let (log, sink, _clock) = log(10);
        log.say(Level::Info, b"12345");
        log.say(Level::Info, b"67890");
        log.say(Level::Info, b"1");
        assert_eq!(texts(&sink), ["12345", "67890"]);
        log.end_command();
        assert_eq!(texts(&sink), ["1 log lines were dropped"]);
        log.say(Level::Info, b"a new command");
        assert_eq!(texts(&sink).len(), 0, "13 bytes are more than 10");
    }

    #[test]
    fn a_line_of_8_kib_is_whole_and_a_longer_one_is_cut_off() {
        let (log, sink, _clock) = log(1_000_000);
        log.print(LogSource::Stdout, &[b'x'; LINE_BYTES]);
        log.print(LogSource::Stdout, b"\n");
        assert_eq!(texts(&sink), ["x".repeat(LINE_BYTES)]);
        log.print(LogSource::Stdout, &[b'x'; LINE_BYTES]);
        log.print(LogSource::Stdout, &[b'x'; LINE_BYTES]);
        log.print(LogSource::Stdout, b"x\n");
        assert_eq!(texts(&sink), ["x".repeat(LINE_BYTES) + "…"]);
    }
}
