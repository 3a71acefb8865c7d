//! Services by their names, and what was started of them: [`ServiceRegistry`].

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use palisade_abi::Level;
use palisade_bundle::{Blame, Code, Coded, closest};
use serde_json::{Map, Value};
use thiserror::Error;
use tracing::{Instrument, info_span};

use super::ServicePlugin;
use super::error::PluginLifecycleError;
use super::handle::{HealthStatus, ServiceHandle, ServiceId};
use super::log_ring::LogRing;
use crate::services::{LogRecord, LogSink, LogSource, StoredLog};

/// The services of one host.
///
/// What happens to them is in the log it was given. Each operation is a span: `plugin_start`, `plugin_health_check` or
/// `plugin_stop`, with the name in the field `plugin`.
#[derive(Debug)]
pub struct ServiceRegistry {
    log: Arc<LogRing>,
    services: Mutex<BTreeMap<String, Arc<dyn ServicePlugin>>>,
    active: Mutex<BTreeMap<ServiceId, Active>>,
}

/// A started service, kept with its handle so that it can be stopped whatever becomes of its name.
#[derive(Clone, Debug)]
struct Active {
    handle: ServiceHandle,
    service: Arc<dyn ServicePlugin>,
}

impl ServiceRegistry {
    /// A registry without services. Services that are given the same log are read together with what happened to them.
    #[must_use]
    pub fn new(log: Arc<LogRing>) -> Self {
        Self {
            log,
            services: Mutex::default(),
            active: Mutex::default(),
        }
    }

    /// Takes in a service.
    ///
    /// # Errors
    ///
    /// [`RegistryError::AlreadyRegistered`] when there is one by its name.
    pub fn register(&self, service: Arc<dyn ServicePlugin>) -> Result<(), RegistryError> {
        let name = service.name().to_owned();
        let mut services = self.services();
        if services.contains_key(&name) {
            return Err(RegistryError::AlreadyRegistered { name });
        }
        services.insert(name, service);
        Ok(())
    }

    /// Takes out a service, so that another can take its name. What was started of it runs on until it is stopped.
    ///
    /// # Errors
    ///
    /// [`RegistryError::UnknownService`] when there is none by this name.
    pub fn unregister(&self, name: &str) -> Result<Arc<dyn ServicePlugin>, RegistryError> {
        let mut services = self.services();
        match services.remove(name) {
            Some(service) => Ok(service),
            None => Err(unknown(name, &services)),
        }
    }

    /// Starts a service and waits until it is ready.
    ///
    /// # Errors
    ///
    /// [`RegistryError::UnknownService`] when there is none by this name, else what its own start says.
    pub async fn start(&self, name: &str) -> Result<ServiceHandle, RegistryError> {
        let service = self.find(name)?;
        let started = service
            .start()
            .instrument(info_span!("plugin_start", plugin = name))
            .await;
        let handle = match started {
            Ok(handle) => handle,
            Err(error) => {
                self.note(name, Level::Error, &error.to_string());
                return Err(error.into());
            }
        };
        self.note(name, Level::Info, &format!("started as {}", handle.id));
        let active = Active {
            handle: handle.clone(),
            service,
        };
        self.started().insert(handle.id, active);
        Ok(handle)
    }

    /// Stops what was started under a handle, and waits until it has ended. It is active no longer, however that goes.
    ///
    /// # Errors
    ///
    /// [`RegistryError::UnknownHandle`] when nothing is active under it, which is so from the moment somebody else stops
    /// it; else what the service's own stop says.
    pub async fn stop(&self, handle: &ServiceHandle) -> Result<(), RegistryError> {
        let taken = self.started().remove(&handle.id);
        let Active { handle, service } = taken.ok_or_else(|| unknown_handle(handle))?;
        let (id, name) = (handle.id, service.name());
        let stopped = service
            .stop(handle)
            .instrument(info_span!("plugin_stop", plugin = name))
            .await;
        match &stopped {
            Ok(()) => self.note(name, Level::Info, &format!("stopped {id}")),
            Err(error) => self.note(name, Level::Error, &error.to_string()),
        }
        Ok(stopped?)
    }

    /// Asks how a started service is.
    ///
    /// # Errors
    ///
    /// [`RegistryError::UnknownHandle`] when nothing is active under it, else what the service's own check says.
    pub async fn check(&self, handle: &ServiceHandle) -> Result<HealthStatus, RegistryError> {
        let found = self.started().get(&handle.id).cloned();
        Ok(self.ask(&found.ok_or_else(|| unknown_handle(handle))?).await?)
    }

