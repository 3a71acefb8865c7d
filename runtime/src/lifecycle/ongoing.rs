//! One operation on one plugin, from its begin to its end: its events, its audit entry, and the states it goes through.

use std::sync::Arc;
use std::time::Duration;

use palisade_bundle::{Code, Coded, InstallRecord, Manifest, Timestamp};
use serde_json::Map;
use tracing::Span;

use super::audit_sink::AuditFailed;
use super::audit_sink::outcome_of;
use super::crashes::Quarantined;
use super::dependencies::{Arrangement, DependencyError, Wanted};
use super::disk::{Disk, PluginRow, StoreError};
use super::error::{HostStopped, InstallError, TransitionError};
use super::host::Host;
use super::managed::Managed;
use super::options::DisableOptions;
use super::state::{InvalidState, Operation, State};
use super::status::{Draining, Failure, RunningOperation, Transition};
use super::stop::{CLEANUP_TIME, Drained};
use crate::audit::{AuditAction, AuditEntry, AuditOutcome};
use crate::event::{EventKind, Failing};
use crate::sandbox::Plugin;
use crate::span;

/// An operation that occupies a plugin until it is dropped.
pub(super) struct Ongoing {
    pub(super) host: Arc<Host>,
    pub(super) managed: Arc<Managed>,
    actor: Arc<str>,
    name: &'static str,
    action: AuditAction,
    operation_id: Arc<str>,
}

impl Ongoing {
    /// Occupies a plugin for an operation that its state allows.
    pub(super) fn begin(
        host: &Arc<Host>,
        managed: Arc<Managed>,
        operation: Operation,
        actor: &Arc<str>,
    ) -> Result<Self, TransitionError> {
        let action = match operation {
            Operation::Enable | Operation::Release => AuditAction::Enable,
            Operation::Disable => AuditAction::Disable,
            Operation::Restart | Operation::Reload => AuditAction::Reload,
            Operation::UpdateConfig => AuditAction::ConfigUpdate,
            Operation::Upgrade => AuditAction::Upgrade,
            Operation::Rollback => AuditAction::Rollback,
            Operation::Grant => AuditAction::Grant,
            Operation::Revoke => AuditAction::Revoke,
            Operation::Uninstall => AuditAction::Uninstall,
        };
        let check = |state| operation.check(state);
        let ongoing = Self::occupy(host, managed, (operation.as_str(), action), actor, check)?;
        let failure = ongoing.row().failure;
        let quarantined = failure.filter(|failure| failure.quarantined);
        let needs_release = [
            Operation::Enable,
            Operation::Restart,
            Operation::Reload,
            Operation::Disable,
        ];
        match quarantined.filter(|_| needs_release.contains(&operation)) {
            Some(failure) => Err(Quarantined {
                crashes: None,
                since: failure.at,
            }
            .into()),
            None => Ok(ongoing),
        }
    }

    /// Occupies a plugin that runs, to have it fail for a reason that its host found.
    pub(super) fn taking_down(
        host: &Arc<Host>,
        managed: Arc<Managed>,
        reason: &'static str,
        actor: &Arc<str>,
    ) -> Result<Self, TransitionError> {
        let names = (reason, AuditAction::Disable);
        let check = |state| Operation::Disable.check(state);
        Self::occupy(host, managed, names, actor, check)
    }

    /// Occupies a plugin that is being installed.
    pub(super) fn installing(
        host: &Arc<Host>,
        managed: Arc<Managed>,
        actor: &Arc<str>,
    ) -> Result<Self, TransitionError> {
        Self::occupy(host, managed, ("install", AuditAction::Install), actor, |_| Ok(()))
    }

