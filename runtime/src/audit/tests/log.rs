//! What an honest log does: numbers, pages, filters, handles, files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::thread;

use palisade_bundle::{Code, Coded as _, Digest};
use serde_json::{Map, Value, json};

use super::super::{
    AuditAction, AuditEntry, AuditError, AuditFilter, AuditLog, AuditOpenError, AuditOutcome, AuditReader,
    MAX_AUDIT_ENTRY_BYTES, MAX_AUDIT_PAGE,
};
use super::{Place, clock, entry, fill, key};

#[test]
fn an_empty_log_verifies() {
    let place = Place::new();
    let verified = place.log().verify().unwrap();
    assert_eq!((verified.records, verified.checkpoints, verified.signed_seq), (0, 1, 0));
}

#[test]
fn gives_back_what_was_recorded_and_goes_on_after_it_was_closed() {
    let place = Place::with(3, &[]);
    let log = place.log();
    assert_eq!(log.append(entry(4)).unwrap(), 4);
    let page = log.records(1, 100, &AuditFilter::default()).unwrap();
    assert_eq!(page.next_seq, None);
    let mut prev_hash = Digest::from_bytes([0; 32]);
    for (seq, record) in (1..).zip(&page.records) {
        let expected = entry(seq);
        assert_eq!(
            (record.seq, &record.actor, &record.plugin_id, record.action),
            (seq, &expected.actor, &expected.plugin_id, expected.action)
        );
        assert_eq!(
            (&record.resource, record.outcome, &record.details, record.prev_hash),
            (&expected.resource, expected.outcome, &expected.details, prev_hash)
        );
        prev_hash = record.hash;
    }
    assert_eq!(page.records.len(), 4);
    assert!(page.records[..3].is_sorted_by_key(|record| record.timestamp));
    assert_eq!(log.verify().unwrap().records, 4);
}

#[test]
fn pages_from_a_number_on() {
    let place = Place::with(9, &[]);
    let log = place.log();
    let seqs = |from, limit| {
        let page = log.records(from, limit, &AuditFilter::default()).unwrap();
        let seqs: Vec<_> = page.records.iter().map(|record| record.seq).collect();
        (seqs, page.next_seq)
    };
    assert_eq!(seqs(0, 4), (vec![1, 2, 3, 4], Some(5)));
    assert_eq!(seqs(5, 4), (vec![5, 6, 7, 8], Some(9)));
    assert_eq!(seqs(9, 4), (vec![9], None));
    assert_eq!(seqs(6, 4), (vec![6, 7, 8, 9], None), "nothing follows");
    assert_eq!(seqs(10, 4), (vec![], None));
    assert_eq!(seqs(u64::MAX, usize::MAX), (vec![], None));
    assert_eq!(seqs(1, 0), (vec![], Some(1)));
}

#[test]
fn a_page_is_bounded_whatever_is_asked_for() {
    let place = Place::new();
    let log = place.log();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| fill(&log, 0..70));
        }
    });
    let page = log.records(1, usize::MAX, &AuditFilter::default()).unwrap();
    assert_eq!((page.records.len(), page.next_seq), (MAX_AUDIT_PAGE, Some(1_001)));
    assert_eq!(log.verify().unwrap().records, 16 * 70);
}

#[test]
fn filters_by_each_field_and_by_all_of_them() {
    let place = Place::with(60, &[]);
    let log = place.log();
    let matching = |filter: AuditFilter| {
        let records = log.records(1, 100, &filter).unwrap().records;
        records.into_iter().map(|record| record.seq).collect::<Vec<_>>()
    };
    let expected = |holds: &dyn Fn(&AuditEntry) -> bool| (1..=60).filter(|seq| holds(&entry(*seq))).collect::<Vec<_>>();
    let (action, outcome) = (Some(AuditAction::Uninstall), Some(AuditOutcome::Failed));
    let (plugin_id, actor) = (Some("com.acme.greeter".to_owned()), Some("user:1".to_owned()));
    let all = AuditFilter::default;
    assert_eq!(
        matching(AuditFilter { action, ..all() }),
        expected(&|entry| Some(entry.action) == action)
    );
    assert_eq!(
        matching(AuditFilter { outcome, ..all() }),
        expected(&|entry| Some(entry.outcome) == outcome)
    );
    let of_plugin = AuditFilter {
        plugin_id: plugin_id.clone(),
        ..all()
    };
    assert_eq!(matching(of_plugin), expected(&|entry| entry.plugin_id == plugin_id));
    let of_actor = AuditFilter {
        actor: actor.clone(),
        ..all()
    };
    assert_eq!(
        matching(of_actor),
        expected(&|entry| Some(&entry.actor) == actor.as_ref())
    );
    let of_all = AuditFilter {
        plugin_id: plugin_id.clone(),
        actor: actor.clone(),
        outcome,
        action: None,
    };
    let found = matching(of_all);
    assert!(!found.is_empty());
    assert_eq!(
        found,
        expected(&|entry| entry.plugin_id == plugin_id
            && Some(&entry.actor) == actor.as_ref()
            && Some(entry.outcome) == outcome)
    );
    assert_eq!(
        matching(AuditFilter {
            actor: Some("' OR 1 --".to_owned()),
            ..all()
        }),
        [0; 0]
    );
}

