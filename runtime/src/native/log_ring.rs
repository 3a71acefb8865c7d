//! The last lines of each service: [`LogRing`].

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::services::{DiscardLog, LogRecord, LogSink, StoredLog};

/// Lines kept for one service: what somebody reads who asks why it failed.
const LINES: usize = 1000;

/// Bytes kept for one service, whatever the length of its lines. With [`SERVICES`] at most 64 MiB.
const BYTES: usize = 256 * 1024;

/// Services whose lines are kept. The lines of one more are passed on all the same.
const SERVICES: usize = 256;

/// A log that keeps the last lines of each service and passes every line on.
///
/// Kept are 1,000 lines and 256 KiB of each of 256 services; the oldest go first, and a loud service costs no other one
/// its lines.
pub struct LogRing {
    next: Arc<dyn LogSink>,
    tails: Mutex<BTreeMap<String, Tail>>,
}

#[derive(Default)]
struct Tail {
    lines: VecDeque<StoredLog>,
    bytes: usize,
}

impl LogRing {
    /// A log that passes on nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::before(Arc::new(DiscardLog))
    }

    /// A log that passes every line on to `next`.
    #[must_use]
    pub fn before(next: Arc<dyn LogSink>) -> Self {
        Self {
            next,
            tails: Mutex::default(),
        }
    }

    /// The last lines of a service, oldest first.
    #[must_use]
    pub fn tail(&self, service: &str) -> Vec<StoredLog> {
        self.tails()
            .get(service)
            .map(|tail| tail.lines.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Keeps the lines of a service no longer.
    pub fn forget(&self, service: &str) {
        self.tails().remove(service);
    }

    fn tails(&self) -> MutexGuard<'_, BTreeMap<String, Tail>> {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for LogRing {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LogRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogRing")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl LogSink for LogRing {
    fn write(&self, record: &LogRecord<'_>) {
        {
            let mut tails = self.tails();
            if tails.len() < SERVICES || tails.contains_key(record.plugin_id) {
                tails.entry(record.plugin_id.to_owned()).or_default().push(record);
            }
        }
        self.next.write(record);
    }
}

impl Tail {
    fn push(&mut self, record: &LogRecord<'_>) {
        self.bytes = self.bytes.saturating_add(record.text.len());
        self.lines.push_back(StoredLog {
            plugin_id: record.plugin_id.to_owned(),
            level: record.level,
            source: record.source,
            text: record.text.to_owned(),
        });
        while self.lines.len() > LINES || self.bytes > BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.text.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use palisade_abi::Level;

    use super::*;
    use crate::services::{LogSource, MemoryLog};

    fn say(ring: &LogRing, service: &str, text: &str) {
        ring.write(&LogRecord {
            plugin_id: service,
            version: None,
            level: Level::Info,
            source: LogSource::Stdout,
            text,
        });
    }

    #[test]
    fn keeps_the_last_thousand_lines_of_each_and_passes_all_on() {
        let all = Arc::new(MemoryLog::new());
        let ring = LogRing::before(Arc::clone(&all) as Arc<dyn LogSink>);
        say(&ring, "quiet", "only line");
        for number in 0..=LINES {
            say(&ring, "loud", &number.to_string());
        }
        let tail = ring.tail("loud");
        assert_eq!((tail.len(), &*tail[0].text), (LINES, "1"));
        assert_eq!(ring.tail("quiet").len(), 1);
        assert!(ring.tail("unknown").is_empty());
        assert_eq!(all.take().len(), LINES + 2);
    }

    #[test]
    fn keeps_256_kib_and_not_a_byte_more() {
        let ring = LogRing::new();
        let half = "x".repeat(BYTES / 2);
        say(&ring, "loud", &half);
        say(&ring, "loud", &half);
        assert_eq!(ring.tail("loud").len(), 2);
        say(&ring, "loud", "y");
        assert_eq!(ring.tail("loud").len(), 2);
        say(&ring, "loud", &"z".repeat(BYTES + 1));
        assert!(
            ring.tail("loud").is_empty(),
            "a line that does not fit at all is not kept"
        );
    }

    #[test]
    fn the_lines_of_one_service_too_many_are_not_kept_until_another_is_forgotten() {
        let ring = LogRing::new();
        for number in 0..=SERVICES {
            say(&ring, &number.to_string(), "here");
        }
        assert!(ring.tail("256").is_empty());
        ring.forget("0");
        say(&ring, "256", "here");
        assert_eq!(ring.tail("256").len(), 1);
    }
}
