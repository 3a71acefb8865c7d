//! What happened in the last minute, counted.

use std::collections::{BTreeMap, VecDeque};

use palisade::EventLine;
use serde::Serialize;
use serde_json::Value;

/// The seconds that are looked back: long enough to be calm, short enough to see a change while one watches.
const SPAN_S: i64 = 60;

/// Counts events as they come.
#[derive(Debug, Default)]
pub(super) struct Rates {
    plugins: BTreeMap<String, Plugin>,
    /// The first moment the journal knows of.
    oldest: Option<i64>,
}

#[derive(Debug, Default)]
struct Plugin {
    version: String,
    state: Option<String>,
    executed: VecDeque<Executed>,
    /// When.
    refused: VecDeque<i64>,
}

#[derive(Debug)]
struct Executed {
    at: i64,
    is_failure: bool,
    duration_ms: Option<u64>,
    fuel: u64,
}

/// What `top` answers.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Minute {
    /// The seconds that are counted: less than 60 when the journal does not reach back so far.
    pub(super) span_s: i64,
    pub(super) plugins: Vec<Row>,
}

/// One plugin in that time.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) version: String,
    /// Its state; `None` when the journal does not reach back to when it got there.
    pub(super) state: Option<String>,
    pub(super) calls: usize,
    pub(super) calls_per_s: f64,
    pub(super) failures: usize,
    /// Of the commands that came to an answer.
    pub(super) p50_ms: Option<u64>,
    pub(super) p99_ms: Option<u64>,
    pub(super) fuel_per_s: f64,
    /// Host calls without permission, and what no plugin may do.
    pub(super) refused: usize,
}

impl Rates {
    pub(super) fn take(&mut self, event: &EventLine) {
        let (Some(id), Some(at)) = (&event.plugin_id, event.timestamp) else {
            return;
        };
        let at = at.unix_seconds();
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
        if event.event == "plugin:uninstalled" {
            self.plugins.remove(id);
            return;
        }
        let plugin = self.plugins.entry(id.clone()).or_default();
        if let Some(version) = &event.version {
            plugin.version.clone_from(version);
        }
        let fact = |name: &str| event.facts.get(name);
        match event.event.as_str() {
            "plugin:state:changed" => plugin.state = fact("to").and_then(Value::as_str).map(str::to_owned),
            "plugin:executed" => {
                // Only an active one runs commands.
                plugin.state.get_or_insert_with(|| "active".to_owned());
                plugin.executed.push_back(Executed {
                    at,
                    is_failure: fact("status").is_none_or(|status| status != "ok"),
                    duration_ms: fact("duration_ms").and_then(Value::as_u64),
                    fuel: fact("fuel").and_then(Value::as_u64).unwrap_or(0),
                });
            }
            "plugin:permission:denied" | "plugin:security:violation" => plugin.refused.push_back(at),
            _ => {}
        }
    }

    /// The minute before `now`, in Unix seconds. What is older is forgotten.
    pub(super) fn minute(&mut self, now: i64) -> Minute {
        let since = now.saturating_sub(SPAN_S);
        let known = now.saturating_sub(self.oldest.unwrap_or(now));
        let span_s = known.clamp(1, SPAN_S);
        let rows = self.plugins.iter_mut().map(|(id, plugin)| {
            plugin.executed.retain(|executed| executed.at > since);
            plugin.refused.retain(|at| *at > since);
            plugin.row(id, span_s)
        });
        Minute {
            span_s,
            plugins: rows.collect(),
        }
    }
}

