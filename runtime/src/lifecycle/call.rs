//! The verb `call`: a command on its way to whichever generation serves it.

use std::time::Duration;

use palisade_bundle::{Blame, Code, Coded};
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::crashes::is_crash;
use super::error::{NotFound, members};
use super::gate::Refusal;
use super::managed::Managed;
use super::state::{Admission, InvalidState, State};
use super::supervisor::Supervisor;
use crate::event::EventKind;
use crate::output::Output;
use crate::sandbox::{CallError, Plugin};

/// When to ask again for a plugin that is on its way up or down: by then most starts are over.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Supervisor {
    /// Runs one command. While the plugin is being replaced it waits, and runs on the generation that comes.
    ///
    /// Dropping the future abandons the command.
    ///
    /// # Errors
    ///
    /// [`CommandError`]: the plugin does not take commands, or the command failed.
    pub async fn call(&self, id: &str, command: &str, args: &[u8]) -> Result<Output, CommandError> {
        let managed = self.host.find(id)?;
        let (command, args) = (command.to_owned(), args.to_vec());
        let patience = || self.host.sleep(self.host.settings.drain_timeout);
        let run = |plugin: &Plugin| run(plugin.clone(), command, args);
        match managed.gate.run(patience, run).await {
            Ok(Err(error)) if is_crash(&error) => {
                self.host.crashed(&managed);
                Err(error.into())
            }
            Ok(answer) => Ok(answer?),
            Err(refusal) => Err(refused(&managed, refusal)),
        }
    }
}

async fn run(plugin: Plugin, command: String, args: Vec<u8>) -> Result<Output, CallError> {
    let result = plugin.call(&command, &args).await;
    let receipt = match &result {
        Ok(output) => Some(output.receipt()),
        Err(CallError::Guest { receipt, .. }) => Some(&**receipt),
        Err(_) => None,
    };
    plugin.tell(EventKind::Executed {
        status: result.as_ref().map_or_else(|error| error.code().as_str(), |_| "ok"),
        duration_ms: receipt.map(|receipt| u64::try_from(receipt.duration.as_millis()).unwrap_or(u64::MAX)),
        fuel: receipt.map(|receipt| receipt.fuel),
        command,
    });
    result
}

fn refused(managed: &Managed, refusal: Refusal) -> CommandError {
    let state = managed.view().state;
    match (refusal, state.admission()) {
        (Refusal::Interrupted, _) => CommandError::DrainCancelled,
        (Refusal::Shut, Admission::Invalid) => CommandError::InvalidState(InvalidState {
            from: state,
            operation: "call",
            allowed: state.allowed(),
        }),
        (Refusal::Full | Refusal::Impatient, _)
        | (Refusal::Shut, Admission::Unavailable | Admission::Run | Admission::Park) => {
            CommandError::Unavailable { state }
        }
    }
}

/// A command was not carried out, or the plugin answered with an error.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// There is no such plugin.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// The plugin does not run.
    #[error(transparent)]
    InvalidState(#[from] InvalidState),
    /// The plugin is on its way up or down, or too many commands wait for it already.
    #[error("the plugin is {state}, and does not take commands right now")]
    Unavailable {
        /// Where it is.
        state: State,
    },
    /// The command was still running when the plugin had to be stopped or replaced.
    #[error("the command was interrupted, because the plugin had to stop")]
    DrainCancelled,
    /// The command failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Coded for CommandError {
    fn code(&self) -> Code {
        match self {
            Self::NotFound(error) => error.code(),
            Self::InvalidState(error) => error.code(),
            Self::Unavailable { .. } => Code::PluginUnavailable,
            Self::DrainCancelled => Code::DrainCancelled,
            Self::Call(error) => error.code(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NotFound(error) => error.blame(),
            Self::InvalidState(error) => error.blame(),
            Self::Unavailable { .. } | Self::DrainCancelled => Blame::Conflict,
            Self::Call(error) => error.blame(),
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::NotFound(error) => error.details(),
            Self::InvalidState(error) => error.details(),
            Self::Unavailable { .. } | Self::DrainCancelled => {
                let ms = u64::try_from(RETRY_AFTER.as_millis()).unwrap_or(u64::MAX);
                members(json!({"retry_after_ms": ms}))
            }
            Self::Call(error) => error.details(),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::NotFound(error) => error.help(),
            Self::InvalidState(error) => error.help(),
            Self::Unavailable { .. } | Self::DrainCancelled => Vec::new(),
            Self::Call(error) => error.help(),
        }
    }
}
