//! Two results against each other: what differs, and what of that is a regression.

use std::io::{self, Write};

use palisade_signer::style;
use serde::Serialize;

use super::rounded;
use super::saved::Measured;

/// Fuel is counted, so an unchanged plugin takes the same; this much is left to those whose work depends on the time or
/// on chance.
const FUEL_TOLERANCE: f64 = 1.01;

/// Memory comes in pages of 64 KiB: one more page is within this from ten pages on.
const MEMORY_TOLERANCE: f64 = 1.10;

/// An ordinary machine with something else to do takes a fifth more for the same work, now and then.
const TIME_TOLERANCE: f64 = 1.25;

/// What `--compare` answers.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Compared {
    regressed: bool,
    differences: Vec<Difference>,
}

/// One number, before and now.
#[derive(Debug, PartialEq, Serialize)]
struct Difference {
    what: &'static str,
    before: f64,
    now: f64,
    /// How many times as much is needed now: above 1 is worse, also for the rate.
    ratio: f64,
    /// The largest ratio that is no regression; numbers without are told and not judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    tolerance: Option<f64>,
    regressed: bool,
}

impl Compared {
    pub(super) fn new(before: &Measured, now: &Measured) -> Self {
        let (was, is) = (&before.latency_us, &now.latency_us);
        let differences = vec![
            Difference::counted("fuel", (before.fuel, now.fuel), FUEL_TOLERANCE),
            Difference::counted(
                "memory_bytes",
                (before.memory_bytes, now.memory_bytes),
                MEMORY_TOLERANCE,
            ),
            Difference::new("p50_us", (was.p50, is.p50), Some(TIME_TOLERANCE)),
            // One interruption in a hundred calls decides it, and those are the machine's.
            Difference::new("p99_us", (was.p99, is.p99), None),
            Difference::of_rate("rate_per_s", (before.rate_per_s, now.rate_per_s), TIME_TOLERANCE),
        ];
        Self {
            regressed: differences.iter().any(|difference| difference.regressed),
            differences,
        }
    }

    pub(super) fn regressed(&self) -> bool {
        self.regressed
    }

    /// Writes one line a number.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let verdict = if self.regressed {
            style::error("worse than before")
        } else {
            style::good("no worse than before")
        };
        writeln!(out, "  {verdict}")?;
        for Difference {
            what,
            before,
            now,
            ratio,
            tolerance,
            regressed,
        } in &self.differences
        {
            let judged = match (tolerance, regressed) {
                (None, _) => "not judged".to_owned(),
                (Some(tolerance), false) => format!("within × {tolerance}"),
                (Some(tolerance), true) => format!("regressed: more than × {tolerance}"),
            };
            writeln!(out, "    {what:<13}{before} to {now}, × {ratio}, {judged}")?;
        }
        writeln!(
            out,
            "  fuel and memory are the plugin's own; times are the machine's too: compare those of one machine"
        )
    }
}

impl Difference {
    fn new(what: &'static str, (before, now): (f64, f64), tolerance: Option<f64>) -> Self {
        Self::with_ratio(what, (before, now), now / before, tolerance)
    }

    /// Twice the rate is half the time.
    fn of_rate(what: &'static str, (before, now): (f64, f64), tolerance: f64) -> Self {
        Self::with_ratio(
            what,
            (before, now),
            before / now.max(f64::MIN_POSITIVE),
            Some(tolerance),
        )
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "fuel and memory of a plugin stay far below 2^53"
    )]
    fn counted(what: &'static str, (before, now): (u64, u64), tolerance: f64) -> Self {
        // A command that took nothing can only be compared with one that takes nothing.
        let ratio = if before == now {
            1.0
        } else {
            now as f64 / (before as f64).max(1.0)
        };
        Self::with_ratio(what, (before as f64, now as f64), ratio, Some(tolerance))
    }

    fn with_ratio(what: &'static str, (before, now): (f64, f64), ratio: f64, tolerance: Option<f64>) -> Self {
        Self {
            what,
            before,
            now,
            ratio: rounded(ratio),
            tolerance,
            regressed: tolerance.is_some_and(|tolerance| ratio > tolerance),
        }
    }
}

#[cfg(test)]
mod tests {
    use palisade_bundle::Digest;

    use super::super::saved::Latency;
    use super::*;

    fn measured() -> Measured {
        Measured {
            plugin: "a.b".into(),
            version: "1.0.0".into(),
            command: "c".into(),
            arguments: Digest::of(b""),
            concurrency: 1,
            calls: 1,
            duration_ms: 1,
            rate_per_s: 1_000.0,
            latency_us: Latency {
                p50: 100.0,
                p90: 100.0,
                p99: 100.0,
                p999: 100.0,
                max: 100.0,
            },
            fuel: 10_000,
            memory_bytes: 20 << 16,
        }
    }

    /// The numbers that regressed when `change` is what happened since.
    #[track_caller]
    fn check(change: impl FnOnce(&mut Measured), regressed: &[&str]) {
        let mut now = measured();
        change(&mut now);
        let compared = Compared::new(&measured(), &now);
        let found: Vec<_> = compared.differences.iter().filter(|one| one.regressed).collect();
        assert_eq!(found.iter().map(|one| one.what).collect::<Vec<_>>(), regressed);
        assert_eq!(compared.regressed(), !regressed.is_empty());
    }

    #[test]
    fn nothing_changed_is_no_regression() {
        check(|_| {}, &[]);
    }

    #[test]
    fn fuel_may_grow_by_a_hundredth() {
        check(|now| now.fuel = 10_100, &[]);
        check(|now| now.fuel = 10_101, &["fuel"]);
        check(|now| now.fuel = 1, &[]);
    }

    #[test]
    fn memory_may_grow_by_a_tenth() {
        check(|now| now.memory_bytes = 22 << 16, &[]);
        check(|now| now.memory_bytes = 23 << 16, &["memory_bytes"]);
    }

    #[test]
    fn time_may_grow_by_a_quarter() {
        check(|now| now.latency_us.p50 = 125.0, &[]);
        check(|now| now.latency_us.p50 = 125.1, &["p50_us"]);
        check(|now| now.rate_per_s = 800.0, &[]);
        check(|now| now.rate_per_s = 799.0, &["rate_per_s"]);
        check(|now| (now.latency_us.p50, now.rate_per_s) = (1.0, 9_999.0), &[]);
    }

    #[test]
    fn one_slow_call_in_a_hundred_is_told_and_not_judged() {
        check(|now| now.latency_us.p99 = 1e6, &[]);
    }
}
