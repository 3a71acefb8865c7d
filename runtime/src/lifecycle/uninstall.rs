//! The verb `uninstall`.

use std::sync::Arc;

use data_encoding::BASE64;
use palisade_bundle::Timestamp;
use serde::Serialize;

use super::dependencies::{Arrangement, Wanted};
use super::error::TransitionError;
use super::ongoing::Ongoing;
use super::state::State;
use super::supervisor::{DisableOptions, PluginData};
use crate::audit::AuditOutcome;
use crate::event::EventKind;
use crate::services::{Namespace, StoredEntry};

/// Everything a plugin kept, as it is archived.
#[derive(Serialize)]
struct Archive<'a> {
    plugin_id: &'a str,
    publisher: Option<&'a str>,
    version: &'a str,
    /// Base64.
    state: Option<String>,
    entries: Vec<ArchivedEntry>,
}

#[derive(Serialize)]
struct ArchivedEntry {
    key: String,
    /// Base64.
    value: String,
    expires: Option<Timestamp>,
}

impl From<StoredEntry> for ArchivedEntry {
    fn from(entry: StoredEntry) -> Self {
        Self {
            key: entry.key,
            value: BASE64.encode(&entry.value),
            expires: entry.expires.and_then(|time| Timestamp::try_from(time).ok()),
        }
    }
}

impl Ongoing {
    pub(super) async fn uninstall(self: Arc<Self>, data: PluginData) -> Result<(), TransitionError> {
        self.tell(EventKind::Uninstalling);
        let version = self.row().active.version;
        let is_free = |all: &Arrangement| all.check_free(&self.managed.id, Wanted::Present);
        self.host.arrange(is_free)?;
        self.record(AuditOutcome::Succeeded, &version, None).await?;
        if self.managed.view().state == State::Active {
            self.tell(EventKind::Disabling);
            self.enter(State::Unloading);
            self.unload_for_good(DisableOptions::default().timeout).await?;
            self.tell(EventKind::Disabled);
        }
        self.enter_if(State::Uninstalling, is_free)?;
        if let Err(error) = self.remove(data).await {
            self.fail(&error).await;
            return Err(error);
        }
        self.host.remove(&self.managed.id);
        self.tell(EventKind::Uninstalled);
        Ok(())
    }

    async fn remove(&self, data: PluginData) -> Result<(), TransitionError> {
        let namespace = self.row().namespace();
        let storage = &self.host.runtime.services().storage;
        match data {
            PluginData::Preserve => {}
            PluginData::Archive => {
                self.archive(&namespace).await?;
                storage.clear(&namespace).await?;
            }
            PluginData::Discard => {
                if let Err(left) = storage.clear(&namespace).await {
                    self.warn(&left);
                }
            }
        }
        let id = self.managed.id.clone();
        self.host.on_disk(move |disk| disk.remove(&id)).await?;
        self.host.collect().await;
        Ok(())
    }

    /// Writes the plugin's data to a file, if there is any.
    async fn archive(&self, namespace: &Namespace) -> Result<(), TransitionError> {
        let services = self.host.runtime.services();
        let state = services.storage.state(namespace).await?;
        let entries = services.storage.export(namespace).await?;
        if state.is_none() && entries.is_empty() {
            return Ok(());
        }
        let (row, operation_id) = (self.row(), self.host.next_operation_id());
        let archive = move |disk: &Arc<super::disk::Disk>| {
            let archive = Archive {
                plugin_id: row.id.as_str(),
                publisher: row.active.publisher.as_deref(),
                version: &row.active.version,
                state: state.map(|state| BASE64.encode(&state)),
                entries: entries.into_iter().map(ArchivedEntry::from).collect(),
            };
            disk.archive(&format!("{}-{operation_id}.json", row.id), &archive)
        };
        Ok(self.host.on_disk(archive).await?)
    }
}
