//! `trust import`.

use clap::Args;
use palisade_bundle::KeyId;

use super::{Changed, StoreOptions};
use crate::failure::{Conclusion, Failure};
use crate::input::{Input, Kind};
use crate::surroundings::Surroundings;
use crate::terminal::Terminal;

/// `trust import`.
#[derive(Args, Debug)]
pub struct Import {
    /// The document; - reads it from standard input
    file: Input,

    /// A key that may be root of the first document of a store, by its id (ed25519:…)
    #[arg(long, value_name = "KEY_ID")]
    root: Vec<KeyId>,

    /// Forget the present document, whatever its root has signed; needs --root
    #[arg(long, requires = "root")]
    replace: bool,

    #[command(flatten)]
    store: StoreOptions,
}

impl Import {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let directory = self.store.directory(surroundings)?;
        let bytes = self.file.read(Kind::TRUST_DOCUMENT)?;
        let document = directory.import(&bytes, &self.root, self.replace)?;
        let done = format!("imported version {}", document.version());
        terminal.answer(&Changed::new(&directory, &document, done))?;
        Ok(Conclusion::Done)
    }
}
