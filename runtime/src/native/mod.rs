//! Services beside the plugins: what a plugin or a test needs running, started and stopped by the host.
//!
//! [`ServicePlugin`] is the contract, [`ServiceRegistry`] knows services by name, and the adapters are a plugin as a
//! service ([`WasmService`]), a process of this machine ([`ProcessService`]) and, with the feature `containers`, a
//! container (`ContainerService`). `life` is what adapters have in common:
//! the state, the tries of a start, what it took and gives back.

mod adapter;
#[cfg(all(unix, feature = "containers"))]
mod container;
mod error;
mod handle;
mod image;
mod life;
#[cfg(unix)]
mod lines;
mod log_ring;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod readiness;
mod registry;
mod resources;
mod retry;
mod state;
mod taken;
#[cfg(test)]
mod testing;
mod thread;
mod wasm;

use std::fmt;

#[cfg(all(unix, feature = "containers"))]
pub use container::{ContainerCommand, ContainerService};
pub use error::{PluginLifecycleError, ServiceFault};
pub use handle::{HealthStatus, ServiceHandle, ServiceId};
pub use image::{ImageName, ImageNameError};
pub use log_ring::LogRing;
#[cfg(unix)]
pub use process::{ProcessCommand, ProcessService};
#[cfg(unix)]
pub use readiness::{InvalidPath, ProbeFailure, Readiness};
pub use registry::{RegistryError, ServiceRegistry};
pub use resources::{Resource, ResourceLimitExceeded, ResourceTracker};
pub use retry::{Pause, StartRetries, ThreadPause};
pub use state::{InvalidTransition, ServiceState};
pub use wasm::WasmService;

use crate::services::ServiceFuture;

/// A service that the host starts, watches and stops.
///
/// What takes time is a future that needs no particular executor, so a service works on a runtime with many threads, on
/// one with a single thread, which nothing blocks, and without any, under a plain `block_on`. Work that blocks belongs
/// on a thread of the implementer's.
///
/// A dropped `start` is a failed one: nothing it began goes on.
pub trait ServicePlugin: fmt::Debug + Send + Sync {
    /// The name it is registered under.
    fn name(&self) -> &str;

    /// Starts the service and waits until it is ready.
    ///
    /// # Errors
    ///
    /// [`PluginLifecycleError::InvalidState`] when it cannot be started from where it is, with nothing changed;
    /// [`PluginLifecycleError::StartFailed`] and [`PluginLifecycleError::ResourceAllocationFailed`] when it did not come
    /// to be ready, with everything given back.
    fn start(&self) -> ServiceFuture<'_, Result<ServiceHandle, PluginLifecycleError>>;

    /// Stops the service and waits until it has ended.
    ///
    /// # Errors
    ///
    /// [`PluginLifecycleError::StopFailed`] when the handle is of no running service, with nothing changed, or when the
    /// service did not end in order; [`PluginLifecycleError::InvalidState`] when it is being stopped already or was.
    fn stop(&self, handle: ServiceHandle) -> ServiceFuture<'_, Result<(), PluginLifecycleError>>;

    /// Asks whether the service is well. One that is not is an answer, no error.
    ///
    /// # Errors
    ///
    /// [`PluginLifecycleError::HealthCheckFailed`] when the handle is of no running service, or nobody could ask.
    fn health_check<'a>(
        &'a self,
        handle: &'a ServiceHandle,
    ) -> ServiceFuture<'a, Result<HealthStatus, PluginLifecycleError>>;
}
