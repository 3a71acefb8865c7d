//! The verb `uninstall`.

use std::path::PathBuf;
use std::sync::Arc;

use super::archive::PluginArchive;
use super::dependencies::{Arrangement, Wanted};
use super::disk::Disk;
use super::error::TransitionError;
use super::ongoing::Ongoing;
use super::options::{DisableOptions, PluginData};
use super::state::State;
use crate::audit::AuditOutcome;
use crate::event::EventKind;
use crate::services::Namespace;

/// What is left of a plugin that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Uninstalled {
    /// The file that its data was written to, if it had any and it was to be.
    pub archive: Option<PathBuf>,
}

impl Ongoing {
    pub(super) async fn uninstall(self: Arc<Self>, data: PluginData) -> Result<Uninstalled, TransitionError> {
        self.tell(EventKind::Uninstalling);
        let version = self.row().active.version;
        let is_free = |all: &Arrangement| all.check_free(&self.managed.id, Wanted::Present);
        self.host.arrange(is_free)?;
        self.record(AuditOutcome::Succeeded, &version, None).await?;
        if self.managed.view().state == State::Active {
            self.tell(EventKind::Disabling);
            self.enter(State::Unloading);
            self.unload_for_good(DisableOptions::default()).await?;
            self.tell(EventKind::Disabled);
        }
        self.enter_if(State::Uninstalling, is_free)?;
        let archive = match self.remove(data).await {
            Ok(archive) => archive,
            Err(error) => {
                self.fail(&error).await;
                return Err(error);
            }
        };
        self.host.remove(&self.managed.id);
        self.host.runtime.services().bus.forget(self.managed.id.as_str());
        self.tell(EventKind::Uninstalled);
        Ok(Uninstalled { archive })
    }

    async fn remove(&self, data: PluginData) -> Result<Option<PathBuf>, TransitionError> {
        let namespace = self.row().namespace();
        let storage = &self.host.runtime.services().storage;
        let mut archive = None;
        match data {
            PluginData::Preserve => {}
            PluginData::Archive => {
                archive = self.archive(&namespace).await?;
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
        Ok(archive)
    }

    /// Writes the plugin's data to a file, if there is any.
    async fn archive(&self, namespace: &Namespace) -> Result<Option<PathBuf>, TransitionError> {
        let services = self.host.runtime.services();
        let state = services.storage.state(namespace).await?;
        let entries = services.storage.export(namespace).await?;
        if state.is_none() && entries.is_empty() {
            return Ok(None);
        }
        let (row, operation_id) = (self.row(), self.host.next_operation_id());
        let archive = PluginArchive::of(&row, state, entries);
        let name = format!("{}-{operation_id}.json", row.id);
        let archive = move |disk: &Arc<Disk>| disk.archive(&name, &archive);
        Ok(Some(self.host.on_disk(archive).await?))
    }
}
