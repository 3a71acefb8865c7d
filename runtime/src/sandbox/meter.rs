//! Fuel is the only meter: it bounds a command, and it drives preemption.
//!
//! The engine charges guest instructions and hands control back every [`SLICE`]. Work the host does for the guest is
//! owed here during a host call and collected when it returns, from the same tank. Collecting refills the engine's
//! current slice, so the meter remembers by itself when the next pause is due: otherwise a guest that calls the host
//! all the time would never pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use wasmtime::{StoreContextMut, Trap};

use super::host::Host;
use super::outside::Outside;

/// Fuel between two pauses of a guest. 40 to 160 µs of work: pausing this often costs nothing that can be measured,
/// and a guest is stopped 0.3 ms after its deadline; pausing every 10,000 units costs a third.
pub(super) const SLICE: u64 = 1_000_000;

/// Slice once a pause is due but the guest keeps calling the host.
const SHORT_SLICE: u64 = 50_000;

/// Price of a host call, before the bytes it moves: about what 0.1 to 0.2 µs of guest code cost.
pub(super) const FUEL_PER_HOST_CALL: u64 = 1_000;

/// By how much a WASI call brings the next pause nearer: ten calls between two pauses, because the largest that is
/// let through takes a few milliseconds.
const PAUSE_PER_WASI_CALL: u64 = SLICE / 10;

/// Price of a byte a host call moves: about that of a byte moved by `memory.copy`.
pub(super) const FUEL_PER_BYTE: u64 = 1;

/// Price of a log line beyond its bytes: a clock reading, escaping and the host's log.
pub(super) const FUEL_PER_LOG_LINE: u64 = 1_000;

/// What the task that polls a guest tells its host: how often it was resumed, for the meter, and in what runtime.
#[derive(Clone, Debug, Default)]
pub(super) struct Slices {
    count: Arc<AtomicU32>,
    outside: Outside,
}

impl Slices {
    pub(super) fn count(&self) {
        // One task polls an instance at a time, so nothing is lost between the two.
        self.count.store(self.seen().wrapping_add(1), Ordering::Relaxed);
    }

    fn seen(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn outside(&self) -> &Outside {
        &self.outside
    }
}

/// What an instance owes, and when it has to pause.
#[derive(Debug)]
pub(super) struct Meter {
    owed: u64,
    slices: Slices,
    slices_seen: u32,
    /// Fuel level at which a pause is due.
    pause_below: u64,
    interval: u64,
}

impl Meter {
    pub(super) fn new(slices: Slices) -> Self {
        Self {
            owed: 0,
            slices,
            slices_seen: 0,
            pause_below: 0,
            interval: SLICE,
        }
    }

    /// Starts a phase with a full tank of `fuel`, and says how long its first slice is when that has to change.
    pub(super) fn begin(&mut self, fuel: u64) -> Option<u64> {
        self.owed = 0;
        self.pause_below = fuel.saturating_sub(SLICE);
        self.slices_seen = self.slices.seen();
        (std::mem::replace(&mut self.interval, SLICE) != SLICE).then_some(SLICE)
    }

    /// Owes the price of one host call.
    pub(super) fn owe_host_call(&mut self) {
        self.owed = self.owed.saturating_add(FUEL_PER_HOST_CALL);
    }

    /// Owes the price of a WASI call, and brings the next pause nearer: what it costs depends on lists and names the
    /// meter does not see.
    pub(super) fn owe_wasi_call(&mut self) {
        self.owe_host_call();
        self.pause_below = self.pause_below.saturating_add(PAUSE_PER_WASI_CALL);
    }

    /// Owes the price of moving `bytes`.
    pub(super) fn owe_bytes(&mut self, bytes: u64) {
        self.owed = self.owed.saturating_add(bytes.saturating_mul(FUEL_PER_BYTE));
    }

    /// Whether there is anything to settle: a debt, or a short slice that may end.
    pub(super) fn owes(&self) -> bool {
        self.owed > 0 || self.interval != SLICE
    }

    /// Owes any other price.
    pub(super) fn owe(&mut self, fuel: u64) {
        self.owed = self.owed.saturating_add(fuel);
    }

    /// How long the next slice is, `fuel` being left.
    fn next_interval(&mut self, fuel: u64) -> u64 {
        let seen = self.slices.seen();
        if seen != self.slices_seen {
            self.slices_seen = seen;
            self.pause_below = fuel.saturating_sub(SLICE);
        }
        let overdue = self.pause_below.saturating_sub(fuel);
        match fuel > self.pause_below {
            true => SLICE,
            false => SHORT_SLICE.saturating_sub(overdue).max(1),
        }
    }
}

/// Takes what is owed out of the tank.
///
/// # Errors
///
/// [`Trap::OutOfFuel`] when the tank does not hold that much.
pub(super) fn settle(store: &mut StoreContextMut<'_, Host>) -> wasmtime::Result<()> {
    let for_log = store.data().log.take_unpaid_fuel();
    let meter = &mut store.data_mut().meter;
    meter.owe(for_log);
    let owed = std::mem::take(&mut meter.owed);
    let fuel = store.get_fuel()?;
    let Some(left) = fuel.checked_sub(owed) else {
        store.set_fuel(0)?;
        return Err(Trap::OutOfFuel.into());
    };
    let meter = &mut store.data_mut().meter;
    let interval = meter.next_interval(left);
    if interval != meter.interval {
        meter.interval = interval;
        store.fuel_async_yield_interval(Some(interval))?;
    }
    store.set_fuel(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_keeps_calling_the_host_is_paused_sooner_and_sooner_and_then_starts_over() {
        let slices = Slices::default();
        let mut meter = Meter::new(slices.clone());
        assert_eq!(meter.begin(5_000_000), None);
        assert_eq!(meter.next_interval(4_000_001), SLICE);
        assert_eq!(meter.next_interval(4_000_000), SHORT_SLICE);
        assert_eq!(meter.next_interval(3_960_000), 10_000);
        assert_eq!(meter.next_interval(3_900_000), 1);
        slices.count();
        assert_eq!(meter.next_interval(3_899_000), SLICE);
        assert_eq!(meter.next_interval(2_899_000), SHORT_SLICE);
        meter.interval = SHORT_SLICE;
        assert!(
            meter.owes(),
            "a short slice is something to settle, or it would last for good"
        );
        assert_eq!(
            meter.begin(5_000_000),
            Some(SLICE),
            "the next command starts with a whole slice"
        );
    }
}
