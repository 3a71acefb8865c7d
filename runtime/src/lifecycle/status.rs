//! What is told of a plugin at one moment.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use palisade_bundle::{Code, Coded, Digest, Manifest, Permission, Timestamp};
use serde::{Deserialize, Serialize};

use super::state::State;
use crate::limits::Limits;

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
    /// When that was checked last; `None` while it has not been started.
    pub last_check: Option<Timestamp>,
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
    /// What its active version says of itself.
    #[serde(serialize_with = "as_manifest")]
    pub manifest: Arc<Manifest>,
    /// The versions that a rollback can bring back, and the active one, oldest first.
    pub versions: Vec<KeptVersion>,
    /// What it may do, while it runs: asked, granted, and allowed to its publisher.
    pub grant: Option<Vec<Permission>>,
    /// The limits it runs under, while it runs.
    pub limits: Option<Limits>,
    /// The last states it was in since the host was opened, oldest first; at most 32.
    pub history: Vec<Transition>,
}

/// A version of a plugin whose bundle is kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct KeptVersion {
    /// Which one.
    pub version: String,
    /// Who vouches for it; `None` for an unsigned bundle.
    pub publisher: Option<String>,
    /// The identity of its bundle.
    pub digest: Digest,
}

/// A plugin went from one state to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Transition {
    /// From where.
    pub from: State,
    /// To where.
    pub to: State,
    /// When; `None` when the clock was out of range.
    pub at: Option<Timestamp>,
    /// Which operation, or what happened.
    pub reason: &'static str,
}

/// Whether a plugin is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Health {
    /// It runs, and its checks go well.
    Healthy,
    /// It runs, and something is wrong: a check failed, four fifths of a limit are used, its commands are refused because
    /// too many failed, or a cleanup failed.
    Degraded,
    /// It is between two states.
    Transitioning,
    /// It has failed.
    Unhealthy,
    /// It does not run, so nobody knows.
    Unknown,
}

impl Health {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Transitioning => "transitioning",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        }
    }

    /// The health of a plugin by its state, `checked` by its checks, and `is_degraded` when something else is wrong.
    pub(super) fn of(state: State, checked: Self, is_degraded: bool) -> Self {
        match (state, checked) {
            (State::Active, Self::Healthy) if is_degraded => Self::Degraded,
            (State::Active, checked) => checked,
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

fn as_manifest<S: serde::Serializer>(manifest: &Arc<Manifest>, serializer: S) -> Result<S::Ok, S::Error> {
    manifest.serialize(serializer)
}

fn as_ms<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}
