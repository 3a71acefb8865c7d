//! The verb `install`.

use std::collections::BTreeSet;
use std::sync::Arc;

use palisade_bundle::{Coded, Digest, Downgrade, InstallRecord, Permission, PluginId, VerifiedBundle, admit};
use serde_json::Map;

use super::audit_sink::outcome_of;
use super::dependencies::Wanted;
use super::disk::{Grants, PluginRow, VersionRow};
use super::error::{HostStopped, InstallError};
use super::host::Host;
use super::managed::Managed;
use super::ongoing::Ongoing;
use super::options::InstallOptions;
use super::state::State;
use super::status::PluginStatus;
use crate::audit::{AuditAction, AuditEntry};
use crate::event::EventKind;
use crate::policy::PolicyError;

impl Host {
    pub(super) async fn install(
        self: &Arc<Self>,
        bytes: Vec<u8>,
        options: InstallOptions,
        actor: &Arc<str>,
    ) -> Result<PluginStatus, InstallError> {
        let bundle = match self.verify_new(bytes.clone()).await {
            Ok(bundle) => bundle,
            Err(error) => return Err(self.refuse(error, None, actor).await),
        };
        let ongoing = match self.reserve(&bundle, Digest::of(&bytes), options, actor) {
            Ok(ongoing) => ongoing,
            Err(error) => return Err(self.refuse(error, Some(bundle.id()), actor).await),
        };
        ongoing.names_span();
        match ongoing.install(bytes, bundle).await {
            Ok(()) => {
                let managed = Arc::clone(&ongoing.managed);
                drop(ongoing);
                Ok(managed.status())
            }
            Err(error) => {
                self.remove(&ongoing.managed.id);
                ongoing.tell_failed(&error).await;
                self.collect().await;
                Err(error)
            }
        }
    }

    /// Takes the name of a plugin for its install.
    fn reserve(
        self: &Arc<Self>,
        bundle: &VerifiedBundle,
        file: Digest,
        options: InstallOptions,
        actor: &Arc<str>,
    ) -> Result<Ongoing, InstallError> {
        let row = new_row(bundle, file, options)?;
        let clock = &self.runtime.services().clock;
        let managed = self
            .insert(Managed::new(row, State::Installing, &self.settings, clock))
            .map_err(|taken| already_installed(&taken))?;
        Ongoing::installing(self, managed, actor).map_err(|_impossible| HostStopped.into())
    }

    /// Writes down that an install was refused before it began. It makes no event: nothing has the name, which for a
    /// bundle that nobody vouches for is only a claim.
    async fn refuse(&self, error: InstallError, id: Option<&PluginId>, actor: &Arc<str>) -> InstallError {
        let entry = AuditEntry {
            actor: actor.to_string(),
            plugin_id: id.map(PluginId::to_string),
            action: AuditAction::Install,
            resource: "bundle".to_owned(),
            outcome: outcome_of(&error),
            details: Map::from_iter([("code".to_owned(), error.code().as_str().into())]),
        };
        match self.record(entry).await {
            Ok(()) => error,
            Err(failed) => failed.into(),
        }
    }

    /// What the ratchet remembers once this bundle is in.
    pub(super) async fn ratchet(
        &self,
        bundle: &VerifiedBundle,
        downgrade: Downgrade,
    ) -> Result<InstallRecord, InstallError> {
        let id = bundle.id().clone();
        let record = self.on_disk(move |disk| disk.record(&id)).await?;
        Ok(admit(record.as_ref(), bundle, downgrade)?)
    }
}

impl Ongoing {
    async fn install(&self, bytes: Vec<u8>, bundle: VerifiedBundle) -> Result<(), InstallError> {
        self.tell(EventKind::Installing);
        self.host
            .arrange(|all| all.check_needs(bundle.manifest(), Wanted::Present))?;
        let record = self.host.ratchet(&bundle, Downgrade::Refuse).await?;
        let candidate = self.host.prepare(bundle, self.row()).await?;
        let staged = self.host.on_disk(move |disk| disk.stage(&bytes)).await?;
        self.commit(candidate.row, Some(record)).await?;
        drop(staged);
        self.enter(State::Installed);
        self.tell(EventKind::Installed);
        Ok(())
    }
}

fn new_row(bundle: &VerifiedBundle, file: Digest, options: InstallOptions) -> Result<PluginRow, InstallError> {
    let mut granted = BTreeSet::new();
    for name in &options.grants {
        granted.extend(Permission::expand(name).map_err(PolicyError::from)?);
    }
    Ok(PluginRow {
        id: bundle.id().clone(),
        enabled: false,
        was_started: false,
        failure: None,
        grants: Grants {
            granted,
            withheld: BTreeSet::new(),
        },
        active: VersionRow {
            config: options.config,
            ..version_row(bundle, file, 1)
        },
    })
}

/// A version with the configuration of its manifest.
pub(super) fn version_row(bundle: &VerifiedBundle, file: Digest, ordinal: i64) -> VersionRow {
    VersionRow {
        ordinal,
        version: bundle.version().to_string(),
        manifest: Arc::new(bundle.manifest().clone()),
        publisher: bundle.publisher().map(str::to_owned),
        digest: bundle.digest(),
        file,
        config: None,
    }
}

fn already_installed(taken: &Managed) -> InstallError {
    let row = &taken.view().row;
    InstallError::AlreadyInstalled {
        id: row.id.to_string(),
        version: row.active.version.clone(),
    }
}
