//! A host of the plugins of a data directory: [`House`].
//!
//! For one command, it starts the plugins that the command is about, does one thing, and ends in order. For a server, it
//! is the same host for as long as the server runs.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use palisade::{
    AuditAction, AuditEntry, AuditEvents, AuditLog, AuditOutcome, Clock, Code, DataDirectory, EventKind, HostServices,
    HttpClient, Journal, LocalBus, LogRecord, LogSink, MemoryLog, Policy, Replay, SqliteStorage, Supervisor,
    SupervisorSettings, TransitionError, TrustStore, Visible,
};
use palisade_signer::{Failure, Format, HostError, Surroundings, Terminal, TrustOptions};
use serde_json::Map;

use super::checkpoint_key;
use crate::call::with_logs;
use crate::compiling::{self, CacheWarnings};
use crate::confinement::Confinement;
use crate::data_dir::DataDirOption;
use crate::power_options::folder_of;
use crate::telemetry;

/// How long the end of all plugins may take: each may clean up for 30 s, and most are done at once.
const SHUTDOWN: Duration = Duration::from_secs(60);

/// How long tasks that have nothing more to do may take to end. One that compiles for nobody any more is not waited for.
const LET_GO: Duration = Duration::from_secs(2);

/// Who the audit trail says it was.
const ACTOR: &str = "cli";

/// Which data directory, and whom to trust for what is in it.
#[derive(Args, Clone, Debug)]
pub(super) struct HouseOptions {
    #[command(flatten)]
    data: DataDirOption,

    #[command(flatten)]
    trust: TrustOptions,

    /// Run bundles that nobody signed. For development: anyone can have made them
    #[arg(long, help_heading = "Trust")]
    allow_unsigned: bool,
}

/// What becomes of the plugin that a command is about, before the command does its one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// It is started if it is enabled; the command ends when it does not start.
    Start,
    /// It is started if it is enabled; when it does not start, the command does what it can.
    TryToStart,
    /// It stays as it is.
    Leave,
}

impl HouseOptions {
    /// Whom this command trusts.
    pub(super) fn trust(&self, surroundings: &Surroundings) -> Result<TrustStore, Failure> {
        let store = self.trust.store(None, surroundings)?;
        Ok(store.allow_unsigned(self.allow_unsigned))
    }

    /// Opens the house for `work`, and closes it whatever comes of that.
    pub(super) fn run<T>(
        &self,
        surroundings: &Surroundings,
        terminal: &mut Terminal,
        work: impl AsyncFnOnce(&Supervisor, &mut Terminal) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.run_beside(None, (surroundings, terminal), work)
    }

    /// As [`run`](Self::run), for a command that `writes` a file afterwards.
    pub(super) fn run_beside<T>(
        &self,
        writes: Option<&Path>,
        (surroundings, terminal): (&Surroundings, &mut Terminal),
        work: impl AsyncFnOnce(&Supervisor, &mut Terminal) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let needs = Needs {
            folder: self.data.path(surroundings)?,
            trust: self.trust(surroundings)?,
            policy: Policy::deny_all(),
            confinement: beside(writes),
            loosened: given(loosening_trust(&self.trust, self.allow_unsigned)),
            stay: Stay::OneCommand,
        };
        let done = House::open(needs, surroundings, terminal).and_then(|house| house.run(terminal, work));
        done.map_err(|failure| self.trust.explain(failure))
    }

    /// As [`run`](Self::run), for a command about one plugin.
    pub(super) fn run_on<T>(
        &self,
        id: &str,
        first: First,
        (surroundings, terminal): (&Surroundings, &mut Terminal),
        work: impl AsyncFnOnce(&Supervisor, &mut Terminal) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let ended = self.run(surroundings, terminal, async |supervisor, terminal| {
            begin(supervisor, id, first, terminal).await?;
            work(supervisor, terminal).await
        });
        ended.map_err(|failure| about(failure, id))
    }
}

/// What has to stay open for a file that is written afterwards.
fn beside(writes: Option<&Path>) -> Confinement {
    let files = writes.into_iter();
    files.fold(Confinement::default(), |all, file| all.write(folder_of(file)))
}

/// Names the plugin, unless there is none.
pub(super) fn about(failure: Failure, id: &str) -> Failure {
    match failure.code() {
        Some(Code::NotFound) => failure,
        _ => failure.about_plugin(id),
    }
}

