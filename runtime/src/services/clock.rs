//! Where time comes from.

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// A source of time. Deadlines, receipts and the guest's own clocks all read this one.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Monotonic time.
    fn now(&self) -> Instant;

    /// Wall clock time.
    fn wall(&self) -> SystemTime;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that moves only when told to, or by a fixed step each time it is read.
#[derive(Debug)]
pub struct ManualClock {
    start: Instant,
    elapsed: Mutex<Duration>,
    step: Duration,
}

impl ManualClock {
    /// A clock that stands still.
    #[must_use]
    pub fn new() -> Self {
        Self::stepping(Duration::ZERO)
    }

    /// A clock that moves on by `step` each time it is read.
    #[must_use]
    pub fn stepping(step: Duration) -> Self {
        Self {
            start: Instant::now(),
            elapsed: Mutex::new(Duration::ZERO),
            step,
        }
    }

    /// Moves the clock on.
    pub fn advance(&self, time: Duration) {
        self.read(time);
    }

    fn read(&self, advance: Duration) -> Duration {
        let mut elapsed = self.elapsed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *elapsed += advance;
        *elapsed
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.start + self.read(self.step)
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.read(self.step)
    }
}
