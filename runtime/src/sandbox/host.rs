//! What the host keeps for one instance: the data of its store.

use std::sync::Arc;

use wasmtime::{CallHook, Engine, Linker, Store, StoreContextMut};
use wasmtime_wasi::p1::WasiP1Ctx;

use super::limiter::Limiter;
use super::log::SharedLog;
use super::memory::GuestMemory;
use super::meter::{Meter, SLICE, Slices};
use super::wasi;
use crate::limits::Limits;
use crate::receipt::{HostCall, HostCalls};
use crate::services::HostServices;

pub(super) type PluginLinker = Linker<Host>;
pub(super) type PluginStore = Store<Host>;

/// Guest memory one WASI call may make the host read for names, lists and output, in bytes; more is the guest's
/// "out of memory". A larger list of things to wait for would take milliseconds.
const WASI_COPY_BYTES: usize = 256 * 1024;

/// The data of a store.
pub(super) struct Host {
    pub(super) limiter: Limiter,
    pub(super) meter: Meter,
    pub(super) calls: HostCalls,
    pub(super) log: SharedLog,
    /// Set as soon as the instance exists; a start function runs before that.
    pub(super) memory: Option<GuestMemory>,
    clocks: wasi::Clocks,
    /// Built by the first WASI call, because most commands make none.
    wasi: Option<Box<WasiP1Ctx>>,
}

impl Host {
    /// A fresh store for one instance of the plugin called `plugin_id`.
    pub(super) fn store(
        engine: &Engine,
        services: &HostServices,
        plugin_id: &Arc<str>,
        limits: &Limits,
        slices: &Slices,
    ) -> PluginStore {
        let host = Self {
            limiter: Limiter::new(limits.memory_bytes),
            meter: Meter::new(slices.clone()),
            calls: HostCalls::default(),
            log: SharedLog::new(services, plugin_id, limits.log_bytes),
            memory: None,
            clocks: wasi::Clocks::new(&services.clock),
            wasi: None,
        };
        let mut store = Store::new(engine, host);
        store.limiter(|host| &mut host.limiter);
        store.call_hook(after_host_call);
        store.set_hostcall_fuel(WASI_COPY_BYTES);
        // The engine is built with fuel on and the interval is not zero: neither can fail.
        let _infallible = store.fuel_async_yield_interval(Some(SLICE));
        store
    }

    fn has_to_settle(&self) -> bool {
        self.meter.owes() || self.log.has_unpaid_fuel()
    }

    /// Counts a WASI call and owes its price.
    pub(super) fn count_wasi_call(&mut self) {
        self.calls.count(HostCall::Wasi);
        self.meter.owe_wasi_call();
    }

    /// The WASI context, counting the call that asks for it.
    pub(super) fn wasi(&mut self) -> &mut WasiP1Ctx {
        self.count_wasi_call();
        self.wasi
            .get_or_insert_with(|| Box::new(wasi::context(&self.log, &self.clocks)))
    }
}

/// Collects what a host call cost before the guest goes on.
fn after_host_call(mut store: StoreContextMut<'_, Host>, transition: CallHook) -> wasmtime::Result<()> {
    match transition {
        // The engine's own pause counts as a return too, which is where a short slice ends.
        CallHook::ReturningFromHost if store.data().has_to_settle() => super::meter::settle(&mut store),
        _ => Ok(()),
    }
}
