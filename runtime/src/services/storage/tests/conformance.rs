//! What every storage promises.

use std::time::{Duration, SystemTime};

use super::super::{
    MAX_KEY_BYTES, MAX_PAGE_KEYS, MAX_VALUE_BYTES, StorageCondition, StorageError, StorageWrite, StoredEntry,
};
use super::{ROOMY, Setting, delete, for_every_storage, pair, put};

for_every_storage! {
    has_nothing_at_first,
    gives_back_what_was_put,
    keeps_bytes_that_are_no_text,
    puts_only_where_nothing_is,
    puts_only_over_the_expected_value,
    deletes_only_the_expected_value,
    takes_keys_and_values_up_to_their_limits_and_not_a_byte_more,
    says_no_to_a_bad_key_whatever_is_done_with_it,
    forgets_what_has_expired,
    treats_what_had_expired_before_as_a_deletion,
    writes_over_an_expiry,
    holds_an_expired_key_for_absent_in_a_condition,
    lists_in_the_order_of_bytes,
    lists_in_pages_that_join_without_a_gap,
    lists_no_more_than_a_page,
    lists_no_expired_key,
    imports_what_it_exported,
    imports_all_or_nothing,
    imports_the_last_of_two_entries_with_one_key,
    imports_nothing_that_has_expired,
    keeps_one_state_record,
    refuses_a_state_record_that_is_too_large,
    clears_everything,
}

fn has_nothing_at_first(setting: &Setting) {
    let room = setting.room();
    assert_eq!(room.get("a"), None);
    assert_eq!(room.state(), None);
    assert_eq!(room.usage(), (0, 0));
    assert_eq!(room.export(), []);
    assert_eq!(room.list("", "", 10), Default::default());
    let deleted = room.delete("a");
    assert!(deleted.applied && !deleted.existed);
}

fn gives_back_what_was_put(setting: &Setting) {
    let room = setting.room();
    let first = room.put("name", "Ada");
    assert!(first.applied && !first.existed);
    assert_eq!(pair(first.usage), (7, 1));
    let second = room.put("name", "Grace");
    assert!(second.applied && second.existed);
    assert_eq!(pair(second.usage), (9, 1));
    assert_eq!(room.get("name").unwrap(), b"Grace");
    let deleted = room.delete("name");
    assert!(deleted.applied && deleted.existed);
    assert_eq!(pair(deleted.usage), (0, 0));
    assert_eq!(room.get("name"), None);
}

fn keeps_bytes_that_are_no_text(setting: &Setting) {
    let room = setting.room();
    let bytes: Vec<u8> = (0..=255).collect();
    room.put("\0", &bytes);
    room.put("empty", "");
    assert_eq!(room.get("\0").unwrap(), bytes);
    assert_eq!(room.get("empty").unwrap(), b"");
    assert_eq!(room.usage(), (1 + 256 + 5, 2));
}

fn puts_only_where_nothing_is(setting: &Setting) {
    let room = setting.room();
    let absent = |value| conditional(Some(value), StorageCondition::Absent);
    assert!(room.write(absent("1"), ROOMY).unwrap().applied);
    let second = room.write(absent("2"), ROOMY).unwrap();
    assert!(!second.applied && second.existed);
    assert_eq!(pair(second.usage), (2, 1));
    assert_eq!(room.get("k").unwrap(), b"1");
}

fn puts_only_over_the_expected_value(setting: &Setting) {
    let room = setting.room();
    let swap = |from: &str, to| conditional(Some(to), StorageCondition::Equals(from.into()));
    let too_early = room.write(swap("", "1"), ROOMY).unwrap();
    assert!(
        !too_early.applied && !too_early.existed,
        "an absent key does not equal an empty value"
    );
    room.put("k", "1");
    for near_miss in ["", "1\0", "10", "01", " 1"] {
        assert!(
            !room.write(swap(near_miss, "2"), ROOMY).unwrap().applied,
            "{near_miss:?}"
        );
    }
    assert!(room.write(swap("1", "2"), ROOMY).unwrap().applied);
    assert_eq!(room.get("k").unwrap(), b"2");
}

