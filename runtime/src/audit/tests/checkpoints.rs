//! The end of the log: cut off, with and without its checkpoints, replaced, forged.

use std::fs;

use super::super::writer::CHECKPOINT_EVERY;
use super::super::{AuditBreak, AuditLog, AuditOpenError, AuditReader, CheckpointKey};
use super::{Place, checkpoint_file, clock, entry, fill, key};

/// What opening says: a host does not go on with such a log.
fn refused(place: &Place) -> &'static str {
    match place.open() {
        Err(AuditOpenError::Broken(broken)) => broken.as_str(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cut_tail_shows() {
    let place = Place::with(9, &[4]);
    place.tamper("DELETE FROM records WHERE seq > 7");
    let broken = place.verify().unwrap_err();
    assert!(
        matches!(broken, AuditBreak::CutTail { first: 8, last: 9 }),
        "{broken:?}"
    );
    assert_eq!(refused(&place), "cut_tail");
}

#[test]
fn a_cut_tail_shows_without_the_checkpoints_in_the_database() {
    let place = Place::with(9, &[4]);
    place.tamper("DELETE FROM records WHERE seq > 4; DELETE FROM checkpoints WHERE seq > 4");
    assert_eq!((place.broken(), refused(&place)), (("cut_tail", 5), "cut_tail"));
    place.tamper("DELETE FROM checkpoints");
    assert_eq!((place.broken(), refused(&place)), (("cut_tail", 5), "cut_tail"));
    place.tamper("DELETE FROM records");
    assert_eq!((place.broken(), refused(&place)), (("cut_tail", 1), "cut_tail"));
}

#[test]
fn a_new_database_beside_the_old_checkpoint_shows() {
    let place = Place::with(9, &[4]);
    fs::remove_file(place.path().join("audit.db")).unwrap();
    assert_eq!(refused(&place), "cut_tail");
}

#[test]
fn a_missing_checkpoint_file_shows_with_and_without_those_in_the_database() {
    let place = Place::with(9, &[4]);
    fs::remove_file(place.path().join("audit.checkpoint")).unwrap();
    assert_eq!((place.broken().0, refused(&place)), ("no_checkpoint", "no_checkpoint"));
    place.tamper("DELETE FROM records WHERE seq > 4; DELETE FROM checkpoints");
    assert_eq!((place.broken().0, refused(&place)), ("no_checkpoint", "no_checkpoint"));
    for text in ["", "{}", "not a checkpoint", &"x".repeat(1_000_000)] {
        fs::write(place.path().join("audit.checkpoint"), text).unwrap();
        assert_eq!((place.broken().0, refused(&place)), ("no_checkpoint", "no_checkpoint"));
    }
}

#[test]
fn an_older_checkpoint_file_shows() {
    let place = Place::with(4, &[]);
    let older = fs::read(place.path().join("audit.checkpoint")).unwrap();
    let log = place.log();
    log.append(entry(5)).unwrap();
    drop(log);
    place.verify().unwrap();
    fs::write(place.path().join("audit.checkpoint"), older).unwrap();
    let broken = place.verify().unwrap_err();
    assert!(
        matches!(broken, AuditBreak::StaleCheckpoint { seq: 4, newest: 5 }),
        "{broken:?}"
    );
    assert_eq!(refused(&place), "stale_checkpoint");
}

#[test]
fn an_older_copy_of_both_files_shows_against_a_checkpoint_kept_elsewhere() {
    let place = Place::with(4, &[]);
    let copies = ["audit.db", "audit.checkpoint"].map(|name| (name, fs::read(place.path().join(name)).unwrap()));
    let log = place.log();
    log.append(entry(5)).unwrap();
    let kept = log.checkpoint().unwrap();
    log.append(entry(6)).unwrap();
    log.reader().verify_against(&kept).unwrap();
    drop(log);
    for (name, bytes) in copies {
        fs::write(place.path().join(name), bytes).unwrap();
    }
    place.verify().unwrap();
    let reader = AuditReader::open(place.path(), key().public().clone()).unwrap();
    let broken = reader.verify_against(&kept).unwrap_err();
    assert!(
        matches!(broken, AuditBreak::CutTail { first: 5, last: 5 }),
        "{broken:?}"
    );
}

#[test]
fn every_flipped_bit_of_a_signature_shows() {
    let place = Place::with(3, &[]);
    let whole = checkpoint_file(&place);
    for bit in 0..512 {
        let mut flipped = whole;
        flipped.signature.0[bit / 8] ^= 1 << (bit % 8);
        fs::write(place.path().join("audit.checkpoint"), flipped.to_line().unwrap()).unwrap();
        assert_eq!(place.broken(), ("forged_checkpoint", 3), "{bit}");
    }
    assert_eq!(refused(&place), "forged_checkpoint");
    fs::write(place.path().join("audit.checkpoint"), whole.to_line().unwrap()).unwrap();
    place.verify().unwrap();
    for edit in [
        "signature = zeroblob(64)",
        "signature = x''",
        "timestamp = '2026-11-21T06:00:00Z'",
        "timestamp = 'never'",
        "hash = zeroblob(32)",
        "hash = x'01'",
    ] {
        let place = Place::with(3, &[]);
        place.tamper(&format!("UPDATE checkpoints SET {edit} WHERE seq = 3"));
        assert_eq!(
            (place.broken(), refused(&place)),
            (("forged_checkpoint", 3), "forged_checkpoint")
        );
    }
}

#[test]
fn the_log_of_another_host_shows() {
    let other = Place::new();
    let log = AuditLog::open(other.path(), clock(), CheckpointKey::from_seed(&[8; 32]).unwrap()).unwrap();
    fill(&log, 1..=9);
    drop(log);

    let place = Place::with(9, &[4]);
    fs::copy(other.path().join("audit.db"), place.path().join("audit.db")).unwrap();
    assert_eq!(
        (place.broken().0, refused(&place)),
        ("forged_checkpoint", "forged_checkpoint")
    );
    fs::copy(
        other.path().join("audit.checkpoint"),
        place.path().join("audit.checkpoint"),
    )
    .unwrap();
    assert_eq!(
        (place.broken().0, refused(&place)),
        ("forged_checkpoint", "forged_checkpoint")
    );
}

#[test]
fn the_log_of_another_host_shows_without_its_checkpoints() {
    let place = Place::with(9, &[4]);
    let other = Place::new();
    let log = other.log();
    fill(&log, 11..=19);
    drop(log);
    fs::copy(other.path().join("audit.db"), place.path().join("audit.db")).unwrap();
    place.tamper("DELETE FROM checkpoints");
    assert_eq!((place.broken().0, refused(&place)), ("rewritten", "rewritten"));
}

#[test]
fn signs_by_itself_before_too_much_can_be_cut() {
    let place = Place::new();
    let log = place.log();
    assert_eq!(checkpoint_file(&place).seq, 0);
    for number in 1..=CHECKPOINT_EVERY * 2 + 1 {
        log.append(entry(number)).unwrap();
    }
    // The second one may still be under way; a checkpoint on demand comes after it.
    assert_eq!(log.checkpoint().unwrap().seq, CHECKPOINT_EVERY * 2 + 1);
    let stored = place
        .raw()
        .prepare("SELECT seq FROM checkpoints ORDER BY seq")
        .unwrap()
        .query_map([], |row| row.get::<_, u32>(0).map(u64::from))
        .unwrap()
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    assert_eq!(
        stored,
        [0, CHECKPOINT_EVERY, CHECKPOINT_EVERY * 2, CHECKPOINT_EVERY * 2 + 1]
    );
    let verified = log.verify().unwrap();
    assert_eq!(
        (verified.checkpoints, verified.signed_seq),
        (4, CHECKPOINT_EVERY * 2 + 1)
    );
}

#[test]
fn signs_once_for_the_same_end() {
    let place = Place::new();
    let log = place.log();
    log.append(entry(1)).unwrap();
    let first = log.checkpoint().unwrap();
    assert_eq!(log.checkpoint().unwrap(), first);
    drop(log);
    drop(place.log());
    assert_eq!(checkpoint_file(&place), first);
    assert!(first.is_by(key().public()));
    assert!(!first.is_by(CheckpointKey::from_seed(&[8; 32]).unwrap().public()));
    assert_eq!(
        format!("{:?}", key()),
        format!("CheckpointKey({})", key().public().id())
    );
}
