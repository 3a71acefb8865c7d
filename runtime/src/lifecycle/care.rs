//! What a host does for a plugin that runs without being asked, and when: health checks, and fresh instances after
//! crashes.
//!
//! Time is the host's clock. One task a plugin waits for what is due next; it ends when the plugin stops.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};

use palisade_bundle::Timestamp;
use palisade_bundle::manifest::HealthChecks;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::health::Checks;
use super::host::Host;
use super::managed::Managed;
use super::status::Health;
use super::supervisor::Supervisor;
use crate::sandbox::{Plugin, ResourceMetrics};

/// The shortest time between two checks, whatever a manifest wishes: a plugin is not to keep its host busy with itself.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// What is due for one plugin, and what came of it so far.
pub(super) struct Care {
    notes: Mutex<Notes>,
    /// Something is due earlier than it was.
    sooner: Notify,
    /// The gate has closed: whoever is inside for the host's own ends leaves.
    closing: Notify,
}

struct Notes {
    /// The generation that is looked after.
    generation: u64,
    checks: Checks,
    last_check: Option<Timestamp>,
    /// As it was told last.
    health: Health,
    /// As it was told last.
    usage: ResourceMetrics,
    check_due: Option<Instant>,
    /// And the number of the attempt.
    restart_due: Option<(Instant, u32)>,
    /// Waits for what is due.
    task: Option<Caretaker>,
}

/// A task that ends when it is let go of.
struct Caretaker(AbortHandle);

impl Drop for Caretaker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What has to be done now.
struct Due {
    check: bool,
    /// The number of the attempt.
    restart: Option<u32>,
}

impl Care {
    pub(super) fn new() -> Self {
        Self {
            notes: Mutex::new(Notes {
                generation: 0,
                checks: Checks::begin(),
                last_check: None,
                health: Health::Healthy,
                usage: ResourceMetrics::default(),
                check_due: None,
                restart_due: None,
                task: None,
            }),
            sooner: Notify::new(),
            closing: Notify::new(),
        }
    }

    /// Nothing is due any more.
    pub(super) fn end(&self) {
        let task = {
            let mut notes = self.notes();
            (notes.check_due, notes.restart_due) = (None, None);
            notes.task.take()
        };
        self.leave();
        drop(task);
    }

    /// Has whoever is inside for the host's own ends leave. The gate has to be closed before.
    pub(super) fn leave(&self) {
        self.closing.notify_waiters();
    }

    /// Has a fresh instance started at `due`, the `attempt`th in a row.
    pub(super) fn restart_at(&self, due: Instant, attempt: u32) {
        self.notes().restart_due = Some((due, attempt));
        self.sooner.notify_one();
    }

    /// Keeps what came of a check, unless it was one of a generation that is gone.
    pub(super) fn record(&self, plugin: &Plugin, is_well: bool, at: Option<Timestamp>) {
        let mut notes = self.notes();
        if notes.generation == plugin.generation() {
            notes.checks.record(is_well, &plugin.manifest().health);
            notes.last_check = at;
        }
    }

    /// What the checks came to, and when the last one ran.
    pub(super) fn verdict(&self) -> (Health, Option<Timestamp>) {
        let notes = self.notes();
        (notes.checks.verdict(), notes.last_check)
    }

    /// What the health was when it was told last, if it is another now.
    pub(super) fn tells(&self, health: Health) -> Option<Health> {
        let before = std::mem::replace(&mut self.notes().health, health);
        (before != health).then_some(before)
    }

    /// Whether the metrics are others than those told last.
    pub(super) fn has_used(&self, usage: ResourceMetrics) -> bool {
        std::mem::replace(&mut self.notes().usage, usage) != usage
    }

