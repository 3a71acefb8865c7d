//! One live instance: started once, then one command at a time, and never entered again after a failure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use palisade_abi::export;

use super::call::{CallError, CallFailure, CommandInput};
use super::entry::{Answer, Exports, InputBuffer, fill, length, outside_buffer, take_reply};
use super::host::PluginStore;
use super::load::Loaded;
use super::meter::Slices;
use super::start::{StartError, start_instance};
use super::trap::{Budget, Stopped};
use crate::output::Output;
use crate::receipt::{HostCalls, Receipt};

/// How long the cleanup of a fresh instance may hold up a reply that is already there.
const QUIET_CLEANUP: Duration = Duration::from_millis(100);

/// One instance of a plugin, initialised and idle.
///
/// [`call`](Self::call) takes the session and gives it back only while the instance can be trusted: an instance that
/// trapped, hit a limit, ran out of time or was abandoned in the middle of a command is dropped.
pub struct Session {
    live: Box<Live>,
}

struct Live {
    loaded: Arc<Loaded>,
    store: PluginStore,
    slices: Slices,
    exports: Exports,
    input: InputBuffer,
}

impl Session {
    /// Creates an instance: start function, `_initialize`, `plugin_init`, all under one deadline and one budget.
    pub(super) async fn start(loaded: &Arc<Loaded>) -> Result<Self, StartError> {
        let slices = Slices::default();
        let mut store = loaded.store(&slices);
        let started = start_instance(loaded, &mut store, &slices).await;
        store.data().log.end_command();
        let (exports, input) = started?;
        let live = Live {
            loaded: Arc::clone(loaded),
            store,
            slices,
            exports,
            input,
        };
        Ok(Self { live: Box::new(live) })
    }

    /// Runs one command.
    ///
    /// # Errors
    ///
    /// [`CallFailure`] holds the error, and the session again if the instance can still be trusted: after a command
    /// that was refused before it was entered, and after an error reply of the plugin itself.
    pub async fn call(self, command: &str, args: &[u8]) -> Result<(Output, Self), CallFailure> {
        match Arc::clone(&self.live.loaded).check_input(command, args) {
            Ok(input) => self.run(input).await,
            Err(error) => Err(CallFailure::keeping(self, error)),
        }
    }

    /// Lets the plugin clean up and drops the instance.
    ///
    /// # Errors
    ///
    /// [`CallError::Stopped`] when the cleanup trapped or hit a limit, [`CallError::Guest`] when it reported an
    /// error. The instance is gone in any case.
    pub async fn close(mut self) -> Result<(), CallError> {
        let time = self.live.loaded.limits.initialization_time;
        let result = self.live.cleanup(time).await;
        self.live.store.data().log.end_command();
        result
    }

    /// [`close`](Self::close) where nobody waits for its outcome: a failure is noted in the plugin's log.
    pub(super) async fn close_quietly(mut self) {
        let result = self.live.cleanup(QUIET_CLEANUP).await;
        let log = &self.live.store.data().log;
        log.end_command();
        if let Err(error) = result {
            log.note(&format!("cleanup failed: {error}"));
        }
    }

    /// Runs a command that was checked before.
    pub(super) async fn run(mut self, input: CommandInput<'_>) -> Result<(Output, Self), CallFailure> {
        let live = &mut *self.live;
        let (fuel, time) = (live.loaded.limits.fuel, live.loaded.limits.execution_time);
        let (budget, start) = live.begin(fuel, time);
        let result = live.command(input, budget, start).await;
        live.store.data().log.end_command();
        let answer = match result {
            Ok(answer) => answer,
            Err(stopped) => return Err(CallFailure::losing_session(stopped)),
        };
        let receipt = live.receipt(length(input.args), length(&answer.bytes), budget, start);
        match answer.is_error {
            false => Ok((Output::new(answer.bytes, receipt), self)),
            true => Err(CallFailure::keeping(self, CallError::by_guest(&answer.bytes, receipt))),
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("plugin", &self.live.loaded.plugin_id)
            .finish_non_exhaustive()
    }
}

impl Live {
    /// Fills the tank for one entry and reads the clock.
    fn begin(&mut self, fuel: u64, time: Duration) -> (Budget, Instant) {
        let host = self.store.data_mut();
        host.limiter.begin_command();
        host.calls = HostCalls::default();
        fill(&mut self.store, fuel);
        (Budget { fuel, time }, self.loaded.shared.services.clock.now())
    }

    async fn command(&mut self, input: CommandInput<'_>, budget: Budget, start: Instant) -> Result<Answer, Stopped> {
        let entry = self.loaded.entry(&self.slices, start, budget);
        let (store, exports) = (&mut self.store, &self.exports);
        let (name, args) = (input.name.as_bytes(), input.args);
        let address = entry
            .buffer(store, exports, &mut self.input, name.len() + args.len())
            .await?;
        // The buffer was checked to hold both, so this cannot wrap.
        let args_address = address.wrapping_add(length(name));
        exports
            .memory
            .write(&mut *store, address, name)
            .map_err(outside_buffer)?;
        exports
            .memory
            .write(&mut *store, args_address, args)
            .map_err(outside_buffer)?;
        let params = (
            address.cast_signed(),
            length(name).cast_signed(),
            args_address.cast_signed(),
            length(args).cast_signed(),
        );
        let packed = entry.call(store, &exports.command, params).await?;
        let limit = self.loaded.limits.output_bytes;
        take_reply(store, exports.memory, export::PLUGIN_COMMAND, packed, limit)
    }

    async fn cleanup(&mut self, time: Duration) -> Result<(), CallError> {
        let fuel = self.loaded.limits.lifecycle_fuel;
        let (budget, start) = self.begin(fuel, time);
        let entry = self.loaded.entry(&self.slices, start, budget);
        let packed = entry.call(&mut self.store, &self.exports.cleanup, ()).await?;
        let limit = self.loaded.limits.output_bytes;
        let answer = take_reply(&self.store, self.exports.memory, export::PLUGIN_CLEANUP, packed, limit)?;
        match answer.is_error {
            false => Ok(()),
            true => {
                let receipt = self.receipt(0, length(&answer.bytes), budget, start);
                Err(CallError::by_guest(&answer.bytes, receipt))
            }
        }
    }

    fn receipt(&self, bytes_in: u32, bytes_out: u32, budget: Budget, start: Instant) -> Receipt {
        let host = self.store.data();
        Receipt {
            fuel: budget.fuel.saturating_sub(self.store.get_fuel().unwrap_or(0)),
            peak_memory_bytes: host.limiter.used_bytes(),
            duration: self.loaded.shared.services.clock.now().duration_since(start),
            bytes_in: bytes_in.into(),
            bytes_out: bytes_out.into(),
            host_calls: host.calls,
            generation: self.loaded.generation,
            digest: self.loaded.digest,
        }
    }
}
