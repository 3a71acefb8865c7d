//! Whether plugins are well: checks, what they add up to, and what becomes of a plugin that is not.

use std::sync::Arc;

use palisade_bundle::manifest::HealthChecks;
use palisade_bundle::{Blame, Code, Coded, Timestamp};
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::call::{CommandError, refused};
use super::crashes::is_crash;
use super::error::members;
use super::gate::Refusal;
use super::host::Host;
use super::managed::Managed;
use super::ongoing::Ongoing;
use super::state::State;
use super::status::{Health, PluginStatus};
use super::supervisor::Supervisor;
use crate::event::{EventKind, Failing};
use crate::sandbox::{CallError, Plugin};

/// What the checks of one generation came to so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checks {
    verdict: Health,
    /// In a row.
    failures: u32,
    /// In a row.
    successes: u32,
}

impl Checks {
    /// Of a generation whose first check went well, without which none serves.
    pub(super) fn begin() -> Self {
        Self {
            verdict: Health::Healthy,
            failures: 0,
            successes: 1,
        }
    }

    pub(super) fn verdict(&self) -> Health {
        self.verdict
    }

    /// One more check. A failure is never overlooked, and a success not believed before as many as the policy says.
    pub(super) fn record(&mut self, is_well: bool, policy: &HealthChecks) {
        if is_well {
            self.failures = 0;
            self.successes = self.successes.saturating_add(1);
            if self.successes >= policy.success_threshold {
                self.verdict = Health::Healthy;
            }
            return;
        }
        self.successes = 0;
        self.failures = self.failures.saturating_add(1);
        self.verdict = match self.failures >= policy.failure_threshold {
            true => Health::Unhealthy,
            false => Health::Degraded,
        };
    }
}

impl Health {
    /// One word for many: nothing monitored is healthy, all unhealthy is unhealthy, anything not healthy is degraded. A
    /// plugin that does not run is not monitored.
    ///
    /// ```
    /// use palisade::Health::{self, Degraded, Healthy, Unhealthy, Unknown};
    ///
    /// assert_eq!(Health::overall([]), Healthy);
    /// assert_eq!(Health::overall([Unknown, Unhealthy]), Unhealthy);
    /// assert_eq!(Health::overall([Healthy, Unhealthy]), Degraded);
    /// ```
    #[must_use]
    pub fn overall(all: impl IntoIterator<Item = Self>) -> Self {
        let (mut are_all_healthy, mut are_all_unhealthy, mut is_any) = (true, true, false);
        for health in all.into_iter().filter(|health| *health != Self::Unknown) {
            is_any = true;
            are_all_healthy &= health == Self::Healthy;
            are_all_unhealthy &= health == Self::Unhealthy;
        }
        match (are_all_healthy, are_all_unhealthy) {
            (true, _) => Self::Healthy,
            (false, true) if is_any => Self::Unhealthy,
            (false, _) => Self::Degraded,
        }
    }
}

impl Supervisor {
    /// The health of all plugins in one word: see [`Health::overall`].
    #[must_use]
    pub fn health(&self) -> Health {
        Health::overall(self.host.all().iter().map(|managed| managed.health()))
    }

    /// Checks a plugin now, besides the checks that its manifest asks for; counts as one of them.
    ///
    /// # Errors
    ///
    /// [`CommandError::Unwell`] when it is not well, any other when it could not be checked.
    pub async fn check_health(&self, id: &str) -> Result<PluginStatus, CommandError> {
        let managed = self.host.find(id)?;
        self.host.check(&managed).await?;
        Ok(managed.status())
    }
}

impl Host {
    /// One check of the generation that serves, and what follows from it.
    pub(super) async fn check(self: &Arc<Self>, managed: &Arc<Managed>) -> Result<(), CommandError> {
        let check = |plugin: Plugin| async move {
            let result = plugin.health().await;
            (plugin, result)
        };
        let Some((plugin, result)) = self.visit(managed, check).await else {
            return Err(refused(managed, Refusal::Shut));
        };
        if let Err(error) = &result
            && !is_plugins_own(error)
        {
            // It says nothing of the plugin.
            return result.map_err(CommandError::from);
        }
        let at = Timestamp::try_from(self.runtime.services().clock.wall()).ok();
        managed.care.record(&plugin, result.is_ok(), at);
        self.tell_health(managed);
        self.tell_usage(managed, &plugin).await;
        let Err(error) = result else { return Ok(()) };
        if is_crash(&error) {
            self.crashed(managed);
        }
        if managed.health() == Health::Unhealthy {
            self.give_up_on(managed, &error);
        }
        Err(CommandError::Unwell(HealthCheckFailed(error)))
    }