    /// Occupies a plugin that does not run, for work on what it keeps.
    pub(super) fn on_data(
        host: &Arc<Host>,
        managed: Arc<Managed>,
        names: (&'static str, AuditAction),
        actor: &Arc<str>,
    ) -> Result<Self, TransitionError> {
        let check = |from: State| match from {
            State::Installed | State::Disabled | State::Failed => Ok(()),
            _ => Err(InvalidState {
                from,
                operation: names.0,
                allowed: from.allowed(),
            }),
        };
        Self::occupy(host, managed, names, actor, check)
    }

    fn occupy(
        host: &Arc<Host>,
        managed: Arc<Managed>,
        (name, action): (&'static str, AuditAction),
        actor: &Arc<str>,
        check: impl FnOnce(State) -> Result<(), InvalidState>,
    ) -> Result<Self, TransitionError> {
        let operation_id = host.next_operation_id();
        let running = RunningOperation {
            operation: name,
            operation_id: operation_id.to_string(),
        };
        managed.occupy(running, check)?;
        Ok(Self {
            host: Arc::clone(host),
            managed,
            actor: Arc::clone(actor),
            name,
            action,
            operation_id,
        })
    }

    pub(super) fn row(&self) -> PluginRow {
        self.managed.view().row.clone()
    }

    /// What this operation is done within.
    pub(super) fn span(&self, operation: Operation) -> Span {
        let view = self.managed.view();
        span::of_operation(
            operation,
            view.row.id.as_str(),
            &view.row.active.version,
            &self.operation_id,
        )
    }

    /// The span of a change of the plugin's data.
    pub(super) fn data_span(&self) -> Span {
        let view = self.managed.view();
        span::of_data(view.row.id.as_str(), &view.row.active.version, &self.operation_id)
    }

    /// Says what the install is about that this is.
    pub(super) fn names_span(&self) {
        let view = self.managed.view();
        span::is_about(view.row.id.as_str(), &view.row.active.version, &self.operation_id);
    }

    /// Tells an event of this operation.
    pub(super) fn tell(&self, kind: EventKind) {
        let row = self.row();
        let version = Arc::from(row.active.version.as_str());
        self.host
            .runtime
            .tell(&row.namespace(), &version, &self.operation_id, kind);
    }

    pub(super) fn warn(&self, error: &dyn Coded) {
        self.tell(EventKind::Warning {
            code: error.code().as_str(),
            message: error.to_string(),
        });
    }

    /// Goes to another state. The table says which ones follow; an operation that would leave it is a bug of ours, and
    /// ends as a failed plugin.
    pub(super) fn enter(&self, next: State) {
        let changed = self.become_next(next);
        self.tell_state(changed);
    }

    /// [`enter`](Self::enter), if the other plugins let it.
    pub(super) fn enter_if(
        &self,
        next: State,
        check: impl FnOnce(&Arrangement) -> Result<(), DependencyError>,
    ) -> Result<(), DependencyError> {
        let changed = self.host.arrange(|all| {
            check(all)?;
            Ok(self.become_next(next))
        })?;
        self.tell_state(changed);
        Ok(())
    }

    fn tell_state(&self, changed: EventKind) {
        self.tell(changed);
        self.host.timetable.changed.notify_one();
    }

    fn become_next(&self, next: State) -> EventKind {
        let from = self.managed.view().state;
        let to = if from.may_become(next) { next } else { State::Failed };
        let transition = Transition {
            from,
            to,
            at: Timestamp::try_from(self.host.runtime.services().clock.wall()).ok(),
            reason: self.name,
        };
        self.managed.update(|view| view.enter(transition));
        EventKind::StateChanged {
            from,
            to,
            reason: self.name,
        }
    }

    /// Makes known that another version is about to take the plugin's place, if the other plugins let it.
    pub(super) fn announce(&self, newer: &Arc<Manifest>) -> Result<(), DependencyError> {
        let wanted = match self.managed.view().state {
            State::Active => Wanted::Running,
            _ => Wanted::Present,
        };
        self.host.arrange(|all| {
            all.check_needs(newer, wanted)?;
            all.check_replaceable(newer)?;
            self.managed.update(|view| view.becoming = Some(Arc::clone(newer)));
            Ok(())
        })
    }

    /// Writes down what is about to take effect, and then the change itself.
    pub(super) async fn commit(&self, row: PluginRow, record: Option<InstallRecord>) -> Result<(), InstallError> {
        self.record(AuditOutcome::Succeeded, &row.active.version, None).await?;
        // A plain reload changes nothing that is kept.
        if record.is_some() || row != self.row() {
            self.save(row, record).await?;
        }
        Ok(())
    }

    /// Writes the change down.
    pub(super) async fn save(&self, row: PluginRow, record: Option<InstallRecord>) -> Result<(), StoreError> {
        let (saved, now) = (row.clone(), self.host.runtime.services().clock.wall());
        let save = move |disk: &Arc<Disk>| disk.save(&saved, record.as_ref(), now);
        let versions = self.host.on_disk(save).await?;
        self.managed.update(|view| {
            if row.failure.is_none() {
                view.restore = None;
            }
            view.row = row;
            view.versions = versions;
        });
        Ok(())
    }

    /// Writes a line of the audit trail.
    pub(super) async fn record(
        &self,
        outcome: AuditOutcome,
        resource: &str,
        code: Option<Code>,
    ) -> Result<(), AuditFailed> {
        let code = code.map(|code| ("code".to_owned(), code.as_str().into()));
        let operation = [("operation", self.name), ("operation_id", &*self.operation_id)];
        let operation = operation.map(|(name, value)| (name.to_owned(), value.into()));
        let entry = AuditEntry {
            actor: self.actor.to_string(),
            plugin_id: Some(self.managed.id.to_string()),
            action: self.action,
            resource: resource.to_owned(),
            outcome,
            details: Map::from_iter(code.into_iter().chain(operation)),
        };
        self.host.record(entry).await
    }

    /// Tells and writes down that the operation did not succeed.
    pub(super) async fn tell_failed(&self, error: &(dyn Coded + Send + Sync)) {
        let outcome = outcome_of(error);
        let version = self.row().active.version;
        // The operation has failed already; that this could not be written down is said beside it.
        if let Err(failed) = self.record(outcome, &version, Some(error.code())).await {
            self.warn(&failed);
        }
        self.tell(EventKind::Error {
            error: Failing::from(error),
        });
    }

    /// Makes the plugin a failed one: nothing of it runs, and why is kept.
    pub(super) async fn fail(&self, error: &(dyn Coded + Send + Sync)) {
        let failure = Failure::of(error, self.name, self.host.runtime.services().clock.wall());
        let row = PluginRow {
            failure: Some(failure),
            was_started: true,
            ..self.row()
        };
        self.managed.update(|view| {
            view.row = row.clone();
            view.current = None;
        });
        self.enter(State::Failed);
        if let Err(unsaved) = self.save(row, None).await {
            self.warn(&unsaved);
        }
    }

    /// From active to failed: nobody gets in, whoever is inside is waited for, everything is released.
    pub(super) async fn take_down(&self, error: &(dyn Coded + Send + Sync)) {
        let version = self.row().active.version;
        // A plugin that does harm is stopped also when that cannot be written down.
        if let Err(failed) = self.record(AuditOutcome::Succeeded, &version, Some(error.code())).await {
            self.warn(&failed);
        }
        self.shut();
        self.drain(DisableOptions::default().timeout).await;
        let current = self.managed.view().current.clone();
        if let Some(plugin) = current {
            self.clean_up(plugin, CLEANUP_TIME).await;
        }
        self.fail(error).await;
    }

    /// Waits until no command is inside the closed gate, interrupting what is left after `timeout`.
    pub(super) async fn drain(&self, timeout: Duration) -> Drained {
        let active_requests = self.managed.gate.occupancy().inside;
        if active_requests == 0 {
            return Drained::default();
        }
        let since = Timestamp::try_from(self.host.runtime.services().clock.wall()).ok();
        self.managed
            .update(|view| view.draining = Some(Draining { since, timeout }));
        self.tell(EventKind::Draining {
            active_requests,
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        });
        let start = self.host.runtime.services().clock.now();
        let interrupted = self.managed.gate.drain(tokio::time::sleep(timeout)).await;
        let end = self.host.runtime.services().clock.now();
        self.host.drains.add(end.duration_since(start));
        self.managed.update(|view| view.draining = None);
        self.tell(EventKind::Drained { interrupted });
        Drained {
            ended: active_requests.saturating_sub(interrupted),
            interrupted,
        }
    }

    /// Lets a generation that serves nobody any more clean up. Whatever comes of that, it is gone.
    pub(super) async fn clean_up(&self, plugin: Plugin, time: Duration) {
        let message = match tokio::time::timeout(time, plugin.close()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => format!("cleanup took longer than {} s", time.as_secs()),
        };
        self.managed.update(|view| view.is_degraded = true);
        self.tell(EventKind::Warning {
            code: Code::CleanupFailed.as_str(),
            message,
        });
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        let clock = &self.host.runtime.services().clock;
        let failure = || Failure::of(&HostStopped, self.name, clock.wall());
        self.managed.vacate(|| self.shut(), failure);
    }
}
