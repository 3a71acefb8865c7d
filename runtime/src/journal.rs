//! What a host keeps of logs and events: bounded files of JSON lines in its data directory.
//!
//! `logs/PLUGIN.jsonl` holds what a plugin said, `events.jsonl` what happened to all of them; each has one predecessor
//! beside it, `….1`. `docs/logs-and-events.md` is the format.
//!
//! The journal is for looking at, and the audit log for relying on: here nothing is waited for, and nothing is forced to
//! the disk. What there is no room for is counted, and the file says how much that was.
//!
//! `line` is the format, `file` one file and its bound, `queue` what waits, `writer` the thread that writes it, `reader`
//! the other end.

mod error;
mod file;
mod line;
mod queue;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

pub use self::error::JournalError;
use self::file::Files;
use self::line::Target;
pub use self::line::{EventLine, JournalLine, LogLine};
use self::queue::Queue;
pub use self::reader::JournalReader;
use crate::event::{DiscardEvents, Event, EventSink};
use crate::services::{Clock, DiscardLog, LogRecord, LogSink};

/// The logs and events that a data directory keeps.
///
/// Dropping it writes down what still waits, and ends its thread; what its sinks take afterwards is dropped. So it is
/// dropped after the plugins were stopped.
///
/// ```
/// use std::sync::Arc;
///
/// use palisade::{HostServices, Journal, SystemClock};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let journal = Journal::open(&folder, Arc::new(SystemClock))?;
/// let services = HostServices { log: journal.logs(), events: journal.events(), ..HostServices::default() };
/// # Ok(())
/// # }
/// ```
pub struct Journal {
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    /// Opens the journal of a data directory, and creates both where there is none, for this user alone to read.
    ///
    /// Takes no lock: whoever holds the directory is the one that writes.
    ///
    /// # Errors
    ///
    /// [`JournalError`]: the folder cannot be used, or there is no thread.
    pub fn open(folder: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, JournalError> {
        Self::open_bounded(Files::create(folder.as_ref())?, clock)
    }

    fn open_bounded(files: Files, clock: Arc<dyn Clock>) -> Result<Self, JournalError> {
        let queue = Arc::new(Queue::default());
        let thread = writer::spawn(files, Arc::clone(&queue), Arc::clone(&clock))?;
        Ok(Self {
            queue,
            clock,
            thread: Some(thread),
        })
    }

    /// Keeps log lines.
    #[must_use]
    pub fn logs(&self) -> Arc<dyn LogSink> {
        self.logs_before(Arc::new(DiscardLog))
    }

    /// Keeps log lines and passes them on to `next`. Lines of a name that is no plugin id are passed on alone: there is
    /// no file for them.
    #[must_use]
    pub fn logs_before(&self, next: Arc<dyn LogSink>) -> Arc<dyn LogSink> {
        Arc::new(JournalLogs {
            queue: Arc::clone(&self.queue),
            clock: Arc::clone(&self.clock),
            next,
        })
    }

    /// Keeps events.
    #[must_use]
    pub fn events(&self) -> Arc<dyn EventSink> {
        self.events_before(Arc::new(DiscardEvents))
    }

    /// Keeps events and passes them on to `next`.
    #[must_use]
    pub fn events_before(&self, next: Arc<dyn EventSink>) -> Arc<dyn EventSink> {
        Arc::new(JournalEvents {
            queue: Arc::clone(&self.queue),
            next,
        })
    }

    /// Waits until everything that was taken so far is in its file, or was found not to fit there.
    pub fn flush(&self) {
        self.queue.flush();
    }

    /// How many lines were not kept since the journal was opened.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // If it panicked, what waited is lost, as it is when the process is killed.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

/// Log lines on their way to the files.
struct JournalLogs {
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
    next: Arc<dyn LogSink>,
}

impl LogSink for JournalLogs {
    fn write(&self, record: &LogRecord<'_>) {
        if let Ok(id) = record.plugin_id.parse() {
            let line = LogLine::of(record, self.clock.wall());
            self.queue.put(Target::Log(id), line.as_ref().and_then(line::to_bytes));
        }
        self.next.write(record);
    }
}

impl fmt::Debug for JournalLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalLogs")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// Events on their way to the file.
struct JournalEvents {
    queue: Arc<Queue>,
    next: Arc<dyn EventSink>,
}

impl EventSink for JournalEvents {
    fn emit(&self, event: Event) {
        self.queue.put(Target::Events, line::to_bytes(&event));
        self.next.emit(event);
    }
}

impl fmt::Debug for JournalEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JournalEvents")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
