//! The host that a plugin is written on: a supervisor over a folder that is gone at the end.

use std::sync::Arc;
use std::time::Duration;

use palisade::{
    Approval, AuditEntry, AuditFailed, AuditSink, HostServices, InstallOptions, LoadError, PluginData, PluginStatus,
    Policy, State, Supervisor, SupervisorSettings, TrustStore, UpgradeOptions,
};
use palisade_bundle::Visible;
use palisade_signer::{Failure, Format, HostError, Surroundings, Terminal};
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::said::{SaidEvents, SaidLog};
use crate::build::Made;
use crate::compiling;
use crate::power_options::PowerOptions;

/// How long commands of the old generation are waited for. Who writes a plugin has made the endless one as well, and does
/// not want to wait for it.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the plugin may take to stop at the end, its cleanup included.
const SHUTDOWN_TIME: Duration = Duration::from_secs(10);

/// A data directory of its own, and the one plugin in it.
pub(super) struct DevelopmentHost {
    supervisor: Supervisor,
    id: Option<Arc<str>>,
    format: Format,
    folder: TempDir,
}

impl DevelopmentHost {
    /// A new host. Nobody has to vouch for what it runs.
    pub(super) fn open(
        powers: &PowerOptions,
        denied: &[String],
        surroundings: &Surroundings,
        format: Format,
    ) -> Result<Self, Failure> {
        let services = HostServices {
            events: Arc::new(SaidEvents(format)),
            ..powers.services(Arc::new(SaidLog(format)))?
        };
        let runtime = compiling::in_a_worker(surroundings).services(services).build();
        let runtime = runtime.map_err(LoadError::from)?;
        let policy = powers.policy()?;
        let mut withheld = denied.iter();
        let policy = withheld.try_fold(policy, |policy: Policy, permission| policy.withhold(permission))?;
        let settings = SupervisorSettings {
            policy,
            drain_timeout: DRAIN_TIMEOUT,
            ..SupervisorSettings::new(Handle::current(), Arc::new(NoTrail))
        };
        let folder = tempfile::Builder::new().prefix("palisade-dev-").tempdir();
        let folder = folder.map_err(HostError::TemporaryFolder)?;
        let trust = TrustStore::new([]).allow_unsigned(true);
        let supervisor = Supervisor::open(folder.path(), runtime, trust, settings)?;
        Ok(Self {
            supervisor,
            id: None,
            format,
            folder,
        })
    }

    pub(super) fn supervisor(&self) -> Supervisor {
        self.supervisor.clone()
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// The plugin, once there was one that could be installed.
    pub(super) fn id(&self) -> Option<Arc<str>> {
        self.id.clone()
    }

    pub(super) fn status(&self) -> Option<PluginStatus> {
        self.supervisor.status(self.id.as_deref()?).ok()
    }

    /// Has `made` serve from now on. A plugin that runs is replaced without losing a command, and serves on when its
    /// replacement does not start.
    pub(super) async fn place(&mut self, made: Made) -> Result<PluginStatus, Failure> {
        let id: Arc<str> = Arc::from(made.manifest.id.as_str());
        if let Some(other) = self.id.take_if(|installed| *installed != id) {
            self.supervisor.uninstall(&other, PluginData::Discard).await?;
        }
        match &self.id {
            None => self.install(id, made).await,
            Some(_) => self.upgrade(&id, made.bundle).await,
        }
    }

    async fn install(&mut self, id: Arc<str>, made: Made) -> Result<PluginStatus, Failure> {
        let asked = made.manifest.permissions.iter();
        let options = InstallOptions {
            grants: asked.map(|request| request.name.to_string()).collect(),
            config: None,
        };
        self.supervisor.install(made.bundle, options).await?;
        self.id = Some(Arc::clone(&id));
        Ok(self.supervisor.enable(&id).await?)
    }

    /// Unsigned builds have no order that a downgrade could break, so the same version may come again.
    async fn upgrade(&self, id: &str, bundle: Vec<u8>) -> Result<PluginStatus, Failure> {
        let options = UpgradeOptions {
            approval: Approval::Given,
            ..UpgradeOptions::default()
        };
        let status = self.supervisor.upgrade(id, bundle, options).await?;
        if status.state == State::Active {
            return Ok(status);
        }
        if status.failure.is_some_and(|failure| failure.quarantined) {
            // That was the code before.
            self.supervisor.release(id).await?;
        }
        Ok(self.supervisor.enable(id).await?)
    }

    /// Stops the plugin in order and removes the folder.
    pub(super) async fn close(self, terminal: &mut Terminal) -> Result<(), Failure> {
        for (id, error) in self.supervisor.shutdown(SHUTDOWN_TIME).await {
            terminal.warn(format_args!(
                "{id} was not stopped in order: {}",
                Visible(error.to_string())
            ));
        }
        drop(self.supervisor);
        Ok(self.folder.close().map_err(HostError::TemporaryFolder)?)
    }
}

/// A host that forgets everything at the end has nobody to show a trail to.
#[derive(Debug)]
struct NoTrail;

impl AuditSink for NoTrail {
    fn record(&self, _entry: &AuditEntry) -> Result<(), AuditFailed> {
        Ok(())
    }
}
