//! What the adapters have in common: one state, the tries of a start, and a stop that gives back what the start took.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use palisade_abi::Level;

use super::error::{PluginLifecycleError, ServiceFault};
use super::handle::{ServiceHandle, ServiceId};
use super::retry::{Pause, StartRetries, ThreadPause};
use super::state::{InvalidTransition, ServiceState};
use super::taken::Taken;
use crate::services::{LogRecord, LogSink, LogSource, ServiceFuture};

/// One adapter's way to start.
pub(super) trait Start: Send + Sync {
    /// What a check looks at.
    type Watch: Clone + Send + Sync;

    /// Tries once, and notes in `taken` what has to be given back, as soon as it has it.
    fn attempt<'a>(
        &'a self,
        taken: &'a mut Taken,
    ) -> ServiceFuture<'a, Result<Started<Self::Watch>, PluginLifecycleError>>;
}

/// What a successful try comes to.
pub(super) type Started<W> = (ServiceHandle, W);

/// The life of one service.
pub(super) struct Life<W> {
    pub(super) service: Arc<str>,
    pub(super) log: Arc<dyn LogSink>,
    pub(super) retries: StartRetries,
    pub(super) pause: Arc<dyn Pause>,
    current: Mutex<Current<W>>,
}

struct Current<W> {
    state: ServiceState,
    /// Of the last start that succeeded, so that a second stop is told from one with a wrong handle.
    last: Option<ServiceId>,
    running: Option<Running<W>>,
}

struct Running<W> {
    watch: W,
    taken: Taken,
}

impl<W: Clone + Send + Sync> Life<W> {
    pub(super) fn new(service: Arc<str>, log: Arc<dyn LogSink>) -> Self {
        Self {
            service,
            log,
            retries: StartRetries::default(),
            pause: Arc::new(ThreadPause),
            current: Mutex::new(Current {
                state: ServiceState::Initialized,
                last: None,
                running: None,
            }),
        }
    }

    pub(super) fn state(&self) -> ServiceState {
        self.current().state
    }

    pub(super) fn reset(&self) -> Result<(), InvalidTransition> {
        let mut current = self.current();
        current.state = current.state.become_next(ServiceState::Initialized)?;
        current.last = None;
        Ok(())
    }

    pub(super) async fn start(&self, starter: &impl Start<Watch = W>) -> Result<ServiceHandle, PluginLifecycleError> {
        let underway = self.set_out(ServiceState::Starting)?;
        let (started, taken) = self.try_often(starter).await?;
        let (handle, watch) = started;
        let mut current = underway.arrive(ServiceState::Running);
        current.last = Some(handle.id);
        current.running = Some(Running { watch, taken });
        Ok(handle)
    }

    pub(super) async fn stop(&self, handle: &ServiceHandle) -> Result<(), PluginLifecycleError> {
        let failed = |fault| PluginLifecycleError::StopFailed {
            service: self.service.to_string(),
            fault,
        };
        let (underway, taken) = {
            let mut current = self.current();
            if current.last != Some(handle.id) {
                return Err(failed(ServiceFault::UnknownHandle));
            }
            current.state = current.state.become_next(ServiceState::Stopping)?;
            let running = current.running.take();
            (self.underway(), running.map(|running| running.taken))
        };
        if let Some(taken) = taken {
            taken.give_back().await.map_err(failed)?;
        }
        drop(underway.arrive(ServiceState::Stopped));
        Ok(())
    }

    /// What to look at for the service of this handle.
    pub(super) fn watch(&self, handle: &ServiceHandle) -> Result<W, PluginLifecycleError> {
        let current = self.current();
        let running = current.running.as_ref().filter(|_| current.last == Some(handle.id));
        running
            .map(|running| running.watch.clone())
            .ok_or_else(|| PluginLifecycleError::HealthCheckFailed {
                service: self.service.to_string(),
                fault: ServiceFault::UnknownHandle,
            })
    }

