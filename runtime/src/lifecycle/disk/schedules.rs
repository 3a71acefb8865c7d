//! What the registry holds of schedules.

use jiff::Timestamp;
use palisade_bundle::PluginId;
use rusqlite::params;

use super::StoreError;
use super::registry::Registry;

/// An entry of a plugin's schedule as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::lifecycle) struct ScheduleRow {
    pub(in crate::lifecycle) plugin: PluginId,
    pub(in crate::lifecycle) name: String,
    /// What `due` was reckoned from.
    pub(in crate::lifecycle) recurrence: String,
    pub(in crate::lifecycle) is_paused: bool,
    /// When it begins next, to the millisecond.
    pub(in crate::lifecycle) due: Option<Timestamp>,
}

impl Registry {
    /// Every entry that is known.
    pub(super) fn schedules(&self) -> Result<Vec<ScheduleRow>, StoreError> {
        let database = self.database();
        let mut statement =
            database.prepare_cached("SELECT plugin, name, recurrence, is_paused, due_ms FROM schedules")?;
        let mut rows = statement.query([])?;
        let mut schedules = Vec::new();
        while let Some(row) = rows.next()? {
            let (plugin, due): (String, Option<i64>) = (row.get(0)?, row.get(4)?);
            let due = due.map(Timestamp::from_millisecond).transpose();
            schedules.push(ScheduleRow {
                plugin: plugin.parse().map_err(StoreError::registry)?,
                name: row.get(1)?,
                recurrence: row.get(2)?,
                is_paused: row.get(3)?,
                due: due.map_err(StoreError::registry)?,
            });
        }
        Ok(schedules)
    }

    /// Replaces what is known of entries; those of a plugin that is gone meanwhile are gone too.
    pub(super) fn save_schedules(&self, rows: &[ScheduleRow]) -> Result<(), StoreError> {
        self.change(|transaction| {
            for row in rows {
                transaction
                    .prepare_cached(
                        "INSERT INTO schedules SELECT ?1, ?2, ?3, ?4, ?5
                             WHERE EXISTS (SELECT 1 FROM plugins WHERE id = ?1)
                         ON CONFLICT DO UPDATE SET recurrence = excluded.recurrence, is_paused = excluded.is_paused,
                             due_ms = excluded.due_ms",
                    )?
                    .execute(params![
                        row.plugin.as_str(),
                        row.name,
                        row.recurrence,
                        row.is_paused,
                        row.due.map(Timestamp::as_millisecond),
                    ])?;
            }
            Ok(())
        })
    }
}
