//! The database file of the log: its tables, and every statement.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use palisade_bundle::{Digest, canonical_json};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};
use serde_json::Value;

use super::chain::Found;
use super::checkpoint::{AuditCheckpoint, Signature};
use super::error::{AuditBreak, AuditOpenError};
use super::record::{Content, Head, MAX_AUDIT_ENTRY_BYTES, StoredRecord};
use crate::database::{connect, create_private, log_ahead};

/// Marks the file as an audit log of Palisade: "PALA" in ASCII (SQLite, `PRAGMA application_id`).
const APPLICATION_ID: i32 = 0x5041_4C41;

/// Goes up by one with each change of [`TABLES`].
const SCHEMA_VERSION: i32 = 1;

/// To how many bytes SQLite's own log is cut once its content is in the database: 4 MiB hold a batch of 64 of the
/// largest records.
const LOG_BYTES: i64 = 4 * 1024 * 1024;

/// A record is stored once, in columns, and its hash is made of them: what a filter sees is what is verified. There is
/// no index, which could hide a record that is there.
pub(super) const TABLES: &str = "
    CREATE TABLE records (
        seq INTEGER PRIMARY KEY,
        timestamp TEXT NOT NULL,
        actor TEXT NOT NULL,
        plugin_id TEXT,
        action TEXT NOT NULL,
        resource TEXT NOT NULL,
        outcome TEXT NOT NULL,
        details TEXT NOT NULL,
        prev_hash BLOB NOT NULL,
        hash BLOB NOT NULL
    ) STRICT;
    CREATE TABLE checkpoints (
        seq INTEGER PRIMARY KEY,
        hash BLOB NOT NULL,
        timestamp TEXT NOT NULL,
        signature BLOB NOT NULL
    ) STRICT;
";

/// Against mistakes. Whoever means it drops them; that is what the chain is for.
pub(super) const TRIGGERS: &str = "
    CREATE TRIGGER records_are_not_changed BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'append-only'); END;
    CREATE TRIGGER records_are_not_deleted BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'append-only'); END;
";

/// The two files of a log.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) database: PathBuf,
    pub(super) checkpoint: PathBuf,
}

impl Files {
    /// In this folder, which has to exist.
    pub(super) fn of(folder: &Path) -> Result<Self, AuditOpenError> {
        // The same files whatever happens to links.
        let folder = fs::canonicalize(folder).map_err(|reason| in_file(folder, reason))?;
        Ok(Self {
            database: folder.join("audit.db"),
            checkpoint: folder.join("audit.checkpoint"),
        })
    }
}

/// A connection that writes, to a file that is created where there is none.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, AuditOpenError> {
    create_private(path).map_err(|reason| in_file(path, reason))?;
    let database = connect(path).map_err(|error| in_database(path, error))?;
    let is_empty = check_content(&database, path)?;
    log_ahead(&database, LOG_BYTES).map_err(|error| in_database(path, error))?;
    if is_empty {
        create_tables(&database, path)?;
    }
    Ok(database)
}

/// A connection that only reads, to a file that is there.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, AuditOpenError> {
    let database = connect(path).map_err(|error| in_database(path, error))?;
    if check_content(&database, path)? {
        return Err(AuditOpenError::Foreign { path: path.to_owned() });
    }
    let only_query = database.pragma_update(None, "query_only", true);
    only_query.map_err(|error| in_database(path, error))?;
    Ok(database)
}

/// Whether the file is empty; an error where it holds anything but a log.
fn check_content(database: &Connection, path: &Path) -> Result<bool, AuditOpenError> {
    let failed = |error| in_database(path, error);
    let foreign = || AuditOpenError::Foreign { path: path.to_owned() };
    let number = |pragma| database.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let objects = objects(database).map_err(failed)?;
    match (
        number("application_id").map_err(failed)?,
        number("user_version").map_err(failed)?,
    ) {
        (0, 0) if objects.is_empty() => Ok(true),
        (APPLICATION_ID, found) if found > SCHEMA_VERSION => Err(AuditOpenError::Newer {
            path: path.to_owned(),
            found,
        }),
        // A trigger or a view of somebody else's could change what is written or read.
        (APPLICATION_ID, SCHEMA_VERSION) if objects == expected_objects().map_err(failed)? => Ok(false),
        _ => Err(foreign()),
    }
}

/// Every table and trigger, with its definition.
fn objects(database: &Connection) -> rusqlite::Result<Vec<(String, Option<String>)>> {
    let mut statement = database.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")?;
    let objects = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    objects.collect()
}

fn expected_objects() -> rusqlite::Result<Vec<(String, Option<String>)>> {
    let empty = Connection::open_in_memory()?;
    empty.execute_batch(TABLES)?;
    empty.execute_batch(TRIGGERS)?;
    objects(&empty)
}

fn create_tables(database: &Connection, path: &Path) -> Result<(), AuditOpenError> {
    let failed = |error| in_database(path, error);
    let transaction = write(database).map_err(failed)?;
    // Another process may have been here between the look and the lock.
    if check_content(&transaction, path)? {
        transaction.execute_batch(TABLES).map_err(failed)?;
        transaction.execute_batch(TRIGGERS).map_err(failed)?;
        transaction
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(failed)?;
        transaction
            .pragma_update(None, "user_version", SCHEMA_VERSION)
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

fn in_file(path: &Path, reason: io::Error) -> AuditOpenError {
    AuditOpenError::File {
        path: path.to_owned(),
        reason,
    }
}

pub(super) fn in_database(path: &Path, error: rusqlite::Error) -> AuditOpenError {
    AuditOpenError::Database {
        path: path.to_owned(),
        reason: Box::new(error),
    }
}

/// Holds every other writer off until it ends.
pub(super) fn write(database: &Connection) -> rusqlite::Result<Transaction<'_>> {
    Transaction::new_unchecked(database, TransactionBehavior::Immediate)
}

/// Sees the log as it is at its first query, whatever is written meanwhile.
pub(super) fn read(database: &Connection) -> rusqlite::Result<Transaction<'_>> {
    Transaction::new_unchecked(database, TransactionBehavior::Deferred)
}

