//! How long things took, in buckets.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, in microseconds: from a warm command (a few) to the longest an operation may take, in
/// steps of about 2.5, which tells a percentile to within that.
pub const BUCKETS_US: [u64; 19] = [
    5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 30_000_000,
];

/// Counts times. Two additions each, and no lock.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// The last one is for what is longer than every bound.
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    sum_ns: AtomicU64,
}

/// Times that were counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timings {
    /// How many fell under each bound of [`BUCKETS_US`] and above the one before, and how many above them all. Empty when
    /// there were none.
    pub buckets: Vec<u64>,
    /// All of them together.
    pub sum: Duration,
}

impl Histogram {
    pub(crate) fn add(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let index = BUCKETS_US.partition_point(|bound| *bound < us);
        if let Some(bucket) = self.buckets.get(index) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    pub(crate) fn timings(&self) -> Timings {
        let buckets: Vec<_> = self
            .buckets
            .iter()
            .map(|bucket| bucket.load(Ordering::Relaxed))
            .collect();
        if buckets.iter().all(|count| *count == 0) {
            return Timings::default();
        }
        Timings {
            buckets,
            sum: Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)),
        }
    }
}

impl Timings {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The bound that `part` of them, such as 0.99, do not pass; `None` when there were none or the longest bound is not
    /// long enough.
    #[must_use]
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let all = self.count();
        let mut seen = 0_u64;
        for (count, bound) in self.buckets.iter().zip(BUCKETS_US) {
            seen += count;
            if all > 0 && is_at_least(seen, part, all) {
                return Some(Duration::from_micros(bound));
            }
        }
        None
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share of many needs no more digits than a float has"
)]
fn is_at_least(seen: u64, part: f64, all: u64) -> bool {
    seen as f64 >= part * all as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_under_its_bound_and_at_it() {
        let histogram = Histogram::default();
        for us in [0, 5, 6, 10, 30_000_000, 30_000_001] {
            histogram.add(Duration::from_micros(us));
        }
        let timings = histogram.timings();
        assert_eq!((timings.buckets[0], timings.buckets[1]), (2, 2));
        assert_eq!((timings.buckets[18], timings.buckets[19]), (1, 1));
        assert_eq!((timings.count(), timings.sum), (6, Duration::from_micros(60_000_022)));
    }

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket() {
        let histogram = Histogram::default();
        (0..99).for_each(|_| histogram.add(Duration::from_micros(7)));
        histogram.add(Duration::from_secs(60));
        let timings = histogram.timings();
        assert_eq!(timings.quantile(0.5), Some(Duration::from_micros(10)));
        assert_eq!(timings.quantile(0.99), Some(Duration::from_micros(10)));
        assert_eq!(timings.quantile(1.0), None);
        assert_eq!(Timings::default().quantile(0.5), None);
    }
}
