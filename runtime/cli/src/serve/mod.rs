//! `serve`: the plugins of a data directory behind the API, until somebody ends it.
//!
//! `options` and `settings` are what it was told, on the command line and in a file, `sockets` and `brought` what it was
//! handed. `server` starts and ends it all, `signals` says when; `reload` is what changes meanwhile, `watch` the folder that
//! bundles are dropped into. `service_manager` hears how it goes, and `voice` tells people.

mod brought;
mod options;
mod reload;
mod server;
mod service_manager;
mod settings;
mod signals;
mod sockets;
mod voice;
mod watch;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use palisade_signer::{Answer, Conclusion, Failure, Surroundings, Terminal};
use serde::Serialize;

use self::options::Options;
use self::server::{Handed, Server};
use self::settings::Settings;
use self::sockets::Sockets;
use self::voice::Voice;
use crate::confinement::Confinement;
use crate::operate::{House, Needs, Stay};
use crate::power_options::folder_of;

/// `serve`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Serve {
    /// A TOML file whose keys are the options below; what is given here wins
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    options: Options,
}

/// Where the API is.
#[derive(Serialize)]
struct Listening {
    /// The first address, as a URL.
    listening: String,
    /// All of them.
    addresses: Vec<String>,
    pid: u32,
}

impl Serve {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let settings = self.settings()?;
        let voice = Voice(terminal.format());
        let ended = self.serve(&settings, &voice, surroundings, terminal);
        ended.map_err(|failure| settings.trust.explain(failure))
    }

    fn serve(
        &self,
        settings: &Settings,
        voice: &Voice,
        surroundings: &Surroundings,
        terminal: &mut Terminal,
    ) -> Result<Conclusion, Failure> {
        let connections = sockets::connections(settings.max_connections, voice);
        let brought = settings.brought_tokens(surroundings)?;
        let sockets = Sockets::open(settings.listen)?;
        sockets.refuse_without_token(settings.data.path(surroundings)?, &brought)?;
        if let Some(folder) = &settings.watch {
            watch::check(folder)?;
        }
        let trust = settings.trust_store(surroundings)?;
        let needs = Needs {
            folder: settings.data.path(surroundings)?,
            trust: trust.clone(),
            policy: palisade::Policy::deny_all(),
            confinement: self.confinement(settings, surroundings),
            loosened: settings.loosened(),
            stay: Stay::Server {
                log: Arc::new(voice.clone()),
                drain_timeout: settings.drain_timeout,
            },
        };
        let house = House::open(needs, surroundings, terminal)?;
        let server = Server {
            serve: self,
            settings,
            surroundings,
            voice,
            connections,
        };
        let handed = Handed {
            sockets,
            tokens: brought,
            trust,
        };
        house.serve(async |house| server.run(house, handed, terminal).await)
    }

    /// What the options and the file say together.
    fn settings(&self) -> Result<Settings, Failure> {
        let file = self.config.as_deref().map(Options::read).transpose()?;
        Settings::of(self.options.clone(), file.unwrap_or_default())
    }

    /// Leaves readable what is read again later. Folders, because a file that changes comes as a new one.
    fn confinement(&self, settings: &Settings, surroundings: &Surroundings) -> Confinement {
        let files = self
            .config
            .iter()
            .chain(&settings.token_file)
            .chain(&settings.trust.trust);
        let folders = files.map(|file| folder_of(file).to_owned());
        let store = settings
            .trust
            .trust_store
            .as_ref()
            .or(surroundings.default_trust_dir.as_ref());
        let folders = folders.chain(store.cloned()).chain(settings.watch.clone());
        folders.fold(Confinement::default(), Confinement::read)
    }
}

impl Listening {
    fn on(sockets: &Sockets) -> Self {
        let addresses: Vec<_> = sockets.addresses().map(|address| format!("http://{address}")).collect();
        Self {
            listening: addresses.first().cloned().unwrap_or_default(),
            addresses,
            pid: std::process::id(),
        }
    }
}

impl Answer for Listening {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        self.addresses
            .iter()
            .try_for_each(|address| writeln!(out, "listening on {address}"))
    }
}
