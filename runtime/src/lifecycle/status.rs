//! What is told of a plugin at one moment.

use std::time::{Duration, SystemTime};

use palisade_bundle::{Code, Coded, Digest, Permission, Timestamp};
use serde::{Deserialize, Serialize};

use super::state::State;

/// A plugin at one moment. Reading it waits for nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PluginStatus {
    /// Which plugin.
    pub id: String,
    /// Its active version.
    pub version: String,
    /// Where it is in its life.
    pub state: State,
    /// Whether it is well.
    pub health: Health,
    /// Whether it is to run whenever the host does.
    pub enabled: bool,
    /// Who vouches for it; `None` for an unsigned bundle.
    pub publisher: Option<String>,
    /// The identity of its bundle.
    pub digest: Digest,
    /// Which start since the host was opened serves commands, if one does.
    pub generation: Option<u64>,
    /// What the operator granted.
    pub granted: Vec<Permission>,
    /// What every plugin may do and this one may not.
    pub withheld: Vec<Permission>,
    /// Why it failed, while it is [`Failed`](State::Failed).
    pub failure: Option<Failure>,
    /// Whether a command would run at once.
    pub accepting_requests: bool,
    /// Commands that are running or wait for their turn.
    pub active_requests: usize,
    /// How long running commands are waited for, while they are.
    pub draining: Option<Draining>,
    /// What is being done to it.
    pub operation: Option<RunningOperation>,
}

/// Whether a plugin is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Health {
    /// It runs.
    Healthy,
    /// It runs, and something went wrong on the way.
    Degraded,
    /// It is between two states.
    Transitioning,
    /// It has failed.
    Unhealthy,
    /// It does not run, so nobody knows.
    Unknown,
}

impl Health {
    /// The health of a plugin by its state; `is_degraded` when something went wrong that did not stop it.
    pub(super) fn of(state: State, is_degraded: bool) -> Self {
        match (state, is_degraded) {
            (State::Active, false) => Self::Healthy,
            (State::Active, true) => Self::Degraded,
            (State::Failed, _) => Self::Unhealthy,
            (State::Installed | State::Disabled, _) => Self::Unknown,
            (State::Installing | State::Loading | State::Reloading | State::Unloading | State::Uninstalling, _) => {
                Self::Transitioning
            }
        }
    }
}

/// Why a plugin failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The stable word.
    pub code: String,
    /// For a person.
    pub message: String,
    /// When; `None` when the clock was out of range.
    pub at: Option<Timestamp>,
    /// During which operation.
    pub phase: String,
    /// Whether it crashed too often, and is locked away.
    pub quarantined: bool,
}

impl Failure {
    pub(super) fn of(error: &dyn Coded, phase: &str, now: SystemTime) -> Self {
        Self {
            code: error.code().as_str().to_owned(),
            message: error.to_string(),
            at: Timestamp::try_from(now).ok(),
            phase: phase.to_owned(),
            quarantined: error.code() == Code::Quarantined,
        }
    }
}

/// Running commands are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Draining {
    /// Since when; `None` when the clock was out of range.
    pub since: Option<Timestamp>,
    /// After how long what is left is interrupted.
    #[serde(rename = "timeout_ms", serialize_with = "as_ms")]
    pub timeout: Duration,
}

/// An operation that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunningOperation {
    /// What was asked for.
    pub operation: &'static str,
    /// The same as in its events.
    pub operation_id: String,
}

fn as_ms<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
