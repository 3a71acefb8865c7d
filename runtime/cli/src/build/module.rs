//! A compiled module and what is known about it: [`Built`].

use std::path::{Path, PathBuf};

use palisade::{Blame, Code, Coded};
use palisade_abi::Description;
use palisade_signer::Failure;
use palisade_signer::input::{self, Kind};
use serde_json::{Map, Value};
use thiserror::Error;

use super::PackageFacts;

/// The result of compiling.
pub(super) struct Built {
    /// The module that is shipped.
    pub(super) wasm: Vec<u8>,
    /// What its package says of it.
    pub(super) facts: PackageFacts,
    /// Its commands, where the SDK describes them.
    pub(super) commands: Option<Description>,
}

impl Built {
    /// A module that says nothing of itself.
    pub(super) fn plain(wasm: Vec<u8>) -> Self {
        Self {
            wasm,
            facts: PackageFacts::default(),
            commands: None,
        }
    }
}

/// Text of a module has as many characters as a large one needs.
const WAT: Kind = Kind::new("module text", 16 * 1024 * 1024);

/// Turns the text format into a module.
pub(super) fn assemble(path: &Path) -> Result<Vec<u8>, Failure> {
    let text = input::read_text(path, WAT)?;
    wat::parse_str(&text).map_err(|mut error| {
        error.set_path(path);
        let said = error.to_string();
        WatError {
            path: path.to_owned(),
            said,
        }
        .into()
    })
}

/// Text that is no module.
#[derive(Debug, Error)]
#[error("`{}` does not assemble", path.display())]
struct WatError {
    path: PathBuf,
    /// The assembler's words: what, where, and the line with a caret.
    said: String,
}

impl Coded for WatError {
    fn code(&self) -> Code {
        Code::CorruptedData
    }

    fn blame(&self) -> Blame {
        Blame::Bundle
    }

    fn details(&self) -> Map<String, Value> {
        let facts = [("reason", "does_not_compile"), ("output", self.said.as_str())];
        facts
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect()
    }
}