    /// Takes what is due, so that nobody else does it too.
    fn take_due(&self, now: Instant, policy: &HealthChecks) -> Due {
        let mut notes = self.notes();
        let check = notes.check_due.is_some_and(|due| due <= now);
        if check {
            notes.check_due = Some(now + interval(policy));
        }
        let restart = notes.restart_due.take_if(|(due, _)| *due <= now);
        Due {
            check,
            restart: restart.map(|(_, attempt)| attempt),
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let notes = self.notes();
        let restart = notes.restart_due.map(|(due, _)| due);
        notes.check_due.into_iter().chain(restart).min()
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    /// Does what is due by the host's clock: health checks, fresh instances after crashes, starts that are tried again.
    ///
    /// A supervisor does this by itself as real time passes. It is for hosts whose clock does not go with it, such as
    /// those of tests.
    pub async fn run_due(&self) {
        self.host.wake_waiting();
        for managed in self.host.all() {
            self.host.tend(&managed).await;
        }
    }
}

impl Host {
    /// Begins to look after a generation whose first check went well just now.
    pub(super) fn begin_care(self: &Arc<Self>, managed: &Arc<Managed>, plugin: &Plugin) {
        let clock = &self.runtime.services().clock;
        let (now, at) = (clock.now(), Timestamp::try_from(clock.wall()).ok());
        let mut notes = managed.care.notes();
        notes.generation = plugin.generation();
        notes.checks = Checks::begin();
        notes.last_check = at;
        notes.health = Health::Healthy;
        notes.check_due = Some(now + interval(&plugin.manifest().health));
        notes.restart_due = None;
        let begin = || {
            let task = look_after(Arc::downgrade(self), Arc::downgrade(managed));
            Caretaker(self.settings.executor.spawn(task).abort_handle())
        };
        notes.task.get_or_insert_with(begin);
        drop(notes);
        managed.care.sooner.notify_one();
        managed.breaker.reset();
    }

    /// Does what is due for one plugin.
    async fn tend(self: &Arc<Self>, managed: &Arc<Managed>) {
        let Some(plugin) = managed.view().current.clone() else {
            return;
        };
        let now = self.runtime.services().clock.now();
        let due = managed.care.take_due(now, &plugin.manifest().health);
        drop(plugin);
        if let Some(attempt) = due.restart {
            self.rebuild(managed, attempt).await;
        }
        if due.check {
            // What came of it was told and kept.
            let _ = self.check(managed).await;
        }
    }

    /// Enters a plugin for the host's own ends: only while its gate is open, and only until it closes, so that no drain
    /// waits for it. `None` when it was closed or has closed.
    pub(super) async fn visit<T, F>(&self, managed: &Managed, entry: impl FnOnce(Plugin) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        // Listened to before entering: a gate that closes in between is not missed.
        let mut closing = pin!(managed.care.closing.notified());
        let impatient = || std::future::ready(());
        let mut entered = pin!(managed.gate.run(impatient, |plugin| entry(plugin.clone())));
        poll_fn(|context| match entered.as_mut().poll(context) {
            Poll::Ready(entered) => Poll::Ready(entered.ok()),
            Poll::Pending => closing.as_mut().poll(context).map(|()| None),
        })
        .await
    }
}

/// Waits for what is due for one plugin, and does it. Keeps neither the plugin nor its host alive.
async fn look_after(host: Weak<Host>, managed: Weak<Managed>) {
    loop {
        let (Some(host), Some(managed)) = (host.upgrade(), managed.upgrade()) else {
            return;
        };
        host.tend(&managed).await;
        let now = host.runtime.services().clock.now();
        let pause = managed.care.next_due().map(|due| due.saturating_duration_since(now));
        let care = Arc::clone(&managed.care);
        drop((host, managed));
        match pause {
            Some(pause) => drop(tokio::time::timeout(pause, care.sooner.notified()).await),
            None => care.sooner.notified().await,
        }
    }
}

fn interval(policy: &HealthChecks) -> Duration {
    policy.interval.max(SHORTEST_INTERVAL)
}
