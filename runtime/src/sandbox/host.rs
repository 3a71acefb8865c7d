//! What the host keeps for one instance: the data of its store.

use std::sync::Arc;

use palisade_bundle::{Code, Permission};
use wasmtime::{CallHook, Engine, Linker, Store, StoreContextMut};

use super::imports::HostCallError;
use super::limiter::Limiter;
use super::log::SharedLog;
use super::memory::GuestMemory;
use super::meter::{Meter, SLICE, Slices};
use super::outside::Outside;
use super::powers::{self, Powers};
use super::tape::Tape;
use super::wasi::{self, Wasi};
use crate::event::EventKind;
use crate::receipt::{HostCall, HostCalls};
use crate::services::Trail;

pub(super) type PluginLinker = Linker<Host>;
pub(super) type PluginStore = Store<Host>;

/// Guest memory one WASI call may make the host read for names, lists and output, in bytes; more is the guest's
/// "out of memory". A larger list of things to wait for would take milliseconds.
const WASI_COPY_BYTES: usize = 256 * 1024;

/// Refusals one command can tell of: more kinds than an honest plugin meets, and less than a flood.
const TOLD: usize = 16;

/// The data of a store.
pub(super) struct Host {
    pub(super) powers: Arc<Powers>,
    pub(super) limiter: Limiter,
    pub(super) meter: Meter,
    pub(super) calls: HostCalls,
    pub(super) log: SharedLog,
    pub(super) tape: Tape,
    /// What host calls run in.
    pub(super) outside: Outside,
    /// The plugins that led to what is being run; the last one is this plugin.
    pub(super) trail: Trail,
    /// Whether another plugin is on it.
    is_led: bool,
    /// What the last host call answered, until it is fetched.
    pub(super) result: Option<Vec<u8>>,
    /// What was told in this command already.
    told: Vec<EventKind>,
    /// Set as soon as the instance exists; a start function runs before that.
    pub(super) memory: Option<GuestMemory>,
    /// Built by the first WASI call, because most commands make none.
    wasi: Option<Box<Wasi>>,
}

impl Host {
    /// A fresh store for one instance of a plugin.
    pub(super) fn store(engine: &Engine, powers: &Arc<Powers>, slices: &Slices, tape: Tape) -> PluginStore {
        let host = Self {
            limiter: Limiter::new(
                powers.limits.memory_bytes,
                Arc::clone(&powers.memory),
                Arc::clone(&powers.shares),
            ),
            meter: Meter::new(slices.clone()),
            calls: HostCalls::default(),
            log: SharedLog::new(powers),
            trail: powers.trail.clone(),
            is_led: false,
            tape,
            outside: slices.outside().clone(),
            result: None,
            told: Vec::new(),
            memory: None,
            wasi: None,
            powers: Arc::clone(powers),
        };
        let mut store = Store::new(engine, host);
        store.limiter(|host| &mut host.limiter);
        store.call_hook(after_host_call);
        store.set_hostcall_fuel(WASI_COPY_BYTES);
        // The engine is built with fuel on and the interval is not zero: neither can fail.
        let _infallible = store.fuel_async_yield_interval(Some(SLICE));
        store
    }

    /// Forgets what belongs to an earlier command, and takes over where this one comes from.
    pub(super) fn begin_command(&mut self, trail: Option<&Trail>) {
        self.limiter.begin_command();
        self.calls = HostCalls::default();
        self.result = None;
        self.told.clear();
        self.take_trail(trail);
    }

    /// What a command leaves behind that nobody can fetch any more.
    pub(super) fn end_command(&mut self) {
        self.result = None;
        self.log.end_command();
    }

    /// Where what comes now comes from: from outside, unless another plugin leads here.
    pub(super) fn take_trail(&mut self, trail: Option<&Trail>) {
        match trail {
            Some(trail) => self.trail = trail.then(self.powers.plugin_id()),
            None if self.is_led => self.trail = self.powers.trail.clone(),
            None => {}
        }
        self.is_led = trail.is_some();
    }

