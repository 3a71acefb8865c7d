//! Services and time for the tests of this folder.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::error::{PluginLifecycleError, ServiceFault};
use super::handle::{HealthStatus, ServiceHandle};
use super::life::{Life, Start, Started};
use super::retry::{Pause, StartRetries};
use super::taken::{Release, Taken};
use super::{ServicePlugin, ServiceState};
use crate::services::{DiscardLog, ServiceFuture};

/// Lets no time pass, and remembers how much was asked for.
#[derive(Debug, Default)]
pub(super) struct NoPause(Mutex<Vec<u64>>);

impl NoPause {
    pub(super) fn seconds(&self) -> Vec<u64> {
        self.0.lock().unwrap().clone()
    }
}

impl Pause for NoPause {
    fn pause(&self, time: Duration) -> ServiceFuture<'_, ()> {
        self.0.lock().unwrap().push(time.as_secs());
        Box::pin(std::future::ready(()))
    }
}

/// Polls a future once.
pub(super) fn poll_once<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::Pin::new(future).poll(&mut context)
}

/// What a [`FakeService`] does when it is asked to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Script {
    /// How many starts fail.
    pub(super) failing_starts: usize,
    /// Whether a start never comes to its end.
    pub(super) hangs: bool,
    /// Whether a release fails.
    pub(super) fails_to_stop: bool,
    /// Whether it is ill.
    pub(super) ill: bool,
}

/// A service that runs nothing, on the life that the adapters share.
#[derive(Debug)]
pub(super) struct FakeService {
    script: Script,
    tries: Mutex<usize>,
    life: Life<()>,
}

impl FakeService {
    pub(super) fn new(name: &str, script: Script) -> Self {
        Self {
            script,
            tries: Mutex::default(),
            life: Life::new(name.into(), Arc::new(DiscardLog)),
        }
    }

    pub(super) fn trying(mut self, retries: StartRetries, pause: &Arc<NoPause>) -> Self {
        self.life.retries = retries;
        self.life.pause = Arc::clone(pause) as Arc<dyn Pause>;
        self
    }

    pub(super) fn state(&self) -> ServiceState {
        self.life.state()
    }

    pub(super) fn life(&self) -> &Life<()> {
        &self.life
    }
}

struct Thing {
    fails: bool,
}

impl Release for Thing {
    fn release(self: Box<Self>) -> ServiceFuture<'static, Result<(), ServiceFault>> {
        let result = match self.fails {
            true => Err(ServiceFault::Panicked),
            false => Ok(()),
        };
        Box::pin(std::future::ready(result))
    }
}

impl Start for FakeService {
    type Watch = ();

    fn attempt<'a>(&'a self, taken: &'a mut Taken) -> ServiceFuture<'a, Result<Started<()>, PluginLifecycleError>> {
        Box::pin(async move {
            taken.push(Thing {
                fails: self.script.fails_to_stop,
            });
            if self.script.hangs {
                std::future::pending::<()>().await;
            }
            let number = {
                let mut tries = self.tries.lock().unwrap();
                *tries += 1;
                *tries
            };
            match number <= self.script.failing_starts {
                true => Err(PluginLifecycleError::StartFailed {
                    service: self.name().to_owned(),
                    fault: ServiceFault::PortTaken { port: 1 },
                }),
                false => Ok((ServiceHandle::new(self.name(), BTreeMap::new()).unwrap(), ())),
            }
        })
    }
}

impl ServicePlugin for FakeService {
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
            self.life.watch(handle)?;
            Ok(match self.script.ill {
                true => HealthStatus::Unhealthy,
                false => HealthStatus::Healthy,
            })
        })
    }
}
