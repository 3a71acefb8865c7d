//! What the host lends to plugins: small traits with a real and a test implementation each.
//!
//! Services know nothing of grants: whether a plugin may use one is decided in `sandbox/imports` before it is asked.

mod bus;
mod clock;
mod functions;
mod http;
mod log;
mod storage;

use std::pin::Pin;
use std::sync::Arc;

use crate::event::{DiscardEvents, EventSink};

pub use bus::{Address, Bus, BusError, DeadLetter, DeliveryError, MAX_HOPS, NoBus, Peer, Receiver, Trail};
pub use clock::{Clock, ManualClock, SystemClock};
pub use functions::HostFunctions;
pub(crate) use http::is_globally_reachable;
#[cfg(test)]
pub(crate) use http::testing as http_testing;
pub use http::{
    HttpBounds, HttpClient, HttpClientBuilder, HttpError, HttpRequest, HttpResponse, HttpTransport, NoHttp, Resolver,
    SystemResolver,
};
pub use log::{DiscardLog, LogRecord, LogSink, LogSource, MemoryLog, StoredLog};
pub use storage::{
    MAX_KEY_BYTES, MAX_KEYS, MAX_PAGE_KEYS, MAX_VALUE_BYTES, MemoryStorage, Namespace, SqliteStorage, Storage,
    StorageCondition, StorageError, StorageOpenError, StoragePage, StorageQuota, StorageUsage, StorageWrite,
    StorageWritten, StoredEntry,
};

/// What an asynchronous service answers with, once it is awaited.
pub type ServiceFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The services of one host.
///
/// Each has a default that lends as little as possible, so a host names what it has:
///
/// ```
/// use std::sync::Arc;
///
/// use palisade::{HostServices, MemoryLog};
///
/// let services = HostServices { log: Arc::new(MemoryLog::new()), ..HostServices::default() };
/// ```
#[derive(Clone, Debug)]
pub struct HostServices {
    /// Where time comes from; the machine's clock.
    pub clock: Arc<dyn Clock>,
    /// Where log lines go; by default nowhere.
    pub log: Arc<dyn LogSink>,
    /// Where events go; by default nowhere.
    pub events: Arc<dyn EventSink>,
    /// What plugins keep; by default in memory, and gone with the host.
    pub storage: Arc<dyn Storage>,
    /// How requests get out; by default not at all.
    pub http: Arc<dyn HttpTransport>,
    /// How plugins reach each other; by default not at all.
    pub bus: Arc<dyn Bus>,
    /// Functions of the host application; by default none.
    pub functions: HostFunctions,
}

impl Default for HostServices {
    fn default() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Self {
            log: Arc::new(DiscardLog),
            events: Arc::new(DiscardEvents),
            storage: Arc::new(MemoryStorage::new(Arc::clone(&clock))),
            http: Arc::new(NoHttp),
            bus: Arc::new(NoBus),
            functions: HostFunctions::default(),
            clock,
        }
    }
}
