//! How often things happened, by a stable word.

use std::sync::{Mutex, PoisonError};

use super::Counts;

/// Counts rare things: a lock each, held for one addition.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counts>);

impl Tally {
    pub(crate) fn add(&self, word: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(word).or_default();
        *count = count.saturating_add(1);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
