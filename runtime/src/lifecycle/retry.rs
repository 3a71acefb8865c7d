//! Starts that are tried again, and how the waiting between two tries ends.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use palisade_bundle::{Blame, Code, Coded};
use tokio::sync::Notify;

use super::error::InstallError;
use super::host::Host;
use super::managed::Managed;
use super::ongoing::Ongoing;
use super::supervisor::Supervisor;

/// A start that may be waiting for its next try.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    stage: Mutex<Stage>,
    /// Something has changed for whoever waits.
    news: Notify,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nobody waits.
    #[default]
    No,
    Yes,
    /// Somebody waits, and is to stop.
    GivenUp,
}

impl Waiting {
    /// Has whoever waits look at the time again.
    pub(super) fn wake(&self) {
        self.news.notify_waiters();
    }

    /// Ends the waiting, if there is any.
    fn give_up(&self) -> bool {
        let is_waiting = {
            let mut stage = self.stage();
            if *stage == Stage::Yes {
                *stage = Stage::GivenUp;
            }
            *stage == Stage::GivenUp
        };
        self.wake();
        is_waiting
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    /// Ends a start of the plugin that waits for its next try, so that the plugin can be stopped.
    pub(super) async fn give_up_start(&self, id: &str) {
        let Ok(managed) = self.host.find(id) else { return };
        // Listened to before, so that an end that comes at once is not missed.
        let vacated = managed.vacated.notified();
        if managed.waiting.give_up() {
            vacated.await;
        }
    }
}

impl Host {
    /// Has every start that waits look at the time, and at whether the host is still there.
    pub(super) fn wake_waiting(&self) {
        self.all().iter().for_each(|managed| managed.waiting.wake());
    }
}

impl Ongoing {
    /// Waits for the next try of a start that failed. `false` when there is none.
    pub(super) async fn may_try_again(&self, error: &InstallError, tries: u32) -> bool {
        let pause = self.host.settings.start_retries.pause_after(tries);
        match pause.filter(|_| can_change(error)) {
            Some(pause) => {
                self.warn(error);
                self.pause(pause).await
            }
            None => false,
        }
    }

    /// Lets time pass by the host's clock. `false` when there is nothing to wait for any more.
    async fn pause(&self, time: Duration) -> bool {
        let clock = Arc::clone(&self.host.runtime.services().clock);
        let due = clock.now() + time;
        let waits = Waits::begin(&self.managed);
        loop {
            let news = self.managed.waiting.news.notified();
            if self.host.is_closed.load(Ordering::Acquire) || waits.is_given_up() {
                return false;
            }
            let left = due.saturating_duration_since(clock.now());
            if left.is_zero() {
                return true;
            }
            // Either may come first: what counts is looked at again.
            let _ = tokio::time::timeout(left, news).await;
        }
    }
}

/// Waits until it is dropped.
struct Waits<'a>(&'a Managed);

impl<'a> Waits<'a> {
    fn begin(managed: &'a Managed) -> Self {
        *managed.waiting.stage() = Stage::Yes;
        Self(managed)
    }

    fn is_given_up(&self) -> bool {
        *self.0.waiting.stage() == Stage::GivenUp
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        *self.0.waiting.stage() = Stage::No;
    }
}

/// Whether another try of a start may end otherwise. What is wrong with a bundle, with who vouches for it or with what it
/// may do here stays wrong; so does a breach of the ABI, which is no accident.
pub(super) fn can_change(error: &InstallError) -> bool {
    match error.blame() {
        Blame::Plugin | Blame::Answer | Blame::Conflict | Blame::Connection => error.code().is_recoverable(),
        // A bundle that is not what was stored is not so the next time.
        Blame::Host => error.code() != Code::CorruptedData,
        // Trust, bundle, policy, request, and what is not there.
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use palisade_bundle::VerifyError;

    use super::*;
    use crate::lifecycle::HostStopped;
    use crate::policy::PolicyError;
    use crate::sandbox::LoadError;

    #[test]
    fn what_is_wrong_with_a_bundle_stays_wrong() {
        let for_good: [InstallError; 3] = [
            VerifyError::Unsigned.into(),
            LoadError::MissingExport { name: "memory" }.into(),
            PolicyError::ConfigNotObject.into(),
        ];
        assert!(for_good.iter().all(|error| !can_change(error)));
        assert!(can_change(&HostStopped.into()));
    }
}
