//! A disk that is full, a database that cannot be written, a log that changes under the host.

use std::fs;
use std::sync::Arc;

use palisade_bundle::{Code, Coded as _};
use rusqlite::Connection;

use super::super::record::AuditAction;
use super::super::writer::CHECKPOINT_EVERY;
use super::super::{AuditBreak, AuditEntry, AuditError, AuditFilter, AuditLog};
use super::{Place, clock, entry, fill, key};
use crate::services::Clock;

fn open_with(place: &Place, pragma: &'static str) -> AuditLog {
    let prepare = move |database: &Connection| database.execute_batch(pragma);
    AuditLog::open_prepared(place.path(), clock(), key(), prepare).unwrap()
}

fn large(number: u64) -> AuditEntry {
    AuditEntry {
        resource: "x".repeat(20_000),
        ..entry(number)
    }
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing_half_written() {
    let place = Place::new();
    let log = open_with(&place, "PRAGMA max_page_count = 40");
    let mut acknowledged = 0;
    let error = loop {
        match log.append(large(acknowledged)) {
            Ok(seq) => acknowledged = seq,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AuditError::Full(_)), "{error:?}");
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (Code::AuditLogFailed, "the disk of the audit log is full")
    );
    log.append(large(0)).unwrap_err();
    assert_eq!(log.verify().unwrap().records, acknowledged);
    drop(log);

    // With room again, the same record is the next one.
    let log = place.log();
    assert_eq!(log.append(large(0)).unwrap(), acknowledged + 1);
    assert_eq!(log.verify().unwrap().records, acknowledged + 1);
}

#[test]
fn a_database_that_cannot_be_written_is_an_error_and_what_was_lost_is_recorded_later() {
    let place = Place::with(2, &[]);
    let log = open_with(&place, "PRAGMA query_only = on");
    assert!(matches!(log.append(entry(3)), Err(AuditError::Database(_))));
    log.note(entry(3));
    log.note(entry(4));
    log.append(entry(5)).unwrap_err();
    assert_eq!(log.lost(), 2);
    assert_eq!(log.verify().unwrap().records, 2);
}

#[test]
fn what_was_lost_is_recorded_once_the_database_can_be_written_again() {
    let place = Place::new();
    let log = open_with(&place, "PRAGMA max_page_count = 40");
    let mut records = 0;
    while let Ok(seq) = log.append(large(records)) {
        records = seq;
    }
    // Too large for what is left, unlike the record that tells of them.
    log.note(large(1));
    log.note(large(2));
    log.append(entry(3)).unwrap();
    let last = log.records(records + 1, 10, &AuditFilter::default()).unwrap().records;
    let told: Vec<_> = last
        .iter()
        .filter(|record| record.action == AuditAction::RecordsLost && record.actor == "host")
        .map(|record| record.details["count"].as_u64().unwrap())
        .collect();
    assert_eq!((told.iter().sum::<u64>(), log.lost()), (2, 2), "{told:?}");
    log.verify().unwrap();
}

#[test]
fn a_checkpoint_that_cannot_be_written_stops_the_log_before_too_much_is_unsigned() {
    let place = Place::new();
    let log = place.log();
    log.append(entry(1)).unwrap();
    // Nothing can be renamed over a folder with something in it.
    let file = place.path().join("audit.checkpoint");
    let checkpoint = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    fs::create_dir_all(file.join("something")).unwrap();
    assert!(matches!(log.checkpoint(), Err(AuditError::Checkpoint(_))));
    for number in 1..CHECKPOINT_EVERY {
        log.append(entry(number)).unwrap();
    }
    let refused = log.append(entry(1)).unwrap_err();
    assert!(matches!(refused, AuditError::Checkpoint(_)), "{refused:?}");
    assert_eq!(refused.code(), Code::AuditLogFailed);
    fs::remove_dir_all(&file).unwrap();
    fs::write(&file, checkpoint).unwrap();
    assert_eq!(log.append(entry(1)).unwrap(), CHECKPOINT_EVERY + 1);
    log.verify().unwrap();
}

#[test]
fn does_not_go_on_after_a_tail_that_was_cut_under_it() {
    let place = Place::new();
    let log = place.log();
    fill(&log, 1..=5);
    place.tamper("DELETE FROM records WHERE seq > 3");
    let refused = log.append(entry(6)).unwrap_err();
    assert!(
        matches!(refused, AuditError::Broken(AuditBreak::CutTail { first: 4, last: 5 })),
        "{refused:?}"
    );
    assert!(matches!(log.checkpoint(), Err(AuditError::Broken(_))), "nor signs it");
}

#[test]
fn does_not_go_on_after_an_end_that_was_changed_under_it() {
    let place = Place::new();
    let log = place.log();
    fill(&log, 1..=5);
    place.tamper("UPDATE records SET hash = zeroblob(32) WHERE seq = 5");
    assert!(matches!(
        log.append(entry(6)),
        Err(AuditError::Broken(AuditBreak::Edited { seq: 5 }))
    ));
}

#[derive(Debug)]
struct Broken;

impl Clock for Broken {
    fn now(&self) -> std::time::Instant {
        std::time::Instant::now()
    }

    fn wall(&self) -> std::time::SystemTime {
        panic!("as a clock of the host could")
    }
}

#[test]
fn answers_when_the_thread_has_died() {
    let place = Place::with(1, &[]);
    let log = AuditLog::open(place.path(), Arc::new(Broken), key()).unwrap();
    assert!(matches!(log.append(entry(2)), Err(AuditError::Ended)));
    assert!(matches!(log.append(entry(2)), Err(AuditError::Ended)));
    assert!(matches!(log.checkpoint(), Err(AuditError::Ended)));
    log.note(entry(2));
    assert_eq!(log.lost(), 1);
}
