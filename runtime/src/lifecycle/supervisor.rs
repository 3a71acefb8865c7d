//! The supervisor: one method per verb.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::tz::TimeZone;
use palisade_bundle::TrustStore;
use serde_json::{Map, Value};
use tokio::runtime::Handle;
use tracing::Span;

use super::audit_sink::AuditSink;
use super::breaker::BreakerSettings;
use super::dependencies::{Arrangement, DependencyGraph};
use super::disk::{DataDirectory, Disk, SupervisorOpenError};
use super::error::{HostStopped, InstallError, NotFound, TransitionError};
use super::host::Host;
use super::ongoing::Ongoing;
use super::options::{Audited, DisableOptions, InstallOptions, PluginData, UpgradeOptions};
use super::state::Operation;
use super::status::PluginStatus;
use super::stop::Disabled;
use super::uninstall::Uninstalled;
use crate::event::{Replay, Subscription};
use crate::native::StartRetries;
use crate::policy::Policy;
use crate::sandbox::Runtime;
use crate::services::Clock;
use crate::span;

/// Commands that wait while a plugin is replaced, unless set otherwise: at 500 commands a second, two seconds of them.
const PLACES: usize = 1_024;

/// How long running commands are waited for when a plugin is replaced, unless set otherwise: twice the longest time a
/// command may take by default.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);

/// The most a scheduled command is put off, unless set otherwise: nobody who says a minute means less than five seconds.
const SCHEDULE_JITTER: Duration = Duration::from_secs(5);

/// The plugins of one data directory, from install to uninstall. Cheap to clone.
///
/// One operation runs on a plugin at a time; another one is refused meanwhile. Operations run on the executor they were
/// given, and go on when whoever asked for them stops waiting. Reading waits for nothing.
#[derive(Clone)]
pub struct Supervisor {
    pub(super) host: Arc<Host>,
    actor: Arc<str>,
}

/// What a supervisor works with.
#[derive(Clone, Debug)]
pub struct SupervisorSettings {
    /// Where operations run and timers tick. A tokio runtime with time enabled.
    pub executor: Handle,
    /// Where operations are written down.
    pub audit: Arc<dyn AuditSink>,
    /// What is written down. Operations, and no commands.
    pub audited: Audited,
    /// What every plugin is allowed, besides what it is granted by its own operator. Nothing.
    pub policy: Policy,
    /// Commands that may wait while a plugin is replaced. 1,024.
    pub places: usize,
    /// How long running commands are waited for when a plugin is replaced, and how long new ones wait. 60 s.
    pub drain_timeout: Duration,
    /// The time zone in which the cron expressions of schedules are read. UTC.
    pub time_zone: TimeZone,
    /// The most a scheduled command is put off, by a part that is always the same for the same one, so that not all of
    /// them begin with the minute. 5 s, and never more than a tenth of the time to the next.
    pub schedule_jitter: Duration,
    /// When commands are refused because too many came to no answer.
    pub breaker: BreakerSettings,
    /// How often a start is tried whose failure may be another's fault. Once.
    pub start_retries: StartRetries,
}

impl SupervisorSettings {
    /// The defaults.
    #[must_use]
    pub fn new(executor: Handle, audit: Arc<dyn AuditSink>) -> Self {
        Self {
            executor,
            audit,
            audited: Audited::default(),
            policy: Policy::deny_all(),
            places: PLACES,
            drain_timeout: DRAIN_TIMEOUT,
            time_zone: TimeZone::UTC,
            schedule_jitter: SCHEDULE_JITTER,
            breaker: BreakerSettings::default(),
            start_retries: StartRetries::default(),
        }
    }
}

impl Supervisor {
    /// Opens a data directory, and creates it where there is none. No plugin runs yet: see [`start`](Self::start).
    ///
    /// Reads and writes files on the calling thread. What a crash left is repaired.
    ///
    /// # Errors
    ///
    /// [`SupervisorOpenError`]: another process has the directory, or it cannot be used.
    pub fn open(
        folder: impl AsRef<Path>,
        runtime: Runtime,
        trust: TrustStore,
        settings: SupervisorSettings,
    ) -> Result<Self, SupervisorOpenError> {
        Self::open_in(DataDirectory::open(folder)?, runtime, trust, settings)
    }

    /// As [`open`](Self::open), for a directory that this process has taken already.
    ///
    /// # Errors
    ///
    /// [`SupervisorOpenError`]: what is in it cannot be used.
    pub fn open_in(
        directory: DataDirectory,
        runtime: Runtime,
        trust: TrustStore,
        settings: SupervisorSettings,
    ) -> Result<Self, SupervisorOpenError> {
        let disk = Disk::open(directory, runtime.services().clock.wall())?;
        let host = Arc::new(Host::new(runtime, trust, settings, disk)?);
        host.keep_time();
        Ok(Self::acting_for(&host, "host"))
    }

    /// A supervisor on behalf of `actor`.
    pub(super) fn acting_for(host: &Arc<Host>, actor: &str) -> Self {
        Self {
            host: Arc::clone(host),
            actor: Arc::from(actor),
        }
    }

