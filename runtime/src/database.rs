//! What every database file of a host has in common: who may read it, how little it is trusted, how it is written.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

/// How long another process may keep the file locked. Its commits take milliseconds; what takes longer hangs.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often, and after which pause, a new file is asked for its log: for as long as [`BUSY_TIMEOUT`] altogether.
const LOG_ATTEMPTS: u32 = 500;
const LOG_PAUSE: Duration = Duration::from_millis(10);

/// Enough for every statement of one file, with some to spare.
const STATEMENT_CACHE: usize = 32;

/// Creates an empty file for this user alone; SQLite gives its other files the same mode.
///
/// A file that is there is not even opened: closing it again would release the locks that this process holds on it
/// through other connections (sqlite.org, "How To Corrupt An SQLite Database File", 2.2).
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created.map(drop),
    }
}

/// A connection that trusts the file as little as it can. Changes nothing in it.
pub(crate) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // Without URIs, so that no part of the path is an option; without a mutex, because one thread has it.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags)?;
    database.busy_timeout(BUSY_TIMEOUT)?;
    database.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    database.pragma_update(None, "trusted_schema", false)?;
    database.pragma_update(None, "cell_size_check", true)?;
    // What is in the file does not leave it.
    database.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(database)
}

/// Has every commit written to a log, and the disk asked whether it arrived. The log is cut to `log_bytes` once its
/// content is in the database.
pub(crate) fn log_ahead(database: &Connection, log_bytes: i64) -> rusqlite::Result<()> {
    let mut mode = set_log(database);
    for _ in 0..LOG_ATTEMPTS {
        if !mode.as_ref().is_err_and(is_busy) {
            break;
        }
        thread::sleep(LOG_PAUSE);
        mode = set_log(database);
    }
    database.busy_timeout(BUSY_TIMEOUT)?;
    let mode = mode?;
    if mode != "wal" {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
            Some("the file system cannot share a log between connections".to_owned()),
        ));
    }
    database.pragma_update(None, "synchronous", "FULL")?;
    database.pragma_update_and_check(None, "journal_size_limit", log_bytes, |_| Ok(()))
}

/// Fails at once if it has to wait: nothing makes SQLite wait for others that open a new file at the same time, so
/// waiting is the caller's part, and not twice.
fn set_log(database: &Connection) -> rusqlite::Result<String> {
    database.busy_timeout(Duration::ZERO)?;
    database.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// Empties the log after a commit that failed: it may be in there whole, when only the disk's word that it arrived is
/// missing, and the next one to open the file would take it for done. Whoever was told that it failed did not.
///
/// What cannot be emptied now is written over by the next commit.
pub(crate) fn take_back(database: &Connection) {
    let _ = database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
}

/// Whether the failure is one of the file, and not of what was done with it.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
    )
}
