//! Why an operation was not carried out.

use palisade_bundle::manifest::Difference;
use palisade_bundle::{Blame, Code, Coded, OpenError, RatchetError, VerifyError};
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::audit_sink::AuditFailed;
use super::crashes::Quarantined;
use super::data::DataError;
use super::dependencies::DependencyError;
use super::disk::StoreError;
use super::health::HealthCheckFailed;
use super::state::InvalidState;
use super::status::RunningOperation;
use crate::policy::PolicyError;
use crate::sandbox::LoadError;
use crate::services::StorageError;

/// A bundle was not installed, or an installed one could not be made ready to run.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InstallError {
    /// It is not well formed.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Nobody trusted vouches for it.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// It belongs to somebody else, or is older than what was here.
    #[error(transparent)]
    Ratchet(#[from] RatchetError),
    /// It may not do here what it needs to.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Its module does not load or start.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It does not go together with the plugins that are here.
    #[error(transparent)]
    Dependency(#[from] DependencyError),
    /// It has started, and is not well.
    #[error(transparent)]
    Unwell(#[from] HealthCheckFailed),
    /// The data directory failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit trail could not be written. Nothing was changed.
    #[error(transparent)]
    Audit(#[from] AuditFailed),
    /// A plugin with this id is installed.
    #[error("{id} is installed already, in version {version}")]
    AlreadyInstalled {
        /// Which plugin.
        id: String,
        /// Its active version.
        version: String,
    },
    /// The host is shutting down, or the operation died.
    #[error(transparent)]
    HostStopped(#[from] HostStopped),
}

impl InstallError {
    /// The error that this one passes on.
    fn passed_on(&self) -> Option<&dyn Coded> {
        match self {
            Self::Open(error) => Some(error),
            Self::Verify(error) => Some(error),
            Self::Ratchet(error) => Some(error),
            Self::Policy(error) => Some(error),
            Self::Load(error) => Some(error),
            Self::Dependency(error) => Some(error),
            Self::Unwell(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::Audit(error) => Some(error),
            Self::HostStopped(error) => Some(error),
            Self::AlreadyInstalled { .. } => None,
        }
    }
}

impl Coded for InstallError {
    fn code(&self) -> Code {
        self.passed_on().map_or(Code::AlreadyInstalled, Coded::code)
    }

    fn blame(&self) -> Blame {
        self.passed_on().map_or(Blame::Conflict, Coded::blame)
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::AlreadyInstalled { version, .. } => members(json!({"version": version})),
            Self::Open(_)
            | Self::Verify(_)
            | Self::Ratchet(_)
            | Self::Policy(_)
            | Self::Load(_)
            | Self::Dependency(_)
            | Self::Unwell(_)
            | Self::Store(_)
            | Self::Audit(_)
            | Self::HostStopped(_) => self.passed_on().map(Coded::details).unwrap_or_default(),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::AlreadyInstalled { .. } => vec!["use `upgrade` to replace it".to_owned()],
            Self::Open(_)
            | Self::Verify(_)
            | Self::Ratchet(_)
            | Self::Policy(_)
            | Self::Load(_)
            | Self::Dependency(_)
            | Self::Unwell(_)
            | Self::Store(_)
            | Self::Audit(_)
            | Self::HostStopped(_) => self.passed_on().map(Coded::help).unwrap_or_default(),
        }
    }
}

/// An operation on an installed plugin was not carried out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TransitionError {
    /// There is no such plugin.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// The plugin's state does not allow it. Nothing was changed.
    #[error(transparent)]
    InvalidState(#[from] InvalidState),
    /// Something else is being done to the plugin. Nothing was changed.
    #[error(transparent)]
    Busy(#[from] OperationInProgress),
    /// It does not go together with the other plugins.
    #[error(transparent)]
    Dependency(#[from] DependencyError),
    /// The bundle could not be made ready, or did not start.
    #[error(transparent)]
    Bundle(#[from] InstallError),
    /// The new version asks for more than was granted. Nothing was changed.
    #[error("the new version asks for more than was granted")]
    ApprovalRequired {
        /// What for.
        difference: Box<Difference>,
    },
    /// The configuration is not the one that was to be replaced. Nothing was changed.
    #[error("somebody else has changed the configuration")]
    ConfigChanged,
    /// There is no earlier version.
    #[error("there is no earlier version to go back to")]
    NoRollbackVersion,
    /// There is no earlier version of this name.
    #[error("version {version} is not kept")]
    VersionNotKept {
        /// What was asked for.
        version: String,
        /// What there is, oldest first.
        kept: Vec<String>,
    },
    /// The replacement did not start; the old generation serves on, as it did before.
    #[error("the replacement failed, and the old one serves on")]
    ReloadFailed {
        /// Why.
        #[source]
        cause: Box<TransitionError>,
    },
    /// The replacement did not start, and the old generation could not be brought back.
    #[error("the replacement failed, and the old one could not be brought back")]
    RollbackFailed {
        /// Why the replacement failed.
        #[source]
        cause: Box<TransitionError>,
    },
    /// The plugin crashed too often. Nothing was changed.
    #[error(transparent)]
    Quarantined(#[from] Quarantined),
    /// The plugin's data could not be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What the plugin is to keep is not what it could have kept.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl TransitionError {
    /// The error that this one passes on.
    fn passed_on(&self) -> Option<&dyn Coded> {
        match self {
            Self::NotFound(error) => Some(error),
            Self::InvalidState(error) => Some(error),
            Self::Busy(error) => Some(error),
            Self::Bundle(error) => Some(error),
            Self::Dependency(error) => Some(error),
            Self::Storage(error) => Some(error),
            Self::Quarantined(error) => Some(error),
            Self::Data(error) => Some(error),
            Self::ApprovalRequired { .. }
            | Self::ConfigChanged
            | Self::NoRollbackVersion
            | Self::VersionNotKept { .. }
            | Self::ReloadFailed { .. }
            | Self::RollbackFailed { .. } => None,
        }
    }
}

impl Coded for TransitionError {
    fn code(&self) -> Code {
        match self {
            Self::NotFound(error) => error.code(),
            Self::InvalidState(error) => error.code(),
            Self::Busy(error) => error.code(),
            Self::Bundle(error) => error.code(),
            Self::Dependency(error) => error.code(),
            Self::Storage(error) => error.code(),
            Self::Quarantined(error) => error.code(),
            Self::Data(error) => error.code(),
            Self::ApprovalRequired { .. } => Code::ApprovalRequired,
            Self::ConfigChanged => Code::InvalidState,
            Self::NoRollbackVersion | Self::VersionNotKept { .. } => Code::NoRollbackVersion,
            Self::ReloadFailed { .. } => Code::ReloadFailed,
            Self::RollbackFailed { .. } => Code::RollbackFailed,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NotFound(error) => error.blame(),
            Self::InvalidState(error) => error.blame(),
            Self::Busy(error) => error.blame(),
            Self::Bundle(error) => error.blame(),
            Self::Dependency(error) => error.blame(),
            Self::Storage(error) => error.blame(),
            Self::Quarantined(error) => error.blame(),
            Self::Data(error) => error.blame(),
            Self::ApprovalRequired { .. } => Blame::Policy,
            Self::ConfigChanged | Self::NoRollbackVersion | Self::VersionNotKept { .. } => Blame::Conflict,
            Self::ReloadFailed { cause } | Self::RollbackFailed { cause } => cause.blame(),
        }
    }

    fn details(&self) -> Map<String, Value> {
        let because = |cause: &Self| json!({"code": cause.code().as_str(), "message": cause.to_string(), "details": cause.details()});
        match self {
            Self::ApprovalRequired { difference } => serde_json::to_value(difference).map(members).unwrap_or_default(),
            Self::ReloadFailed { cause } => members(json!({"rolled_back": true, "cause": because(cause)})),
            Self::RollbackFailed { cause } => members(json!({"cause": because(cause)})),
            Self::VersionNotKept { version, kept } => members(json!({"version": version, "kept": kept})),
            Self::NotFound(_)
            | Self::InvalidState(_)
            | Self::Busy(_)
            | Self::Bundle(_)
            | Self::Dependency(_)
            | Self::Storage(_)
            | Self::Quarantined(_)
            | Self::Data(_)
            | Self::ConfigChanged
            | Self::NoRollbackVersion => self.passed_on().map(Coded::details).unwrap_or_default(),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::ApprovalRequired { .. } => vec!["look at the difference, and approve it".to_owned()],
            Self::ReloadFailed { cause } | Self::RollbackFailed { cause } => cause.help(),
            Self::NotFound(_)
            | Self::InvalidState(_)
            | Self::Busy(_)
            | Self::Bundle(_)
            | Self::Dependency(_)
            | Self::Storage(_)
            | Self::Quarantined(_)
            | Self::Data(_)
            | Self::VersionNotKept { .. }
            | Self::ConfigChanged
            | Self::NoRollbackVersion => self.passed_on().map(Coded::help).unwrap_or_default(),
        }
    }
}

impl From<StoreError> for TransitionError {
    fn from(error: StoreError) -> Self {
        Self::Bundle(error.into())
    }
}

impl From<AuditFailed> for TransitionError {
    fn from(error: AuditFailed) -> Self {
        Self::Bundle(error.into())
    }
}

impl From<HostStopped> for TransitionError {
    fn from(error: HostStopped) -> Self {
        Self::Bundle(error.into())
    }
}

/// There is no plugin by this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no plugin `{name}` is installed")]
pub struct NotFound {
    /// What was asked for.
    pub name: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl Coded for NotFound {
    fn code(&self) -> Code {
        Code::NotFound
    }

    fn blame(&self) -> Blame {
        Blame::Missing
    }

    fn details(&self) -> Map<String, Value> {
        members(json!({"kind": "plugin", "name": self.name, "suggestion": self.suggestion}))
    }

    fn help(&self) -> Vec<String> {
        self.suggestion
            .iter()
            .map(|name| format!("did you mean `{name}`?"))
            .collect()
    }
}

/// Something else is being done to the plugin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the operation {} is running on the plugin", running.operation)]
pub struct OperationInProgress {
    /// What.
    pub running: RunningOperation,
}

impl Coded for OperationInProgress {
    fn code(&self) -> Code {
        Code::OperationInProgress
    }

    fn blame(&self) -> Blame {
        Blame::Conflict
    }

    fn details(&self) -> Map<String, Value> {
        let RunningOperation {
            operation,
            operation_id,
        } = &self.running;
        members(json!({"operation": operation, "operation_id": operation_id}))
    }
}

/// The host stopped before the operation came to an end, or the operation died of a bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the host stopped before the operation came to an end")]
pub struct HostStopped;

impl Coded for HostStopped {
    fn code(&self) -> Code {
        Code::InternalError
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }
}

pub(super) fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
