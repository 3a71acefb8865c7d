//! From a reference to a running plugin: the options that `call` and `bench` share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use palisade::{
    Blame, Bundle, ByteSize, Code, Coded, HostServices, LimitSettings, LoadError, LogSink, Plugin, Policy, Runtime,
    SystemClock, parse_duration,
};
use palisade_signer::input::{Input, Kind, read_file};
use palisade_signer::{Failure, Surroundings, Terminal, TrustOptions};
use serde_json::{Map, Value};
use thiserror::Error;

/// Which plugin, whom to trust for it, and what it may do.
#[derive(Args, Debug)]
pub(crate) struct PluginOptions {
    /// The bundle; - reads it from standard input
    #[arg(value_name = "REF")]
    pub(crate) bundle: Input,

    #[command(flatten)]
    trust: TrustOptions,

    /// Run a bundle that nobody signed. For development: anyone can have made it
    #[arg(long, help_heading = "Trust")]
    allow_unsigned: bool,

    /// Grant a permission that the plugin asks for; `palisade help permissions` lists them
    #[arg(long, value_name = "PERM", help_heading = "Powers")]
    grant: Vec<String>,

    /// Configuration for the plugin, a JSON object
    #[arg(long, value_name = "FILE", help_heading = "Powers")]
    config: Option<PathBuf>,

    /// Fuel per command, at most; one unit is about one instruction
    #[arg(long, value_name = "N", help_heading = "Powers")]
    fuel: Option<u64>,

    /// Memory, at most: 64MiB
    #[arg(long, value_name = "SIZE", help_heading = "Powers")]
    memory: Option<ByteSize>,

    /// Time per command, at most: 500ms, 2s
    #[arg(long, value_name = "T", value_parser = parse_duration, help_heading = "Powers")]
    timeout: Option<Duration>,
}

impl PluginOptions {
    /// Opens, verifies, admits and loads: the five verbs but the last.
    pub(crate) async fn load(
        &self,
        log: Arc<dyn LogSink>,
        surroundings: &Surroundings,
        terminal: &mut Terminal,
    ) -> Result<Plugin, Failure> {
        let policy = self.policy()?;
        let trust = self
            .trust
            .store(None, surroundings)?
            .allow_unsigned(self.allow_unsigned);
        let bytes = self.bundle.read(Kind::BUNDLE)?;
        let progress = terminal.progress("verifying");
        let bundle = Bundle::open(bytes)?;
        let bundle = trust
            .verify(bundle, surroundings.system_time())
            .map_err(|error| self.trust.explain(error.into()))?;
        drop(progress);
        for warning in bundle.warnings() {
            terminal.warn(warning);
        }
        let id = bundle.id().to_string();
        let about = |failure: Failure| failure.about_plugin(id.clone());
        let admitted = policy.admit(bundle).map_err(|error| about(error.into()))?;
        let progress = terminal.progress("compiling");
        let services = HostServices {
            clock: Arc::new(SystemClock),
            log,
        };
        let runtime = Runtime::builder().services(services).build().map_err(LoadError::from)?;
        let plugin = runtime.load(admitted).await.map_err(|error| about(error.into()))?;
        drop(progress);
        Ok(plugin)
    }

    fn policy(&self) -> Result<Policy, Failure> {
        let mut policy = Policy::deny_all().limits(LimitSettings {
            fuel: self.fuel,
            memory_bytes: self.memory.map(ByteSize::as_bytes),
            execution_time: self.timeout,
            ..LimitSettings::default()
        });
        for permission in &self.grant {
            policy = policy.allow(permission)?;
        }
        if let Some(path) = &self.config {
            let config = serde_json::from_slice(&read_file(path, Kind::CONFIG)?);
            policy = policy.config(config.map_err(|error| ConfigFileError {
                path: path.clone(),
                error,
            })?);
        }
        Ok(policy)
    }
}

/// A configuration file that is not JSON.
#[derive(Debug, Error)]
#[error("the configuration file `{}` is not JSON", path.display())]
struct ConfigFileError {
    path: PathBuf,
    #[source]
    error: serde_json::Error,
}

impl Coded for ConfigFileError {
    fn code(&self) -> Code {
        Code::ConfigInvalid
    }

    fn blame(&self) -> Blame {
        Blame::Bundle
    }

    fn details(&self) -> Map<String, Value> {
        let place = [("line", self.error.line()), ("column", self.error.column())];
        place
            .into_iter()
            .map(|(name, number)| (name.to_owned(), Value::from(number)))
            .collect()
    }
}
