//! One live instance: started once, then one command at a time, and never entered again after a failure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use palisade_abi::export;
use wasmtime::TypedFunc;

use super::call::{CallError, CallFailure, CommandInput};
use super::entry::{Answer, Exports, InputBuffer, fill, length, outside_buffer, take_reply};
use super::host::PluginStore;
use super::load::Loaded;
use super::meter::Slices;
use super::start::{StartError, StartFailure, start_instance};
use super::tape::{Recording, Tape};
use super::trap::{Budget, Stopped};
use crate::event::EventKind;
use crate::measures::Ending;
use crate::output::Output;
use crate::receipt::{HostCall, Receipt};
use crate::services::Trail;

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
    /// `trail` is what led to it, unless somebody outside did.
    pub(super) async fn start(loaded: &Arc<Loaded>, tape: Tape, trail: Option<&Trail>) -> Result<Self, StartError> {
        let slices = Slices::default();
        let mut store = loaded.store(&slices, tape);
        store.data_mut().take_trail(trail);
        let started = start_instance(loaded, &mut store, &slices).await;
        store.data_mut().end_command();
        let (exports, input) = started.inspect_err(|error| {
            if let StartFailure::Stopped(stopped) = error.failure() {
                loaded.count_stopped(stopped);
            }
        })?;
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
            Ok(input) => self.run(input, None).await,
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
        let time = self.live.loaded.limits().initialization_time;
        let result = self.live.cleanup(time).await;
        self.live.store.data_mut().end_command();
        result
    }

    /// [`close`](Self::close) where nobody waits for its outcome: a failure is noted in the plugin's log.
    pub(super) async fn close_quietly(mut self) {
        let result = self.live.cleanup(QUIET_CLEANUP).await;
        self.live.store.data_mut().end_command();
        let log = &self.live.store.data().log;
        if let Err(error) = result {
            log.note(&format!("cleanup failed: {error}"));
        }
    }

    /// Runs a command that was checked before; `trail` is where it comes from, unless from outside.
    pub(super) async fn run(
        mut self,
        input: CommandInput<'_>,
        trail: Option<&Trail>,
    ) -> Result<(Output, Self), CallFailure> {
        let live = &mut *self.live;
        let (fuel, time) = (live.loaded.limits().fuel, live.loaded.limits().execution_time);
        let (budget, start) = live.begin(fuel, time, trail);
        let result = live.command(input, budget, start).await;
        let took = live.account(budget, start);
        live.store.data_mut().end_command();
        input.times.add(ending_of(&result), took);
        let answer = match result {
            Ok(answer) => answer,
            Err(stopped) => {
                live.tell_stopped(&stopped);
                return Err(CallFailure::losing_session(stopped));
            }
        };
        let receipt = live.receipt(length(input.args), length(&answer.bytes), budget, start);
        live.tell_thresholds(&receipt);
        match answer.is_error {
            false => Ok((Output::new(answer.bytes, receipt), self)),
            true => Err(CallFailure::keeping(self, CallError::by_guest(&answer.bytes, receipt))),
        }
    }

    /// Hands the plugin an event; `None` when it takes none.
    pub(super) async fn deliver(mut self, trail: &Trail, event: &[u8]) -> Result<(bool, Self), CallFailure> {
        let live = &mut *self.live;
        let Some(on_event) = live.exports.on_event.clone() else {
            return Ok((false, self));
        };
        let result = live.lifecycle(Lifecycle::Event(&on_event, event), Some(trail)).await;
        self.settle(result.map(|()| true))
    }

    /// Asks the plugin whether it is well, or, where it has no answer to that, enters it to see that it can be.
    pub(super) async fn health(mut self) -> Result<((), Self), CallFailure> {
        let live = &mut *self.live;
        let result = match live.exports.health.clone() {
            Some(health) => live.lifecycle(Lifecycle::Health(&health), None).await,
            None => live.enter().await.map_err(CallError::from),
        };
        self.settle(result)
    }

    /// Goes on after an entry that is no command, unless the guest was stopped in it.
    fn settle<T>(mut self, result: Result<T, CallError>) -> Result<(T, Self), CallFailure> {
        self.live.store.data_mut().end_command();
        match result {
            Ok(value) => Ok((value, self)),
            Err(CallError::Stopped(stopped)) => {
                self.live.tell_stopped(&stopped);
                Err(CallFailure::losing_session(stopped))
            }
            Err(error) => Err(CallFailure::keeping(self, error)),
        }
    }

    /// What was heard from outside since the start, when it was recorded.
    pub(super) fn recording(&self, command: &str) -> Recording {
        self.live.store.data().tape.finish(self.live.loaded.digest, command)
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("plugin", &self.live.loaded.powers.plugin_id())
            .finish_non_exhaustive()
    }
}

