//! A storage in a file, on SQLite.
//!
//! One thread writes and another one reads, each with a connection of its own, so that no read waits for a disk to
//! confirm a write. Writes that wait at the same time are committed together: the disk is asked once for all of them.

mod changes;
mod open;
mod queries;
mod threads;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use self::open::Connections;
pub use self::open::StorageOpenError;
use self::threads::Worker;
use super::rules::{Change, Import, Listing, check_key, check_value, unix_ms};
use super::{
    Namespace, Storage, StorageError, StoragePage, StorageQuota, StorageUsage, StorageWrite, StorageWritten,
    StoredEntry,
};
use crate::services::{Clock, ServiceFuture};

/// A [`Storage`] in a file. What it answered `Ok` to survives the death of the process and of the machine.
///
/// Several handles, and several processes, may use one file; quotas stay exact. Its futures run under any executor.
/// A write whose future was dropped is either made whole or not at all.
#[derive(Clone)]
pub struct SqliteStorage {
    workers: Arc<Workers>,
    clock: Arc<dyn Clock>,
}

struct Workers {
    writer: Worker,
    reader: Worker,
}

impl SqliteStorage {
    /// Opens the storage in the file at `path`, and creates it where there is none, for this user alone to read. The
    /// folder has to exist. The clock decides what has expired.
    ///
    /// Reads and writes files on the calling thread, and waits up to a few seconds for other processes that use the
    /// file. Dropping the last clone waits for the writes under way, and leaves one file.
    ///
    /// # Errors
    ///
    /// [`StorageOpenError`]: the file cannot be opened, holds something else, is damaged, or was written by a newer
    /// version.
    pub fn open(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, StorageOpenError> {
        let Connections { writer, reader } = open::connections(path.as_ref())?;
        let workers = Workers {
            writer: Worker::writer(writer).map_err(StorageOpenError::Thread)?,
            reader: Worker::reader(reader).map_err(StorageOpenError::Thread)?,
        };
        Ok(Self {
            workers: Arc::new(workers),
            clock,
        })
    }

    async fn change<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection, i64) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let clock = Arc::clone(&self.clock);
        let work = move |database: &Connection| work(database, unix_ms(clock.wall()));
        self.workers.writer.ask(work).await
    }

    async fn query<T: Send + 'static>(
        &self,
        query: impl Fn(&Connection, i64) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let clock = Arc::clone(&self.clock);
        let work = move |database: &Connection| query(database, unix_ms(clock.wall())).map_err(failed);
        self.workers.reader.ask(work).await
    }
}

impl fmt::Debug for SqliteStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStorage").finish_non_exhaustive()
    }
}

impl Storage for SqliteStorage {
    fn get<'a>(&'a self, of: &'a Namespace, key: &'a str) -> ServiceFuture<'a, Result<Option<Vec<u8>>, StorageError>> {
        Box::pin(async move {
            check_key(key)?;
            let (of, key) = (of.clone(), key.to_owned());
            self.query(move |database, now_ms| queries::value(database, &of, &key, now_ms))
                .await
        })
    }

    fn write<'a>(
        &'a self,
        of: &'a Namespace,
        write: StorageWrite,
        quota: StorageQuota,
    ) -> ServiceFuture<'a, Result<StorageWritten, StorageError>> {
        Box::pin(async move {
            let (of, change) = (of.clone(), Change::check(write)?);
            self.change(move |database, now_ms| changes::write(database, &of, &change, quota, now_ms))
                .await
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
            let (of, listing) = (of.clone(), Listing::new(prefix, after, limit));
            self.query(move |database, now_ms| queries::page(database, &of, &listing, now_ms))
                .await
        })
    }

    fn usage<'a>(&'a self, of: &'a Namespace) -> ServiceFuture<'a, Result<StorageUsage, StorageError>> {
        Box::pin(async move {
            let of = of.clone();
            self.query(move |database, now_ms| queries::usage(database, &of, now_ms))
                .await
        })
    }

    fn state<'a>(&'a self, of: &'a Namespace) -> ServiceFuture<'a, Result<Option<Vec<u8>>, StorageError>> {
        Box::pin(async move {
            let of = of.clone();
            self.query(move |database, _| queries::state(database, &of)).await
        })
    }

    fn set_state<'a>(
        &'a self,
        of: &'a Namespace,
        record: Option<Vec<u8>>,
    ) -> ServiceFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            record.as_deref().map_or(Ok(()), check_value)?;
            let of = of.clone();
            self.change(move |database, _| changes::set_state(database, &of, record.as_deref()))
                .await
        })
    }

    fn export<'a>(&'a self, of: &'a Namespace) -> ServiceFuture<'a, Result<Vec<StoredEntry>, StorageError>> {
        Box::pin(async move {
            let of = of.clone();
            self.query(move |database, now_ms| queries::entries(database, &of, now_ms))
                .await
        })
    }

    fn import<'a>(
        &'a self,
        of: &'a Namespace,
        entries: Vec<StoredEntry>,
        quota: StorageQuota,
    ) -> ServiceFuture<'a, Result<StorageUsage, StorageError>> {
        Box::pin(async move {
            let import = Import::check(entries, quota, unix_ms(self.clock.wall()))?;
            let (of, usage) = (of.clone(), import.usage);
            self.workers
                .writer
                .ask(move |database| changes::import(database, &of, &import))
                .await?;
            Ok(usage)
        })
    }

    fn clear<'a>(&'a self, of: &'a Namespace) -> ServiceFuture<'a, Result<(), StorageError>> {
        Box::pin(async move {
            let of = of.clone();
            self.change(move |database, _| changes::clear(database, &of)).await
        })
    }
}

fn failed(error: rusqlite::Error) -> StorageError {
    StorageError::Database(Box::new(error))
}
