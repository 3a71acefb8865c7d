//! Records changed in the database: the first of them is named, and how.

use super::super::AuditBreak;
use super::super::chain::Found;
use super::super::database::{self, COLUMNS, found};
use super::super::record::{Head, StoredRecord};
use super::{Place, checkpoint_file, entry};

#[track_caller]
fn check(sql: &str, how: &str, seq: u64) {
    let place = Place::with(9, &[4]);
    place.verify().unwrap();
    place.tamper(sql);
    assert_eq!(place.broken(), (how, seq), "{sql}");
}

/// Record `seq` as somebody would write it who knows how hashes are made.
fn forged(seq: u64, prev: Head) -> StoredRecord {
    let head = Head { seq: seq - 1, ..prev };
    StoredRecord::following(head, &entry(99), "2026-11-21T06:00:00Z".parse().unwrap()).unwrap()
}

fn record(place: &Place, seq: u64) -> StoredRecord {
    let sql = format!("SELECT {COLUMNS} FROM records WHERE seq = {seq}");
    match place.raw().query_row(&sql, [], found).unwrap() {
        Found::Record(record) => *record,
        Found::NoRecord(_) => panic!("no record {seq}"),
    }
}

#[test]
fn names_the_record_whose_field_was_edited() {
    for edit in [
        "timestamp = '2026-11-21T06:00:00Z'",
        "timestamp = timestamp || ' '",
        "actor = 'somebody else'",
        "plugin_id = NULL",
        "plugin_id = 'com.acme.other'",
        "action = 'install'",
        "action = 'no such word'",
        "resource = ''",
        "outcome = 'denied'",
        "details = '{}'",
        "details = 'no JSON'",
        "details = '[]'",
        "details = ' ' || details",
        "details = replace(details, '6', '6.0')",
        "details = '{\"a\":1,\"a\":1}'",
        "prev_hash = zeroblob(32)",
        "prev_hash = x'00'",
        "hash = zeroblob(32)",
        "hash = x''",
        "hash = prev_hash",
        // Bytes that are no UTF-8.
        "actor = CAST(x'ff' AS TEXT)",
    ] {
        check(&format!("UPDATE records SET {edit} WHERE seq = 6"), "edited", 6);
    }
    check("UPDATE records SET seq = 1000 WHERE seq = 6", "reordered", 6);
    check("UPDATE records SET seq = -6 WHERE seq = 6", "inserted", 0);
}

#[test]
fn names_the_first_of_several() {
    check("UPDATE records SET actor = 'x' WHERE seq IN (3, 5, 7)", "edited", 3);
    check(
        "DELETE FROM records WHERE seq = 8; UPDATE records SET actor = 'x' WHERE seq = 2",
        "edited",
        2,
    );
    check(
        "UPDATE records SET actor = 'x' WHERE seq = 2; UPDATE checkpoints SET signature = zeroblob(64)",
        "forged_checkpoint",
        0,
    );
}

#[test]
fn names_the_record_that_was_deleted() {
    for seq in 1..9 {
        check(&format!("DELETE FROM records WHERE seq = {seq}"), "deleted", seq);
    }
    check("DELETE FROM records WHERE seq IN (5, 6)", "deleted", 5);
    // And the others moved up, so that no number is missing.
    check(
        "DELETE FROM records WHERE seq = 5;
         UPDATE records SET seq = -seq WHERE seq > 5; UPDATE records SET seq = -seq - 1 WHERE seq < 0",
        "deleted",
        5,
    );
}

#[test]
fn names_the_record_that_was_moved() {
    let swap = |a: u64, b: u64| {
        format!(
            "UPDATE records SET seq = -1 WHERE seq = {a}; UPDATE records SET seq = {a} WHERE seq = {b};
             UPDATE records SET seq = {b} WHERE seq = -1"
        )
    };
    check(&swap(5, 6), "reordered", 5);
    check(&swap(1, 9), "reordered", 1);
    check(&swap(3, 7), "reordered", 3);
}

#[test]
fn names_the_record_that_was_inserted() {
    let place = Place::with(9, &[4]);
    let before = record(&place, 4).head();
    place.tamper("UPDATE records SET seq = -seq WHERE seq > 4; UPDATE records SET seq = -seq + 1 WHERE seq < 0");
    database::insert_record(&place.raw(), &forged(5, before)).unwrap();
    assert_eq!(place.broken(), ("inserted", 5));

    // A copy of one that is there.
    let copy = "UPDATE records SET seq = -seq WHERE seq > 4; UPDATE records SET seq = -seq + 1 WHERE seq < 0;
        INSERT INTO records SELECT 5, timestamp, actor, plugin_id, action, resource, outcome, details, prev_hash, hash
            FROM records WHERE seq = 4";
    check(copy, "inserted", 5);
    check(
        "INSERT INTO records SELECT 0, timestamp, actor, plugin_id, action, resource, outcome, details, prev_hash, hash
            FROM records WHERE seq = 4",
        "inserted",
        0,
    );
}

#[test]
fn a_record_with_a_hash_made_for_it_breaks_the_chain_after_it() {
    let place = Place::with(9, &[4]);
    let before = record(&place, 5).head();
    place.tamper("DELETE FROM records WHERE seq = 6");
    database::insert_record(&place.raw(), &forged(6, before)).unwrap();
    let broken = place.verify().unwrap_err();
    assert!(
        matches!(broken, AuditBreak::Rewritten { first: 5, last: 7 }),
        "{broken:?}"
    );
}

#[test]
fn a_chain_that_was_made_anew_contradicts_the_checkpoint() {
    let place = Place::with(9, &[4]);
    let mut head = record(&place, 5).head();
    place.tamper("DELETE FROM records WHERE seq > 5");
    for seq in 6..=9 {
        let record = forged(seq, head);
        database::insert_record(&place.raw(), &record).unwrap();
        head = record.head();
    }
    let broken = place.verify().unwrap_err();
    assert!(
        matches!(broken, AuditBreak::Rewritten { first: 5, last: 9 }),
        "{broken:?}"
    );
    assert!(place.open().is_err(), "and nobody goes on after it");
}

#[test]
fn the_end_is_vouched_for_as_far_as_it_is_signed_and_no_farther() {
    let place = Place::with(9, &[4]);
    let before = checkpoint_file(&place).head();
    database::insert_record(&place.raw(), &forged(10, before)).unwrap();
    let verified = place.verify().unwrap();
    assert_eq!((verified.records, verified.signed_seq), (10, 9));
}

#[test]
fn refuses_a_file_with_anything_of_somebody_elses_in_it() {
    for sql in [
        "CREATE TRIGGER mine AFTER INSERT ON records BEGIN DELETE FROM checkpoints; END",
        "CREATE TABLE mine (a)",
        "CREATE INDEX mine ON records (actor)",
        "CREATE VIEW mine AS SELECT * FROM records",
        "DROP TRIGGER records_are_not_deleted",
        "PRAGMA application_id = 1",
        "PRAGMA user_version = 2",
    ] {
        let place = Place::with(2, &[]);
        place.raw().execute_batch(sql).unwrap();
        assert!(place.open().is_err(), "{sql}");
    }
}

#[test]
fn the_database_itself_keeps_mistakes_off() {
    let place = Place::with(2, &[]);
    for sql in ["UPDATE records SET actor = 'x'", "DELETE FROM records"] {
        let refused = place.raw().execute_batch(sql).unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
}
