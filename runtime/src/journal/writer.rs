//! The one thread that writes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use super::error::JournalError;
use super::file::Files;
use super::line::{Target, dropped};
use super::queue::{Queue, Waiting};
use crate::services::Clock;

/// Linux shows 15 bytes of a thread's name.
const THREAD_NAME: &str = "journal-writer";

/// Starts the thread. It ends when the queue is closed and empty.
pub(super) fn spawn(files: Files, queue: Arc<Queue>, clock: Arc<dyn Clock>) -> Result<JoinHandle<()>, JournalError> {
    let mut writer = Writer {
        files,
        clock,
        unsaid: BTreeMap::new(),
    };
    let write_until_closed = move || {
        while let Some(batch) = queue.take() {
            let lost = batch.into_iter().map(|(target, waiting)| writer.write(target, waiting));
            let lost = lost.fold(0, u64::saturating_add);
            queue.finish(lost);
        }
    };
    let thread = Builder::new().name(THREAD_NAME.to_owned());
    thread.spawn(write_until_closed).map_err(JournalError::Thread)
}

struct Writer {
    files: Files,
    clock: Arc<dyn Clock>,
    /// How many lines could not be written, by file, as long as the file does not say so.
    unsaid: BTreeMap<Target, u64>,
}

impl Writer {
    /// Writes the lines of one file and what is missing among them; answers how many could not be written.
    fn write(&mut self, target: Target, waiting: Waiting) -> u64 {
        let unsaid = self.unsaid.remove(&target).unwrap_or_default();
        let mut lines = self.missing(&target, unsaid);
        lines.extend_from_slice(&waiting.lines);
        lines.extend(self.missing(&target, waiting.dropped));
        match self.files.append(&target, &lines) {
            Ok(()) => 0,
            // Said once there is room again; how many that were is known to whoever asks the journal.
            Err(_full) => {
                let missing = unsaid.saturating_add(waiting.count).saturating_add(waiting.dropped);
                self.unsaid.insert(target, missing);
                waiting.count
            }
        }
    }

    fn missing(&self, target: &Target, count: u64) -> Vec<u8> {
        match count {
            0 => Vec::new(),
            count => dropped(target, count, self.clock.wall()).unwrap_or_default(),
        }
    }
}
