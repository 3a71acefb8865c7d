//! State and storage with the limits of a real host: [`Entries`].

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use palisade_abi::KeyPage;

use crate::host::HostError;

/// Longest key, in bytes (sandbox.md, "Limits").
const MAX_KEY_BYTES: usize = 256;

/// Largest value, and largest state record, in bytes (sandbox.md, "Limits").
const MAX_VALUE_BYTES: usize = 1024 * 1024;

/// Keys and values of a plugin together, in bytes, when nothing else is said (sandbox.md, "Limits").
const DEFAULT_QUOTA_BYTES: u64 = 10 * 1024 * 1024;

/// Keys of a plugin (sandbox.md, "Limits").
const DEFAULT_QUOTA_KEYS: u64 = 10_000;

/// Most keys of one page (the meaning of `storage_list` in the ABI).
const MAX_PAGE_KEYS: usize = 1_000;

/// The keys and values of one plugin. Time passes when a test says so.
#[derive(Debug)]
pub(super) struct Entries {
    entries: BTreeMap<String, Entry>,
    quota_bytes: u64,
    quota_keys: u64,
    now: Duration,
}

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    /// From when on the key is absent.
    expires: Option<Duration>,
}

impl Default for Entries {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            quota_bytes: DEFAULT_QUOTA_BYTES,
            quota_keys: DEFAULT_QUOTA_KEYS,
            now: Duration::ZERO,
        }
    }
}

impl Entries {
    pub(super) fn limit(&mut self, bytes: u64, keys: u64) {
        self.quota_bytes = bytes;
        self.quota_keys = keys;
    }

    pub(super) fn advance(&mut self, time: Duration) {
        self.now = self.now.saturating_add(time);
        let now = self.now;
        self.entries
            .retain(|_, entry| entry.expires.is_none_or(|expires| now < expires));
    }

    pub(super) fn get(&self, key: &str) -> Option<&Vec<u8>> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// Puts a value; says whether the key was there. Changes nothing when it is an error.
    pub(super) fn put(&mut self, key: &str, value: Vec<u8>, time: Option<Duration>) -> Result<bool, HostError> {
        check_key(key)?;
        check_value(&value)?;
        self.check_quota(key, &value)?;
        let expires = time.map(|time| self.now.saturating_add(time));
        let before = self.entries.insert(key.to_owned(), Entry { value, expires });
        Ok(before.is_some())
    }

    /// Deletes a key; says whether it was there.
    pub(super) fn delete(&mut self, key: &str) -> bool {
        self.entries.remove(key).is_some()
    }

    /// Keys that start with `prefix` and come after `after`.
    pub(super) fn page(&self, prefix: &str, after: &str, limit: usize) -> KeyPage {
        let limit = limit.min(MAX_PAGE_KEYS);
        let from = if after < prefix {
            Bound::Included(prefix)
        } else if after.is_empty() {
            Bound::Unbounded
        } else {
            Bound::Excluded(after)
        };
        let mut keys = self
            .entries
            .range::<str, _>((from, Bound::Unbounded))
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix));
        let page = keys.by_ref().take(limit).cloned().collect();
        KeyPage {
            keys: page,
            more: keys.next().is_some(),
        }
    }

    fn check_quota(&self, key: &str, value: &[u8]) -> Result<(), HostError> {
        let others = self.entries.iter().filter(|(other, _)| *other != key);
        let (mut bytes, mut keys) = (size(key, value), 1);
        for (other, entry) in others {
            bytes += size(other, &entry.value);
            keys += 1;
        }
        for (unit, used, limit) in [("bytes", bytes, self.quota_bytes), ("keys", keys, self.quota_keys)] {
            if used > limit {
                let message = format!("the storage would hold {used} {unit}, and {limit} are allowed");
                return Err(HostError::new("STORAGE_QUOTA_EXCEEDED", message)
                    .with_detail("resource", "storage")
                    .with_detail("unit", unit)
                    .with_detail("used", used)
                    .with_detail("limit", limit));
            }
        }
        Ok(())
    }
}

fn size(key: &str, value: &[u8]) -> u64 {
    // A `usize` has at most 64 bits on every target of Rust.
    u64::try_from(key.len() + value.len()).unwrap_or(u64::MAX)
}