impl Plugin {
    fn row(&self, id: &str, span_s: i64) -> Row {
        let mut durations: Vec<_> = self
            .executed
            .iter()
            .filter_map(|executed| executed.duration_ms)
            .collect();
        durations.sort_unstable();
        let per_s = |count: u64| as_f64(count) / as_f64(span_s.unsigned_abs());
        let fuel = self
            .executed
            .iter()
            .fold(0, |sum: u64, executed| sum.saturating_add(executed.fuel));
        Row {
            id: id.to_owned(),
            version: self.version.clone(),
            state: self.state.clone(),
            calls: self.executed.len(),
            calls_per_s: per_s(u64::try_from(self.executed.len()).unwrap_or(u64::MAX)),
            failures: self.executed.iter().filter(|executed| executed.is_failure).count(),
            p50_ms: percentile(&durations, 50),
            p99_ms: percentile(&durations, 99),
            fuel_per_s: per_s(fuel),
            refused: self.refused.len(),
        }
    }
}

/// The value that so many of a hundred do not exceed, by nearest rank.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = sorted.len().saturating_mul(percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

/// Exact up to 2^53, and nobody reads the digits beyond that of a rate.
fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use palisade::{JournalLine, Timestamp};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn event(seconds_ago: i64, members: &str) -> EventLine {
        let timestamp = Timestamp::from_unix_seconds(NOW - seconds_ago).unwrap();
        let json = format!(r#"{{"timestamp":"{timestamp}","plugin_id":"com.acme.echo","version":"1.0.0",{members}}}"#);
        EventLine::parse(&json).unwrap()
    }

    fn executed(seconds_ago: i64, duration_ms: u64) -> EventLine {
        event(
            seconds_ago,
            &format!(r#""event":"plugin:executed","status":"ok","duration_ms":{duration_ms},"fuel":600"#),
        )
    }

    #[test]
    fn a_minute_is_counted_and_not_a_second_more() {
        let mut rates = Rates::default();
        rates.take(&event(
            3_600,
            r#""event":"plugin:state:changed","from":"loading","to":"active""#,
        ));
        rates.take(&executed(60, 999_999));
        for number in 1..=100 {
            rates.take(&executed(number % 60, u64::try_from(number).unwrap()));
        }
        let failed = r#""event":"plugin:executed","status":"GUEST_TRAP","duration_ms":null,"fuel":null"#;
        rates.take(&event(1, failed));
        rates.take(&event(
            1,
            r#""event":"plugin:permission:denied","permission":"storage:read","call":"x""#,
        ));
        rates.take(&event(
            1,
            r#""event":"plugin:security:violation","kind":"reentrant_call""#,
        ));
        let minute = rates.minute(NOW);
        assert_eq!(minute.span_s, 60);
        let row = &minute.plugins[0];
        assert_eq!((row.calls, row.failures, row.refused), (101, 1, 2));
        assert_eq!((row.p50_ms, row.p99_ms), (Some(50), Some(99)));
        assert_eq!(row.state.as_deref(), Some("active"));
        assert!((row.fuel_per_s - 1_000.0).abs() < 0.001);
        assert!(rates.minute(NOW + 120).plugins[0].calls == 0);
    }

    #[test]
    fn a_journal_that_is_younger_counts_what_it_has() {
        let mut rates = Rates::default();
        for _ in 0..20 {
            rates.take(&executed(10, 1));
        }
        let minute = rates.minute(NOW);
        assert_eq!(minute.span_s, 10);
        assert!((minute.plugins[0].calls_per_s - 2.0).abs() < 0.001);
        assert_eq!(minute.plugins[0].state.as_deref(), Some("active"));
    }

    #[test]
    fn a_plugin_that_was_removed_is_not_shown() {
        let mut rates = Rates::default();
        rates.take(&executed(10, 1));
        rates.take(&event(5, r#""event":"plugin:uninstalled""#));
        assert!(rates.minute(NOW).plugins.is_empty());
        assert!(Rates::default().minute(NOW).plugins.is_empty());
    }

    #[test]
    fn percentiles_of_few_are_values_that_were_measured() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[7], 50), Some(7));
        assert_eq!(percentile(&[1, 2], 50), Some(1));
        assert_eq!(percentile(&[1, 2], 99), Some(2));
    }
}