    fn has_to_settle(&self) -> bool {
        self.meter.owes() || self.log.has_unpaid_fuel() || self.wasi.as_ref().is_some_and(|wasi| wasi.has_news())
    }

    /// Takes over what the WASI call that just ended has to be paid for, and what it was refused.
    fn end_wasi_call(&mut self) {
        let Some(wasi) = &mut self.wasi else { return };
        self.meter.owe_bytes(wasi.take_moved_bytes());
        if let Some(refused) = wasi.take_refused() {
            self.tell_denied(&powers::denied(&refused.permission), refused.call);
        }
    }

    /// Tells the host of a refusal that an operator wants to know of.
    pub(super) fn tell_refused(&mut self, refused: &HostCallError, call: &'static str) {
        if let Some(cause) = &refused.cause {
            self.log.note(&format!("`{call}` failed: {cause}"));
        }
        let limits = &self.powers.limits;
        let exceeded = |resource, limit| {
            self.powers.shares.counted.violations.add(resource);
            Some(EventKind::ResourceExceeded { resource, limit })
        };
        let kind = match refused.code {
            Code::PermissionDenied => return self.tell_denied(refused, call),
            Code::SecurityViolation => Some(EventKind::SecurityViolation {
                kind: refused.violation.unwrap_or("host_call"),
            }),
            Code::StorageQuotaExceeded => exceeded("storage", limits.storage_bytes),
            Code::RateLimitExceeded => exceeded("rate", limits.requests_per_minute.into()),
            Code::ResourceExhausted => exceeded("in_flight", limits.host_calls_in_flight.into()),
            _ => None,
        };
        if let Some(kind) = kind {
            self.tell_once(kind);
        }
    }

    /// Tells the host that a permission is missing.
    pub(super) fn tell_denied(&mut self, refused: &HostCallError, call: &'static str) {
        let permission = refused.details.get("permission").and_then(|name| name.as_str());
        let Some(permission) = permission.and_then(|name| Permission::parse(name).ok()) else {
            return;
        };
        let is_same = |told: &EventKind| matches!(told, EventKind::PermissionDenied { permission: told, .. } if *told == permission);
        if self.told.iter().any(is_same) {
            return;
        }
        if self.tell_once(EventKind::PermissionDenied { permission, call }) {
            self.log.note(&format!("refused `{call}`: {}", refused.message));
        }
    }

    /// Tells something once a command, and no more than [`TOLD`] things: a guest that tries again and again is no news.
    fn tell_once(&mut self, kind: EventKind) -> bool {
        if self.told.len() >= TOLD || self.told.contains(&kind) {
            return false;
        }
        self.told.push(kind.clone());
        self.powers.tell(kind);
        true
    }

    /// Counts a WASI call and owes its price.
    pub(super) fn count_wasi_call(&mut self) {
        self.calls.count(HostCall::Wasi, 0);
        self.meter.owe_wasi_call();
    }

    /// The instance's WASI, counting the call that asks for it.
    pub(super) fn wasi(&mut self) -> &mut Wasi {
        self.count_wasi_call();
        let wasi = || {
            let clocks = wasi::Clocks::new(&self.powers, &self.tape);
            Box::new(wasi::of_plugin(&self.log, clocks, &self.powers))
        };
        self.wasi.get_or_insert_with(wasi)
    }
}

/// Collects what a host call cost before the guest goes on.
fn after_host_call(mut store: StoreContextMut<'_, Host>, transition: CallHook) -> wasmtime::Result<()> {
    match transition {
        // The engine's own pause counts as a return too, which is where a short slice ends.
        CallHook::ReturningFromHost if store.data().has_to_settle() => {
            store.data_mut().end_wasi_call();
            super::meter::settle(&mut store)
        }
        _ => Ok(()),
    }
}