#[test]
fn refuses_what_cannot_be_a_record_and_says_so() {
    let place = Place::new();
    let log = place.log();
    let with = |details: Value| AuditEntry {
        details: Map::from_iter([("d".to_owned(), details)]),
        ..entry(1)
    };
    let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let around = serde_json::to_vec(&with(json!(""))).unwrap().len();
    for (refused, allowed) in [
        (json!(0.5), json!(5)),
        (json!(-1), json!(0)),
        (json!(9_007_199_254_740_992_u64), json!(9_007_199_254_740_991_u64)),
        (nested(15), nested(14)),
        (
            json!("x".repeat(MAX_AUDIT_ENTRY_BYTES - around + 1)),
            json!("x".repeat(MAX_AUDIT_ENTRY_BYTES - around)),
        ),
    ] {
        let error = log.append(with(refused.clone())).unwrap_err();
        assert!(matches!(error, AuditError::Entry(_)), "{error:?}");
        assert_eq!(error.code(), Code::AuditLogFailed);
        log.append(with(allowed.clone())).unwrap();
        log.note(with(refused));
        log.note(with(allowed));
    }
    assert_eq!(log.lost(), 5);
    log.checkpoint().unwrap();
    log.verify().unwrap();
    let mut export = Vec::new();
    log.export(&mut export).unwrap();
    super::super::verify_export(export.as_slice(), log.public_key()).unwrap();
}

#[test]
fn can_be_called_from_async_code_and_awaited() {
    let place = Place::new();
    let log = place.log();
    let executor = tokio::runtime::Builder::new_current_thread().build().unwrap();
    executor.block_on(async {
        assert_eq!(log.append(entry(1)).unwrap(), 1);
        assert_eq!(log.append_async(entry(2)).await.unwrap(), 2);
        log.checkpoint().unwrap();
    });
}

#[test]
fn several_handles_of_one_directory_make_one_chain() {
    let place = Place::new();
    let handles = [place.log(), place.log(), place.log()];
    thread::scope(|scope| {
        for log in &handles {
            scope.spawn(|| {
                for number in 0..100 {
                    log.append(entry(number)).unwrap();
                    if number % 10 == 0 {
                        log.checkpoint().unwrap();
                        log.verify().unwrap();
                    }
                }
            });
        }
    });
    drop(handles);
    assert_eq!(place.verify().unwrap().records, 300);
}

#[test]
fn verifies_while_it_is_written() {
    let place = Place::new();
    let log = place.log();
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for number in 0..300 {
                log.append(entry(number)).unwrap();
                if number % 5 == 0 {
                    log.checkpoint().unwrap();
                }
            }
        });
        while !writing.is_finished() {
            log.verify().unwrap();
        }
    });
}

#[test]
fn ends_its_thread_with_the_last_handle_and_leaves_two_files() {
    let place = Place::new();
    let clock = clock();
    let log = AuditLog::open(place.path(), Arc::clone(&clock) as _, key()).unwrap();
    let other = log.clone();
    drop(log);
    other.append(entry(1)).unwrap();
    other.note(entry(2));
    drop(other);
    assert_eq!(Arc::strong_count(&clock), 1);
    let mut names: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["audit.checkpoint", "audit.db"]);
    let verified = place.verify().unwrap();
    assert_eq!((verified.records, verified.signed_seq), (2, 2));
}

#[test]
fn lets_nobody_else_read_its_files() {
    let place = Place::new();
    let log = place.log();
    log.append(entry(1)).unwrap();
    log.checkpoint().unwrap();
    for file in fs::read_dir(place.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[test]
fn refuses_what_is_no_log_and_leaves_it_alone() {
    let place = Place::new();
    fs::write(place.path().join("audit.db"), "Dear diary. ".repeat(1_000)).unwrap();
    assert!(matches!(place.open(), Err(AuditOpenError::Database { .. })));

    let place = Place::new();
    place.raw().execute_batch("CREATE TABLE mine (a)").unwrap();
    let before = fs::read(place.path().join("audit.db")).unwrap();
    assert!(matches!(place.open(), Err(AuditOpenError::Foreign { .. })));
    assert_eq!(fs::read(place.path().join("audit.db")).unwrap(), before);

    let nowhere = Place::new().path().join("nowhere");
    let opened = AuditLog::open(&nowhere, clock(), key());
    assert!(matches!(opened, Err(AuditOpenError::File { .. })));
    let read = AuditReader::open(Place::new().path(), key().public().clone());
    assert!(read.is_err(), "a reader creates nothing");
}

#[test]
fn every_word_is_read_as_it_is_written() {
    for action in AuditAction::ALL {
        assert_eq!(action.as_str().parse(), Ok(*action));
        assert_eq!(json!(action), json!(action.to_string()));
    }
    for outcome in AuditOutcome::ALL {
        assert_eq!(outcome.as_str().parse(), Ok(*outcome));
    }
    assert!("INSTALL".parse::<AuditAction>().is_err());
}