/// Refuses an empty key, and one that is too long.
pub(super) fn check_key(key: &str) -> Result<(), HostError> {
    if (1..=MAX_KEY_BYTES).contains(&key.len()) {
        return Ok(());
    }
    let message = format!("a key of {} bytes, and 1 to {MAX_KEY_BYTES} are allowed", key.len());
    Err(too_long("INVALID_ARGUMENT", message, key.len(), MAX_KEY_BYTES))
}

/// Refuses a value, or a state record, that is too large.
pub(super) fn check_value(value: &[u8]) -> Result<(), HostError> {
    if value.len() <= MAX_VALUE_BYTES {
        return Ok(());
    }
    let message = format!("a value of {} bytes, and {MAX_VALUE_BYTES} are allowed", value.len());
    Err(too_long("PAYLOAD_TOO_LARGE", message, value.len(), MAX_VALUE_BYTES))
}

fn too_long(code: &str, message: String, actual_bytes: usize, limit_bytes: usize) -> HostError {
    HostError::new(code, message)
        .with_detail("actual_bytes", actual_bytes)
        .with_detail("limit_bytes", limit_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(entries: &mut Entries, key: &str, value: &[u8], code: &str) {
        let before = entries.get(key).cloned();
        let error = entries.put(key, value.to_vec(), None).unwrap_err();
        assert_eq!(error.code(), code);
        assert_eq!(entries.get(key), before.as_ref());
    }

    #[test]
    fn keys_and_values_are_limited_exactly() {
        let mut entries = Entries::default();
        entries.put(&"k".repeat(256), vec![0; 1024 * 1024], None).unwrap();
        check_refused(&mut entries, &"k".repeat(257), b"", "INVALID_ARGUMENT");
        check_refused(&mut entries, "", b"", "INVALID_ARGUMENT");
        check_refused(&mut entries, "k", &[0; 1024 * 1024 + 1], "PAYLOAD_TOO_LARGE");
    }

    #[test]
    fn the_quota_counts_keys_and_values_and_is_exact() {
        let mut entries = Entries::default();
        entries.limit(10, 2);
        entries.put("ab", vec![0; 4], None).unwrap();
        check_refused(&mut entries, "c", &[0; 4], "STORAGE_QUOTA_EXCEEDED");
        entries.put("c", vec![0; 3], None).unwrap();
        check_refused(&mut entries, "d", b"", "STORAGE_QUOTA_EXCEEDED");
        check_refused(&mut entries, "ab", &[0; 5], "STORAGE_QUOTA_EXCEEDED");
        entries.put("ab", vec![1; 4], None).unwrap();
        entries.delete("c");
        entries.put("ab", vec![1; 8], None).unwrap();
        entries.limit(10, 1);
        check_refused(&mut entries, "d", b"", "STORAGE_QUOTA_EXCEEDED");
    }

    #[test]
    fn what_has_expired_is_absent_and_counts_for_nothing() {
        let mut entries = Entries::default();
        entries.limit(2, 1);
        entries.put("a", vec![0], Some(Duration::from_millis(5))).unwrap();
        entries.advance(Duration::from_millis(4));
        check_refused(&mut entries, "b", b"", "STORAGE_QUOTA_EXCEEDED");
        entries.advance(Duration::from_millis(1));
        assert_eq!((entries.get("a"), entries.page("", "", 9).keys.len()), (None, 0));
        assert_eq!(entries.put("b", vec![0], None), Ok(false));
        entries.advance(Duration::MAX);
        assert!(entries.get("b").is_some());
    }

    #[test]
    fn a_page_starts_after_a_key_and_says_whether_more_follow() {
        let mut entries = Entries::default();
        for key in ["a", "b", "b/1", "b/2", "b/3", "c"] {
            entries.put(key, Vec::new(), None).unwrap();
        }
        for (prefix, after, limit, keys, more) in [
            ("", "", 9, &["a", "b", "b/1", "b/2", "b/3", "c"][..], false),
            ("b/", "", 2, &["b/1", "b/2"], true),
            ("b/", "b/2", 2, &["b/3"], false),
            ("b/", "a", 1, &["b/1"], true),
            ("b/", "c", 9, &[], false),
            ("", "b", 1, &["b/1"], true),
            ("x", "", 9, &[], false),
            ("", "", 0, &[], true),
        ] {
            let page = entries.page(prefix, after, limit);
            assert_eq!(
                (page.keys.as_slice(), page.more),
                (&keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>()[..], more)
            );
        }
    }
}
