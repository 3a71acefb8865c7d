//! What every storage has to hold its plugins to, in one place for all of them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::{
    MAX_KEY_BYTES, MAX_PAGE_KEYS, MAX_VALUE_BYTES, StorageCondition, StorageError, StorageQuota, StorageUsage,
    StorageWrite, StoredEntry,
};

/// A value as it is kept.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) value: Vec<u8>,
    /// From which millisecond since 1970 on the key counts as absent.
    pub(super) expires_ms: Option<i64>,
}

impl Stored {
    pub(super) fn is_live(&self, now_ms: i64) -> bool {
        self.expires_ms.is_none_or(|expires_ms| expires_ms > now_ms)
    }
}

/// A [`StorageWrite`] whose key and value have legal sizes.
pub(super) struct Change {
    pub(super) key: String,
    pub(super) condition: StorageCondition,
    stored: Option<Stored>,
}

impl Change {
    pub(super) fn check(write: StorageWrite) -> Result<Self, StorageError> {
        check_key(&write.key)?;
        if let Some(value) = &write.value {
            check_value(value)?;
        }
        let expires_ms = write.expires.map(unix_ms);
        Ok(Self {
            key: write.key,
            condition: write.condition,
            stored: write.value.map(|value| Stored { value, expires_ms }),
        })
    }

    /// What is under the key afterwards. What has expired already is absent, so it is not stored at all.
    pub(super) fn stored(&self, now_ms: i64) -> Option<&Stored> {
        self.stored.as_ref().filter(|stored| stored.is_live(now_ms))
    }

    /// What the namespace holds afterwards, if the quota allows it. `before` counts no expired entry, and
    /// `held_value_bytes` is the length of the value that is there now.
    pub(super) fn usage_after(
        &self,
        before: StorageUsage,
        held_value_bytes: Option<u64>,
        quota: StorageQuota,
        now_ms: i64,
    ) -> Result<StorageUsage, StorageError> {
        let key_bytes = count(self.key.len());
        let without = match held_value_bytes {
            Some(value_bytes) => StorageUsage {
                bytes: before.bytes.saturating_sub(key_bytes.saturating_add(value_bytes)),
                keys: before.keys.saturating_sub(1),
            },
            None => before,
        };
        let after = match self.stored(now_ms) {
            Some(stored) => plus(without, self.key.len(), stored.value.len()),
            None => without,
        };
        check_growth(before, after, quota)?;
        Ok(after)
    }
}

/// A whole namespace as it is imported: every size is legal, nothing has expired, the quota allows it.
pub(super) struct Import {
    pub(super) entries: BTreeMap<String, Stored>,
    pub(super) usage: StorageUsage,
}

impl Import {
    /// The last of several entries with the same key is the one that counts.
    pub(super) fn check(entries: Vec<StoredEntry>, quota: StorageQuota, now_ms: i64) -> Result<Self, StorageError> {
        let mut kept = BTreeMap::new();
        for entry in entries {
            check_key(&entry.key)?;
            check_value(&entry.value)?;
            let stored = Stored {
                value: entry.value,
                expires_ms: entry.expires.map(unix_ms),
            };
            kept.insert(entry.key, stored);
        }
        kept.retain(|_, stored| stored.is_live(now_ms));
        let usage = usage_of(&kept);
        check_growth(StorageUsage::default(), usage, quota)?;
        Ok(Self { entries: kept, usage })
    }
}

/// Which keys a page of a listing is about: from `first` on, as long as they start with `prefix`.
pub(super) struct Listing {
    pub(super) first: String,
    pub(super) prefix: String,
    pub(super) limit: usize,
}

impl Listing {
    pub(super) fn new(prefix: &str, after: &str, limit: usize) -> Self {
        // The key that comes next after any other is the same one with a zero byte more. No key is empty, so that
        // this begins at the beginning for an empty `after`, too.
        let next = format!("{after}\0");
        Self {
            first: next.max(prefix.to_owned()),
            prefix: prefix.to_owned(),
            limit: limit.min(MAX_PAGE_KEYS),
        }
    }

    /// The first bytes that come after every key with the prefix.
    pub(super) fn end(&self) -> Vec<u8> {
        let mut end = self.prefix.clone().into_bytes();
        match end.last_mut() {
            // UTF-8 has no byte 0xFF, so that this neither overflows nor skips a key.
            Some(last) => *last = last.saturating_add(1),
            None => end.push(u8::MAX),
        }
        end
    }
}

pub(super) fn check_key(key: &str) -> Result<(), StorageError> {
    match key.len() {
        1..=MAX_KEY_BYTES => Ok(()),
        actual_bytes => Err(StorageError::Key { actual_bytes }),
    }
}

pub(super) fn check_value(value: &[u8]) -> Result<(), StorageError> {
    match value.len() {
        0..=MAX_VALUE_BYTES => Ok(()),
        actual_bytes => Err(StorageError::ValueTooLarge { actual_bytes }),
    }
}

/// What entries hold, when all of them count.
pub(super) fn usage_of(entries: &BTreeMap<String, Stored>) -> StorageUsage {
    let none = StorageUsage::default();
    entries
        .iter()
        .fold(none, |usage, (key, stored)| plus(usage, key.len(), stored.value.len()))
}

/// Milliseconds since 1970, rounded down. Times beyond what fits never come, or are long past.
pub(super) fn unix_ms(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => {
            let before_ms = before.duration().as_nanos().div_ceil(1_000_000);
            i64::try_from(before_ms).map_or(i64::MIN, |before_ms| -before_ms)
        }
    }
}

/// The time that [`unix_ms`] made the number of. 1970 for one that the platform cannot express.
pub(super) fn from_unix_ms(unix_ms: i64) -> SystemTime {
    let distance = Duration::from_millis(unix_ms.unsigned_abs());
    let time = if unix_ms < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

pub(super) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn plus(usage: StorageUsage, key_bytes: usize, value_bytes: usize) -> StorageUsage {
    StorageUsage {
        bytes: usage
            .bytes
            .saturating_add(count(key_bytes))
            .saturating_add(count(value_bytes)),
        keys: usage.keys.saturating_add(1),
    }
}

/// Only growing can be refused: with a quota that became smaller, a plugin can still delete and shrink.
fn check_growth(before: StorageUsage, after: StorageUsage, quota: StorageQuota) -> Result<(), StorageError> {
    let (unit, used, limit) = if after.bytes > before.bytes && after.bytes > quota.bytes {
        ("bytes", after.bytes, quota.bytes)
    } else if after.keys > before.keys && after.keys > quota.keys {
        ("keys", after.keys, quota.keys)
    } else {
        return Ok(());
    };
    Err(StorageError::QuotaExceeded { unit, used, limit })
}