/// Does to the plugin what comes before the work on it.
pub(super) async fn begin(
    supervisor: &Supervisor,
    id: &str,
    first: First,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    // Unknown ones are known to be before anything is started.
    supervisor.status(id).map_err(TransitionError::from)?;
    if first == First::Leave {
        return Ok(());
    }
    let progress = terminal.progress("starting");
    let started = supervisor.start_one(id).await;
    drop(progress);
    match started {
        Err(error) if first == First::Start => Err(error.into()),
        Err(error) => {
            terminal.warn(format_args!("{id} did not start: {}", Visible(error.to_string())));
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

/// What a house is opened with.
pub(crate) struct Needs<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) trust: TrustStore,
    /// What plugins may do besides what they were granted, for this command alone.
    pub(crate) policy: Policy,
    /// What has to stay open besides the data directory and the cache.
    pub(crate) confinement: Confinement,
    /// The flags that let through what is refused otherwise. Each is on record before it has an effect.
    pub(crate) loosened: Vec<&'static str>,
    pub(crate) stay: Stay,
}

/// How long a host is there, and whom for.
pub(crate) enum Stay {
    /// For one command.
    OneCommand,
    /// For as long as a server runs, which asks from many threads.
    Server {
        /// Takes what plugins say.
        log: Arc<dyn LogSink>,
        /// How long running commands are waited for when a plugin is replaced.
        drain_timeout: Duration,
    },
}

/// A host with its data directory, open.
pub(crate) struct House {
    executor: tokio::runtime::Runtime,
    pub(crate) supervisor: Supervisor,
    pub(crate) audit: AuditLog,
    pub(crate) cache_warnings: CacheWarnings,
    pub(crate) kept: Arc<MemoryLog>,
    journal: Journal,
}

impl House {
    /// Takes the directory, and gives up what a host of its plugins does not need. What else has to be read comes before.
    pub(crate) fn open(
        needs: Needs<'_>,
        surroundings: &Surroundings,
        terminal: &mut Terminal,
    ) -> Result<Self, Failure> {
        let directory = DataDirectory::open(needs.folder)?;
        let folder = directory.path().to_owned();
        let key = checkpoint_key::load_or_create(&folder, surroundings)?;
        let (builder, cache_warnings) =
            compiling::with_cache(compiling::in_a_worker(surroundings), surroundings, terminal);
        let writable = surroundings.default_cache_dir.iter().chain([&folder]);
        let confinement = writable.fold(needs.confinement, |all, folder| all.write(folder));
        // Before anything has threads of its own.
        confinement.apply()?;
        telemetry::start(surroundings, terminal);
        let executor = needs.stay.executor().map_err(HostError::Threads)?;

        let kept = Arc::new(MemoryLog::new());
        let log = needs.stay.log(terminal.format(), &kept);
        let services = HostServices::default();
        let clock: Arc<dyn Clock> = Arc::clone(&services.clock);
        let audit = AuditLog::open(&folder, Arc::clone(&clock), key)?;
        for flag in needs.loosened {
            audit.append(loosening(flag))?;
        }
        let journal = Journal::open(&folder, Arc::clone(&clock))?;
        let http = HttpClient::builder().crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let services = HostServices {
            log: journal.logs_before(log),
            storage: Arc::new(SqliteStorage::open(folder.join("storage.db"), Arc::clone(&clock))?),
            http: Arc::new(http.build()?),
            bus: Arc::new(LocalBus::new(executor.handle().clone(), Arc::clone(&clock))),
            events: Arc::new(AuditEvents::new(audit.clone(), journal.events())),
            ..services
        };
        let runtime = builder.services(services).build().map_err(palisade::LoadError::from)?;
        let mut settings = SupervisorSettings {
            policy: needs.policy,
            ..SupervisorSettings::new(executor.handle().clone(), Arc::new(audit.clone()))
        };
        if let Stay::Server { drain_timeout, .. } = needs.stay {
            settings.drain_timeout = drain_timeout;
        }
        let supervisor = Supervisor::open_in(directory, runtime, needs.trust, settings)?.acting_as(ACTOR);
        Ok(Self {
            executor,
            supervisor,
            audit,
            cache_warnings,
            kept,
            journal,
        })
    }

    /// Opens the directory for a command that runs nothing in it, and `writes` a file afterwards.
    pub(crate) fn to_read(
        data: &DataDirOption,
        writes: Option<&Path>,
        surroundings: &Surroundings,
        terminal: &mut Terminal,
    ) -> Result<Self, Failure> {
        let needs = Needs {
            folder: data.path(surroundings)?,
            trust: TrustStore::empty(),
            policy: Policy::deny_all(),
            confinement: beside(writes),
            loosened: Vec::new(),
            stay: Stay::OneCommand,
        };
        Self::open(needs, surroundings, terminal)
    }

    /// Does one thing, ends what runs, and tells what went wrong on the way.
    pub(crate) fn run<T>(
        self,
        terminal: &mut Terminal,
        work: impl AsyncFnOnce(&Supervisor, &mut Terminal) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut events = self.supervisor.subscribe(None, Replay::Nothing);
        let Self {
            executor,
            supervisor,
            cache_warnings,
            kept,
            journal,
            ..
        } = self;
        let (done, left) = executor.block_on(async {
            let done = work(&supervisor, terminal).await;
            (done, supervisor.shutdown(SHUTDOWN).await)
        });
        // What was said is written down when the program ends.
        drop(journal);
        cache_warnings.tell(terminal);
        while let Some(event) = events.try_next() {
            if let EventKind::Warning { message, .. } = &event.kind {
                terminal.warn(format_args!("{}: {}", event.plugin_id, Visible(message)));
            }
        }
        for (id, error) in left {
            terminal.warn(format_args!("{id} did not end in order: {error}"));
        }
        done.map_err(|failure| with_logs(failure, &kept))
    }

    /// Does the work of a server, which ends what runs by itself.
    pub(crate) fn serve<T>(self, work: impl AsyncFnOnce(&Self) -> T) -> T {
        let done = self.executor.block_on(work(&self));
        let Self { executor, journal, .. } = self;
        // Whatever holds a database lets go of it, so that it is closed in order.
        executor.shutdown_timeout(LET_GO);
        // What was said is written down when the program ends.
        drop(journal);
        done
    }
}

impl Stay {
    fn executor(&self) -> io::Result<tokio::runtime::Runtime> {
        match self {
            Self::OneCommand => tokio::runtime::Builder::new_current_thread().enable_time().build(),
            Self::Server { .. } => tokio::runtime::Builder::new_multi_thread()
                .thread_name("serve")
                .enable_time()
                .enable_io()
                .build(),
        }
    }

    fn log(&self, format: Format, kept: &Arc<MemoryLog>) -> Arc<dyn LogSink> {
        match (self, format) {
            (Self::Server { log, .. }, _) => Arc::clone(log),
            (Self::OneCommand, Format::Json) => Arc::clone(kept) as _,
            (Self::OneCommand, Format::People) => Arc::new(StderrLog),
        }
    }
}

/// The flags that let more bundles through, and whether they are given.
pub(crate) fn loosening_trust(trust: &TrustOptions, allow_unsigned: bool) -> [(&'static str, bool); 2] {
    [
        ("--allow-unsigned", allow_unsigned),
        ("--allow-development-keys", trust.allow_development_keys),
    ]
}

/// Those that are given.
pub(crate) fn given(flags: impl IntoIterator<Item = (&'static str, bool)>) -> Vec<&'static str> {
    let given = flags.into_iter().filter(|(_, is_given)| *is_given);
    given.map(|(flag, _)| flag).collect()
}

/// What the audit trail says of a flag that lets through what is refused otherwise.
pub(crate) fn loosening(flag: &str) -> AuditEntry {
    AuditEntry {
        actor: ACTOR.to_owned(),
        plugin_id: None,
        action: AuditAction::TrustChange,
        resource: flag.to_owned(),
        outcome: AuditOutcome::Succeeded,
        details: Map::new(),
    }
}

/// Shows log lines as they come, with the plugin that wrote them.
#[derive(Debug)]
struct StderrLog;

impl LogSink for StderrLog {
    fn write(&self, record: &LogRecord<'_>) {
        let level = record.level.as_str();
        let line = format!("{level:>5} {}: {}\n", record.plugin_id, Visible(record.text));
        // Nobody to tell when standard error is closed.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}
