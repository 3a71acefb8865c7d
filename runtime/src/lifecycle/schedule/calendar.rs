//! When a scheduled command is due next: a function of its recurrence, the time zone, and the time.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use palisade_bundle::PluginId;
use palisade_bundle::manifest::{Recurrence, ScheduledCommand};
use sha2::{Digest as _, Sha256};

/// The shortest time from one start to the next: cron expressions know no shorter one.
const SHORTEST: Duration = Duration::from_secs(1);

/// A start is put off by at most this part of the time to the one after it.
const JITTER_PART: i32 = 10;

/// Reckons times in one time zone.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    pub(crate) zone: TimeZone,
    /// The most a start is put off, so that not everything begins with the minute.
    pub(crate) jitter: Duration,
}

impl Calendar {
    /// The first time after `after`, or none: the 30th of February does not come.
    ///
    /// A time that a clock skips when it is put forward comes right after the gap; one that it goes through twice comes
    /// once.
    pub(crate) fn next(&self, plugin: &PluginId, entry: &ScheduledCommand, after: Timestamp) -> Option<Timestamp> {
        match &entry.when {
            Recurrence::Every(period) => after.checked_add((*period).max(SHORTEST)).ok(),
            Recurrence::Cron(expression) => self.next_by(&parsed(expression.as_str())?, plugin, entry, after),
        }
    }

    fn next_by(&self, cron: &Cron, plugin: &PluginId, entry: &ScheduledCommand, after: Timestamp) -> Option<Timestamp> {
        let jitter = SignedDuration::try_from(self.jitter).ok()?;
        // One that was put off may still be to come, although its own time has passed.
        let mut time = after.checked_sub(jitter).ok()?.to_zoned(self.zone.clone());
        loop {
            time = cron.find_next_occurrence(&time, false).ok()?;
            let following = cron.find_next_occurrence(&time, false).ok();
            let gap = following.map(|following| following.timestamp().duration_since(time.timestamp()));
            let most = gap.map_or(jitter, |gap| jitter.min(gap / JITTER_PART));
            let due = time.timestamp().checked_add(part_of(most, plugin, entry)).ok()?;
            if due > after {
                return Some(due);
            }
        }
    }
}

/// A cron expression of a manifest, which has been checked there.
fn parsed(expression: &str) -> Option<Cron> {
    let fields: Vec<_> = expression.split_ascii_whitespace().map(plain).collect();
    let parser = CronParser::builder()
        .seconds(Seconds::Optional)
        .sloppy_ranges(true)
        .build();
    parser.parse(&fields.join(" ")).ok()
}

/// A field as the parser wants it: `?` is `*`, and a list with `*` in it is just that.
fn plain(field: &str) -> String {
    let field = field.replace('?', "*");
    match field.split(',').any(|item| item == "*") {
        true => "*".to_owned(),
        false => field,
    }
}

