//! The verbs that stop a plugin: `disable`, and the end of a whole host.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::dependencies::{Arrangement, Wanted};
use super::disk::PluginRow;
use super::error::TransitionError;
use super::host::Host;
use super::managed::Managed;
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
    /// begins any more, and those under way are waited for. What is enabled stays enabled for the next start.
    ///
    /// Returns the plugins that were not stopped in order, with the reason.
    pub async fn shutdown(&self, budget: Duration) -> Vec<(String, TransitionError)> {
        self.host.is_closed.store(true, Ordering::Release);
        self.host.wake_waiting();
        let (host, actor) = (Arc::clone(&self.host), Arc::clone(self.actor()));
        let stop_all = async move {
            let deadline = Instant::now() + budget;
            let mut left = Vec::new();
            for managed in host.running() {
                let stopped = host.shut_down(&managed, &actor, deadline).await;
                left.extend(stopped.err().map(|error| (managed.id.to_string(), error)));
            }
            left
        };
        self.host.settings.executor.spawn(stop_all).await.unwrap_or_default()
    }
}

impl Host {
    /// Stops a plugin once no other operation has it, if it still runs then.
    async fn shut_down(
        self: &Arc<Self>,
        managed: &Arc<Managed>,
        actor: &Arc<str>,
        deadline: Instant,
    ) -> Result<(), TransitionError> {
        loop {
            // Listened to before, so that an end that comes at once is not missed.
            let vacated = managed.vacated.notified();
            let busy = match Ongoing::begin(self, Arc::clone(managed), Operation::Disable, actor) {
                Ok(ongoing) => {
                    ongoing.shut_down(deadline).await;
                    return Ok(());
                }
                Err(busy @ TransitionError::Busy(_)) => busy,
                Err(_) if managed.view().current.is_none() => return Ok(()),
                Err(error) => return Err(error),
            };
            if tokio::time::timeout_at(deadline, vacated).await.is_err() {
                return Err(busy);
            }
        }
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

    async fn shut_down(&self, deadline: Instant) {
        self.tell(EventKind::Disabling);
        self.enter(State::Unloading);
        self.shut();
        self.drain(deadline.saturating_duration_since(Instant::now())).await;
        let left = deadline.saturating_duration_since(Instant::now());
        self.let_go(LastState::Keep, left.min(CLEANUP_TIME)).await;
        self.tell(EventKind::Disabled);
    }

    /// From unloading to disabled: nobody gets in, whoever is inside is waited for, everything is released.
    pub(super) async fn unload(&self, options: DisableOptions) -> Drained {
        self.shut();
        let drained = self.drain(options.timeout).await;
        self.let_go(options.last_state, CLEANUP_TIME).await;
        drained
    }

    /// Lets the generation that served clean up, and forgets it.
    async fn let_go(&self, last_state: LastState, cleanup_time: Duration) {
        let current = self.managed.view().current.clone();
        self.managed.update(|view| view.current = None);
        if let Some(plugin) = current {
            if last_state == LastState::Refuse {
                plugin.freeze_state();
            }
            self.clean_up(plugin, cleanup_time).await;
        }
        self.enter(State::Disabled);
    }
}
