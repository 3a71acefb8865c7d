//! One entry into a guest: the exports it goes through, and what bounds it.

use std::time::{Duration, Instant};

use palisade_abi::{Reply, export};
use tokio::runtime::Handle;
use wasmtime::{Extern, Instance, ModuleExport, TypedFunc, WasmParams, WasmResults};

use super::host::PluginStore;
use super::load::ExportIndexes;
use super::memory::{GuestMemory, OutOfBounds};
use super::meter::Slices;
use super::preempt::Preempted;
use super::trap::{AbiBreach, Budget, Stopped};
use crate::services::Clock;

/// The least input buffer the host asks a guest for, so that most commands need only one.
const BUFFER_BYTES: u32 = 4 * 1024;

/// The guest's functions, looked up once.
pub(super) struct Exports {
    pub(super) memory: GuestMemory,
    pub(super) buffer: TypedFunc<i32, i32>,
    pub(super) init: TypedFunc<(i32, i32), i64>,
    pub(super) command: TypedFunc<(i32, i32, i32, i32), i64>,
    pub(super) cleanup: TypedFunc<(), i64>,
    pub(super) initialize: Option<TypedFunc<(), ()>>,
    pub(super) on_event: Option<TypedFunc<(i32, i32), i64>>,
    pub(super) health: Option<TypedFunc<(), i64>>,
}

/// The buffer the guest gave for input, valid until it is asked for another.
#[derive(Clone, Copy, Default)]
pub(super) struct InputBuffer {
    address: u32,
    capacity: u32,
}

/// What a guest function answered, copied out.
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    pub(super) is_error: bool,
}

/// The bounds of one entry.
pub(super) struct Entry<'a> {
    pub(super) clock: &'a dyn Clock,
    pub(super) timers: Option<&'a Handle>,
    pub(super) slices: &'a Slices,
    pub(super) deadline: Instant,
    pub(super) budget: Budget,
}

impl Entry<'_> {
    /// Calls one of the guest's functions.
    pub(super) async fn call<P, R>(
        &self,
        store: &mut PluginStore,
        function: &TypedFunc<P, R>,
        params: P,
    ) -> Result<R, Stopped>
    where
        P: WasmParams + Sync,
        R: WasmResults + Sync,
    {
        let outcome = self.run(function.call_async(&mut *store, params)).await?;
        outcome.map_err(|error| self.stopped(error, store))
    }

    /// Runs a guest until it is done or its deadline has passed.
    pub(super) async fn run<F: Future>(&self, guest: F) -> Result<F::Output, Stopped> {
        Preempted::new(guest, self.clock, self.deadline, self.slices, self.timers)
            .await
            .map_err(|passed| Stopped::by_deadline(passed, self.budget))
    }

    /// Why the engine ended the guest.
    pub(super) fn stopped(&self, error: wasmtime::Error, store: &PluginStore) -> Stopped {
        Stopped::by_engine(error, store.data(), self.budget)
    }

    /// The address of an input buffer of at least `wanted` bytes; asks the guest only when the one it gave before is
    /// too small.
    pub(super) async fn buffer(
        &self,
        store: &mut PluginStore,
        exports: &Exports,
        known: &mut InputBuffer,
        wanted: usize,
    ) -> Result<u32, Stopped> {
        if usize::try_from(known.capacity).is_ok_and(|capacity| wanted <= capacity) && known.address != 0 {
            return Ok(known.address);
        }
        *known = Box::pin(self.larger_buffer(store, exports, wanted)).await?;
        Ok(known.address)
    }

    async fn larger_buffer(
        &self,
        store: &mut PluginStore,
        exports: &Exports,
        wanted: usize,
    ) -> Result<InputBuffer, Stopped> {
        let violation = |reason| Stopped::AbiViolation {
            export: export::PLUGIN_BUFFER,
            reason,
        };
        let no_buffer = || AbiBreach::NoBuffer {
            wanted_bytes: u64::try_from(wanted).unwrap_or(u64::MAX),
        };
        let capacity = i32::try_from(wanted)
            .map_err(|_| violation(no_buffer()))?
            .max(BUFFER_BYTES.cast_signed());
        let address = self.call(store, &exports.buffer, capacity).await?.cast_unsigned();
        if address == 0 {
            return Err(match store.data().limiter.refused_bytes() {
                Some(used_bytes) => Stopped::MemoryLimitExceeded {
                    used_bytes,
                    limit_bytes: store.data().limiter.limit_bytes(),
                },
                None => violation(no_buffer()),
            });
        }
        let capacity = capacity.cast_unsigned();
        let size = usize::try_from(capacity).unwrap_or(usize::MAX);
        exports
            .memory
            .check(&*store, address, size)
            .map_err(|range| violation(range.into()))?;
        Ok(InputBuffer { address, capacity })
    }
}

