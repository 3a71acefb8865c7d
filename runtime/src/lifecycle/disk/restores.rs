//! State records that have to be put back should the host die while a plugin is being replaced.

use std::collections::BTreeMap;

use palisade_bundle::PluginId;
use rusqlite::{Transaction, params};

use super::StoreError;
use super::registry::Registry;

impl Registry {
    /// The state records to put back, by plugin; `None` is a plugin that had none.
    pub(super) fn restores(&self) -> Result<BTreeMap<String, Option<Vec<u8>>>, StoreError> {
        let database = self.database();
        let mut statement = database.prepare_cached("SELECT plugin, state FROM restores")?;
        let restores = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(restores.collect::<Result<_, _>>()?)
    }

    /// Has a state record put back unless the plugin is saved before.
    pub(super) fn note_restore(&self, id: &PluginId, state: Option<&[u8]>) -> Result<(), StoreError> {
        self.change(|transaction| {
            let note = "INSERT INTO restores VALUES (?1, ?2) ON CONFLICT DO UPDATE SET state = excluded.state";
            transaction.prepare_cached(note)?.execute(params![id.as_str(), state])?;
            Ok(())
        })
    }

    pub(super) fn forget_restore(&self, id: &PluginId) -> Result<(), StoreError> {
        self.change(|transaction| forget(transaction, id))
    }
}

pub(super) fn forget(transaction: &Transaction<'_>, id: &PluginId) -> Result<(), StoreError> {
    let forget = "DELETE FROM restores WHERE plugin = ?1";
    transaction.prepare_cached(forget)?.execute([id.as_str()])?;
    Ok(())
}