    /// Asks all services at once how they are, by name; one that was not started is [`HealthStatus::Unknown`].
    pub async fn check_all(&self) -> BTreeMap<String, Result<HealthStatus, PluginLifecycleError>> {
        let active: Vec<_> = self.started().values().cloned().collect();
        let answers = all(active.iter().map(|active| self.ask(active)).collect()).await;
        let names = self.services().keys().cloned().collect::<Vec<_>>();
        let mut checked: BTreeMap<_, _> = names
            .into_iter()
            .map(|name| (name, Ok(HealthStatus::Unknown)))
            .collect();
        checked.extend(
            active
                .iter()
                .map(|active| active.handle.service_name.clone())
                .zip(answers),
        );
        checked
    }

    /// What was started and not stopped.
    #[must_use]
    pub fn active(&self) -> Vec<ServiceHandle> {
        self.started().values().map(|active| active.handle.clone()).collect()
    }

    /// The last lines of a service, oldest first.
    #[must_use]
    pub fn logs(&self, name: &str) -> Vec<StoredLog> {
        self.log.tail(name)
    }

    async fn ask(&self, active: &Active) -> Result<HealthStatus, PluginLifecycleError> {
        let (service, name) = (&active.service, active.service.name());
        let asked = service.health_check(&active.handle);
        let answer = asked.instrument(info_span!("plugin_health_check", plugin = name)).await;
        match &answer {
            Ok(HealthStatus::Healthy) => {}
            Ok(status) => self.note(name, Level::Warn, &format!("{} is {status:?}", active.handle.id)),
            Err(error) => self.note(name, Level::Error, &error.to_string()),
        }
        answer
    }

    fn find(&self, name: &str) -> Result<Arc<dyn ServicePlugin>, RegistryError> {
        let services = self.services();
        services.get(name).cloned().ok_or_else(|| unknown(name, &services))
    }

    fn note(&self, name: &str, level: Level, text: &str) {
        self.log.write(&LogRecord {
            plugin_id: name,
            version: None,
            level,
            source: LogSource::Host,
            text,
        });
    }

    fn services(&self) -> MutexGuard<'_, BTreeMap<String, Arc<dyn ServicePlugin>>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn started(&self) -> MutexGuard<'_, BTreeMap<ServiceId, Active>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(name: &str, services: &BTreeMap<String, Arc<dyn ServicePlugin>>) -> RegistryError {
    RegistryError::UnknownService {
        name: name.to_owned(),
        suggestion: closest(name, services.keys().map(String::as_str)).map(str::to_owned),
    }
}

fn unknown_handle(handle: &ServiceHandle) -> RegistryError {
    RegistryError::UnknownHandle { id: handle.id }
}

/// Waits for all of these together, so that a slow one holds up none of the others.
async fn all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    pin!(std::future::poll_fn(|context| {
        for (future, answer) in &mut waiting {
            if let (None, Poll::Ready(ready)) = (&answer, future.as_mut().poll(context)) {
                *answer = Some(ready);
            }
        }
        match waiting.iter().all(|(_, answer)| answer.is_some()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }))
    .await;
    waiting.into_iter().filter_map(|(_, answer)| answer).collect()
}

/// The registry refused, or the service did.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// There is a service by this name.
    #[error("there is a service `{name}` already")]
    AlreadyRegistered {
        /// The name.
        name: String,
    },
    /// There is no service by this name.
    #[error("there is no service `{name}`")]
    UnknownService {
        /// What was asked for.
        name: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// Nothing is active under this handle.
    #[error("nothing is active under the handle {id}")]
    UnknownHandle {
        /// Its id.
        id: ServiceId,
    },
    /// The service refused or failed.
    #[error(transparent)]
    Service(#[from] PluginLifecycleError),
}

impl Coded for RegistryError {
    fn code(&self) -> Code {
        match self {
            Self::AlreadyRegistered { .. } => Code::AlreadyInstalled,
            Self::UnknownService { .. } | Self::UnknownHandle { .. } => Code::NotFound,
            Self::Service(error) => error.code(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::AlreadyRegistered { .. } => Blame::Conflict,
            Self::UnknownService { .. } | Self::UnknownHandle { .. } => Blame::Missing,
            Self::Service(error) => error.blame(),
        }
    }

    fn details(&self) -> Map<String, Value> {
        let kind = |kind: &str, name: &str| {
            Map::from_iter([("kind".to_owned(), kind.into()), ("name".to_owned(), name.into())])
        };
        match self {
            Self::AlreadyRegistered { name } | Self::UnknownService { name, suggestion: None } => kind("service", name),
            Self::UnknownService {
                name,
                suggestion: Some(suggestion),
            } => {
                let mut details = kind("service", name);
                details.insert("suggestion".to_owned(), suggestion.as_str().into());
                details
            }
            Self::UnknownHandle { id } => kind("handle", &id.to_string()),
            Self::Service(error) => error.details(),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::UnknownService { suggestion, .. } => suggestion
                .iter()
                .map(|name| format!("did you mean `{name}`?"))
                .collect(),
            Self::AlreadyRegistered { .. } | Self::UnknownHandle { .. } => Vec::new(),
            Self::Service(error) => error.help(),
        }
    }
}

#[cfg(test)]
mod tests;
