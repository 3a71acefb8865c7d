//! `dev`: runs a plugin while it is written.
//!
//! `sources` tells when a file changes, `host` has the generation that serves, `console` takes commands from standard
//! input meanwhile, and `said` shows log and events. Here is the loop: build, put in place, wait for a change.

mod console;
mod host;
mod said;
mod sources;

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use palisade::{Digest, PluginStatus, State};
use palisade_signer::{Conclusion, Failure, HostError, Problem, Surroundings, Terminal};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use self::console::{Console, Serving};
use self::host::DevelopmentHost;
use self::sources::Sources;
use crate::build::{self, Made, Profile, Source};
use crate::power_options::PowerOptions;
use crate::telemetry;

/// `dev`.
#[derive(Args, Debug)]
// Everything that is asked for is granted.
#[command(mut_arg("grant", |grant| grant.hide(true)))]
pub(crate) struct Dev {
    /// The folder of the plugin: Cargo.toml, plugin.c or plugin.wat, beside plugin.json
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    folder: PathBuf,

    /// Optimise, as for a release
    #[arg(long)]
    release: bool,

    /// Withhold a permission, although the plugin asks for it
    #[arg(long, value_name = "PERM", help_heading = "Powers")]
    deny: Vec<String>,

    #[command(flatten)]
    powers: PowerOptions,
}

/// What wakes the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    /// A source has changed.
    Changed,
    /// Nobody will ask for anything any more.
    Ended,
    /// Ctrl-C.
    Interrupted,
}

impl Dev {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        // A folder without a plugin is a mistake to tell at once; one whose plugin does not compile is what this is for.
        Source::of(&self.folder)?;
        telemetry::start(surroundings, terminal);
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .thread_name("dev")
            .enable_time()
            .enable_io()
            .build()
            .map_err(HostError::Threads)?;
        tokio.block_on(self.develop(surroundings, terminal))
    }

    async fn develop(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        // One place: while a change waits to be seen, the next one is the same.
        let (tell, mut signals) = channel(1);
        let changed = tell.clone();
        let tell_changed = move || _ = changed.try_send(Signal::Changed);
        let mut sources = Sources::watch(&self.folder, tell_changed)?;
        let host = DevelopmentHost::open(&self.powers, &self.deny, surroundings, terminal.format())?;
        let console = Console::open(host.supervisor(), surroundings, terminal.format());
        let interrupted = tokio::spawn(tell_interrupted(tell.clone()));
        let ended = console.listen(tell)?;
        let mut developer = Developer {
            dev: &self,
            surroundings,
            host,
            console,
            served: None,
        };
        developer.greet(terminal);
        let last = loop {
            match developer.round(&mut sources, &mut signals, terminal).await? {
                Signal::Changed => {}
                last => break last,
            }
        };
        interrupted.abort();
        developer.host.close(terminal).await?;
        match last {
            // Whoever reads the input is still at it, and ends with this process.
            Signal::Interrupted => Err(Failure::Interrupted),
            Signal::Changed | Signal::Ended => {
                // It ended before it told so.
                let _ = ended.await;
                Ok(Conclusion::Done)
            }
        }
    }
}

struct Developer<'a> {
    dev: &'a Dev,
    surroundings: &'a Surroundings,
    host: DevelopmentHost,
    console: Console,
    /// The bundle that serves.
    served: Option<Digest>,
}

impl Developer<'_> {
    fn greet(&self, terminal: &mut Terminal) {
        terminal.note("a host for development: runs unsigned code, grants everything that the plugin asks for, and forgets all at the end");
        for permission in &self.dev.deny {
            terminal.note(format_args!("withholds {permission}"));
        }
        terminal.note("a line such as `COMMAND {\"name\": \"Ada\"}` calls it; the end of the input ends it");
    }

    /// Builds, puts in place what was built, and waits for what comes.
    async fn round(
        &mut self,
        sources: &mut Sources,
        signals: &mut Receiver<Signal>,
        terminal: &mut Terminal,
    ) -> Result<Signal, Failure> {
        // Before the build, so that a file that changes meanwhile is seen.
        sources.look_for_folders()?;
        let placed = match self.build().await {
            Ok(made) if self.served == Some(Digest::of(&made.bundle)) => Ok(None),
            Ok(made) => self.place(made).await.map(Some),
            Err(failure) => Err(failure),
        };
        // Before it is told, so that whoever reads that can call it.
        self.console
            .serve(self.host.id().map_or(Serving::Nothing, Serving::Plugin));
        match placed {
            Ok(Some(status)) => self.tell_served("serving", &status, terminal),
            Ok(None) => terminal.note("nothing has changed"),
            Err(failure) => {
                tell(&failure, self.surroundings, terminal);
                match self.active() {
                    Some(status) => self.tell_served("still serving", &status, terminal),
                    None => terminal.note("nothing is served; waiting for a change"),
                }
            }
        }
        Ok(signals.recv().await.unwrap_or(Signal::Ended))
    }

    /// Compiles on a thread where blocking is allowed, while commands are served.
    async fn build(&self) -> Result<Made, Failure> {
        let (dir, surroundings) = (self.dev.folder.clone(), self.surroundings.clone());
        let profile = match self.dev.release {
            true => Profile::Release,
            false => Profile::Development,
        };
        let format = self.host.format();
        let make = move || build::make(&dir, profile, None, &surroundings, &mut Terminal::of_process(format));
        let made = Handle::current().spawn_blocking(make).await;
        made.map_err(|died| HostError::Threads(died.into()))?
    }

    async fn place(&mut self, made: Made) -> Result<PluginStatus, Failure> {
        let digest = Digest::of(&made.bundle);
        let placed = self.host.place(made).await;
        if placed.is_ok() {
            self.served = Some(digest);
        } else if self.active().is_none() {
            self.served = None;
        }
        placed
    }

    fn active(&self) -> Option<PluginStatus> {
        self.host.status().filter(|status| status.state == State::Active)
    }

    fn tell_served(&self, word: &str, status: &PluginStatus, terminal: &mut Terminal) {
        let generation = status.generation.unwrap_or_default();
        terminal.note(format_args!(
            "{word} {} {}, generation {generation}",
            status.id, status.version
        ));
    }
}

/// Waits for Ctrl-C, so that the plugin is stopped in order.
async fn tell_interrupted(tell: Sender<Signal>) {
    // Without a handler the process ends as it would anyway.
    if tokio::signal::ctrl_c().await.is_ok() {
        let _ = tell.send(Signal::Interrupted).await;
    }
}

/// Says what failed, and goes on.
fn tell(failure: &Failure, surroundings: &Surroundings, terminal: &mut Terminal) {
    let Failure::Reported(report) = failure else { return };
    let id = u128::from_be_bytes(surroundings.random().unwrap_or_default());
    let now = SystemTime::now().try_into().unwrap_or(surroundings.now);
    terminal.report(&Problem::new(report, "dev", format!("{id:032x}"), now));
}