fn deletes_only_the_expected_value(setting: &Setting) {
    let room = setting.room();
    room.put("k", "1");
    let delete = |expected: &str| conditional(None, StorageCondition::Equals(expected.into()));
    assert!(!room.write(delete("2"), ROOMY).unwrap().applied);
    assert_eq!(room.get("k").unwrap(), b"1");
    assert!(room.write(delete("1"), ROOMY).unwrap().applied);
    assert_eq!(room.get("k"), None);
}

fn takes_keys_and_values_up_to_their_limits_and_not_a_byte_more(setting: &Setting) {
    let room = setting.room();
    // Bytes count, not characters.
    let longest_key = "ü".repeat(MAX_KEY_BYTES / 2);
    let largest = vec![7; MAX_VALUE_BYTES];
    room.put(&longest_key, &largest);
    assert_eq!(room.get(&longest_key).unwrap(), largest);

    let too_large = room.write(put("k", vec![7; MAX_VALUE_BYTES + 1]), ROOMY).unwrap_err();
    assert!(matches!(too_large, StorageError::ValueTooLarge { actual_bytes } if actual_bytes == MAX_VALUE_BYTES + 1));
    let too_long = room.write(put(&(longest_key + "k"), ""), ROOMY).unwrap_err();
    assert!(matches!(too_long, StorageError::Key { actual_bytes: 257 }));
    assert_eq!(room.usage().1, 1);
}

fn says_no_to_a_bad_key_whatever_is_done_with_it(setting: &Setting) {
    let room = setting.room();
    for key in [String::new(), "k".repeat(MAX_KEY_BYTES + 1)] {
        let get = pollster::block_on(room.storage.get(&room.of, &key)).map(drop);
        let put = room.write(put(&key, "v"), ROOMY).map(drop);
        let delete = room.write(delete(&key), ROOMY).map(drop);
        let import = room.import(vec![entry(&key, "v")], ROOMY).map(drop);
        for refused in [get, put, delete, import] {
            assert!(matches!(refused, Err(StorageError::Key { actual_bytes }) if actual_bytes == key.len()));
        }
    }
    // As the beginning of keys they fit nothing, and are no mistake.
    assert_eq!(room.list(&"k".repeat(MAX_KEY_BYTES + 1), "", 10), Default::default());
}

fn forgets_what_has_expired(setting: &Setting) {
    let room = setting.room();
    room.put("stays", "1");
    room.write(expiring("goes", "22", 1_000), ROOMY).unwrap();
    setting.clock.advance(Duration::from_millis(999));
    assert_eq!(room.get("goes").unwrap(), b"22");
    assert_eq!(room.usage(), (6 + 6, 2));
    setting.clock.advance(Duration::from_millis(1));
    assert_eq!(room.get("goes"), None);
    assert_eq!(
        room.usage(),
        (6, 1),
        "what has expired counts for nothing, even before anything was written"
    );
    assert_eq!(room.export(), [entry("stays", "1")]);
    assert_eq!(pair(room.put("new", "").usage), (6 + 3, 2));
    assert_eq!(room.usage(), (6 + 3, 2));
}

fn treats_what_had_expired_before_as_a_deletion(setting: &Setting) {
    let room = setting.room();
    setting.clock.advance(Duration::from_secs(1));
    room.put("k", "1");
    let written = room.write(expiring("k", "2", 1_000), ROOMY).unwrap();
    assert!(written.applied && written.existed);
    assert_eq!(pair(written.usage), (0, 0));
    let before_1970 = StorageWrite {
        expires: SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(1)),
        ..put("k", "3")
    };
    assert!(!room.write(before_1970, ROOMY).unwrap().existed);
    assert_eq!(room.get("k"), None);
}

fn writes_over_an_expiry(setting: &Setting) {
    let room = setting.room();
    room.write(expiring("k", "1", 1_000), ROOMY).unwrap();
    room.put("k", "2");
    setting.clock.advance(Duration::from_secs(2));
    assert_eq!(room.get("k").unwrap(), b"2");
}

