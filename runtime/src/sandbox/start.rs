//! Starting an instance: its phases, and why it did not start.

use std::borrow::Cow;
use std::time::Instant;

use palisade_abi::{GuestError, MAX_INIT_STATE_BYTES, export};
use palisade_bundle::{Blame, Code, Coded, Permission};
use serde_json::{Map, Value};
use thiserror::Error;

use super::call::{guest_error, shortened};
use super::entry::{Entry, Exports, InputBuffer, fill, later, length, outside_buffer, take_reply};
use super::host::{Host, PluginStore};
use super::load::Loaded;
use super::meter::Slices;
use super::tape::Tape;
use super::trap::{Budget, Stopped};
use crate::services::StorageError;

impl Loaded {
    pub(super) fn store(&self, slices: &Slices, tape: Tape) -> PluginStore {
        Host::store(&self.shared.engine, &self.powers, slices, tape)
    }

    pub(super) fn entry<'a>(&'a self, slices: &'a Slices, start: Instant, budget: Budget) -> Entry<'a> {
        Entry {
            clock: &*self.shared.services.clock,
            timers: self.timers.as_ref(),
            slices,
            deadline: later(start, budget.time),
            budget,
        }
    }
}

impl Loaded {
    /// What an instance is told at its start: who it is, and the state record if it may read it.
    async fn introduction(&self, tape: &Tape) -> Result<Cow<'_, [u8]>, StorageError> {
        let powers = &self.powers;
        if !powers.grant().allows(&Permission::StateRead) {
            return Ok(Cow::Borrowed(&self.init_input));
        }
        let read = powers.services.storage.state(&powers.namespace);
        let record = tape.state(powers.shares.state.look(read)).await?;
        Ok(match (record, self.init_input.split_last()) {
            (Some(record), Some((brace, rest))) if record.len() <= MAX_INIT_STATE_BYTES => {
                Cow::Owned([rest, b",\"state\":", &record, &[*brace]].concat())
            }
            _ => Cow::Borrowed(&self.init_input),
        })
    }
}

/// Goes through the phases of a start.
pub(super) async fn start_instance(
    loaded: &Loaded,
    store: &mut PluginStore,
    slices: &Slices,
) -> Result<(Exports, InputBuffer), StartError> {
    let budget = Budget {
        fuel: loaded.limits().lifecycle_fuel,
        time: loaded.limits().initialization_time,
    };
    let entry = loaded.entry(slices, loaded.shared.services.clock.now(), budget);
    let stopped_in = |phase: Phase| move |stopped: Stopped| StartError::new(phase, StartFailure::Stopped(stopped));
    fill(store, budget.fuel);

    let instantiated = entry.run(loaded.pre.instantiate_async(&mut *store)).await;
    let exports = instantiated
        .and_then(|instance| instance.map_err(|error| entry.stopped(error, store)))
        .and_then(|instance| {
            Exports::resolve(store, &instance, &loaded.indexes).map_err(|error| entry.stopped(error, store))
        })
        .map_err(stopped_in(Phase::Start))?;
    store.data_mut().memory = Some(exports.memory);

    if let Some(initialize) = &exports.initialize {
        entry
            .call(store, initialize, ())
            .await
            .map_err(stopped_in(Phase::Initialize))?;
    }

    let init_input = loaded.introduction(&store.data().tape.clone()).await;
    let init_input = &*init_input.map_err(|error| StartError::new(Phase::Init, StartFailure::State(error)))?;
    let mut buffer = InputBuffer::default();
    let address = entry.buffer(store, &exports, &mut buffer, init_input.len()).await;
    let address = address.map_err(stopped_in(Phase::Buffer))?;
    let written = exports
        .memory
        .write(&mut *store, address, init_input)
        .map_err(outside_buffer);
    written.map_err(stopped_in(Phase::Buffer))?;

    let params = (address.cast_signed(), length(init_input).cast_signed());
    let packed = entry
        .call(store, &exports.init, params)
        .await
        .map_err(stopped_in(Phase::Init))?;
    let answer = take_reply(
        store,
        exports.memory,
        export::PLUGIN_INIT,
        packed,
        loaded.limits().output_bytes,
    );
    let answer = answer.map_err(stopped_in(Phase::Init))?;
    match answer.is_error {
        false => Ok((exports, buffer)),
        true => Err(StartError::new(
            Phase::Init,
            StartFailure::Refused(guest_error(&answer.bytes)),
        )),
    }
}

/// An instance did not start.
#[derive(Debug, Error)]
#[error("{phase}: {failure}")]
pub struct StartError {
    phase: Phase,
    failure: StartFailure,
}

impl StartError {
    pub(super) fn new(phase: Phase, failure: StartFailure) -> Self {
        Self { phase, failure }
    }

    /// How far it came.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What happened there.
    #[must_use]
    pub fn failure(&self) -> &StartFailure {
        &self.failure
    }
}

/// A phase of starting an instance; all of them share one deadline and one budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Memory, tables and the module's own start function.
    Start,
    /// `_initialize`.
    Initialize,
    /// The first `plugin_buffer`.
    Buffer,
    /// `plugin_init`.
    Init,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Start => "instantiating",
            Self::Initialize => export::INITIALIZE,
            Self::Buffer => export::PLUGIN_BUFFER,
            Self::Init => export::PLUGIN_INIT,
        })
    }
}

/// Why an instance did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartFailure {
    /// The guest was stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The state record could not be read.
    #[error(transparent)]
    State(#[from] StorageError),
    /// `plugin_init` answered with an error.
    #[error("the plugin refused to start, {}: {}", shortened(&.0.code), shortened(&.0.message))]
    Refused(GuestError),
}

impl Coded for StartError {
    fn code(&self) -> Code {
        match &self.failure {
            StartFailure::Stopped(Stopped::DeadlinePassed { .. }) => Code::InitializationTimeout,
            StartFailure::Stopped(stopped) => stopped.code(),
            StartFailure::State(error) => error.code(),
            StartFailure::Refused(_) => Code::InitializationFailed,
        }
    }

    fn blame(&self) -> Blame {
        match &self.failure {
            StartFailure::Stopped(stopped) => stopped.blame(),
            StartFailure::State(error) => error.blame(),
            StartFailure::Refused(_) => Blame::Plugin,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = match &self.failure {
            StartFailure::Stopped(stopped) => stopped.details(),
            StartFailure::State(error) => error.details(),
            StartFailure::Refused(error) => Map::from_iter([(
                "cause".to_owned(),
                serde_json::json!({"code": error.code, "message": error.message, "details": error.details}),
            )]),
        };
        details.insert("phase".to_owned(), self.phase.to_string().into());
        details
    }

    fn help(&self) -> Vec<String> {
        match &self.failure {
            // The budget of a start is fixed: there is nothing to ask for.
            StartFailure::Stopped(Stopped::FuelExhausted { .. }) => Vec::new(),
            StartFailure::Stopped(stopped) => stopped.help(),
            StartFailure::State(error) => error.help(),
            StartFailure::Refused(_) => Vec::new(),
        }
    }
}
