//! What could not be delivered, kept for an operator.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use palisade_bundle::Timestamp;

use crate::services::{Clock, DeadLetter, Receiver};

/// Letters kept for one plugin: as many as may wait for it, so that a queue that is lost whole can be read whole.
const LETTERS: usize = 256;

/// Bytes of their data for one plugin: the largest letters are 64 KiB, so at least the last sixteen are there.
const BYTES: usize = 1024 * 1024;

/// The letters of every plugin. The oldest of a plugin go first.
pub(super) struct DeadLetters {
    clock: Arc<dyn Clock>,
    kept: Mutex<BTreeMap<String, Letters>>,
}

#[derive(Default)]
struct Letters {
    letters: VecDeque<DeadLetter>,
    bytes: usize,
}

impl DeadLetters {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            kept: Mutex::default(),
        }
    }

    /// Keeps a letter, and tells of it.
    pub(super) fn keep(&self, letter: DeadLetter, receiver: &dyn Receiver) {
        let letter = DeadLetter {
            at: Timestamp::try_from(self.clock.wall()).ok(),
            ..letter
        };
        receiver.tell_undelivered(&letter);
        self.kept().entry(letter.to.clone()).or_default().add(letter);
    }

    pub(super) fn of(&self, plugin_id: &str) -> Vec<DeadLetter> {
        let kept = self.kept();
        let letters = kept.get(plugin_id).map(|kept| kept.letters.iter().cloned());
        letters.into_iter().flatten().collect()
    }

    pub(super) fn forget(&self, plugin_id: &str) {
        let _forgotten = self.kept().remove(plugin_id);
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Letters>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Letters {
    fn add(&mut self, letter: DeadLetter) {
        self.bytes += size(&letter);
        self.letters.push_back(letter);
        while self.letters.len() > LETTERS || self.bytes > BYTES {
            let Some(oldest) = self.letters.pop_front() else { return };
            self.bytes -= size(&oldest);
        }
    }
}

fn size(letter: &DeadLetter) -> usize {
    letter.data.0.get().len()
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::event::Json;

    fn letter(number: u32, bytes: usize) -> DeadLetter {
        DeadLetter {
            at: None,
            from: "a".to_owned(),
            to: "b".to_owned(),
            topic: None,
            data: Json(RawValue::from_string(format!("\"{}\"", "x".repeat(bytes - 2))).unwrap()),
            tries: number,
            code: "GUEST_TRAP",
            message: String::new(),
        }
    }

    #[test]
    fn neither_many_letters_nor_large_ones_are_kept_without_end() {
        let mut letters = Letters::default();
        let last = u32::try_from(LETTERS).unwrap();
        for number in 0..=last {
            letters.add(letter(number, 2));
        }
        assert_eq!(letters.letters.len(), LETTERS);
        assert_eq!(letters.letters.front().map(|letter| letter.tries), Some(1));
        for number in 0..17 {
            letters.add(letter(number, 64 * 1024));
        }
        assert!(letters.bytes <= BYTES, "{}", letters.bytes);
        let kept: usize = letters.letters.iter().map(size).sum();
        assert_eq!(kept, letters.bytes);
        assert!(letters.letters.len() >= 15, "{}", letters.letters.len());
    }
}
