//! One plugin in memory: what is known of it, its gate, and whose turn it is to change it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use palisade_bundle::{Manifest, PluginId};
use tokio::sync::Notify;

use super::breaker::Breaker;
use super::care::Care;
use super::crashes::Crashes;
use super::dependencies::Member;
use super::disk::PluginRow;
use super::error::{OperationInProgress, TransitionError};
use super::gate::Gate;
use super::measure::CountedLife;
use super::retry::Waiting;
use super::state::{InvalidState, State};
use super::status::{Draining, Failure, Health, KeptVersion, PluginStatus, RunningOperation, Transition};
use super::supervisor::SupervisorSettings;
use crate::sandbox::Plugin;
use crate::services::{Clock, Namespace};

/// Changes of state that are remembered: enough for a day on which somebody looked after the plugin by hand.
const REMEMBERED: usize = 32;

/// One plugin. Only the operation that occupies it changes it; anybody may read it at any time.
pub(super) struct Managed {
    pub(super) id: PluginId,
    pub(super) gate: Gate<Plugin>,
    /// Replaced whole, and locked no longer than that takes.
    view: RwLock<Arc<View>>,
    operation: Mutex<Option<RunningOperation>>,
    generations: AtomicU64,
    pub(super) crashes: Crashes,
    pub(super) care: Arc<Care>,
    pub(super) breaker: Arc<Breaker>,
    pub(super) waiting: Waiting,
    pub(super) counted: CountedLife,
    /// An operation has ended.
    pub(super) vacated: Notify,
}

/// What is known of a plugin at one moment.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) row: PluginRow,
    /// What the registry keeps of it.
    pub(super) versions: Vec<KeptVersion>,
    pub(super) state: State,
    /// What it is about to be, while it is replaced by another version.
    pub(super) becoming: Option<Arc<Manifest>>,
    /// The generation that serves commands, or will again.
    pub(super) current: Option<Plugin>,
    pub(super) draining: Option<Draining>,
    /// The state record to put back, where a replacement was interrupted: `None` within is that there was none.
    pub(super) restore: Option<Option<Vec<u8>>>,
    /// Something went wrong since it was started that did not stop it.
    pub(super) is_degraded: bool,
    /// Its place in the order of starts.
    pub(super) started: u64,
    history: VecDeque<Transition>,
}

impl View {
    /// Goes to another state, and remembers that.
    pub(super) fn enter(&mut self, transition: Transition) {
        self.state = transition.to;
        if self.history.len() == REMEMBERED {
            self.history.pop_front();
        }
        self.history.push_back(transition);
    }
}

impl Managed {
    pub(super) fn new(row: PluginRow, state: State, settings: &SupervisorSettings, clock: &Arc<dyn Clock>) -> Self {
        Self {
            id: row.id.clone(),
            gate: Gate::shut(settings.places),
            view: RwLock::new(Arc::new(View {
                row,
                versions: Vec::new(),
                state,
                becoming: None,
                current: None,
                draining: None,
                restore: None,
                is_degraded: false,
                started: 0,
                history: VecDeque::new(),
            })),
            operation: Mutex::default(),
            generations: AtomicU64::new(0),
            crashes: Crashes::default(),
            care: Arc::new(Care::new()),
            breaker: Arc::new(Breaker::new(settings.breaker, Arc::clone(clock))),
            waiting: Waiting::default(),
            counted: CountedLife::default(),
            vacated: Notify::new(),
        }
    }

    pub(super) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut View)) {
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = View::clone(&view);
        change(&mut next);
        let previous = std::mem::replace(&mut *view, Arc::new(next));
        // What it held may take a while to drop.
        drop(view);
        drop(previous);
    }

    /// The number of the generation that is started next; none is used twice.
    pub(super) fn next_generation(&self) -> u64 {
        self.generations.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Takes the plugin for one operation, if none has it and its state allows it.
    pub(super) fn occupy(
        &self,
        operation: RunningOperation,
        check: impl FnOnce(State) -> Result<(), InvalidState>,
    ) -> Result<(), TransitionError> {
        let mut running = self.operation();
        if let Some(running) = &*running {
            return Err(OperationInProgress {
                running: running.clone(),
            }
            .into());
        }
        check(self.view().state)?;
        *running = Some(operation);
        Ok(())
    }

    /// Lets the next operation have the plugin. One that died half-way leaves a failed plugin behind, not one that is
    /// between two states for ever; `shut` lets nobody in any more.
    pub(super) fn vacate(&self, shut: impl FnOnce(), failure: impl FnOnce() -> Failure) {
        let is_at_rest_or_active = !self.view().state.allowed().is_empty();
        if !is_at_rest_or_active {
            shut();
            let failure = failure();
            self.update(|view| {
                view.enter(Transition {
                    from: view.state,
                    to: State::Failed,
                    at: failure.at,
                    reason: "host_stopped",
                });
                view.row.failure = Some(failure);
                view.current = None;
                view.draining = None;
            });
        }
        self.update(|view| view.becoming = None);
        *self.operation() = None;
        self.vacated.notify_waiters();
    }

    pub(super) fn is_occupied(&self) -> bool {
        self.operation().is_some()
    }

    /// What it is to others.
    pub(super) fn member(&self) -> Member {
        let view = self.view();
        Member {
            manifest: Arc::clone(&view.row.active.manifest),
            becoming: view.becoming.clone(),
            state: view.state,
        }
    }

    pub(super) fn status(&self) -> PluginStatus {
        let (view, occupancy) = (self.view(), self.gate.occupancy());
        let View { row, state, .. } = &*view;
        PluginStatus {
            id: row.id.to_string(),
            version: row.active.version.clone(),
            state: *state,
            health: self.health(),
            last_check: self.care.verdict().1,
            enabled: row.enabled,
            publisher: row.active.publisher.clone(),
            digest: row.active.digest,
            generation: view.current.as_ref().map(Plugin::generation),
            granted: row.grants.granted.iter().cloned().collect(),
            withheld: row.grants.withheld.iter().cloned().collect(),
            failure: row.failure.clone(),
            accepting_requests: occupancy.is_open,
            active_requests: occupancy.inside,
            draining: view.draining,
            operation: self.operation().clone(),
            manifest: Arc::clone(&row.active.manifest),
            versions: view.versions.clone(),
            grant: view
                .current
                .as_ref()
                .map(|plugin| plugin.grant().permissions().cloned().collect()),
            limits: view.current.as_ref().map(|plugin| plugin.limits().clone()),
            history: view.history.iter().cloned().collect(),
        }
    }

    pub(super) fn health(&self) -> Health {
        let view = self.view();
        let is_near_a_limit = view.current.as_ref().is_some_and(Plugin::is_near_a_limit);
        let (checked, _) = self.care.verdict();
        let is_degraded = view.is_degraded || is_near_a_limit || !self.breaker.is_closed();
        Health::of(view.state, checked, is_degraded)
    }

    fn operation(&self) -> MutexGuard<'_, Option<RunningOperation>> {
        self.operation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        self.care.end();
    }
}

impl PluginRow {
    /// Where the plugin's data lies.
    pub(super) fn namespace(&self) -> Namespace {
        Namespace {
            plugin_id: Arc::from(self.id.as_str()),
            publisher: self.active.publisher.as_deref().map(Arc::from),
        }
    }
}