    /// The same supervisor, on behalf of somebody else: the audit trail names them.
    #[must_use]
    pub fn acting_as(&self, actor: &str) -> Self {
        Self::acting_for(&self.host, actor)
    }

    /// Installs a plugin. It is not started.
    ///
    /// # Errors
    ///
    /// [`InstallError`]; nothing is left of the attempt but its audit entry.
    pub async fn install(&self, bundle: Vec<u8>, options: InstallOptions) -> Result<PluginStatus, InstallError> {
        self.check_open()?;
        let (host, actor) = (Arc::clone(&self.host), Arc::clone(&self.actor));
        let span = span::of_install();
        let work = async move { span::within(span, host.install(bundle, options, &actor)).await };
        self.host
            .settings
            .executor
            .spawn(work)
            .await
            .map_err(|_died| HostStopped)?
    }

    /// Starts a plugin that does not run.
    ///
    /// # Errors
    ///
    /// [`TransitionError`]; a plugin that did not start is failed.
    pub async fn enable(&self, id: &str) -> Result<PluginStatus, TransitionError> {
        self.operate(id, Operation::Enable, Ongoing::enable).await
    }

    /// Stops a plugin. Its configuration and data stay.
    ///
    /// # Errors
    ///
    /// [`TransitionError`]. A cleanup that fails is a warning: the plugin is stopped all the same.
    pub async fn disable(&self, id: &str, options: DisableOptions) -> Result<Disabled, TransitionError> {
        self.give_up_start(id).await;
        let work = move |ongoing: Arc<Ongoing>| ongoing.disable(options);
        let (drained, status) = self.operate_for(id, Operation::Disable, work).await?;
        Ok(Disabled::new(status, drained, options.last_state))
    }

    /// Stops a plugin if it runs, and starts it.
    ///
    /// # Errors
    ///
    /// [`TransitionError`]; a plugin that did not start is failed.
    pub async fn restart(&self, id: &str) -> Result<PluginStatus, TransitionError> {
        self.operate(id, Operation::Restart, Ongoing::restart).await
    }

    /// Replaces the instances of a plugin by new ones of the same version; no command is lost. A failed plugin is
    /// started.
    ///
    /// # Errors
    ///
    /// [`TransitionError`]; after [`ReloadFailed`](TransitionError::ReloadFailed) everything is as it was.
    pub async fn reload(&self, id: &str) -> Result<PluginStatus, TransitionError> {
        self.operate(id, Operation::Reload, Ongoing::reload).await
    }

    /// Replaces the configuration of a plugin, and its instances if it runs.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload).
    pub async fn update_config(&self, id: &str, config: Map<String, Value>) -> Result<PluginStatus, TransitionError> {
        let work = move |ongoing: Arc<Ongoing>| ongoing.update_config(config, None);
        self.operate(id, Operation::UpdateConfig, work).await
    }

    /// As [`update_config`](Self::update_config), unless somebody has changed it since it was `seen`.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload), and [`ConfigChanged`](TransitionError::ConfigChanged).
    pub async fn replace_config(
        &self,
        id: &str,
        seen: Map<String, Value>,
        config: Map<String, Value>,
    ) -> Result<PluginStatus, TransitionError> {
        let work = move |ongoing: Arc<Ongoing>| ongoing.update_config(config, Some(seen));
        self.operate(id, Operation::UpdateConfig, work).await
    }

    /// Replaces a plugin by another version, with the configuration it has.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload), and [`ApprovalRequired`](TransitionError::ApprovalRequired) when it asks for more.
    pub async fn upgrade(
        &self,
        id: &str,
        bundle: Vec<u8>,
        options: UpgradeOptions,
    ) -> Result<PluginStatus, TransitionError> {
        let work = move |ongoing: Arc<Ongoing>| ongoing.upgrade(bundle, options);
        self.operate(id, Operation::Upgrade, work).await
    }

    /// Brings back the version before the active one, with the configuration it had.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload), and [`NoRollbackVersion`](TransitionError::NoRollbackVersion).
    pub async fn rollback(&self, id: &str) -> Result<PluginStatus, TransitionError> {
        let work = |ongoing: Arc<Ongoing>| ongoing.rollback(None);
        self.operate(id, Operation::Rollback, work).await
    }

    /// Lets a plugin do more: a permission, or a family of them by its alias. A plugin that runs is reloaded.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload).
    pub async fn grant(&self, id: &str, permission: &str) -> Result<PluginStatus, TransitionError> {
        let permission = permission.to_owned();
        let work = move |ongoing: Arc<Ongoing>| ongoing.grant(permission);
        self.operate(id, Operation::Grant, work).await
    }

    /// Lets a plugin do less. A plugin that runs is reloaded; one that cannot do without has to be stopped first.
    ///
    /// # Errors
    ///
    /// As [`reload`](Self::reload).
    pub async fn revoke(&self, id: &str, permission: &str) -> Result<PluginStatus, TransitionError> {
        let permission = permission.to_owned();
        let work = move |ongoing: Arc<Ongoing>| ongoing.revoke(permission);
        self.operate(id, Operation::Revoke, work).await
    }

