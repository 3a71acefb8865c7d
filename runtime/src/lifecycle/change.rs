//! The verbs that change a plugin in its place: `reload`, `update_config`, `upgrade`, `rollback`, `grant`, `revoke`.
//!
//! Each prepares what is to be, and leaves the rest to [`replace`](super::replace) when the plugin runs. When it does
//! not, what was prepared is written down and dropped: it was checked, and is not loaded.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use palisade_bundle::manifest::Difference;
use palisade_bundle::{Digest, Downgrade, InstallRecord, Manifest, Permission, RatchetError, VerifiedBundle};
use serde_json::{Map, Value};

use super::disk::{Grants, PluginRow, VersionRow};
use super::error::{InstallError, TransitionError};
use super::host::{Candidate, Host};
use super::install::version_row;
use super::ongoing::Ongoing;
use super::options::{Approval, UpgradeOptions};
use super::replace::Replacement;
use super::state::{Operation, State};
use super::status::PluginStatus;
use super::stop::CLEANUP_TIME;
use super::supervisor::Supervisor;
use crate::event::EventKind;
use crate::policy::PolicyError;

/// How long the old generation may clean up when only its configuration changes (lifecycle.md, step 6).
const CONFIG_CLEANUP_TIME: Duration = Duration::from_secs(10);

impl Supervisor {
    /// Lets a plugin do what is in the list and no more, in one step. A plugin that runs is reloaded.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload).
    pub async fn set_grants(&self, id: &str, permissions: Vec<String>) -> Result<PluginStatus, TransitionError> {
        let work = move |ongoing: Arc<Ongoing>| ongoing.set_grants(permissions);
        self.operate(id, Operation::Grant, work).await
    }
}

impl Ongoing {
    pub(super) async fn reload(self: Arc<Self>) -> Result<(), TransitionError> {
        if self.managed.view().state == State::Failed {
            return self.enable().await;
        }
        self.tell(EventKind::Reloading);
        let candidate = self.host.prepare_installed(self.row()).await?;
        self.put_in_place(candidate, None, CLEANUP_TIME).await
    }

    pub(super) async fn update_config(
        self: Arc<Self>,
        config: Map<String, Value>,
        seen: Option<Map<String, Value>>,
    ) -> Result<(), TransitionError> {
        let row = self.row();
        if seen.is_some_and(|seen| seen != *row.effective_config()) {
            return Err(TransitionError::ConfigChanged);
        }
        self.tell_reloading();
        let active = VersionRow {
            config: Some(config.clone()),
            ..row.active.clone()
        };
        let candidate = self.host.prepare_installed(PluginRow { active, ..row.clone() }).await?;
        let before = row.effective_config().clone();
        self.put_in_place(candidate, None, CONFIG_CLEANUP_TIME).await?;
        self.tell(EventKind::ConfigUpdated {
            keys: changed_keys(&before, &config),
        });
        Ok(())
    }

    pub(super) async fn upgrade(
        self: Arc<Self>,
        bytes: Vec<u8>,
        options: UpgradeOptions,
    ) -> Result<(), TransitionError> {
        self.tell_reloading();
        let result = self.upgrade_to(bytes, options).await;
        // The version that fell out of the list, or the new one if it was not taken.
        self.host.collect().await;
        result
    }

    async fn upgrade_to(&self, bytes: Vec<u8>, options: UpgradeOptions) -> Result<(), TransitionError> {
        let row = self.row();
        let (bundle, record) = self.host.successor(&row, bytes.clone(), options.downgrade).await?;
        let grants = approve(&row, bundle.manifest(), options.approval)?;
        let upgraded = upgraded(row, &bundle, Digest::of(&bytes), grants);
        self.announce(&upgraded.active.manifest)?;
        let candidate = self.host.prepare(bundle, upgraded).await?;
        let staged = self.host.on_disk(move |disk| disk.stage(&bytes)).await?;
        self.put_in_place(candidate, Some(record), CLEANUP_TIME).await?;
        drop(staged);
        Ok(())
    }

    /// Back to the version before the active one, or to the one that is called `version`.
    pub(super) async fn rollback(self: Arc<Self>, version: Option<String>) -> Result<(), TransitionError> {
        self.tell_reloading();
        let row = self.row();
        let (current, name) = (row.clone(), version.clone());
        let previous = self.host.on_disk(move |disk| disk.previous(&current, name.as_deref()));
        let active = previous.await?.ok_or_else(|| self.not_kept(version))?;
        self.announce(&active.manifest)?;
        let bundle = self.host.verify_installed(active.file).await?;
        // It was here, so it may come back; what the ratchet remembers as the highest stays.
        let record = self.host.ratchet(&bundle, Downgrade::ToSeen).await?;
        let candidate = self.host.prepare(bundle, PluginRow { active, ..row }).await?;
        self.put_in_place(candidate, Some(record), CLEANUP_TIME).await?;
        self.managed.counted.rollbacks.add("operator");
        self.host.collect().await;
        Ok(())
    }

    fn not_kept(&self, version: Option<String>) -> TransitionError {
        let Some(version) = version else {
            return TransitionError::NoRollbackVersion;
        };
        let view = self.managed.view();
        let active = &view.row.active.version;
        let kept = view.versions.iter().map(|kept| kept.version.clone());
        TransitionError::VersionNotKept {
            version,
            kept: kept.filter(|version| version != active).collect(),
        }
    }