pub(super) fn insert_record(database: &Connection, record: &StoredRecord) -> rusqlite::Result<()> {
    let StoredRecord { content, hash } = record;
    let sql =
        "INSERT INTO records (seq, timestamp, actor, plugin_id, action, resource, outcome, details, prev_hash, hash)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let details = canonical_json::to_bytes(&content.details)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let details =
        String::from_utf8(details).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let parameters = params![
        signed(content.seq),
        content.timestamp,
        content.actor,
        content.plugin_id,
        content.action,
        content.resource,
        content.outcome,
        details,
        content.prev_hash.as_bytes(),
        hash.as_bytes(),
    ];
    database.prepare_cached(sql)?.execute(parameters).map(drop)
}

pub(super) fn insert_checkpoint(database: &Connection, checkpoint: &AuditCheckpoint) -> rusqlite::Result<()> {
    let sql = "INSERT INTO checkpoints (seq, hash, timestamp, signature) VALUES (?1, ?2, ?3, ?4)";
    let parameters = params![
        signed(checkpoint.seq),
        checkpoint.hash.as_bytes(),
        checkpoint.timestamp.to_string(),
        checkpoint.signature.0,
    ];
    database.prepare_cached(sql)?.execute(parameters).map(drop)
}

/// Where the log ends.
pub(super) fn head(database: &Connection) -> rusqlite::Result<Head> {
    let sql = "SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1";
    let head = database.prepare_cached(sql)?.query_row([], head_of).optional()?;
    Ok(head.unwrap_or_else(Head::of_nothing))
}

/// What the chain was at this number; `None` when it was not.
pub(super) fn head_at(database: &Connection, seq: u64) -> rusqlite::Result<Option<Head>> {
    if seq == 0 {
        return Ok(Some(Head::of_nothing()));
    }
    let sql = "SELECT seq, hash FROM records WHERE seq = ?1";
    let mut statement = database.prepare_cached(sql)?;
    statement.query_row([signed(seq)], head_of).optional()
}

fn head_of(row: &Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        seq: row.get::<_, i64>(0)?.try_into().unwrap_or_default(),
        hash: Digest::from_bytes(row.get(1)?),
    })
}

/// The newest checkpoint, or what is wrong with it.
pub(super) fn newest_checkpoint(
    database: &Connection,
) -> rusqlite::Result<Result<Option<AuditCheckpoint>, AuditBreak>> {
    let sql = "SELECT seq, hash, timestamp, signature FROM checkpoints ORDER BY seq DESC LIMIT 1";
    let newest = database.prepare_cached(sql)?.query_row([], checkpoint_of).optional()?;
    Ok(newest.transpose())
}

/// Every checkpoint, ascending, or what is wrong with the first that is none.
pub(super) fn checkpoints(database: &Connection) -> rusqlite::Result<Result<Vec<AuditCheckpoint>, AuditBreak>> {
    let sql = "SELECT seq, hash, timestamp, signature FROM checkpoints ORDER BY seq";
    let mut statement = database.prepare_cached(sql)?;
    let checkpoints = statement.query_map([], checkpoint_of)?;
    checkpoints.collect()
}

fn checkpoint_of(row: &Row<'_>) -> rusqlite::Result<Result<AuditCheckpoint, AuditBreak>> {
    let seq = u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default();
    let read = || {
        Some(AuditCheckpoint {
            seq,
            hash: Digest::from_bytes(row.get(1).ok()?),
            timestamp: row.get::<_, String>(2).ok()?.parse().ok()?,
            signature: Signature(row.get(3).ok()?),
        })
    };
    Ok(read().ok_or(AuditBreak::Forged { seq }))
}

/// The columns of a record, in the order that [`found`] reads.
pub(super) const COLUMNS: &str =
    "seq, timestamp, actor, plugin_id, action, resource, outcome, details, prev_hash, hash";

/// What a row of [`COLUMNS`] holds. Only a failure of the database is an error, not what somebody put there.
pub(super) fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let seq: i64 = row.get(0)?;
    let seq = u64::try_from(seq).unwrap_or_default();
    Ok(match record(row, seq) {
        Some(record) => Found::Record(Box::new(record)),
        None => Found::NoRecord(Some(seq)),
    })
}

fn record(row: &Row<'_>, seq: u64) -> Option<StoredRecord> {
    let details: String = row.get(7).ok()?;
    let value: Value = canonical_json::parse(details.as_bytes(), MAX_AUDIT_ENTRY_BYTES).ok()?;
    // Another spelling of the same details is not what was written.
    if canonical_json::to_bytes(&value).ok()? != details.as_bytes() {
        return None;
    }
    let Value::Object(details) = value else {
        return None;
    };
    Some(StoredRecord {
        content: Content {
            seq,
            timestamp: row.get(1).ok()?,
            actor: row.get(2).ok()?,
            plugin_id: row.get(3).ok()?,
            action: row.get(4).ok()?,
            resource: row.get(5).ok()?,
            outcome: row.get(6).ok()?,
            details,
            prev_hash: Digest::from_bytes(row.get(8).ok()?),
        },
        hash: Digest::from_bytes(row.get(9).ok()?),
    })
}

/// SQLite's integers have 63 bits and a sign. No log is that long.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