impl Exports {
    /// Finds the exports of an instance at the places its module keeps them.
    pub(super) fn resolve(store: &mut PluginStore, instance: &Instance, at: &ExportIndexes) -> wasmtime::Result<Self> {
        let mut function = |index: &ModuleExport| {
            let found = instance.get_module_export(&mut *store, index);
            found.and_then(Extern::into_func).ok_or_else(missing)
        };
        let buffer = function(&at.buffer)?;
        let init = function(&at.init)?;
        let command = function(&at.command)?;
        let cleanup = function(&at.cleanup)?;
        let initialize = at.initialize.as_ref().map(&mut function).transpose()?;
        let on_event = at.on_event.as_ref().map(&mut function).transpose()?;
        let health = at.health.as_ref().map(function).transpose()?;
        let memory = instance.get_module_export(&mut *store, &at.memory);
        Ok(Self {
            memory: GuestMemory::new(memory.and_then(Extern::into_memory).ok_or_else(missing)?),
            buffer: buffer.typed(&*store)?,
            init: init.typed(&*store)?,
            command: command.typed(&*store)?,
            cleanup: cleanup.typed(&*store)?,
            initialize: initialize.map(|function| function.typed(&*store)).transpose()?,
            on_event: on_event.map(|function| function.typed(&*store)).transpose()?,
            health: health.map(|function| function.typed(&*store)).transpose()?,
        })
    }
}

fn missing() -> wasmtime::Error {
    wasmtime::format_err!("an export that was checked at load is gone")
}

/// Fills the tank for one entry.
pub(super) fn fill(store: &mut PluginStore, fuel: u64) {
    // The engine is built with fuel on and no interval is zero: neither can fail.
    if let Some(interval) = store.data_mut().meter.begin(fuel) {
        let _infallible = store.fuel_async_yield_interval(Some(interval));
    }
    let _infallible = store.set_fuel(fuel);
}

/// `start + time`, or the far future where a host set no bound.
pub(super) fn later(start: Instant, time: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(u32::MAX as u64);
    start.checked_add(time).unwrap_or(start + FAR)
}

/// Input written to where `plugin_buffer` pointed does not fit there.
pub(super) fn outside_buffer(range: OutOfBounds) -> Stopped {
    Stopped::AbiViolation {
        export: export::PLUGIN_BUFFER,
        reason: range.into(),
    }
}

/// Copies a reply out of the guest before it runs again.
pub(super) fn take_reply(
    store: &PluginStore,
    memory: GuestMemory,
    export: &'static str,
    packed: i64,
    limit_bytes: u64,
) -> Result<Answer, Stopped> {
    let violation = |reason| Stopped::AbiViolation { export, reason };
    let reply = Reply::unpack(packed);
    if u64::from(reply.len) > limit_bytes {
        return Err(violation(AbiBreach::OutputTooLarge {
            actual_bytes: reply.len.into(),
            limit_bytes,
        }));
    }
    let bytes = memory
        .read(store, reply.address, reply.len)
        .map_err(|range| violation(range.into()))?;
    Ok(Answer {
        bytes: bytes.to_vec(),
        is_error: reply.is_error,
    })
}

/// Lengths of host-side input are bounded by the limits far below 4 GiB.
pub(super) fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
