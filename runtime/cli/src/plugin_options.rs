//! From a reference to a running plugin: the options that `call` and `bench` share.

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use palisade::{AdmittedBundle, Bundle, HostServices, LoadError, LogSink, Plugin, Policy, RuntimeBuilder};
use palisade_signer::input::{Input, Kind};
use palisade_signer::{Failure, Surroundings, Terminal, TrustOptions, UsageError};

use crate::compiling::{self, CacheWarnings};
use crate::operate::{Needs, Stay, given, loosening_trust};
use crate::power_options::{PowerOptions, folder_of};
use crate::telemetry;

/// Which plugin, whom to trust for it, and what it may do.
#[derive(Args, Debug)]
pub(crate) struct PluginOptions {
    /// The bundle; - reads it from standard input; of `call`, also the id of an installed plugin
    #[arg(value_name = "REF")]
    pub(crate) bundle: Input,

    #[command(flatten)]
    trust: TrustOptions,

    /// Run a bundle that nobody signed. For development: anyone can have made it
    #[arg(long, help_heading = "Trust")]
    allow_unsigned: bool,

    #[command(flatten)]
    pub(crate) powers: PowerOptions,

    /// Neither use nor keep compiled code
    #[arg(long)]
    no_cache: bool,
}

/// A plugin that was verified and admitted, in a process that has given up what it does not need.
pub(crate) struct Prepared {
    admitted: AdmittedBundle,
    builder: RuntimeBuilder,
    warnings: Option<CacheWarnings>,
}

/// What a plugin is loaded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Commands, with everything the options lend.
    Live,
    /// A recording, with nothing.
    Replay,
}

impl PluginOptions {
    /// Opens, verifies and admits: the first three verbs. From then on the process can write only what the plugin may,
    /// and the files that the command itself `writes` afterwards; so it comes before the process has other threads.
    pub(crate) fn prepare(
        &self,
        writes: &[&Path],
        surroundings: &Surroundings,
        terminal: &mut Terminal,
    ) -> Result<Prepared, Failure> {
        let policy = self.powers.policy()?;
        let admitted = self.admit(&policy, surroundings, terminal)?;
        let mut builder = compiling::in_a_worker(surroundings);
        let mut warnings = None;
        let mut confinement = self.powers.confinement();
        if !self.no_cache {
            let (cached, told) = compiling::with_cache(builder, surroundings, terminal);
            (builder, warnings) = (cached, Some(told));
            let cache = surroundings.default_cache_dir.iter();
            confinement = cache.fold(confinement, |all, folder| all.write(folder));
        }
        let confinement = writes.iter().fold(confinement, |all, file| all.write(folder_of(file)));
        confinement.apply()?;
        telemetry::start(surroundings, terminal);
        Ok(Prepared {
            admitted,
            builder,
            warnings,
        })
    }

    /// Compiles what was prepared, and starts it unless it is to be played back.
    pub(crate) async fn load(
        &self,
        prepared: Prepared,
        log: Arc<dyn LogSink>,
        purpose: Purpose,
        terminal: &mut Terminal,
    ) -> Result<Plugin, Failure> {
        let services = match purpose {
            Purpose::Live => self.powers.services(log)?,
            Purpose::Replay => HostServices {
                log,
                ..HostServices::default()
            },
        };
        let progress = terminal.progress("compiling");
        let runtime = prepared.builder.services(services).build().map_err(LoadError::from)?;
        let id = prepared.admitted.bundle().id().to_string();
        let loaded = match purpose {
            Purpose::Live => runtime.load(prepared.admitted).await,
            Purpose::Replay => runtime.load_for_replay(prepared.admitted).await,
        };
        drop(progress);
        if let Some(warnings) = prepared.warnings {
            warnings.tell(terminal);
        }
        loaded.map_err(|error| Failure::from(error).about_plugin(id))
    }

    /// What a host needs to run an installed plugin with these options.
    pub(crate) fn of_installed<'a>(&self, folder: &'a Path, surroundings: &Surroundings) -> Result<Needs<'a>, Failure> {
        if self.no_cache {
            return Err(UsageError::new("--no-cache", "an installed plugin is always run with the cache").into());
        }
        self.powers.refuse_what_is_installed()?;
        let trust = self.trust.store(None, surroundings)?;
        Ok(Needs {
            folder,
            trust: trust.allow_unsigned(self.allow_unsigned),
            policy: self.powers.policy()?,
            confinement: self.powers.confinement(),
            loosened: given(
                [
                    loosening_trust(&self.trust, self.allow_unsigned),
                    self.powers.loosening(),
                ]
                .concat(),
            ),
            stay: Stay::OneCommand,
        })
    }

    /// Says how to add trust to a failure that is about a lack of it.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        self.trust.explain(failure)
    }

    fn admit(
        &self,
        policy: &Policy,
        surroundings: &Surroundings,
        terminal: &mut Terminal,
    ) -> Result<AdmittedBundle, Failure> {
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
        policy
            .admit(bundle)
            .map_err(|error| Failure::from(error).about_plugin(id))
    }
}