    pub(super) async fn grant(self: Arc<Self>, permission: String) -> Result<(), TransitionError> {
        let permissions = expand(&permission)?;
        let mut grants = self.row().grants;
        grants.withheld.retain(|withheld| !permissions.contains(withheld));
        grants.granted.extend(permissions.iter().cloned());
        self.change_grants(grants, (permissions, Vec::new())).await
    }

    pub(super) async fn revoke(self: Arc<Self>, permission: String) -> Result<(), TransitionError> {
        let permissions = expand(&permission)?;
        let mut grants = self.row().grants;
        grants.granted.retain(|granted| !permissions.contains(granted));
        let everyones = Permission::granted_to_everyone().filter(|permission| permissions.contains(permission));
        grants.withheld.extend(everyones);
        self.change_grants(grants, (Vec::new(), permissions)).await
    }

    async fn set_grants(self: Arc<Self>, permissions: Vec<String>) -> Result<(), TransitionError> {
        let mut wanted = BTreeSet::new();
        for permission in &permissions {
            wanted.extend(expand(permission)?);
        }
        let before = self.row().grants;
        let granted = wanted.iter().filter(|permission| !before.granted.contains(permission));
        let revoked = before.granted.iter().filter(|permission| !wanted.contains(permission));
        let changed = (granted.cloned().collect(), revoked.cloned().collect());
        let withheld = before.withheld.iter().filter(|permission| !wanted.contains(permission));
        let grants = Grants {
            withheld: withheld.cloned().collect(),
            granted: wanted,
        };
        self.change_grants(grants, changed).await
    }

    async fn change_grants(
        &self,
        grants: Grants,
        (granted, revoked): (Vec<Permission>, Vec<Permission>),
    ) -> Result<(), TransitionError> {
        self.tell_reloading();
        let row = PluginRow { grants, ..self.row() };
        match self.managed.view().state {
            State::Active => {
                let candidate = self.host.prepare_installed(row).await?;
                self.put_in_place(candidate, None, CLEANUP_TIME).await?;
            }
            // Nothing runs with it, and a plugin that cannot do without is refused when it is enabled.
            _ => self.commit(row, None).await?,
        }
        self.tell(EventKind::PermissionChanged { granted, revoked });
        Ok(())
    }

    /// Replaces what runs, or writes down what will.
    async fn put_in_place(
        &self,
        candidate: Candidate,
        record: Option<InstallRecord>,
        cleanup_time: Duration,
    ) -> Result<(), TransitionError> {
        if self.managed.view().state == State::Active {
            let replacement = Replacement {
                candidate,
                record,
                cleanup_time,
            };
            return self.replace(replacement).await;
        }
        Ok(self.commit(candidate.row, record).await?)
    }

    /// What a running plugin is in for. One that does not run is not reloaded.
    fn tell_reloading(&self) {
        if self.managed.view().state == State::Active {
            self.tell(EventKind::Reloading);
        }
    }
}

impl Host {
    /// A bundle that may take the place of a version, and what the ratchet remembers once it has.
    pub(super) async fn successor(
        &self,
        row: &PluginRow,
        bytes: Vec<u8>,
        downgrade: Downgrade,
    ) -> Result<(VerifiedBundle, InstallRecord), InstallError> {
        let bundle = self.verify_new(bytes).await?;
        if *bundle.id() != row.id {
            let other = RatchetError::OtherPlugin {
                expected: row.id.clone(),
                actual: bundle.id().clone(),
            };
            return Err(other.into());
        }
        let record = self.ratchet(&bundle, downgrade).await?;
        Ok((bundle, record))
    }
}

/// A plugin with another version, and the configuration it has.
pub(super) fn upgraded(row: PluginRow, bundle: &VerifiedBundle, file: Digest, grants: Grants) -> PluginRow {
    let active = VersionRow {
        config: row.active.config.clone(),
        ..version_row(bundle, file, row.active.ordinal + 1)
    };
    PluginRow { active, grants, ..row }
}

/// The grants of the new version, if it asks for nothing that nobody has seen or an operator has.
pub(super) fn approve(row: &PluginRow, newer: &Manifest, approval: Approval) -> Result<Grants, TransitionError> {
    let mut grants = row.grants.clone();
    let difference = beyond(row.active.manifest.difference(newer), &grants);
    if approval == Approval::Given {
        grants
            .granted
            .extend(difference.added.iter().map(|request| request.name.clone()));
        grants.granted.extend(difference.now_required);
    } else if !difference.asks_for_nothing_new() {
        let difference = Box::new(difference);
        return Err(TransitionError::ApprovalRequired { difference });
    }
    Ok(grants)
}

/// The difference without what was granted in advance.
pub(super) fn beyond(difference: Difference, grants: &Grants) -> Difference {
    let is_new = |permission: &Permission| !grants.granted.contains(permission);
    let Difference {
        added, now_required, ..
    } = difference;
    Difference {
        added: added.into_iter().filter(|request| is_new(&request.name)).collect(),
        now_required: now_required.into_iter().filter(is_new).collect(),
        ..difference
    }
}

fn expand(permission: &str) -> Result<Vec<Permission>, InstallError> {
    let expanded = Permission::expand(permission).map_err(PolicyError::from)?;
    Ok(expanded.into_iter().collect())
}

/// The keys that are new, gone, or have another value.
fn changed_keys(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
    changed.cloned().collect()
}