fn holds_an_expired_key_for_absent_in_a_condition(setting: &Setting) {
    let room = setting.room();
    room.write(expiring("k", "1", 1_000), ROOMY).unwrap();
    setting.clock.advance(Duration::from_secs(1));
    let equals = conditional(Some("2"), StorageCondition::Equals(b"1".to_vec()));
    let not_applied = room.write(equals, ROOMY).unwrap();
    assert!(!not_applied.applied && !not_applied.existed);
    let absent = room
        .write(conditional(Some("2"), StorageCondition::Absent), ROOMY)
        .unwrap();
    assert!(absent.applied && !absent.existed);
    assert_eq!(room.get("k").unwrap(), b"2");
}

fn lists_in_the_order_of_bytes(setting: &Setting) {
    let room = setting.room();
    // Neither a collation for people nor UTF-16 would put them so.
    let sorted = [
        "\0",
        "1",
        "10",
        "2",
        "A",
        "Z",
        "a",
        "a\0",
        "aa",
        "z",
        "ä",
        "\u{FFFD}",
        "\u{10FFFF}",
    ];
    for key in sorted.iter().rev() {
        room.put(key, "");
    }
    assert_eq!(room.keys(), sorted);
    assert_eq!(room.list("", "a", 3).keys, ["a\0", "aa", "z"]);
    assert_eq!(room.list("a", "", 9).keys, ["a", "a\0", "aa"]);
    assert_eq!(room.list("\u{10FFFF}", "", 9).keys, ["\u{10FFFF}"]);
    assert_eq!(
        room.list("a", "z", 9).keys,
        [""; 0],
        "after the last key with the prefix"
    );
    assert_eq!(
        room.list("z", "a", 9).keys,
        ["z"],
        "before the first key with the prefix"
    );
    assert_eq!(room.list("", "b", 1).keys, ["z"], "after a key that is not there");
}

fn lists_in_pages_that_join_without_a_gap(setting: &Setting) {
    let room = setting.room();
    let all: Vec<_> = (0..10).map(|number| format!("k{number}")).collect();
    for key in &all {
        room.put(key, "");
    }
    room.put("l", "");
    for limit in 1..=11 {
        let (mut keys, mut after, mut more) = (Vec::new(), String::new(), true);
        while more {
            let page = room.list("k", &after, limit);
            assert_eq!(
                page.more,
                keys.len() + page.keys.len() < all.len(),
                "limit {limit} after {after:?}"
            );
            after.clone_from(page.keys.last().unwrap());
            keys.extend(page.keys);
            more = page.more;
        }
        assert_eq!(keys, all);
    }
    let none = room.list("k", "", 0);
    assert!(none.keys.is_empty() && none.more);
}

fn lists_no_more_than_a_page(setting: &Setting) {
    let room = setting.room();
    let entries = |count: usize| (0..count).map(|number| entry(&format!("{number:05}"), "")).collect();
    room.import(entries(MAX_PAGE_KEYS), ROOMY).unwrap();
    let page = room.list("", "", usize::MAX);
    assert!(page.keys.len() == MAX_PAGE_KEYS && !page.more);
    room.import(entries(MAX_PAGE_KEYS + 1), ROOMY).unwrap();
    let page = room.list("", "", usize::MAX);
    assert!(page.keys.len() == MAX_PAGE_KEYS && page.more);
}

fn lists_no_expired_key(setting: &Setting) {
    let room = setting.room();
    room.put("a", "");
    room.write(expiring("b", "", 1_000), ROOMY).unwrap();
    assert!(room.list("", "", 1).more);
    setting.clock.advance(Duration::from_secs(1));
    let page = room.list("", "", 1);
    assert_eq!(page.keys, ["a"]);
    assert!(!page.more, "only an expired key follows");
}

