//! What every storage promises, held against each of them, and what only the one in a file can break.

mod conformance;
mod crash;
mod file;
mod quota;
mod random;
mod separation;

use std::sync::Arc;

use tempfile::TempDir;

use super::{
    MAX_KEYS, MemoryStorage, Namespace, SqliteStorage, Storage, StorageCondition, StorageError, StoragePage,
    StorageQuota, StorageUsage, StorageWrite, StorageWritten,
};
use crate::services::ManualClock;

const ROOMY: StorageQuota = StorageQuota {
    bytes: 10 * 1024 * 1024,
    keys: MAX_KEYS,
};

/// One test per storage for each of the named functions.
macro_rules! for_every_storage {
    ($($name:ident,)*) => {
        mod in_memory {
            $(#[test] fn $name() { super::$name(&crate::services::storage::tests::Setting::in_memory()); })*
        }
        mod in_a_file {
            $(#[test] fn $name() { super::$name(&crate::services::storage::tests::Setting::in_a_file()); })*
        }
    };
}
use for_every_storage;

/// An empty storage, a clock that a test moves, and the folder that has to outlive it.
struct Setting {
    storage: Box<dyn Storage>,
    clock: Arc<ManualClock>,
    _folder: Option<TempDir>,
}

impl Setting {
    fn in_memory() -> Self {
        let clock = Arc::new(ManualClock::new());
        Self {
            storage: Box::new(MemoryStorage::new(clock.clone())),
            clock,
            _folder: None,
        }
    }

    fn in_a_file() -> Self {
        let clock = Arc::new(ManualClock::new());
        let folder = tempfile::tempdir().unwrap();
        Self {
            storage: Box::new(SqliteStorage::open(folder.path().join("storage"), clock.clone()).unwrap()),
            clock,
            _folder: Some(folder),
        }
    }

    fn of<'a>(&'a self, plugin_id: &str, publisher: Option<&str>) -> Room<'a> {
        Room {
            storage: self.storage.as_ref(),
            of: namespace(plugin_id, publisher),
        }
    }

    fn room(&self) -> Room<'_> {
        self.of("greeter", Some("acme"))
    }
}

/// One namespace of a storage, used without an executor.
struct Room<'a> {
    storage: &'a dyn Storage,
    of: Namespace,
}

impl Room<'_> {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        pollster::block_on(self.storage.get(&self.of, key)).unwrap()
    }

    fn write(&self, write: StorageWrite, quota: StorageQuota) -> Result<StorageWritten, StorageError> {
        pollster::block_on(self.storage.write(&self.of, write, quota))
    }

    #[track_caller]
    fn put(&self, key: &str, value: impl AsRef<[u8]>) -> StorageWritten {
        self.write(put(key, value), ROOMY).unwrap()
    }

    #[track_caller]
    fn delete(&self, key: &str) -> StorageWritten {
        self.write(delete(key), ROOMY).unwrap()
    }

    fn list(&self, prefix: &str, after: &str, limit: usize) -> StoragePage {
        pollster::block_on(self.storage.list(&self.of, prefix, after, limit)).unwrap()
    }

    fn keys(&self) -> Vec<String> {
        self.list("", "", usize::MAX).keys
    }

    fn usage(&self) -> (u64, u64) {
        let usage = pollster::block_on(self.storage.usage(&self.of)).unwrap();
        pair(usage)
    }

    fn state(&self) -> Option<Vec<u8>> {
        pollster::block_on(self.storage.state(&self.of)).unwrap()
    }

    fn set_state(&self, record: Option<&[u8]>) -> Result<(), StorageError> {
        pollster::block_on(self.storage.set_state(&self.of, record.map(<[u8]>::to_vec)))
    }

    fn export(&self) -> Vec<super::StoredEntry> {
        pollster::block_on(self.storage.export(&self.of)).unwrap()
    }

    fn import(&self, entries: Vec<super::StoredEntry>, quota: StorageQuota) -> Result<StorageUsage, StorageError> {
        pollster::block_on(self.storage.import(&self.of, entries, quota))
    }

    fn clear(&self) {
        pollster::block_on(self.storage.clear(&self.of)).unwrap();
    }
}

fn namespace(plugin_id: &str, publisher: Option<&str>) -> Namespace {
    Namespace {
        plugin_id: plugin_id.into(),
        publisher: publisher.map(Into::into),
    }
}

fn put(key: &str, value: impl AsRef<[u8]>) -> StorageWrite {
    StorageWrite {
        key: key.to_owned(),
        value: Some(value.as_ref().to_vec()),
        condition: StorageCondition::Always,
        expires: None,
    }
}

fn delete(key: &str) -> StorageWrite {
    StorageWrite {
        value: None,
        ..put(key, "")
    }
}

/// Bytes and keys.
fn pair(usage: StorageUsage) -> (u64, u64) {
    (usage.bytes, usage.keys)
}
