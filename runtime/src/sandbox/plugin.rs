//! A plugin that is ready to be called: compiled, linked, granted, started.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use palisade_bundle::manifest::InstanceMode;
use palisade_bundle::{Blame, Code, Coded, Digest, Manifest};
use serde_json::{Map, Value};
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::call::{CallError, CallFailure, CommandInput};
use super::load::Loaded;
use super::load_error::LoadError;
use super::powers::Powers;
use super::session::Session;
use super::tape::{Recording, RecordingError, Tape};
use crate::event::EventKind;
use crate::limits::Limits;
use crate::output::Output;
use crate::policy::Grant;
use crate::services::{Namespace, Trail};
use crate::span;

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
        let first = Session::start(&loaded, Tape::default(), None).await?;
        let plugin = Self::unstarted(loaded);
        plugin.pool.put_back(Some(first));
        Ok(plugin)
    }

    /// A plugin whose first instance is started by the first call.
    pub(super) fn unstarted(loaded: Arc<Loaded>) -> Self {
        let instance = &loaded.manifest.instance;
        let size = match instance.mode {
            InstanceMode::Session => usize::try_from(instance.max).unwrap_or(INSTANCES).clamp(1, INSTANCES),
            InstanceMode::Fresh => INSTANCES,
        };
        let mode = instance.mode;
        Self {
            pool: Arc::new(Pool {
                loaded,
                mode,
                size,
                turns: Semaphore::new(size),
                idle: Mutex::default(),
            }),
        }
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
        self.call_from(None, command, args).await
    }

    /// [`call`](Self::call) by another plugin: `trail` is where it comes from.
    pub(crate) async fn call_from(
        &self,
        trail: Option<&Trail>,
        command: &str,
        args: &[u8],
    ) -> Result<Output, CallError> {
        let powers = &self.pool.loaded.powers;
        let span = span::of_call(powers.plugin_id(), &powers.version, command);
        if span.is_disabled() {
            return self.answer(trail, command, args).await;
        }
        Box::pin(span::within(span, self.answer(trail, command, args))).await
    }

    async fn answer(&self, trail: Option<&Trail>, command: &str, args: &[u8]) -> Result<Output, CallError> {
        let input = self.pool.loaded.check_input(command, args)?;
        let turn = self.pool.turn().await?;
        match self.pool.mode {
            InstanceMode::Session => self.pool.run(input, trail, turn).await,
            InstanceMode::Fresh => Box::pin(self.pool.run_fresh(input, trail, turn)).await,
        }
    }

    /// Hands the plugin an event, and says whether it takes any.
    pub(crate) async fn deliver(&self, trail: &Trail, event: &[u8]) -> Result<bool, CallError> {
        let _turn = self.pool.turn().await?;
        let session = self.pool.take(Some(trail)).await?;
        let (result, session) = split(session.deliver(trail, event).await);
        self.pool.give_back(session).await;
        result
    }

    /// Asks the plugin whether it is well: by its export `plugin_health`, or, where it has none, by entering it.
    ///
    /// Waits its turn as a command does. From then on it has the time that the manifest gives a check, 10 s by default
    /// and no more than a command, and the fuel of a start.
    ///
    /// # Errors
    ///
    /// [`CallError::Guest`] when it says that it is not well, [`CallError::Stopped`] when it was stopped in answering,
    /// [`CallError::Start`] when a new instance was needed and did not start. The next call works after any of them;
    /// only [`CallError::Closed`] is for good.
    pub async fn health(&self) -> Result<(), CallError> {
        let _turn = self.pool.turn().await?;
        let session = self.pool.take(None).await?;
        let (result, session) = split(session.health().await);
        self.pool.give_back(session).await;
        result
    }

    /// Runs one command on an instance of its own, and keeps what it hears from outside: host calls, random numbers,
    /// clocks.
    ///
    /// The recording is there whatever the command came to, unless its instance did not start or was stopped.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub async fn record(&self, command: &str, args: &[u8]) -> Result<(Output, Recording), CallError> {
        let input = self.pool.loaded.check_input(command, args)?;
        let session = self.on_tape(Tape::recording()).await?;
        let (output, session) = session.run(input, None).await?;
        let recording = session.recording(command);
        session.close_quietly().await;
        Ok((output, recording))
    }

    /// Runs one command on an instance of its own, which hears what was recorded and reaches nothing: same result, same
    /// fuel.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Recording`] when the recording is of another bundle or command; [`Stopped::Diverged`] when the
    /// plugin asks for something else than what was recorded.
    ///
    /// [`Stopped::Diverged`]: crate::Stopped::Diverged
    pub async fn replay(&self, recording: &Recording, command: &str, args: &[u8]) -> Result<Output, ReplayError> {
        recording.check(self.digest(), command)?;
        let input = self.pool.loaded.check_input(command, args)?;
        let session = self.on_tape(Tape::playing(recording)).await?;
        let (output, _session) = session.run(input, None).await.map_err(CallError::from)?;
        Ok(output)
    }

    async fn on_tape(&self, tape: Tape) -> Result<Session, CallError> {
        let _turn = self.pool.turn().await?;
        Ok(Session::start(&self.pool.loaded, tape, None).await?)
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
        Ok(Session::start(&self.pool.loaded, Tape::default(), None).await?)
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

    /// What it was granted.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        self.pool.loaded.powers.grant()
    }

    /// Whose data it uses.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.pool.loaded.powers.namespace
    }

    pub(super) fn powers(&self) -> &Powers {
        &self.pool.loaded.powers
    }

    /// Tells the host what happened to this plugin.
    pub(crate) fn tell(&self, kind: EventKind) {
        self.pool.loaded.powers.tell(kind);
    }

    /// Tells the host that something did not reach this plugin; not more often than the plugin itself may tell things.
    pub(crate) fn tell_undelivered(&self, kind: EventKind) {
        let powers = &self.pool.loaded.powers;
        if powers.shares.event_rate.is_on_time(powers.services.clock.now()) {
            powers.tell(kind);
        }
    }

    /// Which start of the plugin this is, as in its receipts.
    pub(crate) fn generation(&self) -> u64 {
        self.pool.loaded.generation
    }

    /// Leaves the state record to another generation.
    pub(crate) fn freeze_state(&self) {
        self.pool.loaded.powers.freeze_state();
    }

    /// Starts an instance unless one is idle, so that the next command finds one or the caller hears why not.
    pub(crate) async fn revive(&self) -> Result<(), CallError> {
        let _turn = self.pool.turn().await?;
        let session = self.pool.take(None).await?;
        self.pool.put_back(Some(session));
        Ok(())
    }

    /// Whether the next command would have to start an instance although one was to be kept for it.
    pub(crate) fn needs_instance(&self) -> bool {
        let pool = &self.pool;
        let is_at_rest = pool.turns.available_permits() == pool.size;
        pool.mode == InstanceMode::Session && is_at_rest && pool.idle().is_empty()
    }

    /// The plugin for as long as somebody else keeps it.
    pub(crate) fn downgrade(&self) -> WeakPlugin {
        WeakPlugin(Arc::downgrade(&self.pool))
    }

    /// The limits it runs under.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        self.pool.loaded.limits()
    }

    /// Identity of the bundle it came from.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.pool.loaded.digest
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (id, digest) = (self.pool.loaded.powers.plugin_id(), &self.pool.loaded.digest);
        let mut shown = f.debug_struct("Plugin");
        shown.field("id", id).field("digest", digest).finish_non_exhaustive()
    }
}

