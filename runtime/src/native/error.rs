//! Why an operation on a service failed: [`PluginLifecycleError`], and what was at fault: [`ServiceFault`].

use std::io;
use std::time::Duration;

use palisade_bundle::{Blame, Code, Coded};
use serde_json::{Map, Value};
use thiserror::Error;

#[cfg(unix)]
use super::readiness::ProbeFailure;
use super::resources::ResourceLimitExceeded;
use super::state::InvalidTransition;

/// An operation on a service failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PluginLifecycleError {
    /// The service is in no state for it. Nothing was changed.
    #[error(transparent)]
    InvalidState(#[from] InvalidTransition),
    /// The service did not come to be ready; what it had taken was given back.
    #[error("service `{service}` did not start: {fault}")]
    StartFailed {
        /// Its name.
        service: String,
        /// Why.
        fault: ServiceFault,
    },
    /// Nobody could say how the service is.
    #[error("service `{service}` could not be checked: {fault}")]
    HealthCheckFailed {
        /// Its name.
        service: String,
        /// Why.
        fault: ServiceFault,
    },
    /// The service was not stopped, or not in order.
    #[error("service `{service}` did not stop in order: {fault}")]
    StopFailed {
        /// Its name.
        service: String,
        /// Why.
        fault: ServiceFault,
    },
    /// The host has no more room for what the service needs.
    #[error(transparent)]
    ResourceAllocationFailed(#[from] ResourceLimitExceeded),
}

impl PluginLifecycleError {
    /// Whether another try to start can end differently with nothing changed by anybody.
    #[must_use]
    pub fn can_change(&self) -> bool {
        match self {
            Self::InvalidState(_) => false,
            Self::ResourceAllocationFailed(_) => true,
            Self::StartFailed { fault, .. }
            | Self::HealthCheckFailed { fault, .. }
            | Self::StopFailed { fault, .. } => fault.can_change(),
        }
    }
}

/// What was at fault.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServiceFault {
    /// The program cannot be started.
    #[error("the program cannot be started: {}", .0.kind())]
    NotSpawned(io::Error),
    /// The process ended before it was ready.
    #[error("the process ended, {}", ending(*.status, *.signal))]
    Exited {
        /// Its exit status, if it ended by itself.
        status: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
    },
    /// It was not ready in time.
    #[cfg(unix)]
    #[error("not ready within {limit:?}: {last}")]
    NotReady {
        /// The time it had.
        limit: Duration,
        /// What the last look at it showed.
        last: ProbeFailure,
    },
    /// Somebody else listens on a port that the service is to have.
    #[error("port {port} is taken")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The handle is of no running service.
    #[error("the handle is of no running service")]
    UnknownHandle,
    /// Nobody waited for the start any more.
    #[error("the start was abandoned")]
    Abandoned,
    /// The process was killed and did not end.
    #[error("the process did not end within {limit:?} after it was killed")]
    NotEnded {
        /// How long was waited.
        limit: Duration,
    },
    /// The plugin behind the service refused or failed, or whatever an implementer has to say.
    #[error("{0}")]
    Refused(Box<dyn Coded + Send + Sync>),
    /// The system gives no thread.
    #[error("the system gives no thread: {}", .0.kind())]
    NoThread(io::Error),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {}", .0.kind())]
    NoRandomness(io::Error),
    /// Work on another thread panicked.
    #[error("the work panicked")]
    Panicked,
}

impl ServiceFault {
    /// What somebody else's error means for a service.
    pub fn refused(error: impl Coded + Send + Sync + 'static) -> Self {
        Self::Refused(Box::new(error))
    }

    fn can_change(&self) -> bool {
        match self {
            // The program is not there, or may not be run, until somebody changes that.
            Self::NotSpawned(error) => !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput
            ),
            #[cfg(unix)]
            Self::NotReady { .. } => true,
            Self::Exited { .. } | Self::PortTaken { .. } | Self::NoThread(_) | Self::NoRandomness(_) => true,
            Self::Refused(error) => error.code().is_recoverable(),
            Self::UnknownHandle | Self::Abandoned | Self::NotEnded { .. } | Self::Panicked => false,
        }
    }

    /// The word for it, where `of_operation` is the word for a failure of the operation as such.
    fn code(&self, of_operation: Code) -> Code {
        match self {
            Self::NotSpawned(_) | Self::Exited { .. } | Self::PortTaken { .. } | Self::Abandoned => of_operation,
            #[cfg(unix)]
            Self::NotReady { .. } => Code::InitializationTimeout,
            Self::UnknownHandle => Code::NotFound,
            Self::NotEnded { .. } => Code::ResourceLeak,
            Self::Refused(error) => error.code(),
            Self::NoThread(_) | Self::NoRandomness(_) | Self::Panicked => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            #[cfg(unix)]
            Self::NotReady { .. } => Blame::Plugin,
            Self::NotSpawned(_) | Self::Exited { .. } => Blame::Plugin,
            Self::PortTaken { .. } | Self::Abandoned => Blame::Conflict,
            Self::UnknownHandle => Blame::Missing,
            Self::Refused(error) => error.blame(),
            Self::NotEnded { .. } | Self::NoThread(_) | Self::NoRandomness(_) | Self::Panicked => Blame::Host,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let one = |name: &str, value: Value| Map::from_iter([(name.to_owned(), value)]);
        let limit = |limit: &Duration| one("limit_ms", u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).into());
        match self {
            Self::Exited { status, signal } => Map::from_iter([
                ("status".to_owned(), (*status).into()),
                ("signal".to_owned(), (*signal).into()),
            ]),
            #[cfg(unix)]
            Self::NotReady { limit: time, .. } => limit(time),
            Self::NotEnded { limit: time } => limit(time),
            Self::PortTaken { port } => one("port", (*port).into()),
            Self::Refused(error) => error.details(),
            Self::NotSpawned(_)
            | Self::UnknownHandle
            | Self::Abandoned
            | Self::NoThread(_)
            | Self::NoRandomness(_)
            | Self::Panicked => Map::new(),
        }
    }
}

fn ending(status: Option<i32>, signal: Option<i32>) -> String {
    match (status, signal) {
        (Some(status), _) => format!("status {status}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "status unknown".to_owned(),
    }
}

impl Coded for PluginLifecycleError {
    fn code(&self) -> Code {
        match self {
            Self::InvalidState(error) => error.code(),
            Self::StartFailed { fault, .. } => fault.code(Code::InitializationFailed),
            Self::HealthCheckFailed { fault, .. } => fault.code(Code::HealthCheckFailed),
            Self::StopFailed { fault, .. } => fault.code(Code::CleanupFailed),
            Self::ResourceAllocationFailed(error) => error.code(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::InvalidState(error) => error.blame(),
            Self::StartFailed { fault, .. }
            | Self::HealthCheckFailed { fault, .. }
            | Self::StopFailed { fault, .. } => fault.blame(),
            Self::ResourceAllocationFailed(error) => error.blame(),
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::InvalidState(error) => error.details(),
            Self::StartFailed { service, fault }
            | Self::HealthCheckFailed { service, fault }
            | Self::StopFailed { service, fault } => {
                let mut details = fault.details();
                details.insert("service".to_owned(), service.as_str().into());
                details
            }
            Self::ResourceAllocationFailed(error) => error.details(),
        }
    }
}