/// A part of a duration in whole milliseconds, always the same one for the same entry.
fn part_of(most: SignedDuration, plugin: &PluginId, entry: &ScheduledCommand) -> SignedDuration {
    let digest = Sha256::new()
        .chain_update(plugin.as_str())
        .chain_update([0])
        .chain_update(&entry.name)
        .finalize();
    let share = digest
        .iter()
        .take(4)
        .fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    let milliseconds = (most.as_millis() * i128::from(share)) >> u32::BITS;
    SignedDuration::from_millis(i64::try_from(milliseconds).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use palisade_bundle::Manifest;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn entry(when: &serde_json::Value) -> (PluginId, ScheduledCommand) {
        let mut manifest = json!({
            "id": "com.acme.ticker", "name": "Ticker", "version": "1.0.0", "author": "Acme",
            "permissions": ["schedule:run"], "schedule": [{"name": "tick", "command": "tick"}],
        });
        manifest["schedule"][0]
            .as_object_mut()
            .unwrap()
            .extend(when.as_object().unwrap().clone());
        let manifest = Manifest::parse(manifest.to_string().as_bytes()).unwrap();
        (manifest.id.clone(), manifest.schedule[0].clone())
    }

    fn calendar(zone: &str, jitter: Duration) -> Calendar {
        let zone = TimeZone::get(zone).unwrap();
        Calendar { zone, jitter }
    }

    #[track_caller]
    fn check(zone: &str, cron: &str, times: &[&str]) {
        let (calendar, (id, entry)) = (calendar(zone, Duration::ZERO), entry(&json!({"cron": cron})));
        let times: Vec<Timestamp> = times.iter().map(|time| time.parse().unwrap()).collect();
        for pair in times.windows(2) {
            assert_eq!(calendar.next(&id, &entry, pair[0]), Some(pair[1]), "{cron} in {zone}");
        }
    }

    #[test]
    fn a_cron_expression_is_read_in_the_time_zone() {
        check(
            "UTC",
            "0 6 * * MON-FRI",
            &["2026-11-26T06:00:00Z", "2026-11-27T06:00:00Z", "2026-11-30T06:00:00Z"],
        );
        check(
            "Europe/Berlin",
            "0 6 * * *",
            &["2026-11-25T05:00:00Z", "2026-11-26T05:00:00Z"],
        );
        check(
            "UTC",
            "*/20 * * * * *",
            &["2026-11-25T00:00:00Z", "2026-11-25T00:00:20Z", "2026-11-25T00:00:40Z"],
        );
    }

    #[test]
    fn a_time_that_does_not_exist_or_exists_twice_comes_once() {
        // Clocks go from 02:00 to 03:00 on 2026-03-29, and from 03:00 to 02:00 on 2026-10-25.
        check(
            "Europe/Berlin",
            "30 2 * * *",
            &["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        );
        check(
            "Europe/Berlin",
            "30 2 * * *",
            &["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        );
    }

    #[test]
    fn a_day_that_never_comes_is_never_due() {
        let (calendar, (id, entry)) = (calendar("UTC", Duration::ZERO), entry(&json!({"cron": "0 0 30 2 *"})));
        assert_eq!(calendar.next(&id, &entry, Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn a_period_counts_from_the_last_start_and_is_at_least_a_second() {
        let calendar = calendar("UTC", Duration::from_secs(5));
        for (every, seconds) in [("90s", 90), ("1ms", 1)] {
            let (id, entry) = entry(&json!({"every": every}));
            let next = calendar.next(&id, &entry, Timestamp::UNIX_EPOCH);
            assert_eq!(next, Timestamp::from_second(seconds).ok(), "{every}");
        }
    }

    proptest! {
        #[test]
        fn a_start_is_put_off_within_bounds_and_none_is_left_out(seconds in 0_i64..2_000_000_000) {
            let (id, entry) = entry(&json!({"cron": "0 * * * *"}));
            let (exact, put_off) = (calendar("UTC", Duration::ZERO), calendar("UTC", Duration::from_secs(5)));
            let now = Timestamp::from_second(seconds).unwrap();
            let due = put_off.next(&id, &entry, now).unwrap();
            prop_assert!(due > now);
            let own = Timestamp::from_second(due.as_second() / 3_600 * 3_600).unwrap();
            prop_assert!(due.duration_since(own) < SignedDuration::from_secs(5));
            prop_assert!(own <= exact.next(&id, &entry, now).unwrap());
        }

        #[test]
        fn every_expression_that_a_manifest_may_hold_is_understood(
            expression in "((\\*|\\?|[1-5]|1-5)(/[1-5])?(,(\\*|\\?|[1-5]|1-5)(/[1-5])?)? ){4,5}(\\*|\\?|MON|MON-FRI|[0-7])(/2)?(,SUN)?"
        ) {
            prop_assert!(parsed(&expression).is_some(), "{expression}");
        }
    }
}
