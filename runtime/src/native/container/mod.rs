//! A container as a service: [`ContainerService`].

mod command;
mod live;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::command::ContainerCommand;
use self::live::{Container, Owner};
use super::ServicePlugin;
use super::adapter::adapter;
use super::error::{PluginLifecycleError, ServiceFault};
use super::handle::{HealthStatus, ServiceHandle};
use super::life::{Life, Start, Started};
use super::lines::Output;
use super::readiness::{CHECK, LOOK, ProbeFailure, check_free};
use super::resources::ResourceTracker;
use super::retry::{Pause, ThreadPause};
use super::taken::Taken;
use super::thread::on_thread;
use crate::services::{Clock, HostServices, ServiceFuture};

/// Between two looks at a container that is becoming ready.
const SLICE: Duration = Duration::from_millis(100);

/// A container as a service, run by the engine that `DOCKER_HOST` names, or the one of this machine.
///
/// What it prints goes to the host's log, line by line, under the service's name. Stopping the service stops and removes
/// the container; so does dropping it, soon afterwards.
///
/// Each start takes a resource of kind `container`, and one of kind `port` for each of its ports. The handle's metadata
/// has `container_id` and `ports`.
pub struct ContainerService {
    command: Arc<ContainerCommand>,
    clock: Arc<dyn Clock>,
    resources: Arc<ResourceTracker>,
    life: Life<Arc<Container>>,
}

adapter!(ContainerService);

impl ContainerService {
    /// A service that is not started yet; clock and log are the host's.
    #[must_use]
    pub fn new(name: &str, command: ContainerCommand, services: &HostServices) -> Self {
        Self {
            command: Arc::new(command),
            clock: Arc::clone(&services.clock),
            resources: Arc::new(ResourceTracker::new()),
            life: Life::new(name.into(), Arc::clone(&services.log)),
        }
    }

    async fn check_ports(&self) -> Result<(), ServiceFault> {
        let command = Arc::clone(&self.command);
        on_thread("palisade-ports", move |_caller| {
            command.host_ports().try_for_each(check_free)
        })
        .await?
    }

    async fn run(&self, taken: &mut Taken) -> Result<Started<Arc<Container>>, ServiceFault> {
        self.check_ports().await?;
        let output = Output {
            service: Arc::clone(&self.life.service),
            log: Arc::clone(&self.life.log),
        };
        let container = Arc::new(Container::start(Arc::clone(&self.command), output).await?);
        taken.push(Owner {
            container: Arc::clone(&container),
            grace: self.command.stop_within,
        });
        self.wait_until_ready(&container).await?;
        Ok((self.handle(&container)?, container))
    }

    async fn wait_until_ready(&self, container: &Container) -> Result<(), ServiceFault> {
        let (start, limit) = (self.clock.now(), self.command.ready_within);
        loop {
            let left = limit.saturating_sub(self.clock.now().saturating_duration_since(start));
            let answer = self.ask(left.min(LOOK)).await?;
            // Afterwards, so that nobody else's answer counts for a container that is gone.
            if !container.is_running().await {
                return Err(ServiceFault::Exited {
                    status: None,
                    signal: None,
                });
            }
            match answer {
                Ok(()) => return Ok(()),
                Err(last) if left.is_zero() => return Err(ServiceFault::NotReady { limit, last }),
                Err(_) => ThreadPause.pause(left.min(SLICE)).await,
            }
        }
    }

    /// Asks once whether it is ready.
    async fn ask(&self, within: Duration) -> Result<Result<(), ProbeFailure>, ServiceFault> {
        let (command, clock) = (Arc::clone(&self.command), Arc::clone(&self.clock));
        on_thread("palisade-check", move |_caller| command.readiness.ask(&*clock, within)).await
    }

    fn handle(&self, container: &Container) -> Result<ServiceHandle, ServiceFault> {
        let mut metadata = BTreeMap::from([("container_id".to_owned(), container.id.clone())]);
        let ports: Vec<_> = self.command.host_ports().map(|port| port.to_string()).collect();
        if !ports.is_empty() {
            metadata.insert("ports".to_owned(), ports.join(","));
        }
        ServiceHandle::new(&*self.life.service, metadata)
    }
}

impl Start for ContainerService {
    type Watch = Arc<Container>;

    fn attempt<'a>(
        &'a self,
        taken: &'a mut Taken,
    ) -> ServiceFuture<'a, Result<Started<Self::Watch>, PluginLifecycleError>> {
        Box::pin(async move {
            taken.push(self.resources.allocate("container")?);
            for _port in self.command.host_ports() {
                taken.push(self.resources.allocate("port")?);
            }
            self.run(taken).await.map_err(|fault| self.failed(fault))
        })
    }
}

impl ServicePlugin for ContainerService {
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
            let container = self.life.watch(handle)?;
            let asked = self.ask(CHECK).await;
            let answer = asked.map_err(|fault| PluginLifecycleError::HealthCheckFailed {
                service: self.life.service.to_string(),
                fault,
            })?;
            match answer.is_ok() && container.is_running().await {
                true => Ok(HealthStatus::Healthy),
                false => Ok(HealthStatus::Unhealthy),
            }
        })
    }
}

impl fmt::Debug for ContainerService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerService")
            .field("command", &self.command)
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
