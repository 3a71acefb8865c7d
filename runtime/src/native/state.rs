//! Where a service is in its life, and where it may go: the table of lifecycle.md, "Native service plugins".

use std::fmt;

use palisade_bundle::{Blame, Code, Coded};
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

/// Where a service is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// Never started, or reset since.
    Initialized,
    /// Being started; not ready yet.
    Starting,
    /// Ready.
    Running,
    /// Being stopped.
    Stopping,
    /// Ended in order.
    Stopped,
    /// Did not start, or did not end in order. For good: a new service takes its place.
    Failed,
}

impl ServiceState {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 6] = [
        Self::Initialized,
        Self::Starting,
        Self::Running,
        Self::Stopping,
        Self::Stopped,
        Self::Failed,
    ];

    /// Whether a service may go from here to `next`.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use ServiceState::{Failed, Initialized, Running, Starting, Stopped, Stopping};
        match (self, next) {
            (_, Failed)
            | (Initialized, Starting)
            | (Starting, Running)
            | (Running, Stopping)
            | (Stopping, Stopped)
            | (Stopped, Initialized) => true,
            (
                Initialized | Starting | Running | Stopping | Stopped | Failed,
                Initialized | Starting | Running | Stopping | Stopped,
            ) => false,
        }
    }

    /// Goes from here to `next`.
    ///
    /// # Errors
    ///
    /// [`InvalidTransition`] when the table has no such way.
    pub fn become_next(self, next: Self) -> Result<Self, InvalidTransition> {
        match self.may_become(next) {
            true => Ok(next),
            false => Err(InvalidTransition { from: self, to: next }),
        }
    }

    /// Whether a service may be started now.
    #[must_use]
    pub fn can_start(self) -> bool {
        self.may_become(Self::Starting)
    }

    /// Whether a service may be stopped now.
    #[must_use]
    pub fn can_stop(self) -> bool {
        self.may_become(Self::Stopping)
    }

    /// Whether something of the service may be running.
    #[must_use]
    pub fn is_active(self) -> bool {
        match self {
            Self::Starting | Self::Running | Self::Stopping => true,
            Self::Initialized | Self::Stopped | Self::Failed => false,
        }
    }

    /// The word in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initialized => "Initialized",
            Self::Starting => "Starting",
            Self::Running => "Running",
            Self::Stopping => "Stopping",
            Self::Stopped => "Stopped",
            Self::Failed => "Failed",
        }
    }
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A service cannot go there from where it is. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("Invalid state transition: {from} -> {to}")]
pub struct InvalidTransition {
    /// Where it is.
    pub from: ServiceState,
    /// Where it was to go.
    pub to: ServiceState,
}

impl Coded for InvalidTransition {
    fn code(&self) -> Code {
        Code::InvalidState
    }

    fn blame(&self) -> Blame {
        Blame::Conflict
    }

    fn details(&self) -> Map<String, Value> {
        let allowed = ServiceState::ALL.into_iter().filter(|next| self.from.may_become(*next));
        let allowed = allowed.map(|next| next.as_str().into()).collect();
        Map::from_iter([
            ("from".to_owned(), self.from.as_str().into()),
            ("to".to_owned(), self.to.as_str().into()),
            ("allowed".to_owned(), Value::Array(allowed)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::ServiceState::{Failed, Initialized, Running, Starting, Stopped, Stopping};
    use super::*;

    #[test]
    fn every_pair_of_states_is_as_the_table_says() {
        let ways = [
            (Initialized, Starting),
            (Starting, Running),
            (Running, Stopping),
            (Stopping, Stopped),
            (Stopped, Initialized),
        ];
        for from in ServiceState::ALL {
            for to in ServiceState::ALL {
                let allowed = to == Failed || ways.contains(&(from, to));
                let result = from.become_next(to);
                assert_eq!(result.is_ok(), allowed, "{from} -> {to}");
                match result {
                    Ok(state) => assert_eq!(state, to),
                    Err(error) => assert_eq!(error.to_string(), format!("Invalid state transition: {from} -> {to}")),
                }
            }
        }
    }

    #[test]
    fn starts_only_what_is_initialized_and_stops_only_what_runs() {
        let which = |asks: fn(ServiceState) -> bool| -> Vec<_> {
            ServiceState::ALL.into_iter().filter(|state| asks(*state)).collect()
        };
        assert_eq!(which(ServiceState::can_start), [Initialized]);
        assert_eq!(which(ServiceState::can_stop), [Running]);
        assert_eq!(which(ServiceState::is_active), [Starting, Running, Stopping]);
    }

    #[test]
    fn a_refused_transition_says_what_is_allowed() {
        let error = Running.become_next(Starting).unwrap_err();
        assert_eq!(error.to_string(), "Invalid state transition: Running -> Starting");
        assert_eq!(error.code(), Code::InvalidState);
        assert_eq!(error.details()["allowed"], serde_json::json!(["Stopping", "Failed"]));
    }
}
