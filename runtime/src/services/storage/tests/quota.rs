//! A quota is exact, for one writer and for many.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use super::super::{StorageError, StorageQuota, StorageWrite, StoredEntry};
use super::{Setting, delete, for_every_storage, pair, put};

for_every_storage! {
    is_full_at_the_last_byte,
    is_full_at_the_last_key,
    counts_the_difference_when_writing_over,
    deletes_and_shrinks_when_over_the_quota,
    removes_what_has_expired_before_it_refuses,
    puts_an_expired_value_into_a_full_storage,
    imports_up_to_the_quota,
    stores_exactly_the_quota_with_sixteen_writers,
    swaps_a_counter_with_sixteen_writers_and_loses_none,
}

const WRITERS: u64 = 16;

fn bytes(bytes: u64) -> StorageQuota {
    StorageQuota { bytes, keys: 1_000 }
}

#[track_caller]
fn check_refused<T>(result: Result<T, StorageError>, expected: (&str, u64, u64)) {
    match result {
        Err(StorageError::QuotaExceeded { unit, used, limit }) => assert_eq!((unit, used, limit), expected),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was stored"),
    }
}

fn is_full_at_the_last_byte(setting: &Setting) {
    let room = setting.room();
    room.write(put("aa", "12345678"), bytes(10)).unwrap();
    check_refused(room.write(put("b", ""), bytes(10)), ("bytes", 11, 10));
    assert_eq!((room.get("b"), room.usage()), (None, (10, 1)));
    room.write(delete("aa"), bytes(10)).unwrap();
    check_refused(room.write(put("aa", "123456789"), bytes(10)), ("bytes", 11, 10));
    assert_eq!((room.keys(), room.usage()), (vec![], (0, 0)));
}

fn is_full_at_the_last_key(setting: &Setting) {
    let room = setting.room();
    let two_keys = StorageQuota { bytes: 100, keys: 2 };
    room.write(put("a", ""), two_keys).unwrap();
    room.write(put("b", ""), two_keys).unwrap();
    check_refused(room.write(put("c", ""), two_keys), ("keys", 3, 2));
    room.write(put("a", "again"), two_keys).unwrap();
    assert_eq!(
        (room.keys(), room.usage()),
        (vec!["a".to_owned(), "b".to_owned()], (7, 2))
    );
}

fn counts_the_difference_when_writing_over(setting: &Setting) {
    let room = setting.room();
    room.write(put("k", "123456789"), bytes(10)).unwrap();
    room.write(put("k", "987654321"), bytes(10)).unwrap();
    check_refused(room.write(put("k", "1234567890"), bytes(10)), ("bytes", 11, 10));
    assert_eq!(room.get("k").unwrap(), b"987654321");
    assert_eq!(pair(room.write(put("k", "1"), bytes(10)).unwrap().usage), (2, 1));
}

fn deletes_and_shrinks_when_over_the_quota(setting: &Setting) {
    let room = setting.room();
    let nothing = StorageQuota { bytes: 0, keys: 0 };
    room.put("a", "123");
    room.put("b", "123");
    check_refused(room.write(put("a", "1234"), nothing), ("bytes", 9, 0));
    check_refused(room.write(put("c", ""), nothing), ("bytes", 9, 0));
    assert_eq!(pair(room.write(put("a", "321"), nothing).unwrap().usage), (8, 2));
    assert_eq!(pair(room.write(put("a", ""), nothing).unwrap().usage), (5, 2));
    assert_eq!(pair(room.write(delete("b"), nothing).unwrap().usage), (1, 1));
    assert_eq!(pair(room.write(delete("a"), nothing).unwrap().usage), (0, 0));
}

fn removes_what_has_expired_before_it_refuses(setting: &Setting) {
    let room = setting.room();
    let expiring = StorageWrite {
        expires: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1)),
        ..put("a", "12345678")
    };
    room.write(expiring, bytes(10)).unwrap();
    check_refused(room.write(put("b", "1"), bytes(10)), ("bytes", 11, 10));
    setting.clock.advance(Duration::from_secs(1));
    assert_eq!(
        pair(room.write(put("b", "123456789"), bytes(10)).unwrap().usage),
        (10, 1)
    );
    check_refused(room.write(put("c", ""), bytes(10)), ("bytes", 11, 10));
}

fn puts_an_expired_value_into_a_full_storage(setting: &Setting) {
    let room = setting.room();
    room.write(put("k", "123456789"), bytes(10)).unwrap();
    let expired = StorageWrite {
        expires: Some(SystemTime::UNIX_EPOCH),
        ..put("other", "much too much")
    };
    assert!(room.write(expired, bytes(10)).unwrap().applied);
    assert_eq!(room.usage(), (10, 1));
}

fn imports_up_to_the_quota(setting: &Setting) {
    let room = setting.room();
    let entries = |value: &str| {
        ["a", "b"].map(|key| StoredEntry {
            key: key.to_owned(),
            value: value.into(),
            expires: None,
        })
    };
    let quota = StorageQuota { bytes: 10, keys: 2 };
    room.put("old", "much that is replaced, so that it does not count");
    room.import(entries("1234").to_vec(), quota).unwrap();
    check_refused(room.import(entries("12345").to_vec(), quota), ("bytes", 12, 10));
    check_refused(
        room.import(entries("1").to_vec(), StorageQuota { bytes: 10, keys: 1 }),
        ("keys", 2, 1),
    );
    assert_eq!((room.export(), room.usage()), (entries("1234").to_vec(), (10, 2)));
}

/// Entries of 10 bytes, of which 100 fit, by writers that each have more than that and stop when they are refused.
fn stores_exactly_the_quota_with_sixteen_writers(setting: &Setting) {
    for (quota, fits) in [
        (bytes(1_009), 100),
        (
            StorageQuota {
                bytes: 10_000,
                keys: 99,
            },
            99,
        ),
    ] {
        let room = setting.room();
        room.clear();
        let stored = AtomicU64::new(0);
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (room, stored) = (setting.room(), &stored);
                scope.spawn(move || {
                    let keys = (0..200).map(|number| format!("{writer:02}-{number:04}"));
                    let accepted = keys.take_while(|key| room.write(put(key, "xyz"), quota).is_ok());
                    stored.fetch_add(accepted.count() as u64, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(stored.into_inner(), fits);
        assert_eq!(room.usage(), (10 * fits, fits));
        assert_eq!(room.keys().len() as u64, fits);
    }
}

fn swaps_a_counter_with_sixteen_writers_and_loses_none(setting: &Setting) {
    const EACH: u64 = 10;
    setting.room().put("counter", "0");
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| (0..EACH).for_each(|_| increment(setting)));
        }
    });
    assert_eq!(
        setting.room().get("counter").unwrap(),
        (WRITERS * EACH).to_string().as_bytes()
    );
}

fn increment(setting: &Setting) {
    let room = setting.room();
    loop {
        let before = room.get("counter").unwrap();
        let number: u64 = String::from_utf8(before.clone()).unwrap().parse().unwrap();
        let swap = StorageWrite {
            condition: super::StorageCondition::Equals(before),
            ..put("counter", (number + 1).to_string())
        };
        if room.write(swap, bytes(100)).unwrap().applied {
            return;
        }
    }
}