    /// What to look at while the service runs.
    pub(super) fn running(&self) -> Option<W> {
        self.current().running.as_ref().map(|running| running.watch.clone())
    }

    pub(super) fn note(&self, level: Level, text: &str) {
        self.log.write(&LogRecord {
            plugin_id: &self.service,
            version: None,
            level,
            source: LogSource::Host,
            text,
        });
    }

    async fn try_often(&self, starter: &impl Start<Watch = W>) -> Result<(Started<W>, Taken), PluginLifecycleError> {
        let mut number = 1_u32;
        loop {
            let mut taken = Taken::nothing(&self.service, &self.log);
            let error = match starter.attempt(&mut taken).await {
                Ok(started) => return Ok((started, taken)),
                Err(error) => error,
            };
            // Logged there; why the start failed is what the caller asks for.
            let _ = taken.give_back().await;
            let again = self.retries.pause_after(number).filter(|_| error.can_change());
            let Some(pause) = again else { return Err(error) };
            self.note(
                Level::Warn,
                &format!("try {number} failed, the next is in {pause:?}: {error}"),
            );
            self.pause.pause(pause).await;
            number = number.saturating_add(1);
        }
    }

    fn set_out(&self, to: ServiceState) -> Result<Underway<'_, W>, InvalidTransition> {
        let mut current = self.current();
        current.state = current.state.become_next(to)?;
        Ok(self.underway())
    }

    fn underway(&self) -> Underway<'_, W> {
        Underway {
            life: self,
            arrived: false,
        }
    }

    fn current(&self) -> MutexGuard<'_, Current<W>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> fmt::Debug for Life<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("Life")
            .field("service", &self.service)
            .field("state", &current.state)
            .finish_non_exhaustive()
    }
}

/// A start or stop on its way. One that does not arrive, because it failed or was abandoned, leaves a failed service.
struct Underway<'a, W> {
    life: &'a Life<W>,
    arrived: bool,
}

impl<'a, W> Underway<'a, W> {
    /// Nobody else changes the state while this is on its way, so that the table allows what comes next.
    fn arrive(mut self, state: ServiceState) -> MutexGuard<'a, Current<W>> {
        self.arrived = true;
        let mut current = self.life.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.state = state;
        current
    }
}