/// An entry that is no command: it answers with nothing, or with an error.
enum Lifecycle<'a> {
    Cleanup(&'a TypedFunc<(), i64>, Duration),
    Event(&'a TypedFunc<(i32, i32), i64>, &'a [u8]),
    Health(&'a TypedFunc<(), i64>),
}

impl Lifecycle<'_> {
    fn export(&self) -> &'static str {
        match self {
            Self::Cleanup(..) => export::PLUGIN_CLEANUP,
            Self::Event(..) => export::PLUGIN_ON_EVENT,
            Self::Health(_) => export::PLUGIN_HEALTH,
        }
    }
}

impl Live {
    /// Fills the tank for one entry and reads the clock.
    fn begin(&mut self, fuel: u64, time: Duration, trail: Option<&Trail>) -> (Budget, Instant) {
        self.store.data_mut().begin_command(trail);
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
        let limit = self.loaded.limits().output_bytes;
        take_reply(store, exports.memory, export::PLUGIN_COMMAND, packed, limit)
    }

    async fn cleanup(&mut self, time: Duration) -> Result<(), CallError> {
        let cleanup = self.exports.cleanup.clone();
        self.lifecycle(Lifecycle::Cleanup(&cleanup, time), None).await
    }

    /// Enters the guest for something that is no command.
    async fn lifecycle(&mut self, what: Lifecycle<'_>, trail: Option<&Trail>) -> Result<(), CallError> {
        let limits = self.loaded.limits();
        let (fuel, output_bytes) = (limits.lifecycle_fuel, limits.output_bytes);
        let time = match what {
            Lifecycle::Cleanup(_, time) => time,
            Lifecycle::Event(..) => limits.execution_time,
            Lifecycle::Health(_) => self.health_time(),
        };
        let (budget, start) = self.begin(fuel, time, trail);
        // The host asks on its own account: a plugin that does nothing uses nothing.
        let is_counted = !matches!(what, Lifecycle::Health(_));
        let answer = self.run_lifecycle(what, output_bytes, (budget, start)).await;
        if is_counted {
            self.account(budget, start);
        }
        let answer = answer?;
        match answer.is_error {
            false => Ok(()),
            true => {
                let receipt = self.receipt(0, length(&answer.bytes), budget, start);
                Err(CallError::by_guest(&answer.bytes, receipt))
            }
        }
    }

    async fn run_lifecycle(
        &mut self,
        what: Lifecycle<'_>,
        output_bytes: u64,
        (budget, start): (Budget, Instant),
    ) -> Result<Answer, Stopped> {
        let entry = self.loaded.entry(&self.slices, start, budget);
        let (store, exports) = (&mut self.store, &self.exports);
        let packed = match &what {
            Lifecycle::Cleanup(cleanup, _) => entry.call(store, cleanup, ()).await?,
            Lifecycle::Health(health) => entry.call(store, health, ()).await?,
            Lifecycle::Event(on_event, event) => {
                let address = entry.buffer(store, exports, &mut self.input, event.len()).await?;
                let written = exports.memory.write(&mut *store, address, event);
                written.map_err(outside_buffer)?;
                let params = (address.cast_signed(), length(event).cast_signed());
                entry.call(store, on_event, params).await?
            }
        };
        take_reply(&self.store, self.exports.memory, what.export(), packed, output_bytes)
    }

    /// How long the plugin may take to say that it is well.
    fn health_time(&self) -> Duration {
        let wished = self.loaded.manifest.health.timeout;
        wished.min(self.loaded.limits().execution_time)
    }

    /// Enters the guest for nothing but the entry: asks it for an input buffer.
    async fn enter(&mut self) -> Result<(), Stopped> {
        let (fuel, time) = (self.loaded.limits().lifecycle_fuel, self.health_time());
        let (budget, start) = self.begin(fuel, time, None);
        let entry = self.loaded.entry(&self.slices, start, budget);
        self.input = InputBuffer::default();
        let (store, exports) = (&mut self.store, &self.exports);
        entry.buffer(store, exports, &mut self.input, 0).await.map(drop)
    }

