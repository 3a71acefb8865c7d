//! `--data-dir`: where a host keeps its plugins.

use std::path::PathBuf;

use clap::Args;
use palisade_signer::{Failure, Surroundings, UsageError};

/// Which data directory.
#[derive(Args, Clone, Debug)]
pub(crate) struct DataDir {
    /// The data directory of the host [default: palisade in the XDG data folder]
    #[arg(long, value_name = "D", env = "PALISADE_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
}

impl DataDir {
    /// The folder, which need not be there.
    pub(crate) fn folder(&self, surroundings: &Surroundings) -> Result<PathBuf, Failure> {
        let given = self.data_dir.clone().filter(|path| !path.as_os_str().is_empty());
        given.or_else(|| surroundings.default_data_dir.clone()).ok_or_else(|| {
            let message = "this user has no home, and neither --data-dir nor PALISADE_DATA_DIR names a folder";
            UsageError::new("--data-dir", message).into()
        })
    }
}
