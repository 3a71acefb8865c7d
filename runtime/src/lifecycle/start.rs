//! The verbs that start a plugin: `enable`, `restart`, and the start of a whole host.

use std::sync::Arc;

use super::disk::PluginRow;
use super::error::{InstallError, TransitionError};
use super::ongoing::Ongoing;
use super::state::State;
use super::supervisor::{DisableOptions, Supervisor};
use crate::audit::AuditOutcome;
use crate::event::EventKind;
use crate::sandbox::Plugin;

impl Supervisor {
    /// Starts every plugin that is to run whenever the host does, and returns those that did not start.
    pub async fn start(&self) -> Vec<(String, TransitionError)> {
        let mut failed = Vec::new();
        for status in self.list().into_iter().filter(|status| status.enabled) {
            if let Err(error) = self.enable(&status.id).await {
                failed.push((status.id, error));
            }
        }
        failed
    }
}

impl Ongoing {
    pub(super) async fn enable(self: Arc<Self>) -> Result<(), TransitionError> {
        self.tell(EventKind::Enabling);
        self.start().await?;
        self.tell(EventKind::Enabled);
        Ok(())
    }

    pub(super) async fn restart(self: Arc<Self>) -> Result<(), TransitionError> {
        if self.managed.view().state == State::Active {
            let version = self.row().active.version;
            // Before anything is stopped; the start is written down once more, when it has succeeded.
            self.record(AuditOutcome::Succeeded, &version, None).await?;
            self.tell(EventKind::Disabling);
            self.stop(DisableOptions::default().timeout).await;
            self.tell(EventKind::Disabled);
        }
        self.enable().await
    }

    /// From a state at rest to active, or to failed.
    pub(super) async fn start(&self) -> Result<(), TransitionError> {
        self.enter(State::Loading);
        match self.load().await {
            Ok(plugin) => {
                let started = self.host.next_start();
                self.managed.update(|view| {
                    view.current = Some(plugin.clone());
                    view.is_degraded = false;
                    view.started = started;
                });
                self.enter(State::Active);
                self.managed.gate.open(plugin);
                Ok(())
            }
            Err(error) => {
                self.fail(&error).await;
                Err(error.into())
            }
        }
    }

    /// The first instance of a new generation, written down as the one that runs.
    async fn load(&self) -> Result<Plugin, InstallError> {
        let row = PluginRow {
            enabled: true,
            was_started: true,
            failure: None,
            ..self.row()
        };
        let candidate = self.host.prepare_installed(row.clone()).await?;
        let plugin = candidate.start(self.managed.next_generation()).await?;
        match self.commit(row, None).await {
            Ok(()) => Ok(plugin),
            Err(error) => {
                // It has started, so it may clean up; nobody hears of what comes of that but its log.
                let _ = plugin.close().await;
                Err(error)
            }
        }
    }
}
