//! What all instances of a plugin share, and what outlives a reload: budgets that a restart must not refill.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::imports::NetworkShares;
use super::usage::Usage;
use crate::measures::Counted;
use crate::services::{Clock, Namespace};

/// Log lines a second, and the burst a quiet plugin may make (sandbox.md, "Limits"); the same for its own events.
const PER_SECOND: u32 = 100;

const BETWEEN: Duration = Duration::from_millis(1_000 / PER_SECOND as u64);

/// The shares of every plugin of a runtime.
///
/// Kept for as long as the runtime lives: there are no more of them than plugins an operator ever let in.
#[derive(Debug, Default)]
pub(super) struct AllShares(Mutex<HashMap<Namespace, Arc<Shares>>>);

impl AllShares {
    /// The shares of one plugin, whichever load of it asks.
    pub(super) fn of(&self, namespace: &Namespace) -> Arc<Shares> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(namespace.clone()).or_default())
    }
}

/// What all instances of one plugin share, in this load and the next.
#[derive(Debug, Default)]
pub(super) struct Shares {
    pub(super) log_rate: Rate,
    /// Of what the plugin itself emits.
    pub(super) event_rate: Rate,
    /// Events so far.
    events: AtomicU64,
    /// Host calls under way.
    host_calls: AtomicU64,
    /// How often it may send requests; made by the first load.
    network: OnceLock<Arc<NetworkShares>>,
    pub(super) state: StateWrites,
    storage_threshold: Threshold,
    pub(super) fuel_threshold: Threshold,
    pub(super) memory_threshold: Threshold,
    pub(super) usage: Usage,
    pub(super) counted: Counted,
}

impl Shares {
    /// The number of the next event.
    pub(super) fn next_event(&self) -> u64 {
        self.events.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Counts a host call in, until the guard is dropped, unless `limit` of them are under way.
    pub(super) fn enter_host_call(self: &Arc<Self>, limit: u32) -> Option<InHostCall> {
        let one_more = |under_way: u64| Some(under_way + 1).filter(|under_way| *under_way <= u64::from(limit));
        let counted = self
            .host_calls
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        counted.ok().map(|_| InHostCall(Arc::clone(self)))
    }

    /// The rate of its requests, with the limits of the load that asks; what was spent stays spent.
    pub(super) fn network(
        &self,
        clock: &Arc<dyn Clock>,
        requests_per_minute: NonZeroU32,
        in_flight: u32,
    ) -> Arc<NetworkShares> {
        let made = || Arc::new(NetworkShares::new(clock, requests_per_minute, in_flight));
        let network = self.network.get_or_init(made);
        network.resize(requests_per_minute, in_flight);
        Arc::clone(network)
    }

    /// Whether four fifths of a limit are used, as far as is known.
    pub(super) fn is_near_a_limit(&self) -> bool {
        let thresholds = [&self.storage_threshold, &self.fuel_threshold, &self.memory_threshold];
        thresholds.into_iter().any(Threshold::is_above)
    }

    /// Whether storage has just crossed four fifths of its quota.
    pub(super) fn storage_crossed(&self, used: u64, limit: u64) -> bool {
        self.storage_threshold.crossed(used, limit)
    }
}

/// Whether there may be a state record: most plugins have none, and looking for it each time an instance starts is not
/// for nothing.
#[derive(Debug, Default)]
pub(super) struct StateWrites {
    /// Goes up before and after each change.
    changes: AtomicU64,
    /// `changes` plus one, when a look found nothing.
    none_at: AtomicU64,
}

impl StateWrites {
    /// Notes that the record is about to change, or has.
    pub(super) fn note(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Looks for the record, unless there is none for sure.
    pub(super) async fn look<E>(
        &self,
        read: impl Future<Output = Result<Option<Vec<u8>>, E>>,
    ) -> Result<Option<Vec<u8>>, E> {
        let seen = self.changes.load(Ordering::Acquire).saturating_add(1);
        if self.none_at.load(Ordering::Acquire) == seen {
            return Ok(None);
        }
        let record = read.await?;
        if record.is_none() {
            self.none_at.store(seen, Ordering::Release);
        }
        Ok(record)
    }
}

/// A host call that is under way.
#[derive(Debug)]
pub(super) struct InHostCall(Arc<Shares>);

impl Drop for InHostCall {
    fn drop(&mut self) {
        self.0.host_calls.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How fast a plugin may say things, all its instances together: generic cell rate algorithm.
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// When the next one would be on time. `None` before the first.
    next: Mutex<Option<Instant>>,
}

impl Rate {
    /// Whether one more is within the rate at `now`, counting it if so.
    pub(super) fn is_on_time(&self, now: Instant) -> bool {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let due = next.map_or(now, |due| due.max(now));
        if due.duration_since(now) > BETWEEN * (PER_SECOND - 1) {
            return false;
        }
        *next = Some(due + BETWEEN);
        true
    }
}

/// Tells when four fifths of a limit are crossed, once per crossing.
#[derive(Debug, Default)]
pub(super) struct Threshold(AtomicBool);

impl Threshold {
    pub(super) fn crossed(&self, used: u64, limit: u64) -> bool {
        let above = is_above_threshold(used, limit);
        // Most commands change nothing here, and a reading is cheaper than a swap.
        if self.0.load(Ordering::Relaxed) == above {
            return false;
        }
        let was_above = self.0.swap(above, Ordering::Relaxed);
        above && !was_above
    }

    fn is_above(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Four fifths: late enough to matter, early enough to act (sandbox.md, lifecycle.md: 80 %).
fn is_above_threshold(used: u64, limit: u64) -> bool {
    u128::from(used) * 5 >= u128::from(limit) * 4
}

/// Memory of all guests of a runtime together.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    limit_bytes: u64,
    used_bytes: AtomicU64,
}

impl MemoryBudget {
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            used_bytes: AtomicU64::new(0),
        }
    }

    /// Takes `bytes`, or nothing when that is more than is left.
    pub(super) fn take(&self, bytes: u64) -> bool {
        let fits = |used: u64| used.checked_add(bytes).filter(|total| *total <= self.limit_bytes);
        self.used_bytes
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, fits)
            .is_ok()
    }

    pub(super) fn give_back(&self, bytes: u64) {
        self.used_bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_is_allowed_and_one_call_more_is_not() {
        let shares = Arc::new(Shares::default());
        let first = shares.enter_host_call(2);
        let _second = shares.enter_host_call(2).unwrap();
        assert!(shares.enter_host_call(2).is_none());
        assert!(shares.enter_host_call(2).is_none(), "a refused call does not stay");
        drop(first);
        assert!(shares.enter_host_call(2).is_some());
    }

    #[test]
    fn four_fifths_are_told_once_per_crossing() {
        let threshold = Threshold::default();
        let told = [79, 80, 100, 79, 80].map(|used| threshold.crossed(used, 100));
        assert_eq!(told, [false, true, false, false, true]);
    }

    #[test]
    fn a_budget_is_exact_under_many_takers() {
        let budget = Arc::new(MemoryBudget::new(1_000));
        let takers = (0..8).map(|_| {
            let budget = Arc::clone(&budget);
            std::thread::spawn(move || (0..200).filter(|_| budget.take(1)).count())
        });
        let takers: Vec<_> = takers.collect();
        let taken: usize = takers.into_iter().map(|taker| taker.join().unwrap()).sum();
        assert_eq!(taken, 1_000);
        budget.give_back(1);
        assert!(budget.take(1) && !budget.take(1));
    }
}
