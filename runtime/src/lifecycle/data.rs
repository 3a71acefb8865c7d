//! The verbs about what a plugin keeps: its state record, its archive, and the configurations it had.

use std::sync::Arc;

use palisade_bundle::{Blame, Code, Coded};
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::archive::PluginArchive;
use super::disk::ConfigChange;
use super::error::{InstallError, TransitionError, members};
use super::ongoing::Ongoing;
use super::state::Operation;
use super::status::PluginStatus;
use super::supervisor::Supervisor;
use crate::audit::{AuditAction, AuditOutcome};
use crate::policy::Policy;
use crate::services::{StorageQuota, StoredEntry};

impl Supervisor {
    /// The state record of a plugin, if it has one.
    ///
    /// # Errors
    ///
    /// [`TransitionError::NotFound`], [`TransitionError::Storage`].
    pub async fn state(&self, id: &str) -> Result<Option<Vec<u8>>, TransitionError> {
        self.host.state_of(&self.host.find(id)?.view()).await
    }

    /// Replaces the state record of a plugin that does not run, or removes it.
    ///
    /// # Errors
    ///
    /// [`TransitionError`]; nothing is changed. A plugin that runs could go on with what it remembers, and write that.
    pub async fn set_state(&self, id: &str, record: Option<Vec<u8>>) -> Result<PluginStatus, TransitionError> {
        let ongoing = self.on_data(id, "set_state")?;
        let span = ongoing.data_span();
        let ((), status) = self
            .carry_out(ongoing, span, |ongoing| ongoing.set_state(record))
            .await?;
        Ok(status)
    }

    /// Everything a plugin keeps. What commands change meanwhile is in it or not.
    ///
    /// # Errors
    ///
    /// [`TransitionError::NotFound`], [`TransitionError::Storage`].
    pub async fn export_data(&self, id: &str) -> Result<PluginArchive, TransitionError> {
        let view = self.host.find(id)?.view();
        let state = self.host.state_of(&view).await?;
        let entries = self
            .host
            .runtime
            .services()
            .storage
            .export(&view.row.namespace())
            .await?;
        Ok(PluginArchive::of(&view.row, state, entries))
    }

    /// Replaces everything that a plugin keeps, while it does not run.
    ///
    /// # Errors
    ///
    /// [`TransitionError`]; nothing is changed. [`DataError::OtherPlugin`] for an archive of another plugin or publisher.
    pub async fn import_data(&self, id: &str, archive: PluginArchive) -> Result<PluginStatus, TransitionError> {
        let ongoing = self.on_data(id, "import_state")?;
        let span = ongoing.data_span();
        let ((), status) = self.carry_out(ongoing, span, |ongoing| ongoing.import(archive)).await?;
        Ok(status)
    }

    /// The configurations that a plugin has had, the one it has first; at most 20.
    ///
    /// # Errors
    ///
    /// [`TransitionError::NotFound`], and when the registry fails.
    pub async fn config_history(&self, id: &str) -> Result<Vec<ConfigChange>, TransitionError> {
        let id = self.host.find(id)?.id.clone();
        Ok(self.host.on_disk(move |disk| disk.config_history(&id)).await?)
    }

    /// Checks a configuration as [`update_config`](Self::update_config) would, and changes nothing.
    ///
    /// # Errors
    ///
    /// [`TransitionError::NotFound`], and [`TransitionError::Bundle`] when it does not fit the schema of the plugin.
    pub fn check_config(&self, id: &str, config: Map<String, Value>) -> Result<(), TransitionError> {
        let manifest = Arc::clone(&self.host.find(id)?.view().row.active.manifest);
        let policy = Policy::deny_all().config(Value::Object(config));
        let checked = policy.checked_config(&manifest).map_err(InstallError::from)?;
        drop(checked);
        Ok(())
    }

    /// The bundle of a plugin's active version, as it was installed.
    ///
    /// # Errors
    ///
    /// [`TransitionError::NotFound`], and when the bundle was changed or is gone.
    pub async fn bundle(&self, id: &str) -> Result<Vec<u8>, TransitionError> {
        let file = self.host.find(id)?.view().row.active.file;
        Ok(self.host.on_disk(move |disk| disk.read(file)).await?)
    }

