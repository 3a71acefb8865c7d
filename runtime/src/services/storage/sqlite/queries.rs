//! What the reading thread does: one statement each, so that each sees one moment.

use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension as _, Row, params};

use super::super::rules::{Listing, from_unix_ms};
use super::super::{Namespace, StoragePage, StorageUsage, StoredEntry};

pub(super) fn value(
    database: &Connection,
    of: &Namespace,
    key: &str,
    now_ms: i64,
) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT value FROM entries
        WHERE namespace = (SELECT id FROM namespaces WHERE plugin_id = ?1 AND publisher = ?2)
            AND key = ?3 AND (expires_ms IS NULL OR expires_ms > ?4)";
    let params = params![of.plugin_id.as_bytes(), publisher(of), key.as_bytes(), now_ms];
    database
        .prepare_cached(sql)?
        .query_row(params, |row| row.get(0))
        .optional()
}

pub(super) fn page(
    database: &Connection,
    of: &Namespace,
    listing: &Listing,
    now_ms: i64,
) -> rusqlite::Result<StoragePage> {
    let sql = "SELECT key FROM entries
        WHERE namespace = (SELECT id FROM namespaces WHERE plugin_id = ?1 AND publisher = ?2)
            AND key >= ?3 AND key < ?4 AND (expires_ms IS NULL OR expires_ms > ?5)
        ORDER BY key";
    let params = params![
        of.plugin_id.as_bytes(),
        publisher(of),
        listing.first.as_bytes(),
        listing.end(),
        now_ms,
    ];
    let mut statement = database.prepare_cached(sql)?;
    let mut keys = statement.query_map(params, |row| text(row, 0))?;
    let page = keys.by_ref().take(listing.limit).collect::<rusqlite::Result<_>>()?;
    Ok(StoragePage {
        keys: page,
        more: keys.next().transpose()?.is_some(),
    })
}

pub(super) fn usage(database: &Connection, of: &Namespace, now_ms: i64) -> rusqlite::Result<StorageUsage> {
    let sql = "SELECT namespaces.bytes, namespaces.keys,
            coalesce(sum(length(entries.key) + length(entries.value)), 0), count(entries.key)
        FROM namespaces LEFT JOIN entries ON entries.namespace = namespaces.id AND entries.expires_ms <= ?3
        WHERE plugin_id = ?1 AND publisher = ?2
        GROUP BY namespaces.id";
    let params = params![of.plugin_id.as_bytes(), publisher(of), now_ms];
    let usage = database.prepare_cached(sql)?.query_row(params, |row| {
        let (expired_bytes, expired_keys) = (unsigned(row, 2)?, unsigned(row, 3)?);
        Ok(StorageUsage {
            bytes: unsigned(row, 0)?.saturating_sub(expired_bytes),
            keys: unsigned(row, 1)?.saturating_sub(expired_keys),
        })
    });
    Ok(usage.optional()?.unwrap_or_default())
}

pub(super) fn state(database: &Connection, of: &Namespace) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT record FROM states
        WHERE namespace = (SELECT id FROM namespaces WHERE plugin_id = ?1 AND publisher = ?2)";
    let params = params![of.plugin_id.as_bytes(), publisher(of)];
    database
        .prepare_cached(sql)?
        .query_row(params, |row| row.get(0))
        .optional()
}

pub(super) fn entries(database: &Connection, of: &Namespace, now_ms: i64) -> rusqlite::Result<Vec<StoredEntry>> {
    let sql = "SELECT key, value, expires_ms FROM entries
        WHERE namespace = (SELECT id FROM namespaces WHERE plugin_id = ?1 AND publisher = ?2)
            AND (expires_ms IS NULL OR expires_ms > ?3)
        ORDER BY key";
    let params = params![of.plugin_id.as_bytes(), publisher(of), now_ms];
    let mut statement = database.prepare_cached(sql)?;
    let entries = statement.query_map(params, |row| {
        Ok(StoredEntry {
            key: text(row, 0)?,
            value: row.get(1)?,
            expires: row.get::<_, Option<i64>>(2)?.map(from_unix_ms),
        })
    })?;
    entries.collect()
}

/// How the publisher of a namespace is kept: none as no bytes at all, any other behind a byte, so that an empty name
/// is somebody else than nobody.
pub(super) fn publisher(of: &Namespace) -> Vec<u8> {
    let name = of.publisher.as_deref();
    name.map_or_else(Vec::new, |name| [b"=", name.as_bytes()].concat())
}

/// A number that was never negative when it was written.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| Error::IntegralValueOutOfRange(column, number))
}

/// Bytes that were text when they were written.
fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    let bytes = row.get(column)?;
    String::from_utf8(bytes).map_err(|error| Error::FromSqlConversionFailure(column, Type::Blob, Box::new(error)))
}
