//! The one path on which a generation follows another: reload, configuration, upgrade, rollback, grants.
//!
//! The steps are those of lifecycle.md. What was prepared has run nothing yet; from the closing of the gate on, commands
//! wait; until the new generation has started and is written down, everything can be taken back.

use std::time::Duration;

use palisade_bundle::{Coded as _, InstallRecord};

use super::error::{HostStopped, InstallError, TransitionError};
use super::gate::Closed;
use super::host::Candidate;
use super::ongoing::Ongoing;
use super::state::State;
use crate::event::{EventKind, Failing};
use crate::sandbox::Plugin;

/// What takes the place of a running generation.
pub(super) struct Replacement {
    pub(super) candidate: Candidate,
    /// What the ratchet remembers once it has.
    pub(super) record: Option<InstallRecord>,
    /// How long the old generation may clean up.
    pub(super) cleanup_time: Duration,
}

impl Ongoing {
    /// Replaces the running generation, or leaves everything as it was.
    pub(super) async fn replace(&self, replacement: Replacement) -> Result<(), TransitionError> {
        let result = self.try_to_replace(replacement).await;
        self.managed.counted.reloads.add(match &result {
            Ok(()) => "success",
            Err(TransitionError::ReloadFailed { .. }) => "rolled_back",
            Err(TransitionError::RollbackFailed { .. }) => "failed",
            Err(_) => "refused",
        });
        result
    }

    async fn try_to_replace(&self, replacement: Replacement) -> Result<(), TransitionError> {
        let old = self.managed.view().current.clone().ok_or(HostStopped)?;
        let cleanup_time = replacement.cleanup_time;
        self.enter(State::Reloading);
        self.managed.gate.close(Closed::Parking);
        self.managed.care.leave();
        self.drain(self.host.settings.drain_timeout).await;
        let state = match self.note_state(&old, &replacement.candidate.row).await {
            Ok(state) => state,
            // Nothing was touched yet: there is nothing to restore.
            Err(error) => return Err(self.reopen(old, error).await),
        };
        match self.take_over(replacement).await {
            Ok(new) => {
                let generation = new.generation();
                self.managed.update(|view| {
                    view.current = Some(new.clone());
                    view.is_degraded = false;
                });
                self.host.begin_care(&self.managed, &new);
                self.enter(State::Active);
                old.freeze_state();
                self.open(new);
                self.clean_up(old, cleanup_time).await;
                self.tell(EventKind::Reloaded { generation });
                Ok(())
            }
            Err(cause) => Err(self.roll_back(old, state, cause.into()).await),
        }
    }

    /// Starts the new generation and writes it down.
    async fn take_over(&self, replacement: Replacement) -> Result<Plugin, InstallError> {
        let Replacement { candidate, record, .. } = replacement;
        let row = candidate.row.clone();
        let new = candidate.start(self.managed.next_generation()).await?;
        match self.commit(row, record).await {
            Ok(()) => Ok(new),
            Err(error) => {
                new.freeze_state();
                let _ = new.close().await;
                Err(error)
            }
        }
    }

    /// Gives the plugin back to the old generation, with the state record it had.
    async fn roll_back(&self, old: Plugin, state: Option<Vec<u8>>, cause: TransitionError) -> TransitionError {
        match self.restore_state(state).await {
            Ok(()) => self.reopen(old, cause).await,
            Err(lost) => {
                self.warn(&lost);
                self.give_up(old, cause).await
            }
        }
    }

    /// Has the old generation serve on, with a new instance of the same code if the drain took its last one.
    async fn reopen(&self, old: Plugin, cause: TransitionError) -> TransitionError {
        if let Err(lost) = old.revive().await {
            self.warn(&lost);
            return self.give_up(old, cause).await;
        }
        self.enter(State::Active);
        self.open(old);
        self.managed.counted.rollbacks.add(cause.code().as_str());
        self.tell(EventKind::Rollback {
            cause: Failing::from(&cause),
        });
        match cause {
            // Its own word says that the operation was refused, not that the replacement is bad.
            audit @ TransitionError::Bundle(InstallError::Audit(_)) => audit,
            cause => TransitionError::ReloadFailed { cause: cause.into() },
        }
    }

    /// Neither generation can serve.
    async fn give_up(&self, old: Plugin, cause: TransitionError) -> TransitionError {
        self.shut();
        drop(old);
        let error = TransitionError::RollbackFailed { cause: cause.into() };
        self.fail(&error).await;
        error
    }
}
