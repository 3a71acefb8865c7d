//! A storage that lives as long as the process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::rules::{Change, Import, Listing, Stored, check_key, check_value, count, from_unix_ms, unix_ms, usage_of};
use super::{
    Namespace, Storage, StorageCondition, StorageError, StoragePage, StorageQuota, StorageUsage, StorageWrite,
    StorageWritten, StoredEntry,
};
use crate::services::{Clock, ServiceFuture};

/// A [`Storage`] in memory, for tests and for hosts whose plugins need to keep nothing. It is gone with the process.
///
/// Each change looks at every key of its namespace.
pub struct MemoryStorage {
    clock: Arc<dyn Clock>,
    namespaces: Mutex<BTreeMap<Namespace, Kept>>,
}

#[derive(Default)]
struct Kept {
    entries: BTreeMap<String, Stored>,
    state: Option<Vec<u8>>,
}

impl MemoryStorage {
    /// An empty storage. The clock decides what has expired.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            namespaces: Mutex::default(),
        }
    }

    fn with<T>(&self, of: &Namespace, work: impl FnOnce(&mut Kept, i64) -> T) -> T {
        let now_ms = unix_ms(self.clock.wall());
        let mut namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        work(namespaces.entry(of.clone()).or_default(), now_ms)
    }
}

impl fmt::Debug for MemoryStorage {
    /// Without what is kept: it is the plugins', and nothing for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStorage").finish_non_exhaustive()
    }
}

impl Storage for MemoryStorage {
    fn get<'a>(&'a self, of: &'a Namespace, key: &'a str) -> ServiceFuture<'a, Result<Option<Vec<u8>>, StorageError>> {
        Box::pin(async move {
            check_key(key)?;
            Ok(self.with(of, |kept, now_ms| kept.get(key, now_ms)))
        })
    }

    fn write<'a>(
        &'a self,
        of: &'a Namespace,
        write: StorageWrite,
        quota: StorageQuota,
    ) -> ServiceFuture<'a, Result<StorageWritten, StorageError>> {
        Box::pin(async move {
            let change = Change::check(write)?;
            self.with(of, |kept, now_ms| kept.write(change, quota, now_ms))
        })
    }

    fn list<'a>(
        &'a self,
        of: &'a Namespace,
        prefix: &'a str,
        after: &'a str,
        limit: usize,
    ) -> ServiceFuture<'a, Result<StoragePage, StorageError>> {
        Box::pin(async move {
            let listing = Listing::new(prefix, after, limit);
            Ok(self.with(of, |kept, now_ms| kept.list(&listing, now_ms)))
        })
    }

    fn usage<'a>(&'a self, of: &'a Namespace) -> ServiceFuture<'a, Result<StorageUsage, StorageError>> {
        Box::pin(async move { Ok(self.with(of, Kept::usage)) })
    }

    fn state<'a>(&'a self, of: &'a Namespace) -> ServiceFuture<'a, Result<Option<Vec<u8>>, StorageError>> {
        Box::pin(async move { Ok(self.with(of, |kept, _| kept.state.clone())) })
    }

    fn set_state<'a>(
        &'a self,
        of: &'a Namespace,
        record: Option<Vec<u8>>,
    ) -> ServiceFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            record.as_deref().map_or(Ok(()), check_value)?;
            self.with(of, |kept, _| kept.state = record);
            Ok(())
        })
    }

    fn export<'a>(&'a self, of: &'a Namespace) -> ServiceFuture<'a, Result<Vec<StoredEntry>, StorageError>> {
        Box::pin(async move { Ok(self.with(of, |kept, now_ms| kept.export(now_ms))) })
    }

    fn import<'a>(
        &'a self,
        of: &'a Namespace,
        entries: Vec<StoredEntry>,
        quota: StorageQuota,
    ) -> ServiceFuture<'a, Result<StorageUsage, StorageError>> {
        Box::pin(async move {
            let import = Import::check(entries, quota, unix_ms(self.clock.wall()))?;
            self.with(of, |kept, _| kept.entries = import.entries);
            Ok(import.usage)
        })
    }

    fn clear<'a>(&'a self, of: &'a Namespace) -> ServiceFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            self.with(of, |kept, _| *kept = Kept::default());
            Ok(())
        })
    }
}

impl Kept {
    fn get(&self, key: &str, now_ms: i64) -> Option<Vec<u8>> {
        let stored = self.entries.get(key).filter(|stored| stored.is_live(now_ms));
        stored.map(|stored| stored.value.clone())
    }

    fn write(&mut self, change: Change, quota: StorageQuota, now_ms: i64) -> Result<StorageWritten, StorageError> {
        let before = self.usage(now_ms);
        let held = self.entries.get(&change.key).map(|stored| stored.value.as_slice());
        let existed = held.is_some();
        let applied = match &change.condition {
            StorageCondition::Always => true,
            StorageCondition::Absent => !existed,
            StorageCondition::Equals(expected) => held == Some(expected.as_slice()),
        };
        let mut usage = before;
        if applied {
            let held_value_bytes = held.map(|value| count(value.len()));
            usage = change.usage_after(before, held_value_bytes, quota, now_ms)?;
            match change.stored(now_ms).cloned() {
                Some(stored) => self.entries.insert(change.key, stored),
                None => self.entries.remove(&change.key),
            };
        }
        Ok(StorageWritten {
            applied,
            existed,
            usage,
        })
    }

    fn list(&self, listing: &Listing, now_ms: i64) -> StoragePage {
        let from_first = self.entries.range(listing.first.clone()..);
        let mut keys = from_first
            .take_while(|(key, _)| key.starts_with(&listing.prefix))
            .filter(|(_, stored)| stored.is_live(now_ms))
            .map(|(key, _)| key.clone());
        let page = keys.by_ref().take(listing.limit).collect();
        StoragePage {
            keys: page,
            more: keys.next().is_some(),
        }
    }

    fn usage(&mut self, now_ms: i64) -> StorageUsage {
        self.entries.retain(|_, stored| stored.is_live(now_ms));
        usage_of(&self.entries)
    }

    fn export(&self, now_ms: i64) -> Vec<StoredEntry> {
        let live = self.entries.iter().filter(|(_, stored)| stored.is_live(now_ms));
        let entries = live.map(|(key, stored)| StoredEntry {
            key: key.clone(),
            value: stored.value.clone(),
            expires: stored.expires_ms.map(from_unix_ms),
        });
        entries.collect()
    }
}
