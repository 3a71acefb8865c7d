//! How much of the network a plugin may use over time. Outlives a load of the plugin, so that a reload forgets nothing.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use palisade_bundle::Code;

use super::HostCallError;
use crate::services::Clock;

type Rate = RateLimiter<NotKeyed, InMemoryState, RateClock, StateInformationMiddleware>;

/// The requests one plugin may send in a minute, and how many of them at once.
#[derive(Debug)]
pub(in crate::sandbox) struct NetworkShares {
    clock: Arc<dyn Clock>,
    rate: Mutex<(NonZeroU32, Rate)>,
    in_flight: AtomicU32,
    max_in_flight: AtomicU32,
}

impl NetworkShares {
    /// Shares of which nothing is used yet. `requests_per_minute` may be sent at once, and come back evenly.
    pub(in crate::sandbox) fn new(clock: &Arc<dyn Clock>, requests_per_minute: NonZeroU32, max_in_flight: u32) -> Self {
        Self {
            rate: Mutex::new((requests_per_minute, rate(clock, requests_per_minute))),
            clock: Arc::clone(clock),
            in_flight: AtomicU32::new(0),
            max_in_flight: AtomicU32::new(max_in_flight),
        }
    }

    /// Changes the limits. What part of the rate was spent stays spent, rounded up.
    pub(in crate::sandbox) fn resize(&self, requests_per_minute: NonZeroU32, max_in_flight: u32) {
        self.max_in_flight.store(max_in_flight, Ordering::Relaxed);
        let mut current = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, old) = &*current;
        if *before == requests_per_minute {
            return;
        }
        let resized = rate(&self.clock, requests_per_minute);
        if let Some(spent) = scaled(spent_of(old, *before), *before, requests_per_minute) {
            // Never more than it has, which is the only way this fails.
            let _charged = resized.check_n(spent);
        }
        *current = (requests_per_minute, resized);
    }

    /// Takes one request out of the rate.
    pub(super) fn spend(&self) -> Result<(), HostCallError> {
        let (per_minute, rate) = &*self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let Err(not_until) = rate.check() else {
            return Ok(());
        };
        let wait = not_until.wait_time_from(rate.clock().now());
        let message = format!("the plugin may send {per_minute} requests a minute");
        Err(HostCallError::new(Code::RateLimitExceeded, message).with("retry_after_ms", whole_ms(wait)))
    }

    /// Takes a place among the requests in flight. Does not wait for one.
    pub(super) fn enter(&self) -> Result<InFlight<'_>, HostCallError> {
        let most = self.max_in_flight.load(Ordering::Relaxed);
        let next = |now: u32| Some(now + 1).filter(|next| *next <= most);
        match self.in_flight.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) {
            Ok(_) => Ok(InFlight(&self.in_flight)),
            Err(_) => {
                let message = format!("the plugin has {most} requests in flight, and may have no more");
                Err(HostCallError::new(Code::ResourceExhausted, message)
                    .with("resource", "network_requests")
                    .with("limit", most))
            }
        }
    }
}

/// A place among the requests in flight; given back when it is dropped.
#[derive(Debug)]
pub(super) struct InFlight<'a>(&'a AtomicU32);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn rate(clock: &Arc<dyn Clock>, per_minute: NonZeroU32) -> Rate {
    let clock = RateClock(Arc::clone(clock));
    RateLimiter::direct_with_clock(Quota::per_minute(per_minute), clock).with_middleware()
}

/// How many of `per_minute` are spent, as the last thing that is asked of `rate`: asking takes one more.
fn spent_of(rate: &Rate, per_minute: NonZeroU32) -> u32 {
    match rate.check() {
        Ok(left) => per_minute.get().saturating_sub(left.remaining_burst_capacity() + 1),
        Err(_) => per_minute.get(),
    }
}

/// The same part of another whole, rounded up; `None` for nothing.
fn scaled(spent: u32, before: NonZeroU32, after: NonZeroU32) -> Option<NonZeroU32> {
    let scaled = (u64::from(spent) * u64::from(after.get())).div_ceil(u64::from(before.get()));
    NonZeroU32::new(u32::try_from(scaled).unwrap_or(u32::MAX))
}

/// The host's clock, as the rate reads it.
#[derive(Clone, Debug)]
struct RateClock(Arc<dyn Clock>);

impl governor::clock::Clock for RateClock {
    type Instant = Instant;

    fn now(&self) -> Instant {
        self.0.now()
    }
}

/// Rounded up, so that waiting that long is enough.
fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