    /// Tells when a plugin that serves has become more or less well. What a change of state means for its health is told
    /// by that.
    pub(super) fn tell_health(&self, managed: &Managed) {
        let view = managed.view();
        let (State::Active, Some(plugin)) = (view.state, &view.current) else {
            return;
        };
        let to = managed.health();
        if let Some(from) = managed.care.tells(to) {
            plugin.tell(EventKind::HealthChanged { from, to });
        }
    }

    async fn tell_usage(&self, managed: &Managed, plugin: &Plugin) {
        let Some(metrics) = plugin.usage().await else { return };
        if managed.care.has_used(metrics) {
            plugin.tell(EventKind::ResourceUsage { metrics });
        }
    }

    /// Fails a plugin that has failed too many checks. While another operation has it nothing happens: the next check
    /// is as good a reason.
    fn give_up_on(self: &Arc<Self>, managed: &Arc<Managed>, error: &CallError) {
        let failed = TooUnwell(Failing::from(error));
        if let Ok(ongoing) = Ongoing::taking_down(self, Arc::clone(managed), "health_check", &Arc::from("host")) {
            self.settings.executor.spawn(async move {
                ongoing.take_down(&failed).await;
                ongoing.tell(EventKind::Error {
                    error: Failing::from(&failed),
                });
            });
        }
    }
}

/// Whether a failed check says something of the plugin, and not of its host.
fn is_plugins_own(error: &CallError) -> bool {
    matches!(error, CallError::Guest { .. }) || is_crash(error)
}

/// A plugin was asked whether it is well, and it is not.
#[derive(Debug, Error)]
#[error("the health check failed")]
pub struct HealthCheckFailed(
    /// What it said, or what stopped it.
    #[source]
    pub CallError,
);

impl Coded for HealthCheckFailed {
    fn code(&self) -> Code {
        Code::HealthCheckFailed
    }

    fn blame(&self) -> Blame {
        match &self.0 {
            CallError::Guest { .. } => Blame::Plugin,
            error => error.blame(),
        }
    }

    fn details(&self) -> Map<String, Value> {
        members(json!({"cause": Failing::from(&self.0)}))
    }
}

/// A plugin failed as many checks in a row as its manifest forgives.
#[derive(Debug, Error)]
#[error("too many health checks in a row failed, the last one with {}: {}", .0.code, .0.message)]
struct TooUnwell(Failing);

impl Coded for TooUnwell {
    fn code(&self) -> Code {
        Code::HealthCheckFailed
    }

    fn blame(&self) -> Blame {
        Blame::Plugin
    }

    fn details(&self) -> Map<String, Value> {
        members(json!({"cause": self.0}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(results: &[bool]) -> Vec<Health> {
        let (mut checks, policy) = (Checks::begin(), HealthChecks::default());
        let verdict = |is_well: &bool| {
            checks.record(*is_well, &policy);
            checks.verdict()
        };
        results.iter().map(verdict).collect()
    }

    #[test]
    fn three_failures_in_a_row_are_unhealthy_and_two_successes_in_a_row_healthy() {
        use Health::{Degraded, Healthy, Unhealthy};
        assert_eq!(verdicts(&[true, false, false]), [Healthy, Degraded, Degraded]);
        assert_eq!(verdicts(&[false, false, true, false]), [Degraded; 4]);
        assert_eq!(verdicts(&[false, false, false]), [Degraded, Degraded, Unhealthy]);
        let recovering = [false, false, false, true, true];
        assert_eq!(verdicts(&recovering)[3..], [Unhealthy, Healthy]);
    }

    #[test]
    fn one_word_stands_for_all_that_are_monitored() {
        use Health::{Degraded, Healthy, Transitioning, Unhealthy, Unknown};
        let cases: [(&[Health], Health); 8] = [
            (&[], Healthy),
            (&[Unknown, Unknown], Healthy),
            (&[Healthy, Unknown], Healthy),
            (&[Unhealthy, Unhealthy, Unknown], Unhealthy),
            (&[Unhealthy, Healthy], Degraded),
            (&[Unhealthy, Degraded], Degraded),
            (&[Transitioning], Degraded),
            (&[Degraded, Healthy], Degraded),
        ];
        for (all, expected) in cases {
            assert_eq!(Health::overall(all.iter().copied()), expected, "{all:?}");
        }
    }
}
