//! Crashes are counted: after each a fresh instance is due, and a plugin that crashes too often is locked away.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use palisade_bundle::manifest::RestartPolicy;
use palisade_bundle::{Blame, Code, Coded, Timestamp};
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::error::{TransitionError, members};
use super::host::Host;
use super::managed::Managed;
use super::ongoing::Ongoing;
use crate::event::EventKind;
use crate::sandbox::{CallError, Plugin, StartFailure, Stopped};

/// The most crashes that are remembered, whatever a manifest wants to have forgiven: three a second for five minutes.
const MOST_REMEMBERED: usize = 1_000;

/// When a plugin crashed, as far as that still counts.
#[derive(Debug, Default)]
pub(super) struct Crashes(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// Within the window of the policy.
    times: VecDeque<Instant>,
    /// Crashes since the plugin was well for as long as the window.
    in_a_row: u32,
}

/// What follows from a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A fresh instance, after a pause.
    Restart { attempt: u32, delay: Duration },
    /// It was one too many; so many are remembered.
    Quarantine { crashes: usize },
}

impl Crashes {
    /// Counts a crash.
    pub(super) fn count(&self, now: Instant, policy: &RestartPolicy) -> Verdict {
        let forgiven = usize::try_from(policy.max_failures).unwrap_or(MOST_REMEMBERED);
        let forgiven = forgiven.min(MOST_REMEMBERED);
        let mut crashes = self.crashes();
        let has_left = |time: &Instant| now.duration_since(*time) > policy.window;
        if crashes.times.back().is_none_or(has_left) {
            crashes.in_a_row = 0;
        }
        crashes.in_a_row = crashes.in_a_row.saturating_add(1);
        crashes.times.push_back(now);
        while crashes.times.len() > forgiven + 1 || crashes.times.front().is_some_and(has_left) {
            crashes.times.pop_front();
        }
        match crashes.times.len() > forgiven {
            true => Verdict::Quarantine {
                crashes: crashes.times.len(),
            },
            false => Verdict::Restart {
                attempt: crashes.in_a_row,
                delay: delay(policy, crashes.in_a_row),
            },
        }
    }

    pub(super) fn forget(&self) {
        *self.crashes() = Remembered::default();
    }

