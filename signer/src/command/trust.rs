//! `trust add`, `list`, `remove`, `revoke` and `import`.

mod add;
mod import;
mod list;
mod remove;
mod revoke;
mod subject;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use palisade_bundle::TrustDocument;
use serde::Serialize;

use crate::failure::{Conclusion, Failure};
use crate::style;
use crate::surroundings::Surroundings;
use crate::terminal::{Answer, Terminal};
use crate::trust_directory::TrustDirectory;

/// Whose bundles run on this machine.
#[derive(Debug, Subcommand)]
pub enum TrustCommand {
    /// Trust a publisher's key for some plugin ids
    Add(add::Add),
    /// Show who is trusted for what, and what was revoked
    List(list::List),
    /// Stop trusting a key or a publisher
    Remove(remove::Remove),
    /// Declare a key or a bundle bad, whoever vouches for it
    Revoke(revoke::Revoke),
    /// Take over a trust document that was signed elsewhere
    Import(import::Import),
}

impl TrustCommand {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        match self {
            Self::Add(command) => command.run(surroundings, terminal),
            Self::List(command) => command.run(surroundings, terminal),
            Self::Remove(command) => command.run(surroundings, terminal),
            Self::Revoke(command) => command.run(surroundings, terminal),
            Self::Import(command) => command.run(surroundings, terminal),
        }
    }
}

/// Which store.
#[derive(Args, Debug)]
struct StoreOptions {
    /// Use the trust store in DIR [default: palisade/trust in the XDG configuration folder]
    /// [env: PALISADE_TRUST_STORE]
    #[arg(long, value_name = "DIR")]
    trust_store: Option<PathBuf>,
}

impl StoreOptions {
    fn directory(&self, surroundings: &Surroundings) -> Result<TrustDirectory, Failure> {
        Ok(TrustDirectory::of(self.trust_store.as_deref(), surroundings)?)
    }
}

/// What a change to the store answers.
#[derive(Serialize)]
struct Changed {
    trust_store: PathBuf,
    version: u64,
    /// What was done, for people.
    #[serde(skip)]
    done: String,
}

impl Changed {
    fn new(directory: &TrustDirectory, document: &TrustDocument, done: String) -> Self {
        Self {
            trust_store: directory.path().to_owned(),
            version: document.version(),
            done,
        }
    }
}

impl Answer for Changed {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", style::good(&self.done))?;
        writeln!(out, "  store  {}, version {}", self.trust_store.display(), self.version)
    }
}
