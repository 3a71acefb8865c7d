//! Crashes are counted, and a plugin that crashes too often is locked away.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use palisade_bundle::manifest::RestartPolicy;
use palisade_bundle::{Blame, Code, Coded};
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::error::{TransitionError, members};
use super::gate::Closed;
use super::host::Host;
use super::managed::Managed;
use super::ongoing::Ongoing;
use super::options::DisableOptions;
use super::stop::CLEANUP_TIME;
use crate::audit::AuditOutcome;
use crate::event::EventKind;
use crate::sandbox::{CallError, Plugin, Stopped};

/// The most crashes that are remembered, whatever a manifest wants to have forgiven: three a second for five minutes.
const MOST_REMEMBERED: usize = 1_000;

/// When a plugin crashed, as far as that still counts.
#[derive(Debug, Default)]
pub(super) struct Crashes(Mutex<VecDeque<Instant>>);

impl Crashes {
    /// Counts a crash. Says how many count when they are more than the policy forgives.
    pub(super) fn count(&self, now: Instant, policy: &RestartPolicy) -> Option<usize> {
        let forgiven = usize::try_from(policy.max_failures).unwrap_or(MOST_REMEMBERED);
        let forgiven = forgiven.min(MOST_REMEMBERED);
        let mut crashes = self.crashes();
        crashes.push_back(now);
        while crashes.len() > forgiven + 1
            || crashes
                .front()
                .is_some_and(|first| now.duration_since(*first) > policy.window)
        {
            crashes.pop_front();
        }
        (crashes.len() > forgiven).then_some(crashes.len())
    }

    pub(super) fn forget(&self) {
        self.crashes().clear();
    }

    fn crashes(&self) -> MutexGuard<'_, VecDeque<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a command ended because of its plugin's code. A plugin that answers with an error has not crashed, and what
/// the host could not do is not the plugin's fault.
pub(super) fn is_crash(error: &CallError) -> bool {
    match error {
        CallError::Stopped(stopped) => match stopped {
            Stopped::Trapped(_)
            | Stopped::FuelExhausted { .. }
            | Stopped::MemoryLimitExceeded { .. }
            | Stopped::DeadlinePassed { .. }
            | Stopped::AbiViolation { .. } => true,
            Stopped::ResourceExhausted { .. } | Stopped::Diverged { .. } | Stopped::Engine(_) => false,
        },
        _ => false,
    }
}

impl Host {
    /// Counts a crash, and locks the plugin away when it was one too many. While another operation has the plugin
    /// nothing happens: the next crash is as good a reason.
    pub(super) fn crashed(self: &Arc<Self>, managed: &Arc<Managed>) {
        let Some(policy) = managed.view().current.as_ref().map(|plugin| plugin.manifest().restart) else {
            return;
        };
        let now = self.runtime.services().clock.now();
        let Some(crashes) = managed.crashes.count(now, &policy) else {
            return;
        };
        let ongoing = Ongoing::quarantining(self, Arc::clone(managed));
        if let Ok(ongoing) = ongoing {
            self.settings
                .executor
                .spawn(async move { ongoing.quarantine(crashes).await });
        }
    }
}

impl Ongoing {
    async fn quarantine(&self, crashes: usize) {
        let version = self.row().active.version;
        // A plugin that crashes is locked away also when that cannot be written down.
        if let Err(failed) = self.record(AuditOutcome::Succeeded, &version, None).await {
            self.warn(&failed);
        }
        self.managed.gate.close(Closed::Shut);
        self.drain(DisableOptions::default().timeout).await;
        let current: Option<Plugin> = self.managed.view().current.clone();
        if let Some(plugin) = current {
            self.clean_up(plugin, CLEANUP_TIME).await;
        }
        self.fail(&Quarantined { crashes: Some(crashes) }).await;
        self.tell(EventKind::Quarantined { crashes });
    }

    /// Lets a plugin that was locked away be started again.
    pub(super) async fn release(self: Arc<Self>) -> Result<(), TransitionError> {
        let mut row = self.row();
        if let Some(failure) = &mut row.failure {
            failure.quarantined = false;
        }
        self.commit(row, None).await?;
        self.managed.crashes.forget();
        Ok(())
    }
}

/// The plugin crashed too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the plugin crashed too often and is locked away")]
pub struct Quarantined {
    /// How often within the time that its restart policy names; `None` when that was before the host was opened.
    pub crashes: Option<usize>,
}

impl Coded for Quarantined {
    fn code(&self) -> Code {
        Code::Quarantined
    }

    fn blame(&self) -> Blame {
        Blame::Plugin
    }

    fn details(&self) -> Map<String, Value> {
        self.crashes
            .map(|crashes| members(json!({"crashes": crashes})))
            .unwrap_or_default()
    }

    fn help(&self) -> Vec<String> {
        vec!["find out why it crashes, or upgrade it, and then `release` it".to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_crash_more_than_is_forgiven_is_too_many_and_old_ones_do_not_count() {
        let (crashes, policy, start) = (Crashes::default(), RestartPolicy::default(), Instant::now());
        for second in 0..5 {
            assert_eq!(crashes.count(start + Duration::from_secs(second), &policy), None);
        }
        // The first has just left the window.
        assert_eq!(
            crashes.count(start + policy.window + Duration::from_millis(1), &policy),
            None
        );
        assert_eq!(
            crashes.count(start + policy.window + Duration::from_millis(2), &policy),
            Some(6)
        );
    }

    #[test]
    fn no_policy_makes_the_host_remember_without_end() {
        let (crashes, now) = (Crashes::default(), Instant::now());
        let policy = RestartPolicy {
            max_failures: u32::MAX,
            ..RestartPolicy::default()
        };
        let counted = (0..3 * MOST_REMEMBERED)
            .filter_map(|_| crashes.count(now, &policy))
            .max();
        assert_eq!(counted, Some(MOST_REMEMBERED + 1));
    }
}
