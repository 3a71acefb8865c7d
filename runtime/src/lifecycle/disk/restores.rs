//! State records that have to be put back when a replacement never came to an end.

use palisade_bundle::PluginId;
use rusqlite::{OptionalExtension, params};

use super::StoreError;
use super::registry::Registry;

impl Registry {
    /// Notes the state record that a plugin has before a new version of it gets hold of it. The note is gone as soon as
    /// the plugin is [saved](Registry::save) as one that has not failed.
    pub(super) fn note_restore(&self, id: &PluginId, state: Option<&[u8]>) -> Result<(), StoreError> {
        let database = self.database();
        let mut statement = database
            .prepare_cached("INSERT INTO restores VALUES (?1, ?2) ON CONFLICT DO UPDATE SET state = excluded.state")?;
        statement.execute(params![id.as_str(), state])?;
        Ok(())
    }

    /// The state record that a plugin has to have back, if there is a note of one.
    pub(super) fn restore(&self, id: &PluginId) -> Result<Option<Option<Vec<u8>>>, StoreError> {
        let database = self.database();
        let mut statement = database.prepare_cached("SELECT state FROM restores WHERE plugin = ?1")?;
        Ok(statement.query_row([id.as_str()], |row| row.get(0)).optional()?)
    }

    /// Forgets the note.
    pub(super) fn forget_restore(&self, id: &PluginId) -> Result<(), StoreError> {
        let database = self.database();
        database
            .prepare_cached("DELETE FROM restores WHERE plugin = ?1")?
            .execute([id.as_str()])?;
        Ok(())
    }
}
