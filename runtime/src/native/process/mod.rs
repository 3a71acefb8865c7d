//! A process of this machine as a service: [`ProcessService`].

mod child;
mod command;
mod output;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use self::child::{Owner, Process};
use super::ServicePlugin;
use super::adapter::adapter;
use super::error::{PluginLifecycleError, ServiceFault};
use super::handle::{HealthStatus, ServiceHandle};
use super::life::{Life, Start, Started};
use super::lines::Output;
use super::readiness::{CHECK, LOOK, check_free};
use super::resources::ResourceTracker;
use super::taken::Taken;
use super::thread::{Caller, on_thread};
use crate::services::{Clock, HostServices, ServiceFuture};

pub use self::command::ProcessCommand;

/// A process of this machine as a service.
///
/// It runs in a process group of its own. When it ends, by itself or because it was stopped, what it started and left
/// in that group ends too, and its status is taken. What it prints goes to the host's log, line by line, under the
/// service's name. Dropping the service kills the process.
///
/// Each start takes a resource of kind `process`, and one of kind `port` for each of its ports.
pub struct ProcessService {
    command: Arc<ProcessCommand>,
    clock: Arc<dyn Clock>,
    resources: Arc<ResourceTracker>,
    life: Life<Arc<Process>>,
}

adapter!(ProcessService);

impl ProcessService {
    /// A service that is not started yet; clock and log are the host's.
    #[must_use]
    pub fn new(name: &str, command: ProcessCommand, services: &HostServices) -> Self {
        Self {
            command: Arc::new(command),
            clock: Arc::clone(&services.clock),
            resources: Arc::new(ResourceTracker::new()),
            life: Life::new(name.into(), Arc::clone(&services.log)),
        }
    }

    async fn spawn(&self) -> Result<Owner, ServiceFault> {
        let (command, clock) = (Arc::clone(&self.command), Arc::clone(&self.clock));
        let output = Output {
            service: Arc::clone(&self.life.service),
            log: Arc::clone(&self.life.log),
        };
        // Made on that thread, so that the process of an abandoned start has an owner, who kills it.
        let spawned = on_thread("palisade-spawn", move |_caller| {
            command.ports().iter().try_for_each(|port| check_free(*port))?;
            let process = Process::spawn(command.to_command(), output)?;
            let grace = command.stop_within;
            Ok(Owner { process, clock, grace })
        });
        spawned.await?
    }

    fn handle(&self) -> Result<ServiceHandle, ServiceFault> {
        let ports: Vec<_> = self.command.ports().iter().map(u16::to_string).collect();
        let metadata = match ports.is_empty() {
            true => BTreeMap::new(),
            false => BTreeMap::from([("ports".to_owned(), ports.join(","))]),
        };
        ServiceHandle::new(&*self.life.service, metadata)
    }
}

impl Start for ProcessService {
    type Watch = Arc<Process>;

    fn attempt<'a>(
        &'a self,
        taken: &'a mut Taken,
    ) -> ServiceFuture<'a, Result<Started<Self::Watch>, PluginLifecycleError>> {
        Box::pin(async move {
            taken.push(self.resources.allocate("process")?);
            for _port in self.command.ports() {
                taken.push(self.resources.allocate("port")?);
            }
            let owner = self.spawn().await.map_err(|fault| self.failed(fault))?;
            let process = Arc::clone(&owner.process);
            taken.push(owner);
            let (command, clock) = (Arc::clone(&self.command), Arc::clone(&self.clock));
            let watched = Arc::clone(&process);
            let ready = on_thread("palisade-ready", move |caller| {
                wait_until_ready(&watched, &command, &*clock, caller)
            });
            ready.await.flatten().map_err(|fault| self.failed(fault))?;
            let handle = self.handle().map_err(|fault| self.failed(fault))?;
            Ok((handle, process))
        })
    }
}

impl ServicePlugin for ProcessService {
    fn name(&self) -> &str {
        &self.life.service
    }

    fn start(&self) -> ServiceFuture<'_, Result<ServiceHandle, PluginLifecycleError>> {
        Box::pin(self.life.start(self))
    }

    fn stop(&self, handle: ServiceHandle) -> ServiceFuture<'_, Result<(), PluginLifecycleError>> {
        Box::pin(async move { self.life.stop(&handle).await })
    }

    fn health_check<'a>(
        &'a self,
        handle: &'a ServiceHandle,
    ) -> ServiceFuture<'a, Result<HealthStatus, PluginLifecycleError>> {
        Box::pin(async move {
            let process = self.life.watch(handle)?;
            let (command, clock) = (Arc::clone(&self.command), Arc::clone(&self.clock));
            let checked = on_thread("palisade-check", move |_caller| {
                let answers = command.readiness.ask(&*clock, CHECK).is_ok();
                // Afterwards, so that nobody else's answer counts for a process that is gone.
                match answers && process.ended().is_none() {
                    true => HealthStatus::Healthy,
                    false => HealthStatus::Unhealthy,
                }
            });
            checked.await.map_err(|fault| PluginLifecycleError::HealthCheckFailed {
                service: self.life.service.to_string(),
                fault,
            })
        })
    }
}

impl fmt::Debug for ProcessService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessService")
            .field("command", &self.command)
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

fn wait_until_ready<T>(
    process: &Process,
    command: &ProcessCommand,
    clock: &dyn Clock,
    caller: &Caller<'_, T>,
) -> Result<(), ServiceFault> {
    let (start, limit) = (clock.now(), command.ready_within);
    loop {
        let left = limit.saturating_sub(clock.now().saturating_duration_since(start));
        let answer = command.readiness.ask(clock, left.min(LOOK));
        if let Some(ended) = process.ended() {
            return Err(ended);
        }
        match answer {
            Ok(()) => return Ok(()),
            Err(_) if caller.is_gone() => return Err(ServiceFault::Abandoned),
            Err(last) if left.is_zero() => return Err(ServiceFault::NotReady { limit, last }),
            Err(_) => process.wait_a_little(left),
        }
    }
}
