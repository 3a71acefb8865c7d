//! What the host lends to plugins: small traits with a real and a test implementation each.
//!
//! Services know nothing of grants: whether a plugin may use one is decided in `sandbox/imports` before it is asked.

mod clock;
mod log;

use std::sync::Arc;

pub use clock::{Clock, ManualClock, SystemClock};
pub use log::{DiscardLog, LogRecord, LogSink, LogSource, MemoryLog, StoredLog};

/// The services of one host.
#[derive(Clone, Debug)]
pub struct HostServices {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where log lines go.
    pub log: Arc<dyn LogSink>,
}

impl Default for HostServices {
    /// The system clock, and a log that nobody reads.
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            log: Arc::new(DiscardLog),
        }
    }
}
