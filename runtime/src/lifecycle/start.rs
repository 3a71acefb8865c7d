//! The verbs that start a plugin: `enable`, `restart`, and the start of a whole host.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::dependencies::Wanted;
use super::disk::PluginRow;
use super::error::{InstallError, TransitionError};
use super::ongoing::Ongoing;
use super::options::DisableOptions;
use super::state::{Operation, State};
use super::status::PluginStatus;
use super::supervisor::Supervisor;
use crate::audit::AuditOutcome;
use crate::event::EventKind;
use crate::sandbox::Plugin;

/// Plugins that start at once when a host does. Compiling has bounds of its own; this one keeps the reading and hashing
/// of bundles from taking a thread for each.
const STARTS_AT_ONCE: usize = 8;

impl Supervisor {
    /// Starts every plugin that is to run whenever the host does, those first that others need, and returns those that
    /// did not start.
    pub async fn start(&self) -> Vec<(String, TransitionError)> {
        let mut failed = Vec::new();
        for rank in self.host.ranks() {
            let places = Arc::new(Semaphore::new(STARTS_AT_ONCE));
            let mut starts = JoinSet::new();
            for id in rank {
                let (supervisor, places) = (self.clone(), Arc::clone(&places));
                let start = async move {
                    let _place = places.acquire().await;
                    let started = supervisor.operate(&id, Operation::Enable, Ongoing::resume).await;
                    (id, started)
                };
                starts.spawn_on(start, &self.host.settings.executor);
            }
            let ended = starts.join_all().await;
            failed.extend(ended.into_iter().filter_map(|(id, started)| Some((id, started.err()?))));
        }
        failed.sort_by(|(one, _), (other, _)| one.cmp(other));
        failed
    }

    /// Starts one plugin, if it is to run whenever the host does and does not run yet.
    ///
    /// # Errors
    ///
    /// As [`enable`](Self::enable). Nobody decides anything, so only a failure is written down.
    pub async fn start_one(&self, id: &str) -> Result<PluginStatus, TransitionError> {
        let status = self.status(id)?;
        match status.enabled && status.state != State::Active {
            true => self.operate(id, Operation::Enable, Ongoing::resume).await,
            false => Ok(status),
        }
    }
}

impl Ongoing {
    pub(super) async fn enable(self: Arc<Self>) -> Result<(), TransitionError> {
        self.enable_with(Decided::Now).await
    }

    /// Starts a plugin that was enabled before the host stopped. Nobody decides anything, so nothing is written down
    /// unless it fails.
    async fn resume(self: Arc<Self>) -> Result<(), TransitionError> {
        self.enable_with(Decided::Before).await
    }

    async fn enable_with(&self, decided: Decided) -> Result<(), TransitionError> {
        self.tell(EventKind::Enabling);
        self.start(decided).await?;
        self.tell(EventKind::Enabled);
        Ok(())
    }

    pub(super) async fn restart(self: Arc<Self>) -> Result<(), TransitionError> {
        if self.managed.view().state == State::Active {
            let active = self.row().active;
            // Before anything is stopped: what cannot start again goes on.
            self.host
                .arrange(|all| all.check_needs(&active.manifest, Wanted::Running))?;
            // The start is written down once more, when it has succeeded.
            self.record(AuditOutcome::Succeeded, &active.version, None).await?;
            self.tell(EventKind::Disabling);
            self.enter(State::Unloading);
            self.unload(DisableOptions::default()).await;
            self.tell(EventKind::Disabled);
        }
        self.enable().await
    }

    /// From a state at rest to active, or to failed.
    async fn start(&self, decided: Decided) -> Result<(), TransitionError> {
        let manifest = self.row().active.manifest;
        self.enter_if(State::Loading, |all| all.check_needs(&manifest, Wanted::Running))?;
        match self.load_with_retries(decided).await {
            Ok(plugin) => {
                let started = self.host.next_start();
                self.managed.update(|view| {
                    view.current = Some(plugin.clone());
                    view.is_degraded = false;
                    view.started = started;
                });
                self.host.begin_care(&self.managed, &plugin);
                self.enter(State::Active);
                self.open(plugin);
                Ok(())
            }
            Err(error) => {
                self.fail(&error).await;
                Err(error.into())
            }
        }
    }

    async fn load_with_retries(&self, decided: Decided) -> Result<Plugin, InstallError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.load(decided).await {
                Ok(plugin) => return Ok(plugin),
                Err(error) => error,
            };
            if !self.may_try_again(&error, tries).await {
                return Err(error);
            }
        }
    }

    /// The first instance of a new generation, written down as the one that runs.
    async fn load(&self, decided: Decided) -> Result<Plugin, InstallError> {
        let row = PluginRow {
            enabled: true,
            was_started: true,
            failure: None,
            ..self.row()
        };
        let candidate = self.host.prepare_installed(row.clone()).await?;
        let plugin = candidate.start(self.managed.next_generation()).await?;
        let written = match decided {
            Decided::Now => self.commit(row, None).await,
            Decided::Before if row == self.row() => Ok(()),
            Decided::Before => self.save(row, None).await.map_err(InstallError::from),
        };
        match written {
            Ok(()) => Ok(plugin),
            Err(error) => {
                // It has started, so it may clean up; nobody hears of what comes of that but its log.
                let _ = plugin.close().await;
                Err(error)
            }
        }
    }
}

/// When somebody decided that the plugin is to run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Decided {
    /// With this operation, which the audit trail names.
    Now,
    /// With an earlier one.
    Before,
}
