//! What all operations of a supervisor share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use palisade_bundle::{Bundle, Coded as _, Digest, PluginId, TrustStore, VerifiedBundle, closest};
use serde_json::Value;
use tokio::time::Sleep;

use super::audit_sink::AuditFailed;
use super::dependencies::{Arrangement, DependencyError};
use super::disk::{Disk, PluginRow, StoreError};
use super::error::{HostStopped, InstallError, NotFound};
use super::health::HealthCheckFailed;
use super::managed::Managed;
use super::schedule::{Calendar, Timetable};
use super::status::KeptVersion;
use super::supervisor::SupervisorSettings;
use crate::audit::AuditEntry;
use crate::measures::{Histogram, Tally};
use crate::sandbox::{Plugin, Prepared, Runtime};

/// Everything a supervisor holds.
pub(super) struct Host {
    pub(super) runtime: Runtime,
    pub(super) settings: SupervisorSettings,
    pub(super) disk: Arc<Disk>,
    trust: RwLock<TrustStore>,
    /// Locked no longer than a look-up takes.
    plugins: RwLock<BTreeMap<Arc<str>, Arc<Managed>>>,
    /// Held from the look at all plugins to what follows from it.
    arranging: Mutex<()>,
    pub(super) timetable: Timetable,
    /// How long running commands were waited for.
    pub(super) drains: Histogram,
    /// `ok`, or the code of what was wrong with a bundle.
    pub(super) verifications: Tally,
    /// Makes the ids of this run's operations differ from those of others.
    run: u64,
    operations: AtomicU64,
    starts: AtomicU64,
    pub(super) is_closed: AtomicBool,
}

impl Host {
    pub(super) fn new(
        runtime: Runtime,
        trust: TrustStore,
        settings: SupervisorSettings,
        disk: Disk,
    ) -> Result<Self, StoreError> {
        let (rows, schedules) = (disk.plugins()?, disk.schedules()?);
        let calendar = Calendar {
            zone: settings.time_zone.clone(),
            jitter: settings.schedule_jitter,
        };
        let mut restores = disk.restores()?;
        let clock = Arc::clone(&runtime.services().clock);
        let managed = |(row, versions): (PluginRow, Vec<KeptVersion>)| {
            let state = row.state_at_rest();
            let managed = Managed::new(row, state, &settings, &clock);
            managed.update(|view| view.versions = versions);
            if let Some(state) = restores.remove(managed.id.as_str()) {
                managed.update(|view| view.restore = Some(state));
            }
            (Arc::from(managed.id.as_str()), Arc::new(managed))
        };
        Ok(Self {
            plugins: RwLock::new(rows.into_iter().map(managed).collect()),
            arranging: Mutex::default(),
            drains: Histogram::default(),
            verifications: Tally::default(),
            runtime,
            settings,
            disk: Arc::new(disk),
            trust: RwLock::new(trust),
            timetable: Timetable::new(calendar, schedules),
            run: getrandom::u64().map_err(StoreError::random)?,
            operations: AtomicU64::new(0),
            starts: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
        })
    }

    pub(super) fn find(&self, id: &str) -> Result<Arc<Managed>, NotFound> {
        let plugins = self.plugins.read().unwrap_or_else(PoisonError::into_inner);
        plugins.get(id).cloned().ok_or_else(|| NotFound {
            name: id.to_owned(),
            suggestion: closest(id, plugins.keys().map(|id| &**id)).map(str::to_owned),
        })
    }

    pub(super) fn all(&self) -> Vec<Arc<Managed>> {
        let plugins = self.plugins.read().unwrap_or_else(PoisonError::into_inner);
        plugins.values().cloned().collect()
    }

    /// Looks at all plugins and does what follows, before anybody else's look.
    pub(super) fn arrange<T>(
        &self,
        act: impl FnOnce(&Arrangement) -> Result<T, DependencyError>,
    ) -> Result<T, DependencyError> {
        let _turn = self.arranging.lock().unwrap_or_else(PoisonError::into_inner);
        act(&Arrangement::of(&self.all()))
    }

    /// The plugins that are to run, in ranks: those of one rank can start at the same time, after those of the ranks
    /// before it.
    pub(super) fn ranks(&self) -> Vec<Vec<String>> {
        let plugins = self.all();
        let mut ranks = Arrangement::of(&plugins).ranks();
        let is_enabled = |id: &PluginId| {
            let mut enabled = plugins.iter().filter(|managed| managed.view().row.enabled);
            enabled.any(|managed| managed.id == *id)
        };
        ranks.iter_mut().for_each(|rank| rank.retain(is_enabled));
        ranks
            .into_iter()
            .map(|rank| rank.iter().map(PluginId::to_string).collect())
            .collect()
    }

    /// The plugins that run or may be about to, none before those that need it.
    pub(super) fn running(&self) -> Vec<Arc<Managed>> {
        let mut running = self.all();
        let ranks = Arrangement::of(&running).ranks();
        let rank = |managed: &Managed| ranks.iter().position(|rank| rank.contains(&managed.id));
        running.retain(|managed| managed.view().current.is_some() || managed.is_occupied());
        running.sort_by_cached_key(|managed| std::cmp::Reverse((rank(managed), managed.view().started)));
        running
    }

