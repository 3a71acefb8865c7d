//! How the service manager hears of it: systemd's notifications, when it asks for them.
//!
//! Nothing that goes wrong with that is worth more than a warning: the server serves all the same.

use std::time::Duration;

use super::voice::Voice;
use sd_notify::NotifyState;

pub(super) struct ServiceManager<'a>(pub(super) &'a Voice);

impl ServiceManager<'_> {
    /// Plugins have been started, and requests are answered.
    pub(super) fn ready(&self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// The settings are being read again, from now until it is ready.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(_) => self.tell(&[NotifyState::Reloading]),
        }
    }

    /// The end has begun.
    pub(super) fn stopping(&self) {
        self.tell(&[NotifyState::Stopping]);
    }

    /// Shows that the executor still gets to its tasks, twice in each time after which it would be given up.
    pub(super) fn keep_alive(&self) -> impl Future<Output = ()> + use<> {
        let mut microseconds = 0;
        let is_asked = sd_notify::watchdog_enabled(false, &mut microseconds);
        let period = Duration::from_micros(microseconds) / 2;
        async move {
            loop {
                if !is_asked {
                    break;
                }
                // Elsewhere, because it waits while nobody listens. One that gets lost is followed by another in time.
                let tell = || sd_notify::notify(false, &[NotifyState::Watchdog]);
                let _ = tokio::task::spawn_blocking(tell).await;
                tokio::time::sleep(period).await;
            }
        }
    }

    fn tell(&self, state: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(false, state) {
            self.0.warn(&format!("the service manager was not told: {error}"));
        }
    }
}
