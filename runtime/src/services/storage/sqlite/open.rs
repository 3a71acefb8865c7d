//! Opening the file: whose it is, how it is written, and what tables it has.

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use palisade_bundle::{Blame, Code, Coded};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use thiserror::Error;

use crate::database::{connect, create_private, is_damage, log_ahead};

/// Marks the file as a storage of Palisade: "PALS" in ASCII (SQLite, `PRAGMA application_id`).
const APPLICATION_ID: i32 = 0x5041_4C53;

/// Goes up by one with each change of [`TABLES`].
const SCHEMA_VERSION: i32 = 1;

/// To how many bytes the log is cut once its content is in the database: 16 MiB hold one full import, which is what
/// makes it grow.
const LOG_BYTES: i64 = 16 * 1024 * 1024;

/// Names and keys are blobs: compared byte by byte, whatever characters are in them. The state is a table of its own,
/// because SQLite writes rows whole and the counters change with every write. `value` comes last in its row, so that a
/// listing does not read it.
const TABLES: &str = "
    CREATE TABLE namespaces (
        id INTEGER PRIMARY KEY,
        plugin_id BLOB NOT NULL,
        publisher BLOB NOT NULL,
        bytes INTEGER NOT NULL,
        keys INTEGER NOT NULL,
        UNIQUE (plugin_id, publisher)
    ) STRICT;
    CREATE TABLE states (
        namespace INTEGER PRIMARY KEY,
        record BLOB NOT NULL
    ) STRICT;
    CREATE TABLE entries (
        namespace INTEGER NOT NULL,
        key BLOB NOT NULL,
        expires_ms INTEGER,
        value BLOB NOT NULL,
        UNIQUE (namespace, key)
    ) STRICT;
    CREATE INDEX entries_that_expire ON entries (namespace, expires_ms) WHERE expires_ms IS NOT NULL;
";

/// A file could not be opened as a storage.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StorageOpenError {
    /// The file cannot be created or found.
    #[error("cannot open {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        reason: io::Error,
    },
    /// What is in it is no database, or a damaged one.
    #[error("{} is damaged, or no database", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        #[source]
        reason: Box<dyn Error + Send + Sync>,
    },
    /// It is a database of something else. It was left as it is.
    #[error("{} is a database, but not a storage of plugins", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer version wrote it. It was left as it is.
    #[error("{} has schema {found}, and this version knows {SCHEMA_VERSION}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i32,
    },
    /// The database cannot work with the file: it is locked, the disk is full, or the file system cannot do it.
    #[error("cannot use {} as a database", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        reason: Box<dyn Error + Send + Sync>,
    },
    /// The system has no thread for it.
    #[error("cannot start a thread for the storage")]
    Thread(#[source] io::Error),
}

impl Coded for StorageOpenError {
    fn code(&self) -> Code {
        match self {
            Self::File { .. }
            | Self::Damaged { .. }
            | Self::Foreign { .. }
            | Self::Newer { .. }
            | Self::Database { .. }
            | Self::Thread(_) => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }
}

/// The connections of the two threads.
pub(super) struct Connections {
    pub(super) writer: Connection,
    pub(super) reader: Connection,
}

/// Opens the file twice, after it was created or recognised.
pub(super) fn connections(path: &Path) -> Result<Connections, StorageOpenError> {
    let in_file = |reason| StorageOpenError::File {
        path: path.to_owned(),
        reason,
    };
    create_private(path).map_err(in_file)?;
    // Both connections get the same file whatever happens to links, and SQLite no name that means something to it.
    let path = fs::canonicalize(path).map_err(in_file)?;
    let in_database = |error| from_database(&path, error);

    let mut writer = connect(&path).map_err(in_database)?;
    let transaction = writer.transaction().map_err(in_database)?;
    let content = Content::of(&transaction).map_err(in_database)?.check(&path)?;
    drop(transaction);
    log_ahead(&writer, LOG_BYTES).map_err(in_database)?;
    if content == Content::Empty {
        create_tables(&mut writer, &path)?;
    }
    let reader = connect(&path).map_err(in_database)?;
    log_ahead(&reader, LOG_BYTES).map_err(in_database)?;
    reader.pragma_update(None, "query_only", true).map_err(in_database)?;
    Ok(Connections { writer, reader })
}

/// What a file turned out to hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Empty,
    Schema(i32),
    Foreign,
}

impl Content {
    /// In a transaction, because another process may be creating the tables right now.
    fn of(database: &Transaction<'_>) -> rusqlite::Result<Self> {
        let application: i32 = database.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let schema: i32 = database.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let objects: i64 = database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok(match (application, schema, objects) {
            (0, 0, 0) => Self::Empty,
            (APPLICATION_ID, schema, _) => Self::Schema(schema),
            _ => Self::Foreign,
        })
    }

    fn check(self, path: &Path) -> Result<Self, StorageOpenError> {
        let path = path.to_owned();
        match self {
            Self::Empty | Self::Schema(SCHEMA_VERSION) => Ok(self),
            Self::Schema(found) if found > SCHEMA_VERSION => Err(StorageOpenError::Newer { path, found }),
            Self::Schema(_) | Self::Foreign => Err(StorageOpenError::Foreign { path }),
        }
    }
}

fn create_tables(database: &mut Connection, path: &Path) -> Result<(), StorageOpenError> {
    let in_database = |error| from_database(path, error);
    let transaction = database
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(in_database)?;
    // Another process may have been here between the look and the lock.
    if Content::of(&transaction).map_err(in_database)?.check(path)? == Content::Empty {
        transaction.execute_batch(TABLES).map_err(in_database)?;
        transaction
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(in_database)?;
        transaction
            .pragma_update(None, "user_version", SCHEMA_VERSION)
            .map_err(in_database)?;
    }
    transaction.commit().map_err(in_database)
}

fn from_database(path: &Path, error: rusqlite::Error) -> StorageOpenError {
    let path = path.to_owned();
    if is_damage(&error) {
        StorageOpenError::Damaged {
            path,
            reason: Box::new(error),
        }
    } else {
        StorageOpenError::Database {
            path,
            reason: Box::new(error),
        }
    }
}
