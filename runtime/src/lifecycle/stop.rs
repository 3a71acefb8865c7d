//! The verbs that stop a plugin: `disable`, and the end of a whole host.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::dependencies::{Arrangement, Wanted};
use super::disk::PluginRow;
use super::error::TransitionError;
use super::ongoing::Ongoing;
use super::options::{DisableOptions, LastState};
use super::state::{Operation, State};
use super::status::PluginStatus;
use super::supervisor::Supervisor;
use crate::audit::AuditOutcome;
use crate::event::EventKind;

/// How long a plugin that is stopped or replaced may clean up (lifecycle.md, step 6).
pub(super) const CLEANUP_TIME: Duration = Duration::from_secs(30);

/// How a plugin was stopped.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Disabled {
    /// The plugin afterwards.
    pub status: PluginStatus,
    /// Commands that were waited for and came to their end.
    pub drained: usize,
    /// Commands that were interrupted.
    pub cancelled: usize,
    /// Whether the state record holds what the cleanup wrote.
    pub state_saved: bool,
}

impl Disabled {
    pub(super) fn new(status: PluginStatus, drained: Drained, last_state: LastState) -> Self {
        Self {
            status,
            drained: drained.ended,
            cancelled: drained.interrupted,
            state_saved: last_state == LastState::Keep,
        }
    }
}

/// How commands left a closed gate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Drained {
    pub(super) ended: usize,
    pub(super) interrupted: usize,
}

impl Supervisor {
    /// Stops every plugin that runs, none before those that need it, within `budget` all together. No operation
    /// begins any more. What is enabled stays enabled for the next start.
    ///
    /// Returns the plugins that were not stopped in order, with the reason.
    pub async fn shutdown(&self, budget: Duration) -> Vec<(String, TransitionError)> {
        self.host.is_closed.store(true, Ordering::Release);
        self.host.wake_waiting();
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
    pub(super) async fn disable(self: Arc<Self>, options: DisableOptions) -> Result<Drained, TransitionError> {
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
        let drained = self.unload_for_good(options).await?;
        self.tell(EventKind::Disabled);
        Ok(drained)
    }

    /// [`unload`](Self::unload), and not to run when the host starts again.
    pub(super) async fn unload_for_good(&self, options: DisableOptions) -> Result<Drained, TransitionError> {
        let drained = self.unload(options).await;
        let row = PluginRow {
            enabled: false,
            was_started: true,
            failure: None,
            ..self.row()
        };
        self.save(row, None).await?;
        Ok(drained)
    }

    async fn shut_down(&self, remaining: Duration) {
        self.tell(EventKind::Disabling);
        self.enter(State::Unloading);
        let options = DisableOptions {
            timeout: remaining,
            ..DisableOptions::default()
        };
        self.unload(options).await;
        self.tell(EventKind::Disabled);
    }

    /// From unloading to disabled: nobody gets in, whoever is inside is waited for, everything is released.
    pub(super) async fn unload(&self, options: DisableOptions) -> Drained {
        self.shut();
        let drained = self.drain(options.timeout).await;
        let current = self.managed.view().current.clone();
        self.managed.update(|view| view.current = None);
        if let Some(plugin) = current {
            if options.last_state == LastState::Refuse {
                plugin.freeze_state();
            }
            self.clean_up(plugin, CLEANUP_TIME).await;
        }
        self.enter(State::Disabled);
        drained
    }
}
