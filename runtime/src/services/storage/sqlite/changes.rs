//! What the writing thread does, inside a savepoint each: what fails is undone whole.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::rules::{Change, Import, Stored};
use super::super::{Namespace, StorageCondition, StorageError, StorageQuota, StorageUsage, StorageWritten};
use super::failed;
use super::queries::{publisher, unsigned};

/// The row of a namespace.
struct Owner {
    id: i64,
    usage: StorageUsage,
}

impl Owner {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            usage: StorageUsage {
                bytes: unsigned(row, 1)?,
                keys: unsigned(row, 2)?,
            },
        })
    }
}

pub(super) fn write(
    database: &Connection,
    of: &Namespace,
    change: &Change,
    quota: StorageQuota,
    now_ms: i64,
) -> Result<StorageWritten, StorageError> {
    let mut owner = owner(database, of).map_err(failed)?;
    let stored_usage = owner.usage;
    remove_expired(database, &mut owner, now_ms).map_err(failed)?;
    let key = change.key.as_bytes();
    let held_value_bytes = value_bytes(database, owner.id, key).map_err(failed)?;
    let existed = held_value_bytes.is_some();
    let applied = match &change.condition {
        StorageCondition::Always => true,
        StorageCondition::Absent => !existed,
        StorageCondition::Equals(expected) => value_equals(database, owner.id, key, expected).map_err(failed)?,
    };
    if applied {
        owner.usage = change.usage_after(owner.usage, held_value_bytes, quota, now_ms)?;
        match change.stored(now_ms) {
            Some(stored) => put(database, owner.id, key, stored).map_err(failed)?,
            None => delete(database, owner.id, key).map_err(failed)?,
        }
    }
    if owner.usage != stored_usage {
        set_usage(database, &owner).map_err(failed)?;
    }
    Ok(StorageWritten {
        applied,
        existed,
        usage: owner.usage,
    })
}

pub(super) fn set_state(database: &Connection, of: &Namespace, record: Option<&[u8]>) -> Result<(), StorageError> {
    let owner = owner(database, of).map_err(failed)?;
    let changed = match record {
        Some(record) => {
            let sql = "INSERT INTO states (namespace, record) VALUES (?1, ?2)
                ON CONFLICT DO UPDATE SET record = excluded.record";
            execute(database, sql, params![owner.id, record])
        }
        None => execute(database, "DELETE FROM states WHERE namespace = ?1", [owner.id]),
    };
    changed.map_err(failed)
}

pub(super) fn import(database: &Connection, of: &Namespace, import: &Import) -> Result<(), StorageError> {
    let mut owner = owner(database, of).map_err(failed)?;
    execute(database, "DELETE FROM entries WHERE namespace = ?1", [owner.id]).map_err(failed)?;
    for (key, stored) in &import.entries {
        put(database, owner.id, key.as_bytes(), stored).map_err(failed)?;
    }
    owner.usage = import.usage;
    set_usage(database, &owner).map_err(failed)
}

pub(super) fn clear(database: &Connection, of: &Namespace) -> Result<(), StorageError> {
    let owner = owner(database, of).map_err(failed)?;
    for sql in [
        "DELETE FROM entries WHERE namespace = ?1",
        "DELETE FROM states WHERE namespace = ?1",
        "DELETE FROM namespaces WHERE id = ?1",
    ] {
        execute(database, sql, [owner.id]).map_err(failed)?;
    }
    Ok(())
}

/// The row of the namespace, a new one if there was none.
fn owner(database: &Connection, of: &Namespace) -> rusqlite::Result<Owner> {
    let params = params![of.plugin_id.as_bytes(), publisher(of)];
    let sql = "SELECT id, bytes, keys FROM namespaces WHERE plugin_id = ?1 AND publisher = ?2";
    if let Some(owner) = database
        .prepare_cached(sql)?
        .query_row(params, Owner::from_row)
        .optional()?
    {
        return Ok(owner);
    }
    let sql = "INSERT INTO namespaces (plugin_id, publisher, bytes, keys) VALUES (?1, ?2, 0, 0)
        RETURNING id, bytes, keys";
    database.prepare_cached(sql)?.query_row(params, Owner::from_row)
}

fn remove_expired(database: &Connection, owner: &mut Owner, now_ms: i64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM entries WHERE namespace = ?1 AND expires_ms <= ?2 RETURNING length(key) + length(value)";
    let mut statement = database.prepare_cached(sql)?;
    let mut removed = statement.query(params![owner.id, now_ms])?;
    while let Some(row) = removed.next()? {
        owner.usage.bytes = owner.usage.bytes.saturating_sub(unsigned(row, 0)?);
        owner.usage.keys = owner.usage.keys.saturating_sub(1);
    }
    Ok(())
}

fn value_bytes(database: &Connection, owner: i64, key: &[u8]) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT length(value) FROM entries WHERE namespace = ?1 AND key = ?2";
    database
        .prepare_cached(sql)?
        .query_row(params![owner, key], |row| unsigned(row, 0))
        .optional()
}

/// Whether the key is there with this value.
fn value_equals(database: &Connection, owner: i64, key: &[u8], expected: &[u8]) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM entries WHERE namespace = ?1 AND key = ?2 AND value = ?3";
    database.prepare_cached(sql)?.exists(params![owner, key, expected])
}

fn put(database: &Connection, owner: i64, key: &[u8], stored: &Stored) -> rusqlite::Result<()> {
    let sql = "INSERT INTO entries (namespace, key, expires_ms, value) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO UPDATE SET expires_ms = excluded.expires_ms, value = excluded.value";
    execute(database, sql, params![owner, key, stored.expires_ms, stored.value])
}

fn delete(database: &Connection, owner: i64, key: &[u8]) -> rusqlite::Result<()> {
    execute(
        database,
        "DELETE FROM entries WHERE namespace = ?1 AND key = ?2",
        params![owner, key],
    )
}

fn set_usage(database: &Connection, owner: &Owner) -> rusqlite::Result<()> {
    let sql = "UPDATE namespaces SET bytes = ?2, keys = ?3 WHERE id = ?1";
    execute(
        database,
        sql,
        params![owner.id, signed(owner.usage.bytes), signed(owner.usage.keys)],
    )
}

fn execute(database: &Connection, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<()> {
    database.prepare_cached(sql)?.execute(params).map(drop)
}

/// SQLite's integers have 63 bits and a sign. No file is that large.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