impl Pool {
    async fn turn(&self) -> Result<SemaphorePermit<'_>, CallError> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Ok(turn);
        }
        let turn = Box::pin(self.turns.acquire()).await;
        turn.map_err(|_closed| CallError::Closed)
    }

    async fn run(
        &self,
        input: CommandInput<'_>,
        trail: Option<&Trail>,
        turn: SemaphorePermit<'_>,
    ) -> Result<Output, CallError> {
        let session = self.take(trail).await?;
        let (result, session) = split(session.run(input, trail).await);
        self.put_back(session);
        drop(turn);
        result
    }

    async fn run_fresh(
        &self,
        input: CommandInput<'_>,
        trail: Option<&Trail>,
        turn: SemaphorePermit<'_>,
    ) -> Result<Output, CallError> {
        let session = self.take(trail).await?;
        let (result, session) = split(session.run(input, trail).await);
        self.give_back(session).await;
        drop(turn);
        result
    }

    /// Keeps a session that lives on for the next command, or lets it clean up where every command gets its own.
    async fn give_back(&self, session: Option<Session>) {
        match (self.mode, session) {
            (InstanceMode::Session, session) => self.put_back(session),
            // The reply is already there: a cleanup that fails is the plugin's loss and said in its log.
            (InstanceMode::Fresh, Some(session)) => session.close_quietly().await,
            (InstanceMode::Fresh, None) => {}
        }
    }

    /// An idle session, or a new one on the same trail.
    async fn take(&self, trail: Option<&Trail>) -> Result<Session, CallError> {
        let idle = self.idle().pop_front();
        match idle {
            Some(session) => Ok(session),
            // Boxed, as is everything rare in here: a future that is small is cheap to move.
            None => Ok(Box::pin(Session::start(&self.loaded, Tape::default(), trail)).await?),
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

/// A [`Plugin`] that does not keep it alive.
#[derive(Clone)]
pub(crate) struct WeakPlugin(Weak<Pool>);

impl WeakPlugin {
    /// Whether it is still there.
    pub(crate) fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// The plugin, unless it is gone.
    pub(crate) fn upgrade(&self) -> Option<Plugin> {
        self.0.upgrade().map(|pool| Plugin { pool })
    }
}

/// A command could not be played back.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The recording is of something else.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// It was played back, and failed: as it did when it was recorded, or because it does something else now.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Coded for ReplayError {
    fn code(&self) -> Code {
        match self {
            Self::Recording(error) => error.code(),
            Self::Call(error) => error.code(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Recording(error) => error.blame(),
            Self::Call(error) => error.blame(),
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::Recording(error) => error.details(),
            Self::Call(error) => error.details(),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Recording(error) => error.help(),
            Self::Call(error) => error.help(),
        }
    }
}

/// What a command came to, and the session if it lives on.
fn split<T>(outcome: Result<(T, Session), CallFailure>) -> (Result<T, CallError>, Option<Session>) {
    match outcome {
        Ok((output, session)) => (Ok(output), Some(session)),
        Err(failure) => {
            let (error, session) = failure.into_parts();
            (Err(error), session)
        }
    }
}