    fn crashes(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pause after so many crashes in a row: it doubles with each, up to the policy's longest.
fn delay(policy: &RestartPolicy, in_a_row: u32) -> Duration {
    let doubled = 2_u32.checked_pow(in_a_row.saturating_sub(1));
    let delay = doubled.and_then(|times| policy.delay.checked_mul(times));
    delay.map_or(policy.max_delay, |delay| delay.min(policy.max_delay))
}

/// Whether a command ended because of its plugin's code. A plugin that answers with an error has not crashed, and what
/// the host could not do is not the plugin's fault.
pub(super) fn is_crash(error: &CallError) -> bool {
    match error {
        CallError::Stopped(stopped) => is_plugins_own(stopped),
        // An instance that does not start is one that crashed before its first command.
        CallError::Start(error) => match error.failure() {
            StartFailure::Stopped(stopped) => is_plugins_own(stopped),
            StartFailure::Refused(_) => true,
            // The host could not read what it keeps.
            StartFailure::State(_) => false,
        },
        CallError::InvalidCommand { .. }
        | CallError::InvalidArgument { .. }
        | CallError::ArgsTooLarge { .. }
        | CallError::Guest { .. }
        | CallError::Closed => false,
    }
}

fn is_plugins_own(stopped: &Stopped) -> bool {
    match stopped {
        Stopped::Trapped(_)
        | Stopped::FuelExhausted { .. }
        | Stopped::MemoryLimitExceeded { .. }
        | Stopped::DeadlinePassed { .. }
        | Stopped::AbiViolation { .. } => true,
        Stopped::ResourceExhausted { .. } | Stopped::Diverged { .. } | Stopped::Engine(_) => false,
    }
}

impl Host {
    /// Counts a crash. Has a fresh instance started after a while, or locks the plugin away when it was one too many; while
    /// another operation has the plugin it is not: the next crash is as good a reason.
    pub(super) fn crashed(self: &Arc<Self>, managed: &Arc<Managed>) {
        let Some(policy) = managed.view().current.as_ref().map(|plugin| plugin.manifest().restart) else {
            return;
        };
        let now = self.runtime.services().clock.now();
        let crashes = match managed.crashes.count(now, &policy) {
            Verdict::Restart { attempt, delay } => return managed.care.restart_at(now + delay, attempt),
            Verdict::Quarantine { crashes } => crashes,
        };
        let ongoing = Ongoing::taking_down(self, Arc::clone(managed), "quarantine", &Arc::from("host"));
        if let Ok(ongoing) = ongoing {
            self.settings
                .executor
                .spawn(async move { ongoing.quarantine(crashes).await });
        }
    }

    /// Starts a fresh instance after a crash, unless a command had one started already.
    pub(super) async fn rebuild(self: &Arc<Self>, managed: &Arc<Managed>, attempt: u32) {
        let rebuild = move |plugin: Plugin| async move {
            if !plugin.needs_instance() {
                return Ok(());
            }
            plugin.tell(EventKind::Restarting { attempt });
            let revived = plugin.revive().await;
            if revived.is_ok() {
                plugin.tell(EventKind::Restarted { attempt });
            }
            revived
        };
        if let Some(Err(error)) = self.visit(managed, rebuild).await
            && is_crash(&error)
        {
            self.crashed(managed);
        }
    }
}

impl Ongoing {
    async fn quarantine(&self, crashes: usize) {
        let since = Timestamp::try_from(self.host.runtime.services().clock.wall()).ok();
        let crashes_in_time = Some(crashes);
        self.take_down(&Quarantined {
            crashes: crashes_in_time,
            since,
        })
        .await;
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
    /// Since when it is locked away; `None` when the clock was out of range.
    pub since: Option<Timestamp>,
}

impl Coded for Quarantined {
    fn code(&self) -> Code {
        Code::Quarantined
    }

    fn blame(&self) -> Blame {
        Blame::Plugin
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = members(json!({"since": self.since}));
        if let Some(crashes) = self.crashes {
            details.insert("crashes".to_owned(), crashes.into());
        }
        details
    }

    fn help(&self) -> Vec<String> {
        vec!["find out why it crashes, or upgrade it, and then `release` it".to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_crash_more_than_is_forgiven_is_too_many_and_old_ones_do_not_count() {
        let (crashes, policy, start) = (Crashes::default(), RestartPolicy::default(), Instant::now());
        let count = |after: Duration| crashes.count(start + after, &policy);
        let is_forgiven = |verdict| matches!(verdict, Verdict::Restart { .. });
        for second in 0..5 {
            assert!(is_forgiven(count(Duration::from_secs(second))));
        }
        // The first has just left the window.
        assert!(is_forgiven(count(policy.window + Duration::from_millis(1))));
        assert_eq!(
            count(policy.window + Duration::from_millis(2)),
            Verdict::Quarantine { crashes: 6 }
        );
    }

    #[test]
    fn pauses_double_to_the_longest_and_begin_anew_once_it_was_well_for_the_window() {
        let (crashes, start) = (Crashes::default(), Instant::now());
        let policy = RestartPolicy {
            max_failures: u32::MAX,
            ..RestartPolicy::default()
        };
        let mut now = start;
        let mut delay_after = |pause: Duration| {
            now += pause;
            match crashes.count(now, &policy) {
                Verdict::Restart { delay, .. } => delay.as_secs(),
                Verdict::Quarantine { .. } => 0,
            }
        };
        let pauses: Vec<_> = (0..9).map(|_| delay_after(policy.window)).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(delay_after(policy.window + Duration::from_millis(1)), 5);
        assert_eq!(delay(&policy, u32::MAX), policy.max_delay);
    }

    #[test]
    fn no_policy_makes_the_host_remember_without_end() {
        let (crashes, now) = (Crashes::default(), Instant::now());
        let policy = RestartPolicy {
            max_failures: u32::MAX,
            ..RestartPolicy::default()
        };
        let verdicts: Vec<_> = (0..3 * MOST_REMEMBERED).map(|_| crashes.count(now, &policy)).collect();
        let last = Verdict::Quarantine {
            crashes: MOST_REMEMBERED + 1,
        };
        assert_eq!(verdicts.last(), Some(&last));
    }
}
