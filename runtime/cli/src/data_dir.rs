//! `--data-dir`: where a host keeps its plugins.

use std::path::{Path, PathBuf};

use clap::Args;
use palisade::{Blame, Code, Coded};
use palisade_signer::{Failure, Surroundings};
use serde_json::{Map, Value};
use thiserror::Error;

/// Which data directory.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataDirOption {
    /// The data directory [default: palisade in the XDG data folder] [env: PALISADE_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl DataDirOption {
    /// The option with this value.
    pub(crate) fn named(data_dir: Option<PathBuf>) -> Self {
        Self { data_dir }
    }

    /// The folder that was named, else the default one.
    pub(crate) fn path<'a>(&'a self, surroundings: &'a Surroundings) -> Result<&'a Path, Failure> {
        let named = self.data_dir.as_deref();
        Ok(named
            .or(surroundings.default_data_dir.as_deref())
            .ok_or(NoDataDirectory)?)
    }
}

/// There is no place for a data directory.
#[derive(Clone, Copy, Debug, Error)]
#[error("no data directory was named, and the user has no data folder")]
struct NoDataDirectory;

impl Coded for NoDataDirectory {
    fn code(&self) -> Code {
        Code::NotFound
    }

    fn blame(&self) -> Blame {
        Blame::Missing
    }

    fn details(&self) -> Map<String, Value> {
        Map::from_iter([("kind".to_owned(), "folder".into())])
    }

    fn help(&self) -> Vec<String> {
        vec!["--data-dir DIR   names one".to_owned()]
    }
}
