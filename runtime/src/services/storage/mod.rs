//! What plugins keep: one state record each, and a key-value namespace.

mod memory;
mod rules;
mod sqlite;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use palisade_bundle::{Blame, Code, Coded};
use serde_json::{Map, Value};
use thiserror::Error;

pub use self::memory::MemoryStorage;
pub use self::sqlite::{SqliteStorage, StorageOpenError};
use super::ServiceFuture;

/// Longest key, in bytes (sandbox.md, "Limits").
pub const MAX_KEY_BYTES: usize = 256;

/// Largest value, and largest state record, in bytes (sandbox.md, "Limits").
pub const MAX_VALUE_BYTES: usize = 1024 * 1024;

/// Keys one plugin may have (sandbox.md, "Limits").
pub const MAX_KEYS: u64 = 10_000;

/// Most keys of one page of a listing.
pub const MAX_PAGE_KEYS: usize = 1_000;

/// Whose data it is. The same id under another publisher is another namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace {
    /// The plugin.
    pub plugin_id: Arc<str>,
    /// Who vouches for it; `None` for an unsigned bundle.
    pub publisher: Option<Arc<str>>,
}

/// How much a namespace may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageQuota {
    /// Keys and values together, in bytes.
    pub bytes: u64,
    /// Number of keys.
    pub keys: u64,
}

/// How much a namespace holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageUsage {
    /// Keys and values together, in bytes.
    pub bytes: u64,
    /// Number of keys.
    pub keys: u64,
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageWrite {
    /// The key, 1 to [`MAX_KEY_BYTES`] bytes.
    pub key: String,
    /// The value, at most [`MAX_VALUE_BYTES`]; `None` deletes.
    pub value: Option<Vec<u8>>,
    /// What has to hold, or nothing is changed.
    pub condition: StorageCondition,
    /// From when on the key counts as absent.
    pub expires: Option<SystemTime>,
}

/// What has to hold for a change to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageCondition {
    /// Nothing.
    Always,
    /// The key is absent.
    Absent,
    /// The key has this value.
    Equals(Vec<u8>),
}

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageWritten {
    /// Whether the condition held, so that the change was made.
    pub applied: bool,
    /// Whether the key was there before.
    pub existed: bool,
    /// What the namespace holds now.
    pub usage: StorageUsage,
}

/// Part of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoragePage {
    /// Keys, ascending by their bytes.
    pub keys: Vec<String>,
    /// Whether more keys follow.
    pub more: bool,
}

/// One key with what it holds, as it is exported and imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
    /// From when on it counts as absent.
    pub expires: Option<SystemTime>,
}

/// A place for what plugins keep. What it answered `Ok` to is kept.
///
/// Expired keys are absent everywhere and count for nothing; times are kept to the millisecond, rounded down. A value
/// that had expired before it was written is a deletion.
///
/// Quotas are exact under any number of writers at once: a change that would go over is refused whole. A change that
/// does not grow what is counted is never refused, so that a plugin can make room after its quota became smaller.
pub trait Storage: fmt::Debug + Send + Sync {
    /// The value under a key.
    fn get<'a>(&'a self, of: &'a Namespace, key: &'a str) -> ServiceFuture<'a, Result<Option<Vec<u8>>, StorageError>>;

    /// Changes one key.
    fn write<'a>(
        &'a self,
        of: &'a Namespace,
        write: StorageWrite,
        quota: StorageQuota,
    ) -> ServiceFuture<'a, Result<StorageWritten, StorageError>>;

    /// Keys that start with `prefix` and come after `after`, ascending, at most `limit` of them and at most
    /// [`MAX_PAGE_KEYS`]. An empty `after` starts at the beginning.
    fn list<'a>(
        &'a self,
        of: &'a Namespace,
        prefix: &'a str,
        after: &'a str,
        limit: usize,
    ) -> ServiceFuture<'a, Result<StoragePage, StorageError>>;

    /// What the namespace holds.
    fn usage<'a>(&'a self, of: &'a Namespace) -> ServiceFuture<'a, Result<StorageUsage, StorageError>>;

    /// The state record.
    fn state<'a>(&'a self, of: &'a Namespace) -> ServiceFuture<'a, Result<Option<Vec<u8>>, StorageError>>;

    /// Replaces the state record, or removes it.
    fn set_state<'a>(
        &'a self,
        of: &'a Namespace,
        record: Option<Vec<u8>>,
    ) -> ServiceFuture<'a, Result<(), StorageError>>;

    /// Every entry, ascending by key.
    fn export<'a>(&'a self, of: &'a Namespace) -> ServiceFuture<'a, Result<Vec<StoredEntry>, StorageError>>;

    /// Replaces every entry by `entries`, or changes nothing. Of several entries with one key the last one counts. The
    /// state record stays.
    fn import<'a>(
        &'a self,
        of: &'a Namespace,
        entries: Vec<StoredEntry>,
        quota: StorageQuota,
    ) -> ServiceFuture<'a, Result<StorageUsage, StorageError>>;

    /// Deletes everything, the state record included.
    fn clear<'a>(&'a self, of: &'a Namespace) -> ServiceFuture<'a, Result<(), StorageError>>;
}

/// Something was not stored, or could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The change would go over the quota. Nothing was changed.
    #[error("the storage would hold {used} {unit}, and {limit} are allowed")]
    QuotaExceeded {
        /// `bytes` or `keys`.
        unit: &'static str,
        /// What it would hold.
        used: u64,
        /// What it may hold.
        limit: u64,
    },
    /// An empty key, or one that is too long.
    #[error("a key of {actual_bytes} bytes, and 1 to {MAX_KEY_BYTES} are allowed")]
    Key {
        /// Its length.
        actual_bytes: usize,
    },
    /// A value that is too large.
    #[error("a value of {actual_bytes} bytes, and {MAX_VALUE_BYTES} are allowed")]
    ValueTooLarge {
        /// Its size.
        actual_bytes: usize,
    },
    /// The database could not do its work.
    #[error("the storage failed")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Coded for StorageError {
    fn code(&self) -> Code {
        match self {
            Self::QuotaExceeded { .. } => Code::StorageQuotaExceeded,
            Self::Key { .. } => Code::InvalidArgument,
            Self::ValueTooLarge { .. } => Code::PayloadTooLarge,
            Self::Database(_) => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::QuotaExceeded { .. } => Blame::Plugin,
            Self::Key { .. } | Self::ValueTooLarge { .. } => Blame::Request,
            Self::Database(_) => Blame::Host,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let details = match self {
            Self::QuotaExceeded { unit, used, limit } => {
                serde_json::json!({"resource": "storage", "unit": unit, "used": used, "limit": limit})
            }
            Self::Key { actual_bytes } => {
                serde_json::json!({"actual_bytes": actual_bytes, "limit_bytes": MAX_KEY_BYTES})
            }
            Self::ValueTooLarge { actual_bytes } => {
                serde_json::json!({"actual_bytes": actual_bytes, "limit_bytes": MAX_VALUE_BYTES})
            }
            Self::Database(_) => return Map::new(),
        };
        match details {
            Value::Object(details) => details,
            _ => Map::new(),
        }
    }
}
