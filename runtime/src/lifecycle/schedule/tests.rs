//! The timetable, with times that tests make up.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use palisade_bundle::Manifest;
use serde_json::json;

use super::timetable::{Live, Timetable};
use super::{Calendar, ScheduleRow};

fn timetable(rows: Vec<ScheduleRow>) -> Timetable {
    let calendar = Calendar {
        zone: TimeZone::UTC,
        jitter: Duration::ZERO,
    };
    Timetable::new(calendar, rows)
}

fn live(every: &str) -> Live {
    let manifest = json!({
        "id": "com.acme.ticker", "name": "Ticker", "version": "1.0.0", "author": "Acme",
        "permissions": ["schedule:run"], "schedule": [{"name": "tick", "command": "tick", "every": every}],
    });
    let manifest = Manifest::parse(manifest.to_string().as_bytes()).unwrap();
    Live {
        plugin: manifest.id.clone(),
        entry: manifest.schedule[0].clone(),
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// How many begin at that time.
fn begun(timetable: &Timetable, live: &Live, seconds: i64) -> usize {
    timetable.look(std::slice::from_ref(live), at(seconds)).begun.len()
}

#[test]
fn an_entry_begins_when_it_is_due_and_missed_times_come_once() {
    let (timetable, live) = (timetable(Vec::new()), live("10s"));
    let look = timetable.look(std::slice::from_ref(&live), at(0));
    assert_eq!((look.begun.len(), look.next), (0, Some(at(10))));
    assert_eq!(look.rows[0].due, Some(at(10)));
    assert_eq!(begun(&timetable, &live, 9), 0);
    assert_eq!(begun(&timetable, &live, 45), 1);
    timetable.end(&live.key(), at(45), "ok");
    assert_eq!(begun(&timetable, &live, 46), 0);
    assert_eq!(begun(&timetable, &live, 55), 1);
}

#[test]
fn an_entry_does_not_begin_while_it_runs_and_then_once() {
    let (timetable, live) = (timetable(Vec::new()), live("10s"));
    begun(&timetable, &live, 0);
    assert_eq!(begun(&timetable, &live, 10), 1);
    for late in [20, 30, 40] {
        let look = timetable.look(std::slice::from_ref(&live), at(late));
        assert_eq!((look.begun.len(), look.next), (0, None), "{late}");
    }
    assert!(timetable.begin(&live, at(41)).is_none());
    timetable.end(&live.key(), at(42), "ok");
    assert_eq!(begun(&timetable, &live, 42), 1);
    timetable.end(&live.key(), at(43), "ok");
    assert_eq!(begun(&timetable, &live, 43), 0);
}

#[test]
fn what_a_host_missed_while_it_was_down_comes_once() {
    let live = live("10s");
    let rows = {
        let timetable = timetable(Vec::new());
        timetable.look(std::slice::from_ref(&live), at(0)).rows
    };
    let timetable = timetable(rows);
    assert_eq!(begun(&timetable, &live, 1_000), 1);
    timetable.end(&live.key(), at(1_000), "ok");
    assert_eq!(begun(&timetable, &live, 1_009), 0);
    assert_eq!(begun(&timetable, &live, 1_010), 1);
}

#[test]
fn a_paused_entry_begins_by_hand_alone_and_goes_on_at_its_next_time() {
    let (timetable, live) = (timetable(Vec::new()), live("10s"));
    begun(&timetable, &live, 0);
    let row = timetable.pause(&live, true, at(5));
    assert!(row.is_paused);
    // Also in the next run of the host.
    for timetable in [&timetable, &self::timetable(vec![row])] {
        let look = timetable.look(std::slice::from_ref(&live), at(100));
        assert_eq!((look.begun.len(), look.next), (0, None));
        assert!(timetable.begin(&live, at(101)).is_some());
        timetable.end(&live.key(), at(102), "ok");
        assert_eq!(begun(timetable, &live, 200), 0);
        timetable.pause(&live, false, at(201));
        assert_eq!(begun(timetable, &live, 210), 0);
        assert_eq!(begun(timetable, &live, 211), 1);
    }
}

#[test]
fn another_recurrence_is_reckoned_anew() {
    let timetable = timetable(Vec::new());
    begun(&timetable, &live("1h"), 0);
    let look = timetable.look(&[live("10s")], at(5));
    assert_eq!(look.next, Some(at(15)));
    assert_eq!(look.rows.len(), 1);
}

#[test]
fn a_plugin_that_does_not_run_begins_nothing() {
    let (timetable, live) = (timetable(Vec::new()), live("10s"));
    begun(&timetable, &live, 0);
    let look = timetable.look(&[], at(1_000));
    assert_eq!((look.begun.len(), look.next), (0, None));
}
