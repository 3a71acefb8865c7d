//! How many modules are compiled at once: [`CompileJobs`], and the [`CompileJob`] that holds a place among them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{CheckedModule, CompileError};
use crate::sandbox::threads::cores;

/// Modules that wait for their turn. A waiting module is at most 16 MiB of memory, and a longer queue would outlast the
/// patience of whoever is at its end.
const DEFAULT_WAITING: usize = 16;

/// How many modules of one host are compiled at once, and how many wait for it; one more is `RESOURCE_EXHAUSTED`.
///
/// Compiled code that comes from the cache counts as neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileJobs {
    /// How many are compiled at once; 0 means 1.
    pub at_once: usize,
    /// How many wait.
    pub waiting: usize,
}

impl Default for CompileJobs {
    /// Half the cores, so that compiling never takes the machine from those who call, and 16 waiting.
    fn default() -> Self {
        Self {
            at_once: (cores() / 2).max(1),
            waiting: DEFAULT_WAITING,
        }
    }
}

/// A module on its way through a compiler. It keeps its place among the [`CompileJobs`] of its host until it is dropped.
#[derive(Debug)]
pub struct CompileJob {
    module: CheckedModule,
    _place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

impl CompileJob {
    /// The module to compile.
    #[must_use]
    pub fn module(&self) -> &CheckedModule {
        &self.module
    }
}

/// The places of one host.
#[derive(Debug)]
pub(in crate::sandbox) struct Jobs {
    bounds: CompileJobs,
    /// One for each job that is at work or waits.
    places: Arc<Semaphore>,
    /// One for each job that is at work.
    turns: Arc<Semaphore>,
}

impl Jobs {
    pub(in crate::sandbox) fn new(bounds: CompileJobs) -> Self {
        let at_once = bounds.at_once.clamp(1, Semaphore::MAX_PERMITS);
        let places = at_once.saturating_add(bounds.waiting).min(Semaphore::MAX_PERMITS);
        Self {
            bounds: CompileJobs { at_once, ..bounds },
            places: Arc::new(Semaphore::new(places)),
            turns: Arc::new(Semaphore::new(at_once)),
        }
    }

    /// Waits for the module's turn, first come, first served.
    pub(super) async fn enter(&self, module: CheckedModule) -> Result<CompileJob, CompileError> {
        let full = CompileError::TooManyJobs {
            at_once: self.bounds.at_once,
            waiting: self.bounds.waiting,
        };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Err(full);
        };
        // Nobody closes the semaphore.
        let Ok(turn) = Arc::clone(&self.turns).acquire_owned().await else {
            return Err(full);
        };
        Ok(CompileJob {
            module,
            _place: place,
            _turn: turn,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn one_works_one_waits_and_the_third_is_refused() {
        let module = CheckedModule::check(wat::parse_str("(module)").unwrap()).unwrap();
        let jobs = Jobs::new(CompileJobs { at_once: 0, waiting: 1 });
        let mut context = Context::from_waker(Waker::noop());
        let first = pollster::block_on(jobs.enter(module.clone())).unwrap();
        let mut second = Box::pin(jobs.enter(module.clone()));
        assert!(second.as_mut().poll(&mut context).is_pending());
        let refused = pollster::block_on(jobs.enter(module.clone())).unwrap_err();
        assert!(matches!(refused, CompileError::TooManyJobs { at_once: 1, waiting: 1 }));
        drop(first);
        let second = pollster::block_on(second).unwrap();
        let third = Box::pin(jobs.enter(module));
        drop((second, third));
    }

    #[test]
    fn a_job_that_is_given_up_while_it_waits_leaves_its_place() {
        let module = CheckedModule::check(wat::parse_str("(module)").unwrap()).unwrap();
        let jobs = Jobs::new(CompileJobs { at_once: 1, waiting: 1 });
        let mut context = Context::from_waker(Waker::noop());
        let _first = pollster::block_on(jobs.enter(module.clone())).unwrap();
        for _ in 0..3 {
            let mut waiting = Box::pin(jobs.enter(module.clone()));
            assert!(waiting.as_mut().poll(&mut context).is_pending());
        }
    }
}