    /// Takes the name of a plugin; fails with the one that has it.
    pub(super) fn insert(&self, managed: Managed) -> Result<Arc<Managed>, Arc<Managed>> {
        let mut plugins = self.plugins.write().unwrap_or_else(PoisonError::into_inner);
        match plugins.entry(Arc::from(managed.id.as_str())) {
            std::collections::btree_map::Entry::Occupied(taken) => Err(Arc::clone(taken.get())),
            std::collections::btree_map::Entry::Vacant(free) => Ok(Arc::clone(free.insert(Arc::new(managed)))),
        }
    }

    pub(super) fn remove(&self, id: &PluginId) {
        let mut plugins = self.plugins.write().unwrap_or_else(PoisonError::into_inner);
        let removed = plugins.remove(id.as_str());
        drop(plugins);
        drop(removed);
        self.timetable.forget(id);
    }

    pub(super) fn set_trust(&self, trust: TrustStore) {
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = trust;
    }

    pub(super) fn trust(&self) -> TrustStore {
        self.trust.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn next_operation_id(&self) -> Arc<str> {
        let number = self.operations.fetch_add(1, Ordering::Relaxed);
        Arc::from(format!("{:016x}-{number}", self.run))
    }

    pub(super) fn next_start(&self) -> u64 {
        self.starts.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A timer of the host's executor, for whatever executor polls it.
    pub(super) fn sleep(&self, time: Duration) -> Sleep {
        let _timers = self.settings.executor.enter();
        tokio::time::sleep(time)
    }

    /// Does work that blocks.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HostStopped> {
        let done = self.settings.executor.spawn_blocking(work).await;
        done.map_err(|_panicked_or_shut_down| HostStopped)
    }

    pub(super) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Disk>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let disk = Arc::clone(&self.disk);
        match self.blocking(move || work(&disk)).await {
            Ok(done) => done,
            Err(stopped) => Err(StoreError::stopped(stopped)),
        }
    }

    /// Removes bundles that nothing names any more. What is left is removed at the next start.
    pub(super) async fn collect(&self) {
        let disk = Arc::clone(&self.disk);
        let _ = self.blocking(move || disk.collect()).await;
    }

    pub(super) async fn record(&self, entry: AuditEntry) -> Result<(), AuditFailed> {
        let audit = Arc::clone(&self.settings.audit);
        let recorded = self.blocking(move || audit.record(&entry)).await;
        recorded.unwrap_or_else(|stopped| Err(AuditFailed(Box::new(stopped))))
    }

    /// Opens and verifies a bundle that is to be installed.
    pub(super) async fn verify_new(&self, bytes: Vec<u8>) -> Result<VerifiedBundle, InstallError> {
        let (trust, now) = (self.trust(), self.runtime.services().clock.wall());
        let verify = move || Ok(trust.verify(Bundle::open(bytes)?, now)?);
        self.count_verified(self.blocking(verify).await?)
    }

    /// Reads, opens and verifies the bundle of an installed version.
    pub(super) async fn verify_installed(&self, file: Digest) -> Result<VerifiedBundle, InstallError> {
        let (trust, now) = (self.trust(), self.runtime.services().clock.wall());
        let disk = Arc::clone(&self.disk);
        let verify = move || Ok(trust.verify_installed(Bundle::open(disk.read(file)?)?, now)?);
        self.count_verified(self.blocking(verify).await?)
    }

    fn count_verified<T>(&self, verified: Result<T, InstallError>) -> Result<T, InstallError> {
        self.verifications.add(match &verified {
            Ok(_) => "ok",
            Err(error) => error.code().as_str(),
        });
        verified
    }

    /// Admits, compiles and links a version, and runs nothing of it.
    pub(super) async fn prepare(&self, bundle: VerifiedBundle, row: PluginRow) -> Result<Candidate, InstallError> {
        let mut policy = self.settings.policy.clone();
        for permission in &row.grants.granted {
            policy = policy.allow(permission.as_str())?;
        }
        for permission in &row.grants.withheld {
            policy = policy.withhold(permission.as_str())?;
        }
        if let Some(config) = &row.active.config {
            policy = policy.config(Value::Object(config.clone()));
        }
        let prepared = self.runtime.prepare(policy.admit(bundle)?).await?;
        Ok(Candidate { row, prepared })
    }

    /// [`prepare`](Self::prepare) for the version that `row` names.
    pub(super) async fn prepare_installed(&self, row: PluginRow) -> Result<Candidate, InstallError> {
        let bundle = self.verify_installed(row.active.file).await?;
        self.prepare(bundle, row).await
    }
}

/// A version that is ready to be started, with what is written down once it has.
pub(super) struct Candidate {
    pub(super) row: PluginRow,
    prepared: Prepared,
}

impl Candidate {
    /// Starts the first instance, and asks it whether it is well.
    pub(super) async fn start(self, generation: u64) -> Result<Plugin, InstallError> {
        let plugin = self.prepared.start(generation).await?;
        match plugin.health().await {
            Ok(()) => Ok(plugin),
            Err(error) => {
                // It has started, so it may clean up; nobody hears of what comes of that but its log.
                let _ = plugin.close().await;
                Err(HealthCheckFailed(error).into())
            }
        }
    }
}
