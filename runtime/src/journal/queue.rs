//! What waits to be written. Bounded for each file and for all together, so that a plugin that says a lot fills only its
//! own share, and a disk that hangs fills no memory.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::line::{LINE_BYTES, Target};

/// Most bytes that wait for one file: the longest line, or some thousands of common ones.
const FILE_BYTES: usize = LINE_BYTES;

/// Most bytes that wait for all of them. Twenty plugins that log as fast as they may (100 lines of 8 KiB a second) take
/// a second to fill it, while the disk does nothing at all.
const ALL_BYTES: usize = 16 * 1024 * 1024;

/// Lines on their way from the sinks to the thread.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is something to write, or nothing more will come.
    news: Condvar,
    /// Something was written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<Target, Waiting>,
    bytes: usize,
    dropped: u64,
    /// How often the thread took what waited, and how often it was done with it.
    taken: u64,
    finished: u64,
    is_closed: bool,
}

/// What waits for one file.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Whole lines.
    pub(super) lines: Vec<u8>,
    /// How many.
    pub(super) count: u64,
    /// How many had no room after them.
    pub(super) dropped: u64,
}

impl Queue {
    /// Takes a line, or counts it as dropped: when there is no room for it, or when it has no JSON.
    pub(super) fn put(&self, target: Target, line: Option<Vec<u8>>) {
        let mut guard = self.state();
        let state = &mut *guard;
        if state.is_closed {
            state.dropped = state.dropped.saturating_add(1);
            return;
        }
        let room = ALL_BYTES.saturating_sub(state.bytes);
        let waiting = state.waiting.entry(target).or_default();
        let room = room.min(FILE_BYTES.saturating_sub(waiting.lines.len()));
        // After a line that was dropped all are, so that the file says in the right place what is missing.
        match line.filter(|line| line.len() <= room && waiting.dropped == 0) {
            Some(line) => {
                waiting.lines.extend_from_slice(&line);
                waiting.count = waiting.count.saturating_add(1);
                state.bytes = state.bytes.saturating_add(line.len());
            }
            None => {
                waiting.dropped = waiting.dropped.saturating_add(1);
                state.dropped = state.dropped.saturating_add(1);
            }
        }
        drop(guard);
        self.news.notify_one();
    }

    /// Everything that waits, once there is something; `None` when nothing will come any more.
    pub(super) fn take(&self) -> Option<BTreeMap<Target, Waiting>> {
        let is_idle = |state: &mut State| state.waiting.is_empty() && !state.is_closed;
        let state = self.news.wait_while(self.state(), is_idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.waiting.is_empty() {
            return None;
        }
        state.bytes = 0;
        state.taken = state.taken.saturating_add(1);
        Some(std::mem::take(&mut state.waiting))
    }

    /// What was taken is written, but for `lost` lines.
    pub(super) fn finish(&self, lost: u64) {
        let mut state = self.state();
        state.finished = state.finished.saturating_add(1);
        state.dropped = state.dropped.saturating_add(lost);
        drop(state);
        self.written.notify_all();
    }

    /// Waits until what waits now is written.
    pub(super) fn flush(&self) {
        let state = self.state();
        let due = state.taken.saturating_add(u64::from(!state.waiting.is_empty()));
        let waited = self.written.wait_while(state, |state| state.finished < due);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Nothing more is taken.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.news.notify_one();
    }

    pub(super) fn dropped(&self) -> u64 {
        self.state().dropped
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