    /// Counts what an entry that has just ended used, whatever came of it.
    fn account(&self, budget: Budget, start: Instant) -> Duration {
        let now = self.loaded.shared.services.clock.now();
        let fuel = budget.fuel.saturating_sub(self.store.get_fuel().unwrap_or(0));
        let network_bytes = self.store.data().calls.moved_bytes(HostCall::HttpRequest);
        let usage = &self.loaded.powers.shares.usage;
        let took = now.duration_since(start);
        usage.add(fuel, took, network_bytes);
        took
    }

    fn receipt(&self, bytes_in: u32, bytes_out: u32, budget: Budget, start: Instant) -> Receipt {
        let host = self.store.data();
        Receipt {
            fuel: budget.fuel.saturating_sub(self.store.get_fuel().unwrap_or(0)),
            peak_memory_bytes: host.limiter.used_bytes(),
            duration: self.loaded.shared.services.clock.now().duration_since(start),
            bytes_in: bytes_in.into(),
            bytes_out: bytes_out.into(),
            host_calls: host.calls.clone(),
            generation: self.loaded.generation,
            digest: self.loaded.digest,
        }
    }

    /// Tells the host when a command came near a limit.
    fn tell_thresholds(&self, receipt: &Receipt) {
        let powers = &self.loaded.powers;
        let (shares, limits) = (&powers.shares, &powers.limits);
        let near = |resource, used, limit| powers.tell(EventKind::ResourceThreshold { resource, used, limit });
        if shares.fuel_threshold.crossed(receipt.fuel, limits.fuel) {
            near("fuel", receipt.fuel, limits.fuel);
        }
        if shares
            .memory_threshold
            .crossed(receipt.peak_memory_bytes, limits.memory_bytes)
        {
            near("memory", receipt.peak_memory_bytes, limits.memory_bytes);
        }
    }

    /// Counts why a guest was stopped, and tells the host when it was by a limit.
    fn tell_stopped(&self, stopped: &Stopped) {
        self.loaded.count_stopped(stopped);
        let (resource, limit) = match stopped {
            Stopped::FuelExhausted { limit, .. } => ("fuel", *limit),
            Stopped::MemoryLimitExceeded { limit_bytes, .. } => ("memory", *limit_bytes),
            Stopped::DeadlinePassed { limit } => ("time", u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
            Stopped::Trapped(_)
            | Stopped::AbiViolation { .. }
            | Stopped::ResourceExhausted { .. }
            | Stopped::Diverged { .. }
            | Stopped::Engine(_) => return,
        };
        self.loaded.powers.tell(EventKind::ResourceExceeded { resource, limit });
    }
}

impl Loaded {
    fn count_stopped(&self, stopped: &Stopped) {
        let counted = &self.powers.shares.counted;
        match stopped {
            Stopped::Trapped(trap) => counted.traps.add(trap.kind.as_str()),
            Stopped::AbiViolation { .. } => counted.traps.add("abi_violation"),
            Stopped::FuelExhausted { .. } => counted.violations.add("fuel"),
            Stopped::MemoryLimitExceeded { .. } => counted.violations.add("memory"),
            Stopped::DeadlinePassed { .. } => counted.violations.add("time"),
            Stopped::ResourceExhausted { .. } | Stopped::Diverged { .. } | Stopped::Engine(_) => {}
        }
    }
}

/// How a command ended, as it is counted.
fn ending_of(result: &Result<Answer, Stopped>) -> Ending {
    match result {
        Ok(answer) if answer.is_error => Ending::Error,
        Ok(_) => Ending::Ok,
        Err(Stopped::Trapped(_) | Stopped::AbiViolation { .. }) => Ending::Trap,
        Err(Stopped::FuelExhausted { .. } | Stopped::MemoryLimitExceeded { .. }) => Ending::Limit,
        Err(Stopped::DeadlinePassed { .. }) => Ending::Timeout,
        Err(Stopped::ResourceExhausted { .. } | Stopped::Diverged { .. } | Stopped::Engine(_)) => Ending::Failed,
    }
}
