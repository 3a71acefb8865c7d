//! The verb `call`: a command on its way to whichever generation serves it.

use std::sync::Arc;
use std::time::Duration;

use palisade_bundle::{Blame, Code, Coded};
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::audit_sink::{AuditFailed, outcome_of};
use super::breaker::{Answer, Breaker};
use super::crashes::is_crash;
use super::error::{NotFound, members};
use super::gate::Refusal;
use super::health::HealthCheckFailed;
use super::host::Host;
use super::managed::Managed;
use super::options::Audited;
use super::state::{Admission, InvalidState, State};
use super::supervisor::Supervisor;
use crate::audit::{AuditAction, AuditEntry, AuditOutcome};
use crate::event::EventKind;
use crate::output::Output;
use crate::sandbox::{CallError, Plugin};
use crate::services::Trail;

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
        let command = Command {
            trail: None,
            record: self.host.record_of_commands(|| self.actor().to_string()),
            name: command.to_owned(),
            args: args.to_vec(),
        };
        let breaker = Arc::clone(&managed.breaker);
        self.host.enter(&managed, |plugin| command.run(plugin, breaker)).await
    }
}

impl Host {
    /// Enters a plugin through its gate, once it is open: the one way for everything that asks something of a plugin
    /// that serves. A crash is counted.
    pub(super) async fn enter<T, F>(
        self: &Arc<Self>,
        managed: &Arc<Managed>,
        entry: impl FnOnce(Plugin) -> F,
    ) -> Result<T, CommandError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, CommandError>> + Send + 'static,
    {
        let patience = || self.sleep(self.settings.drain_timeout);
        let entered = managed.gate.run(patience, |plugin| entry(plugin.clone())).await;
        let result = entered.unwrap_or_else(|refusal| Err(refused(managed, refusal)));
        if let Err(CommandError::Call(error)) = &result
            && is_crash(error)
        {
            self.crashed(managed);
        }
        if let Err(error) = &result {
            managed.counted.refused(error);
        }
        if managed.breaker.take_news() {
            self.tell_health(managed);
        }
        result
    }
}

/// A command on its way to a generation that serves.
pub(super) struct Command {
    /// Where it comes from, unless from outside.
    pub(super) trail: Option<Trail>,
    /// Where it is written down, if anywhere.
    pub(super) record: Option<CommandRecord>,
    pub(super) name: String,
    pub(super) args: Vec<u8>,
}

impl Command {
    pub(super) async fn run(self, plugin: Plugin, breaker: Arc<Breaker>) -> Result<Output, CommandError> {
        let open = |retry_after| CommandError::BreakerOpen { retry_after };
        let pass = breaker.admit().map_err(open)?;
        if let Some(record) = &self.record {
            // Before it has an effect, as with operations.
            record.write(&plugin, &self.name, None).await?;
        }
        let result = plugin.call_from(self.trail.as_ref(), &self.name, &self.args).await;
        pass.settle(answer(&result));
        if let (Some(record), Err(error)) = (&self.record, &result) {
            // Its caller hears why it failed, also when that cannot be written down.
            let _ = record.write(&plugin, &self.name, Some(error)).await;
        }
        let receipt = match &result {
            Ok(output) => Some(output.receipt()),
            Err(CallError::Guest { receipt, .. }) => Some(&**receipt),
            Err(_) => None,
        };
        plugin.tell(EventKind::Executed {
            status: result.as_ref().map_or_else(|error| error.code().as_str(), |_| "ok"),
            duration_ms: receipt.map(|receipt| ms(receipt.duration)),
            fuel: receipt.map(|receipt| receipt.fuel),
            command: self.name,
        });
        Ok(result?)
    }
}

/// Where commands are written down, and on whose behalf they run.
pub(super) struct CommandRecord {
    host: Arc<Host>,
    actor: String,
}

impl CommandRecord {
    async fn write(&self, plugin: &Plugin, command: &str, failed: Option<&CallError>) -> Result<(), AuditFailed> {
        let (manifest, code) = (plugin.manifest(), failed.map(|error| error.code().as_str()));
        let entry = AuditEntry {
            actor: self.actor.clone(),
            plugin_id: Some(manifest.id.to_string()),
            action: AuditAction::Execution,
            resource: command.to_owned(),
            outcome: failed.map_or(AuditOutcome::Succeeded, |error| outcome_of(error)),
            details: members(json!({"version": manifest.version, "code": code})),
        };
        self.host.record(entry).await
    }
}

impl Host {
    /// Where a command is written down that runs on behalf of `actor`; nowhere unless the operator wants that.
    pub(super) fn record_of_commands(self: &Arc<Self>, actor: impl FnOnce() -> String) -> Option<CommandRecord> {
        let is_wanted = self.settings.audited == Audited::OperationsAndCommands;
        is_wanted.then(|| CommandRecord {
            host: Arc::clone(self),
            actor: actor(),
        })
    }
}

/// What a command says of its plugin. Arguments that it was refused for say nothing.
fn answer(result: &Result<Output, CallError>) -> Answer {
    match result {
        Ok(_) | Err(CallError::Guest { .. }) => Answer::Given,
        Err(error) if is_crash(error) => Answer::None,
        Err(_) => Answer::Unknown,
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn refused(managed: &Managed, refusal: Refusal) -> CommandError {
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
    /// Too many commands in a row came to no answer, so this one was not tried.
    #[error("too many commands in a row failed, and none is tried for now")]
    BreakerOpen {
        /// In how long one may be.
        retry_after: Duration,
    },
    /// The command was still running when the plugin had to be stopped or replaced.
    #[error("the command was interrupted, because the plugin had to stop")]
    DrainCancelled,
    /// The audit trail could not be written. The command did not run.
    #[error(transparent)]
    Audit(#[from] AuditFailed),
    /// The command failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The plugin was not asked to do anything but to say whether it is well, and it is not.
    #[error(transparent)]
    Unwell(HealthCheckFailed),
}

impl Coded for CommandError {
    fn code(&self) -> Code {
        match self {
            Self::NotFound(error) => error.code(),
            Self::InvalidState(error) => error.code(),
            Self::Unavailable { .. } | Self::BreakerOpen { .. } => Code::PluginUnavailable,
            Self::DrainCancelled => Code::DrainCancelled,
            Self::Audit(error) => error.code(),
            Self::Call(error) => error.code(),
            Self::Unwell(error) => error.code(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NotFound(error) => error.blame(),
            Self::InvalidState(error) => error.blame(),
            Self::Unavailable { .. } | Self::BreakerOpen { .. } | Self::DrainCancelled => Blame::Conflict,
            Self::Audit(error) => error.blame(),
            Self::Call(error) => error.blame(),
            Self::Unwell(error) => error.blame(),
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::NotFound(error) => error.details(),
            Self::InvalidState(error) => error.details(),
            Self::Unavailable { .. } | Self::DrainCancelled => members(json!({"retry_after_ms": ms(RETRY_AFTER)})),
            Self::BreakerOpen { retry_after } => members(json!({"retry_after_ms": ms(*retry_after)})),
            Self::Audit(error) => error.details(),
            Self::Call(error) => error.details(),
            Self::Unwell(error) => error.details(),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::NotFound(error) => error.help(),
            Self::InvalidState(error) => error.help(),
            Self::Unavailable { .. } | Self::BreakerOpen { .. } | Self::DrainCancelled => Vec::new(),
            Self::Audit(error) => error.help(),
            Self::Call(error) => error.help(),
            Self::Unwell(error) => error.help(),
        }
    }
}
