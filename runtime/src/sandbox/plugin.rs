//! A plugin that is ready to be called: compiled, linked, granted, started.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use palisade_bundle::manifest::InstanceMode;
use palisade_bundle::{Digest, Manifest};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::call::{CallError, CallFailure, CommandInput};
use super::load::{LoadError, Loaded};
use super::session::Session;
use crate::limits::Limits;
use crate::output::Output;

/// How many instances of one plugin may run at once, whatever its manifest wishes: a plugin is not to use up the
/// instances of the whole host. Callers beyond that wait their turn.
const INSTANCES: usize = 64;

/// A loaded plugin. Cheap to clone; callers may share it between threads.
///
/// In `session` mode (the default) commands run in order on one long-lived instance, or on a pool of `max` of them.
/// In `fresh` mode every command gets an instance of its own.
#[derive(Clone)]
pub struct Plugin {
    pool: Arc<Pool>,
}

struct Pool {
    loaded: Arc<Loaded>,
    mode: InstanceMode,
    size: usize,
    /// One permit for every instance that may run at once.
    turns: Semaphore,
    /// Instances that are started and idle; never more than there are permits.
    idle: Mutex<VecDeque<Session>>,
}

impl Plugin {
    /// Starts the first instance, so that a plugin that cannot start is never handed out.
    pub(super) async fn start(loaded: Arc<Loaded>) -> Result<Self, LoadError> {
        let first = Session::start(&loaded).await?;
        let instance = &loaded.manifest.instance;
        let size = match instance.mode {
            InstanceMode::Session => usize::try_from(instance.max).unwrap_or(INSTANCES).clamp(1, INSTANCES),
            InstanceMode::Fresh => INSTANCES,
        };
        let mode = instance.mode;
        Ok(Self {
            pool: Arc::new(Pool {
                loaded,
                mode,
                size,
                turns: Semaphore::new(size),
                idle: Mutex::new(VecDeque::from([first])),
            }),
        })
    }

    /// Runs one command and waits for its reply.
    ///
    /// A command that never waits is done at the first poll. Dropping the future abandons the command and its
    /// instance; the next command gets a fresh one.
    ///
    /// # Errors
    ///
    /// [`CallError`]; after any of them the next call works.
    pub async fn call(&self, command: &str, args: &[u8]) -> Result<Output, CallError> {
        let input = self.pool.loaded.check_input(command, args)?;
        let turn = self.pool.turn().await?;
        match self.pool.mode {
            InstanceMode::Session => self.pool.run(input, turn).await,
            InstanceMode::Fresh => Box::pin(self.pool.run_fresh(input, turn)).await,
        }
    }

    /// [`call`](Self::call) for callers outside of async code: blocks this thread until the reply is there. Needs no
    /// runtime. Within one it works too, on a thread of its own, because a thread that is blocked cannot drive timers.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn call_blocking(&self, command: &str, args: &[u8]) -> Result<Output, CallError> {
        let call = || pollster::block_on(self.call(command, args));
        if Handle::try_current().is_err() {
            return call();
        }
        std::thread::scope(|scope| match scope.spawn(call).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// Opens a session of its own, beside those that [`call`](Self::call) uses.
    ///
    /// # Errors
    ///
    /// [`CallError::Start`] when the instance does not start.
    pub async fn open(&self) -> Result<Session, CallError> {
        if self.pool.turns.is_closed() {
            return Err(CallError::Closed);
        }
        Ok(Session::start(&self.pool.loaded).await?)
    }

    /// Takes no more commands, waits for those that run, and lets every idle instance clean up.
    ///
    /// # Errors
    ///
    /// The first cleanup that failed; all instances are gone in any case.
    pub async fn close(&self) -> Result<(), CallError> {
        let all = u32::try_from(self.pool.size).unwrap_or(u32::MAX);
        let _running_ones_are_done = self
            .pool
            .turns
            .acquire_many(all)
            .await
            .map_err(|_closed| CallError::Closed)?;
        self.pool.turns.close();
        let idle = std::mem::take(&mut *self.pool.idle());
        let mut first_failure = Ok(());
        for session in idle {
            let closed = session.close().await;
            first_failure = first_failure.and(closed);
        }
        first_failure
    }

    /// What the plugin says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.pool.loaded.manifest
    }

    /// The limits it runs under.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.pool.loaded.limits
    }

    /// Identity of the bundle it came from.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.pool.loaded.digest
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("id", &self.pool.loaded.plugin_id)
            .field("digest", &self.pool.loaded.digest)
            .finish_non_exhaustive()
    }
}

impl Pool {
    async fn turn(&self) -> Result<SemaphorePermit<'_>, CallError> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        Box::pin(self.turns.acquire())
            .await
            .map_err(|_closed| CallError::Closed)
    }

    async fn run(&self, input: CommandInput<'_>, turn: SemaphorePermit<'_>) -> Result<Output, CallError> {
        let session = self.take().await?;
        let (result, session) = split(session.run(input).await);
        self.put_back(session);
        drop(turn);
        result
    }

    async fn run_fresh(&self, input: CommandInput<'_>, turn: SemaphorePermit<'_>) -> Result<Output, CallError> {
        let session = self.take().await?;
        let (result, session) = split(session.run(input).await);
        // The reply is already there: a cleanup that fails is the plugin's loss and said in its log.
        if let Some(session) = session {
            session.close_quietly().await;
        }
        drop(turn);
        result
    }

    async fn take(&self) -> Result<Session, CallError> {
        let idle = self.idle().pop_front();
        match idle {
            Some(session) => Ok(session),
            // Boxed, as is everything rare in here: a future that is small is cheap to move.
            None => Ok(Box::pin(Session::start(&self.loaded)).await?),
        }
    }

    fn put_back(&self, session: Option<Session>) {
        if !self.turns.is_closed() {
            self.idle().extend(session);
        }
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a command came to, and the session if it lives on.
fn split(outcome: Result<(Output, Session), CallFailure>) -> (Result<Output, CallError>, Option<Session>) {
    match outcome {
        Ok((output, session)) => (Ok(output), Some(session)),
        Err(failure) => {
            let (error, session) = failure.into_parts();
            (Err(error), session)
        }
    }
}