impl<W> Drop for Underway<'_, W> {
    fn drop(&mut self) {
        if !self.arrived {
            let mut current = self.life.current.lock().unwrap_or_else(PoisonError::into_inner);
            current.state = ServiceState::Failed;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Barrier;
    use std::thread;

    use palisade_bundle::{Code, Coded};
    use pollster::block_on;

    use super::*;
    use crate::native::ServicePlugin;
    use crate::native::testing::{FakeService, NoPause, Script, poll_once};

    const THREADS: usize = 16;

    /// What each of many threads comes to that do the same at once.
    fn at_once<T: Send>(work: impl Fn() -> T + Sync) -> Vec<T> {
        let begin = Barrier::new(THREADS);
        thread::scope(|scope| {
            let work = || {
                begin.wait();
                work()
            };
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    #[test]
    fn of_many_starts_at_once_one_starts_and_the_others_are_refused() {
        let service = FakeService::new("test", Script::default());
        let results = at_once(|| block_on(service.start()));
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        for error in results.into_iter().filter_map(Result::err) {
            let refused = matches!(error, PluginLifecycleError::InvalidState(_));
            assert!(refused && error.code() == Code::InvalidState, "{error}");
        }
        assert_eq!(service.state(), ServiceState::Running);
    }

    #[test]
    fn of_many_stops_at_once_one_stops_and_the_others_are_refused() {
        let service = FakeService::new("test", Script::default());
        let handle = block_on(service.start()).unwrap();
        let results = at_once(|| block_on(service.stop(handle.clone())));
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        let refused = |error| matches!(error, PluginLifecycleError::InvalidState(_));
        assert!(results.into_iter().filter_map(Result::err).all(refused));
        assert_eq!(service.state(), ServiceState::Stopped);
    }

    #[test]
    fn a_stopped_service_starts_again_only_after_a_reset_and_under_another_handle() {
        let service = FakeService::new("test", Script::default());
        assert!(service.life().reset().is_err());
        let first = block_on(service.start()).unwrap();
        block_on(service.stop(first.clone())).unwrap();
        let error = block_on(service.start()).unwrap_err();
        assert_eq!(error.to_string(), "Invalid state transition: Stopped -> Starting");
        service.life().reset().unwrap();
        let second = block_on(service.start()).unwrap();
        let error = block_on(service.stop(first)).unwrap_err();
        assert_eq!(error.code(), Code::NotFound);
        assert_eq!(service.state(), ServiceState::Running);
        block_on(service.stop(second)).unwrap();
    }

    #[test]
    fn a_handle_of_another_service_stops_and_tells_nothing() {
        let [service, other] = ["test", "other"].map(|name| FakeService::new(name, Script::default()));
        let (handle, others) = (block_on(service.start()).unwrap(), block_on(other.start()).unwrap());
        let stopped = block_on(service.stop(others.clone())).unwrap_err();
        assert!(matches!(&stopped, PluginLifecycleError::StopFailed { .. }), "{stopped}");
        let checked = block_on(service.health_check(&others)).unwrap_err();
        assert!(
            matches!(&checked, PluginLifecycleError::HealthCheckFailed { .. }),
            "{checked}"
        );
        assert_eq!([stopped.code(), checked.code()], [Code::NotFound; 2]);
        block_on(service.health_check(&handle)).unwrap();
    }

    #[test]
    fn an_abandoned_start_leaves_a_failed_service() {
        let script = Script {
            hangs: true,
            ..Script::default()
        };
        let service = FakeService::new("test", script);
        let mut start = service.start();
        assert!(poll_once(&mut start).is_pending());
        assert_eq!(service.state(), ServiceState::Starting);
        drop(start);
        assert_eq!(service.state(), ServiceState::Failed);
        let error = block_on(service.start()).unwrap_err();
        assert_eq!(error.to_string(), "Invalid state transition: Failed -> Starting");
    }

    #[test]
    fn a_start_is_tried_again_after_doubling_pauses_until_it_succeeds_or_tries_are_used_up() {
        for (tries, starts, pauses) in [(3, true, vec![1, 2]), (2, false, vec![1]), (1, false, vec![])] {
            let (retries, pause) = (StartRetries::tries(NonZeroU32::new(tries).unwrap()), Arc::default());
            let script = Script {
                failing_starts: 2,
                ..Script::default()
            };
            let service = FakeService::new("test", script).trying(retries, &pause);
            assert_eq!(block_on(service.start()).is_ok(), starts);
            assert_eq!(NoPause::seconds(&pause), pauses);
            let state = if starts {
                ServiceState::Running
            } else {
                ServiceState::Failed
            };
            assert_eq!(service.state(), state);
        }
    }

    #[test]
    fn a_failed_start_says_why_it_failed_even_if_giving_back_fails_too() {
        let script = Script {
            failing_starts: 1,
            fails_to_stop: true,
            ..Script::default()
        };
        let error = block_on(FakeService::new("test", script).start()).unwrap_err();
        assert_eq!(error.to_string(), "service `test` did not start: port 1 is taken");
    }

    #[test]
    fn a_service_that_does_not_end_in_order_has_failed() {
        let script = Script {
            fails_to_stop: true,
            ..Script::default()
        };
        let service = FakeService::new("test", script);
        let handle = block_on(service.start()).unwrap();
        let error = block_on(service.stop(handle.clone())).unwrap_err();
        assert!(matches!(error, PluginLifecycleError::StopFailed { .. }), "{error}");
        assert_eq!(service.state(), ServiceState::Failed);
        let again = block_on(service.stop(handle)).unwrap_err();
        assert_eq!(again.to_string(), "Invalid state transition: Failed -> Stopping");
    }
}
