//! The verbs that stop a plugin: `disable`, and the end of a whole host.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::dependencies::{Arrangement, Wanted};
use super::disk::PluginRow;
use super::error::TransitionError;
use super::gate::Closed;
use super::ongoing::Ongoing;
use super::state::{Operation, State};
use super::supervisor::{DisableOptions, Supervisor};
use crate::audit::AuditOutcome;
use crate::event::EventKind;

/// How long a plugin that is stopped or replaced may clean up (lifecycle.md, step 6).
pub(super) const CLEANUP_TIME: Duration = Duration::from_secs(30);

impl Supervisor {
    /// Stops every plugin that runs, none before those that need it, within `budget` all together. No operation
    /// begins any more. What is enabled stays enabled for the next start.
    ///
    /// Returns the plugins that were not stopped in order, with the reason.
    pub async fn shutdown(&self, budget: Duration) -> Vec<(String, TransitionError)> {
        self.host.is_closed.store(true, Ordering::Release);
        let (host, actor) = (Arc::clone(&self.host), Arc::clone(self.actor()));
        let stop_all = async move {
            let deadline = Instant::now() + budget;
            let running = host.running();
            let mut left = Vec::new();
            for managed in running {
                let id = managed.id.to_string();
                match Ongoing::begin(&host, managed, Operation::Disable, &actor) {
                    Ok(ongoing) => {
                        ongoing
                            .shut_down(deadline.saturating_duration_since(Instant::now()))
                            .await
                    }
                    Err(error) => left.push((id, error)),
                }
            }
            left
        };
        self.host.settings.executor.spawn(stop_all).await.unwrap_or_default()
    }
}

impl Ongoing {
    pub(super) async fn disable(self: Arc<Self>, options: DisableOptions) -> Result<(), TransitionError> {
        self.tell(EventKind::Disabling);
        let version = self.row().active.version;
        let is_free = |all: &Arrangement| match self.managed.view().state {
            State::Active => all.check_free(&self.managed.id, Wanted::Running),
            // Whoever needs it does without already.
            _ => Ok(()),
        };
        self.host.arrange(is_free)?;
        // Before anything is stopped, because that cannot be taken back.
        self.record(AuditOutcome::Succeeded, &version, None).await?;
        self.enter_if(State::Unloading, is_free)?;
        self.unload_for_good(options.timeout).await?;
        self.tell(EventKind::Disabled);
        Ok(())
    }

    /// [`unload`](Self::unload), and not to run when the host starts again.
    pub(super) async fn unload_for_good(&self, timeout: Duration) -> Result<(), TransitionError> {
        self.unload(timeout).await;
        let row = PluginRow {
            enabled: false,
            was_started: true,
            failure: None,
            ..self.row()
        };
        Ok(self.save(row, None).await?)
    }

    async fn shut_down(&self, remaining: Duration) {
        self.tell(EventKind::Disabling);
        self.enter(State::Unloading);
        self.unload(remaining).await;
        self.tell(EventKind::Disabled);
    }

    /// From unloading to disabled: nobody gets in, whoever is inside is waited for, everything is released.
    pub(super) async fn unload(&self, timeout: Duration) {
        self.managed.gate.close(Closed::Shut);
        self.drain(timeout).await;
        let current = self.managed.view().current.clone();
        self.managed.update(|view| view.current = None);
        if let Some(plugin) = current {
            self.clean_up(plugin, CLEANUP_TIME).await;
        }
        self.enter(State::Disabled);
    }
}