    /// Lets a plugin be started again that crashed too often. It is not started.
    ///
    /// # Errors
    ///
    /// [`TransitionError`].
    pub async fn release(&self, id: &str) -> Result<PluginStatus, TransitionError> {
        self.operate(id, Operation::Release, Ongoing::release).await
    }

    /// Removes a plugin, stopping it first if it runs.
    ///
    /// # Errors
    ///
    /// [`TransitionError`]; a plugin that could not be removed is failed.
    pub async fn uninstall(&self, id: &str, data: PluginData) -> Result<Uninstalled, TransitionError> {
        self.give_up_start(id).await;
        let work = move |ongoing: Arc<Ongoing>| ongoing.uninstall(data);
        let (uninstalled, _) = self.operate_for(id, Operation::Uninstall, work).await?;
        Ok(uninstalled)
    }

    /// A plugin as it is now.
    ///
    /// # Errors
    ///
    /// [`NotFound`] with the nearest name there is.
    pub fn status(&self, id: &str) -> Result<PluginStatus, NotFound> {
        Ok(self.host.find(id)?.status())
    }

    /// Every plugin as it is now, by id.
    #[must_use]
    pub fn list(&self) -> Vec<PluginStatus> {
        self.host.all().iter().map(|managed| managed.status()).collect()
    }

    /// The operator's configuration of a plugin; `None` while its manifest's is in use.
    ///
    /// # Errors
    ///
    /// [`NotFound`] with the nearest name there is.
    pub fn config(&self, id: &str) -> Result<Option<Map<String, Value>>, NotFound> {
        Ok(self.host.find(id)?.view().row.active.config.clone())
    }

    /// Its data directory.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.host.disk.path()
    }

    /// The clock that everything here goes by.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.host.runtime.services().clock
    }

    /// How long running commands are waited for when a plugin is replaced.
    #[must_use]
    pub fn drain_timeout(&self) -> Duration {
        self.host.settings.drain_timeout
    }

    /// Who needs whom, and who starts when.
    #[must_use]
    pub fn dependencies(&self) -> DependencyGraph {
        Arrangement::of(&self.host.all()).graph()
    }

    /// Listens to the events of one plugin, or of all.
    #[must_use]
    pub fn subscribe(&self, id: Option<&str>, replay: Replay) -> Subscription {
        self.host.runtime.events().subscribe(id, replay)
    }

    pub(super) async fn operate<W, F>(
        &self,
        id: &str,
        operation: Operation,
        work: W,
    ) -> Result<PluginStatus, TransitionError>
    where
        W: FnOnce(Arc<Ongoing>) -> F,
        F: Future<Output = Result<(), TransitionError>> + Send + 'static,
    {
        let ((), status) = self.operate_for(id, operation, work).await?;
        Ok(status)
    }

    /// An operation that comes to something of its own, besides the status of the plugin afterwards.
    pub(super) async fn operate_for<T, W, F>(
        &self,
        id: &str,
        operation: Operation,
        work: W,
    ) -> Result<(T, PluginStatus), TransitionError>
    where
        T: Send + 'static,
        W: FnOnce(Arc<Ongoing>) -> F,
        F: Future<Output = Result<T, TransitionError>> + Send + 'static,
    {
        self.check_open()?;
        let managed = self.host.find(id)?;
        let ongoing = Ongoing::begin(&self.host, managed, operation, &self.actor)?;
        let span = ongoing.span(operation);
        self.carry_out(ongoing, span, work).await
    }

    /// Runs an operation that has begun to its end, whoever waits for it.
    pub(super) async fn carry_out<T, W, F>(
        &self,
        ongoing: Ongoing,
        span: Span,
        work: W,
    ) -> Result<(T, PluginStatus), TransitionError>
    where
        T: Send + 'static,
        W: FnOnce(Arc<Ongoing>) -> F,
        F: Future<Output = Result<T, TransitionError>> + Send + 'static,
    {
        let ongoing = Arc::new(ongoing);
        let work = work(Arc::clone(&ongoing));
        let operation = async move {
            let result = match ongoing.settle().await {
                Ok(()) => work.await,
                Err(error) => Err(error),
            };
            if let Err(error) = &result {
                ongoing.tell_failed(error).await;
            }
            let managed = Arc::clone(&ongoing.managed);
            // Ends the operation before its outcome is told, so that the next one can begin at once.
            drop(ongoing);
            result.map(|outcome| (outcome, managed.status()))
        };
        self.host
            .settings
            .executor
            .spawn(span::within(span, operation))
            .await
            .map_err(|_died| HostStopped)?
    }

    pub(super) fn check_open(&self) -> Result<(), HostStopped> {
        match self.host.is_closed.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(HostStopped),
        }
    }

    pub(super) fn actor(&self) -> &Arc<str> {
        &self.actor
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("actor", &self.actor)
            .finish_non_exhaustive()
    }
}