fn imports_what_it_exported(setting: &Setting) {
    let room = setting.room();
    room.put("a", "1");
    room.write(expiring("b", [0xFF], 5_000), ROOMY).unwrap();
    let exported = room.export();
    let other = setting.of("other", None);
    other.put("old", "gone afterwards");
    other.set_state(Some(b"stays")).unwrap();
    assert_eq!(pair(other.import(exported.clone(), ROOMY).unwrap()), (4, 2));
    assert_eq!(other.export(), exported);
    assert_eq!(other.usage(), (4, 2));
    assert_eq!(other.state().unwrap(), b"stays");
    setting.clock.advance(Duration::from_secs(5));
    assert_eq!(other.keys(), ["a"]);
}

fn imports_all_or_nothing(setting: &Setting) {
    let room = setting.room();
    room.put("old", "1");
    let bad_last = vec![entry("a", "1"), entry("", "2")];
    assert!(matches!(room.import(bad_last, ROOMY), Err(StorageError::Key { .. })));
    let too_large = vec![entry("a", "1"), entry("b", vec![0; MAX_VALUE_BYTES + 1])];
    assert!(matches!(
        room.import(too_large, ROOMY),
        Err(StorageError::ValueTooLarge { .. })
    ));
    assert_eq!(room.export(), [entry("old", "1")]);
    assert_eq!(room.usage(), (4, 1));
}

fn imports_the_last_of_two_entries_with_one_key(setting: &Setting) {
    let room = setting.room();
    let twice = vec![entry("k", "first"), entry("k", "2")];
    assert_eq!(pair(room.import(twice, ROOMY).unwrap()), (2, 1));
    assert_eq!(room.export(), [entry("k", "2")]);
}

fn imports_nothing_that_has_expired(setting: &Setting) {
    let room = setting.room();
    setting.clock.advance(Duration::from_secs(1));
    let expired = StoredEntry {
        expires: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1)),
        ..entry("b", "")
    };
    assert_eq!(pair(room.import(vec![entry("a", ""), expired], ROOMY).unwrap()), (1, 1));
    assert_eq!(room.keys(), ["a"]);
}

fn keeps_one_state_record(setting: &Setting) {
    let room = setting.room();
    room.set_state(Some(b"{}")).unwrap();
    room.set_state(Some(b"{\"a\":1}")).unwrap();
    assert_eq!(room.state().unwrap(), b"{\"a\":1}");
    assert_eq!(room.usage(), (0, 0), "the record is no entry");
    assert_eq!(room.export(), []);
    room.set_state(None).unwrap();
    assert_eq!(room.state(), None);
}

fn refuses_a_state_record_that_is_too_large(setting: &Setting) {
    let room = setting.room();
    let largest = vec![b' '; MAX_VALUE_BYTES];
    room.set_state(Some(&largest)).unwrap();
    let too_large = room.set_state(Some(&[&largest[..], b" "].concat()));
    assert!(matches!(too_large, Err(StorageError::ValueTooLarge { .. })));
    assert_eq!(room.state().unwrap(), largest);
}

fn clears_everything(setting: &Setting) {
    let room = setting.room();
    room.put("a", "1");
    room.set_state(Some(b"{}")).unwrap();
    room.clear();
    assert_eq!(room.keys(), [""; 0]);
    assert_eq!(room.state(), None);
    assert_eq!(room.usage(), (0, 0));
    room.clear();
    assert_eq!(pair(room.put("b", "").usage), (1, 1));
    assert_eq!(
        (room.keys(), room.state()),
        (vec!["b".to_owned()], None),
        "nothing of before comes back"
    );
}

fn conditional(value: Option<&str>, condition: StorageCondition) -> StorageWrite {
    StorageWrite {
        value: value.map(Into::into),
        condition,
        ..put("k", "")
    }
}

fn expiring(key: &str, value: impl AsRef<[u8]>, unix_ms: u64) -> StorageWrite {
    StorageWrite {
        expires: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(unix_ms)),
        ..put(key, value)
    }
}

fn entry(key: &str, value: impl AsRef<[u8]>) -> StoredEntry {
    StoredEntry {
        key: key.to_owned(),
        value: value.as_ref().to_vec(),
        expires: None,
    }
}