    /// Brings back a version that is kept, with the configuration it had. Those that came after it are forgotten.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload), and [`VersionNotKept`](TransitionError::VersionNotKept).
    pub async fn rollback_to(&self, id: &str, version: &str) -> Result<PluginStatus, TransitionError> {
        let version = version.to_owned();
        let work = |ongoing: Arc<Ongoing>| ongoing.rollback(Some(version));
        self.operate(id, Operation::Rollback, work).await
    }

    fn on_data(&self, id: &str, name: &'static str) -> Result<Ongoing, TransitionError> {
        self.check_open()?;
        let managed = self.host.find(id)?;
        Ongoing::on_data(&self.host, managed, (name, AuditAction::StateChange), self.actor())
    }
}

impl Ongoing {
    async fn set_state(self: Arc<Self>, record: Option<Vec<u8>>) -> Result<(), TransitionError> {
        check_record(record.as_deref())?;
        self.record(AuditOutcome::Succeeded, "state", None).await?;
        let storage = &self.host.runtime.services().storage;
        Ok(storage.set_state(&self.row().namespace(), record).await?)
    }

    async fn import(self: Arc<Self>, archive: PluginArchive) -> Result<(), TransitionError> {
        let row = self.row();
        if archive.plugin_id != row.id.as_str() || archive.publisher != row.active.publisher {
            return Err(DataError::OtherPlugin {
                plugin_id: archive.plugin_id,
                publisher: archive.publisher,
            }
            .into());
        }
        check_record(archive.state.as_deref())?;
        self.record(AuditOutcome::Succeeded, "state and storage", None).await?;
        let (namespace, storage) = (row.namespace(), &self.host.runtime.services().storage);
        let (before, quota) = (storage.export(&namespace).await?, self.quota());
        let entries = archive.entries.into_iter().map(StoredEntry::from).collect();
        storage.import(&namespace, entries, quota).await?;
        if let Err(error) = storage.set_state(&namespace, archive.state).await {
            // Both or neither; what was there before fits, whatever the quota is now.
            let unbounded = StorageQuota {
                bytes: u64::MAX,
                keys: u64::MAX,
            };
            if let Err(lost) = storage.import(&namespace, before, unbounded).await {
                self.warn(&lost);
            }
            return Err(error.into());
        }
        Ok(())
    }

    /// How much the plugin may keep when it runs.
    fn quota(&self) -> StorageQuota {
        let (runtime, setting) = (&self.host.runtime, self.host.settings.policy.limit_settings());
        let limits = runtime.ceiling().effective(setting, &self.row().active.manifest);
        StorageQuota {
            bytes: limits.storage_bytes,
            keys: limits.storage_keys,
        }
    }
}

/// A plugin can only have written JSON.
fn check_record(record: Option<&[u8]>) -> Result<(), DataError> {
    let checked = record.map(serde_json::from_slice::<IgnoredAny>).transpose();
    checked.map(drop).map_err(DataError::NotJson)
}

/// What a plugin is to keep is not what it could have kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// A state record is JSON.
    #[error("the state record is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// The archive is another plugin's, or of the same id under another publisher.
    #[error("the archive is of `{plugin_id}`{}", by(publisher.as_deref()))]
    OtherPlugin {
        /// Whose it is.
        plugin_id: String,
        /// And who vouched for that one.
        publisher: Option<String>,
    },
}

fn by(publisher: Option<&str>) -> String {
    match publisher {
        Some(publisher) => format!(" by {publisher}"),
        None => ", unsigned".to_owned(),
    }
}

impl Coded for DataError {
    fn code(&self) -> Code {
        match self {
            Self::NotJson(_) | Self::OtherPlugin { .. } => Code::InvalidArgument,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NotJson(_) | Self::OtherPlugin { .. } => Blame::Request,
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::NotJson(error) => members(json!({"line": error.line(), "column": error.column()})),
            Self::OtherPlugin { plugin_id, publisher } => {
                members(json!({"plugin_id": plugin_id, "publisher": publisher}))
            }
        }
    }
}
