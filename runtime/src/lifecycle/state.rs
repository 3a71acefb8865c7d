//! Where a plugin is in its life, and where it may go: the table of `lifecycle.md` as a pure function.

use std::fmt;

use palisade_bundle::{Blame, Code, Coded};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

/// Where a plugin is in its life. Draining is no state: it is `unloading` or `reloading` with commands still running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The bundle is being verified and staged.
    Installing,
    /// Verified and registered, never started since.
    Installed,
    /// Compile, instantiate, `plugin_init`.
    Loading,
    /// Takes commands.
    Active,
    /// A replacement is being prepared; the old generation may still serve.
    Reloading,
    /// Gate closed, draining, cleaning up.
    Unloading,
    /// Stopped on purpose; configuration, state and data are kept.
    Disabled,
    /// Something went wrong; why is kept beside it.
    Failed,
    /// Being removed.
    Uninstalling,
}

impl State {
    /// Every state, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Installing,
        Self::Installed,
        Self::Loading,
        Self::Active,
        Self::Reloading,
        Self::Unloading,
        Self::Disabled,
        Self::Failed,
        Self::Uninstalling,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Installing => "installing",
            Self::Installed => "installed",
            Self::Loading => "loading",
            Self::Active => "active",
            Self::Reloading => "reloading",
            Self::Unloading => "unloading",
            Self::Disabled => "disabled",
            Self::Failed => "failed",
            Self::Uninstalling => "uninstalling",
        }
    }

    /// Whether a plugin may go from here to `next`.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use State::{Active, Disabled, Failed, Installed, Installing, Loading, Reloading, Uninstalling, Unloading};
        match (self, next) {
            // Any but one that is gone: a failed plugin that fails again refreshes the reason.
            (_, Failed) => true,
            (Installing, Installed)
            | (Installed | Disabled | Failed, Loading | Uninstalling)
            | (Loading, Active)
            | (Active, Reloading | Unloading)
            | (Reloading, Active)
            | (Failed, Unloading)
            | (Unloading, Disabled) => true,
            (
                Installing | Installed | Loading | Active | Reloading | Unloading | Disabled | Failed | Uninstalling,
                Installing | Installed | Loading | Active | Reloading | Unloading | Disabled | Uninstalling,
            ) => false,
        }
    }

    /// What may be asked of a plugin in this state, in the order of the documentation.
    #[must_use]
    pub fn allowed(self) -> Vec<Operation> {
        let all = Operation::ALL.into_iter();
        all.filter(|operation| operation.is_allowed_in(self)).collect()
    }

    /// What becomes of a command that is asked for now.
    #[must_use]
    pub fn admission(self) -> Admission {
        match self {
            Self::Active => Admission::Run,
            Self::Reloading => Admission::Park,
            Self::Loading | Self::Unloading | Self::Installing | Self::Uninstalling => Admission::Unavailable,
            Self::Installed | Self::Disabled | Self::Failed => Admission::Invalid,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It runs.
    Run,
    /// It waits in a bounded queue for the generation that comes.
    Park,
    /// `PLUGIN_UNAVAILABLE`, with a hint when to try again.
    Unavailable,
    /// `INVALID_STATE`.
    Invalid,
}

/// What an operator asks of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Start it.
    Enable,
    /// Stop it; what it keeps is kept.
    Disable,
    /// Stop and start it, or start it.
    Restart,
    /// Replace its instances by new ones of the same code.
    Reload,
    /// Change its configuration.
    UpdateConfig,
    /// Replace it by another version.
    Upgrade,
    /// Go back to an earlier version.
    Rollback,
    /// Let it do more.
    Grant,
    /// Let it do less.
    Revoke,
    /// Let it be started again although it crashed too often.
    Release,
    /// Remove it.
    Uninstall,
}

impl Operation {
    /// Every operation, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::Enable,
        Self::Disable,
        Self::Restart,
        Self::Reload,
        Self::UpdateConfig,
        Self::Upgrade,
        Self::Rollback,
        Self::Grant,
        Self::Revoke,
        Self::Release,
        Self::Uninstall,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::UpdateConfig => "update_config",
            Self::Upgrade => "upgrade",
            Self::Rollback => "rollback",
            Self::Grant => "grant",
            Self::Revoke => "revoke",
            Self::Release => "release",
            Self::Uninstall => "uninstall",
        }
    }

    /// Whether it may be asked for in this state.
    #[must_use]
    pub fn is_allowed_in(self, state: State) -> bool {
        let at_rest = matches!(state, State::Installed | State::Disabled | State::Failed);
        match self {
            Self::Enable => at_rest,
            Self::Disable => matches!(state, State::Active | State::Failed),
            // Of a failed plugin a reload is a restart.
            Self::Reload => matches!(state, State::Active | State::Failed),
            Self::Release => state == State::Failed,
            Self::Restart
            | Self::UpdateConfig
            | Self::Upgrade
            | Self::Rollback
            | Self::Grant
            | Self::Revoke
            | Self::Uninstall => at_rest || state == State::Active,
        }
    }

    /// Refuses what may not be asked for in this state.
    ///
    /// # Errors
    ///
    /// [`InvalidState`] with what may be asked for instead.
    pub fn check(self, state: State) -> Result<(), InvalidState> {
        if self.is_allowed_in(state) {
            return Ok(());
        }
        Err(InvalidState {
            from: state,
            operation: self.as_str(),
            allowed: state.allowed(),
        })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The operation is not allowed in this state. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the plugin is {from}, and cannot {operation} now")]
pub struct InvalidState {
    /// Where the plugin is.
    pub from: State,
    /// What was asked for.
    pub operation: &'static str,
    /// What may be asked for.
    pub allowed: Vec<Operation>,
}

impl Coded for InvalidState {
    fn code(&self) -> Code {
        Code::InvalidState
    }

    fn blame(&self) -> Blame {
        Blame::Conflict
    }

    fn details(&self) -> Map<String, Value> {
        let allowed: Vec<_> = self.allowed.iter().map(|operation| operation.as_str().into()).collect();
        Map::from_iter([
            ("from".to_owned(), self.from.as_str().into()),
            ("operation".to_owned(), self.operation.into()),
            ("allowed".to_owned(), Value::Array(allowed)),
        ])
    }

    fn help(&self) -> Vec<String> {
        let words: Vec<_> = self.allowed.iter().map(|operation| operation.as_str()).collect();
        match words.is_empty() {
            true => vec!["wait until what is going on has ended".to_owned()],
            false => vec![format!("allowed now: {}", words.join(", "))],
        }
    }
}
