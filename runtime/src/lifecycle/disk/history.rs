//! The configurations that a plugin had: written with whatever changes one, in the same transaction.

use std::time::SystemTime;

use palisade_bundle::{PluginId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::Serialize;
use serde_json::{Map, Value};

use super::registry::{from_json, to_json};
use super::{PluginRow, StoreError};

/// Configurations of a plugin that are kept: a month of one change each working day.
const KEPT_CONFIGS: i64 = 20;

/// A configuration that a plugin has or had.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConfigChange {
    /// Counts the configurations of a plugin since its install, from 1.
    pub number: i64,
    /// When it took effect; `None` when the clock was out of range.
    pub at: Option<Timestamp>,
    /// The version of the plugin that it took effect with.
    pub version: String,
    /// All of it, what the manifest says where the operator says nothing.
    pub config: Map<String, Value>,
}

/// Notes the configuration in effect, if it is another one than before.
pub(super) fn record(transaction: &Transaction<'_>, row: &PluginRow, now: SystemTime) -> Result<(), StoreError> {
    let id = row.id.as_str();
    let newest: Option<(i64, String)> = transaction
        .prepare_cached("SELECT number, config FROM configs WHERE plugin = ?1 ORDER BY number DESC LIMIT 1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let config = row.effective_config();
    let number = match newest {
        Some((_, known)) if from_json::<Map<String, Value>>(&known)? == *config => return Ok(()),
        Some((number, _)) => number.saturating_add(1),
        None => 1,
    };
    let at_ms = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    transaction
        .prepare_cached("INSERT INTO configs VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            id,
            number,
            i64::try_from(at_ms).unwrap_or(i64::MAX),
            row.active.version,
            to_json(config)?,
        ])?;
    transaction
        .prepare_cached("DELETE FROM configs WHERE plugin = ?1 AND number <= ?2")?
        .execute(params![id, number.saturating_sub(KEPT_CONFIGS)])?;
    Ok(())
}

/// Every configuration that is kept, newest first.
pub(super) fn list(database: &Connection, id: &PluginId) -> Result<Vec<ConfigChange>, StoreError> {
    let mut statement = database
        .prepare_cached("SELECT number, at_ms, version, config FROM configs WHERE plugin = ?1 ORDER BY number DESC")?;
    let mut rows = statement.query([id.as_str()])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        let at_ms: i64 = row.get(1)?;
        changes.push(ConfigChange {
            number: row.get(0)?,
            at: Timestamp::from_unix_seconds(at_ms.div_euclid(1_000)).ok(),
            version: row.get(2)?,
            config: from_json(&row.get::<_, String>(3)?)?,
        });
    }
    Ok(changes)
}
