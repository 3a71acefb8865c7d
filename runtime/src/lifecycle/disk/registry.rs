//! The registry: one SQLite file, every change one transaction that the disk has confirmed.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use palisade_bundle::{Digest, InstallRecord, Manifest, Permission, PluginId};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::history::{self, ConfigChange};
use super::rows::Grants;
use super::{PluginRow, StoreError, SupervisorOpenError, VersionRow, restores};
use crate::database::take_back;
use crate::lifecycle::status::KeptVersion;

/// Marks the file as a registry of Palisade: "PALR" in ASCII (SQLite, `PRAGMA application_id`).
const APPLICATION_ID: i32 = 0x5041_4C52;

/// Goes up by one with each change of [`TABLES`].
const SCHEMA_VERSION: i32 = 2;

/// Versions of a plugin that are kept for a rollback, besides the active one (lifecycle.md, step 8).
const KEPT_VERSIONS: i64 = 5;

/// Lists and objects are JSON text. What the ratchet remembers outlives the plugin, so it has a table of its own.
const TABLES: &str = "
    CREATE TABLE plugins (
        id TEXT PRIMARY KEY,
        enabled INTEGER NOT NULL,
        was_started INTEGER NOT NULL,
        failure TEXT,
        granted TEXT NOT NULL,
        withheld TEXT NOT NULL,
        active INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE versions (
        plugin TEXT NOT NULL REFERENCES plugins (id) ON DELETE CASCADE,
        ordinal INTEGER NOT NULL,
        version TEXT NOT NULL,
        publisher TEXT,
        digest TEXT NOT NULL,
        file TEXT NOT NULL,
        manifest TEXT NOT NULL,
        config TEXT,
        PRIMARY KEY (plugin, ordinal)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE configs (
        plugin TEXT NOT NULL REFERENCES plugins (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        version TEXT NOT NULL,
        config TEXT,
        PRIMARY KEY (plugin, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE schedules (
        plugin TEXT NOT NULL REFERENCES plugins (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        recurrence TEXT NOT NULL,
        is_paused INTEGER NOT NULL,
        due_ms INTEGER,
        PRIMARY KEY (plugin, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE restores (
        plugin TEXT PRIMARY KEY REFERENCES plugins (id) ON DELETE CASCADE,
        state BLOB
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE ratchets (
        id TEXT PRIMARY KEY,
        record TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// The columns of a version, in the order [`version`] reads them.
const VERSION_COLUMNS: &str = "v.ordinal, v.version, v.publisher, v.digest, v.file, v.manifest, v.config";

/// What is installed.
#[derive(Debug)]
pub(super) struct Registry {
    database: Mutex<Connection>,
}

impl Registry {
    /// Opens the registry, and creates it where there is none.
    pub(super) fn open(path: &Path) -> Result<Self, SupervisorOpenError> {
        let database = connect(path).map_err(|reason| SupervisorOpenError::Registry {
            path: path.to_owned(),
            reason,
        })?;
        Ok(Self {
            database: Mutex::new(database),
        })
    }

    /// Every plugin, by id.
    pub(super) fn plugins(&self) -> Result<Vec<PluginRow>, StoreError> {
        let database = self.database();
        let mut statement = database.prepare_cached(&format!(
            "SELECT {VERSION_COLUMNS}, p.id, p.enabled, p.was_started, p.failure, p.granted, p.withheld
             FROM plugins p JOIN versions v ON v.plugin = p.id AND v.ordinal = p.active ORDER BY p.id"
        ))?;
        let mut rows = statement.query([])?;
        let mut plugins = Vec::new();
        while let Some(row) = rows.next()? {
            plugins.push(plugin(row)?);
        }
        Ok(plugins)
    }

    /// The files that some version names.
    pub(super) fn referenced(&self) -> Result<BTreeSet<Digest>, StoreError> {
        let database = self.database();
        let mut statement = database.prepare_cached("SELECT DISTINCT file FROM versions")?;
        let mut rows = statement.query([])?;
        let mut files = BTreeSet::new();
        while let Some(row) = rows.next()? {
            files.insert(digest(row, 0)?);
        }
        Ok(files)
    }

    /// The version before the active one, or the last one before it that is called `name`.
    pub(super) fn previous(&self, row: &PluginRow, name: Option<&str>) -> Result<Option<VersionRow>, StoreError> {
        let database = self.database();
        let mut statement = database.prepare_cached(&format!(
            "SELECT {VERSION_COLUMNS} FROM versions v WHERE v.plugin = ?1 AND v.ordinal < ?2
                 AND (?3 IS NULL OR v.version = ?3)
             ORDER BY v.ordinal DESC LIMIT 1"
        ))?;
        let mut rows = statement.query(params![row.id.as_str(), row.active.ordinal, name])?;
        rows.next()?.map(version).transpose()
    }

    /// The versions of a plugin that are kept, oldest first.
    pub(super) fn versions(&self, id: &PluginId) -> Result<Vec<KeptVersion>, StoreError> {
        versions(&self.database(), id)
    }

    /// The configurations that a plugin had, newest first.
    pub(super) fn config_history(&self, id: &PluginId) -> Result<Vec<ConfigChange>, StoreError> {
        history::list(&self.database(), id)
    }

    /// What the ratchet remembers of a plugin.
    pub(super) fn record(&self, id: &PluginId) -> Result<Option<InstallRecord>, StoreError> {
        let database = self.database();
        let mut statement = database.prepare_cached("SELECT record FROM ratchets WHERE id = ?1")?;
        let record: Option<String> = statement.query_row([id.as_str()], |row| row.get(0)).optional()?;
        record.as_deref().map(from_json).transpose()
    }

    /// Replaces what is known of a plugin, and adds its active version if it is new; `record` is what the ratchet
    /// remembers from now on. Versions after the active one were rolled back, and are forgotten; so is the state record
    /// to put back, unless the plugin failed before it was. Returns the versions that are kept.
    pub(super) fn save(
        &self,
        row: &PluginRow,
        record: Option<&InstallRecord>,
        now: SystemTime,
    ) -> Result<Vec<KeptVersion>, StoreError> {
        self.change(|transaction| {
            save_plugin(transaction, row)?;
            save_version(transaction, row)?;
            history::record(transaction, row, now)?;
            if row.failure.is_none() {
                restores::forget(transaction, &row.id)?;
            }
            if let Some(record) = record {
                save_record(transaction, record)?;
            }
            versions(transaction, &row.id)
        })
    }

    /// Removes a plugin and its versions; what the ratchet remembers stays.
    pub(super) fn remove(&self, id: &PluginId) -> Result<(), StoreError> {
        self.change(|transaction| {
            let mut statement = transaction.prepare_cached("DELETE FROM plugins WHERE id = ?1")?;
            statement.execute([id.as_str()])?;
            Ok(())
        })
    }

    /// Makes a change whole, or not at all.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut database = self.database();
        let changed = in_transaction(&mut database, change);
        if changed.is_err() {
            take_back(&database);
        }
        changed
    }

    pub(super) fn database(&self) -> MutexGuard<'_, Connection> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_transaction<T>(
    database: &mut Connection,
    change: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let changed = change(&transaction)?;
    transaction.commit()?;
    Ok(changed)
}

fn save_record(transaction: &Transaction<'_>, record: &InstallRecord) -> Result<(), StoreError> {
    let save = "INSERT INTO ratchets VALUES (?1, ?2) ON CONFLICT DO UPDATE SET record = excluded.record";
    let parameters = params![record.id.as_str(), to_json(record)?];
    transaction.prepare_cached(save)?.execute(parameters)?;
    Ok(())
}

fn versions(database: &Connection, id: &PluginId) -> Result<Vec<KeptVersion>, StoreError> {
    let mut statement = database
        .prepare_cached("SELECT version, publisher, digest FROM versions WHERE plugin = ?1 ORDER BY ordinal")?;
    let mut rows = statement.query([id.as_str()])?;
    let mut kept = Vec::new();
    while let Some(row) = rows.next()? {
        kept.push(KeptVersion {
            version: row.get(0)?,
            publisher: row.get(1)?,
            digest: digest(row, 2)?,
        });
    }
    Ok(kept)
}

fn save_plugin(transaction: &Transaction<'_>, row: &PluginRow) -> Result<(), StoreError> {
    let failure = row.failure.as_ref().map(to_json).transpose()?;
    transaction
        .prepare_cached(
            "INSERT INTO plugins VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET
                 enabled = excluded.enabled, was_started = excluded.was_started, failure = excluded.failure,
                 granted = excluded.granted, withheld = excluded.withheld, active = excluded.active",
        )?
        .execute(params![
            row.id.as_str(),
            row.enabled,
            row.was_started,
            failure,
            to_json(&row.grants.granted)?,
            to_json(&row.grants.withheld)?,
            row.active.ordinal,
        ])?;
    Ok(())
}

fn save_version(transaction: &Transaction<'_>, row: &PluginRow) -> Result<(), StoreError> {
    let (id, active) = (row.id.as_str(), &row.active);
    transaction
        .prepare_cached(
            "INSERT INTO versions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET
                 version = excluded.version, publisher = excluded.publisher, digest = excluded.digest,
                 file = excluded.file, manifest = excluded.manifest, config = excluded.config",
        )?
        .execute(params![
            id,
            active.ordinal,
            active.version,
            active.publisher,
            active.digest.to_string(),
            active.file.to_string(),
            String::from_utf8_lossy(&active.manifest.to_json()),
            active.config.as_ref().map(to_json).transpose()?,
        ])?;
    transaction
        .prepare_cached(
            "DELETE FROM versions WHERE plugin = ?1 AND ordinal <> ?2 AND ordinal NOT IN
                 (SELECT ordinal FROM versions WHERE plugin = ?1 AND ordinal < ?2 ORDER BY ordinal DESC LIMIT ?3)",
        )?
        .execute(params![id, active.ordinal, KEPT_VERSIONS])?;
    Ok(())
}

fn connect(path: &Path) -> Result<Connection, Box<dyn Error + Send + Sync>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut database = Connection::open_with_flags(path, flags)?;
    database.pragma_update(None, "trusted_schema", false)?;
    database.pragma_update(None, "foreign_keys", true)?;
    let application: i32 = database.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let schema: i32 = database.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let objects: i64 = database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (application, schema, objects) {
        (APPLICATION_ID, SCHEMA_VERSION, _) | (0, 0, 0) => {}
        (APPLICATION_ID, newer, _) => {
            return Err(format!("schema {newer}, and this version knows {SCHEMA_VERSION}").into());
        }
        _ => return Err("a database of something else".into()),
    }
    let mode: String = database.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err("the file system cannot keep a log beside the database".into());
    }
    database.pragma_update(None, "synchronous", "FULL")?;
    if objects == 0 {
        let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        transaction.commit()?;
    }
    Ok(database)
}

fn plugin(row: &Row<'_>) -> Result<PluginRow, StoreError> {
    let id: String = row.get(7)?;
    let failure: Option<String> = row.get(10)?;
    let permissions = |column| from_json::<BTreeSet<Permission>>(&row.get::<_, String>(column)?);
    Ok(PluginRow {
        id: id.parse::<PluginId>().map_err(StoreError::registry)?,
        enabled: row.get(8)?,
        was_started: row.get(9)?,
        failure: failure.as_deref().map(from_json).transpose()?,
        grants: Grants {
            granted: permissions(11)?,
            withheld: permissions(12)?,
        },
        active: version(row)?,
    })
}

fn version(row: &Row<'_>) -> Result<VersionRow, StoreError> {
    let (manifest, config): (String, Option<String>) = (row.get(5)?, row.get(6)?);
    Ok(VersionRow {
        ordinal: row.get(0)?,
        version: row.get(1)?,
        publisher: row.get(2)?,
        digest: digest(row, 3)?,
        file: digest(row, 4)?,
        manifest: Arc::new(Manifest::parse(manifest.as_bytes()).map_err(StoreError::registry)?),
        config: config.as_deref().map(from_json).transpose()?,
    })
}

fn digest(row: &Row<'_>, column: usize) -> Result<Digest, StoreError> {
    row.get::<_, String>(column)?.parse().map_err(StoreError::registry)
}

pub(super) fn to_json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::registry)
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(StoreError::registry)
}
