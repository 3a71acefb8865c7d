//! `debug wasi-run`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use palisade::{LoadError, WasiCommand, WasiDirectory, parse_duration};
use palisade_signer::input::{Kind, read_file};
use palisade_signer::{Conclusion, Failure, HostError, Surroundings};

use crate::compiling;

use crate::folder_option::FolderOption;

/// Nobody waits longer, and a clock that goes further may not exist.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// `debug wasi-run`.
#[derive(Args, Debug)]
pub(crate) struct WasiRun {
    /// A variable for the module's environment
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,

    /// A folder the module may use, and the name it sees
    #[arg(long, value_name = "HOST::GUEST")]
    dir: Vec<FolderOption>,

    /// Let the module make links and rename files
    #[arg(long)]
    allow_links: bool,

    /// How long it may run
    #[arg(long, value_name = "T", value_parser = parse_duration)]
    timeout: Option<Duration>,

    /// The module
    file: PathBuf,

    /// Arguments for the module
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

impl WasiRun {
    pub(super) fn run(self, surroundings: &Surroundings) -> Result<Conclusion, Failure> {
        let name = self.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let command = WasiCommand {
            wasm: read_file(&self.file, Kind::new("module", 64 * 1024 * 1024))?,
            args: std::iter::once(name).chain(self.args).collect(),
            env: self.env,
            directories: self.dir.into_iter().map(directory).collect(),
            allow_links: self.allow_links,
            timeout: self.timeout.map(|timeout| timeout.min(LONGEST)),
        };
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .enable_time()
            .build()
            .map_err(HostError::Threads)?;
        let runtime = compiling::in_a_worker(surroundings).build().map_err(LoadError::from)?;
        let status = tokio.block_on(runtime.run_wasi(&command))?;
        Ok(Conclusion::Status(u8::try_from(status).unwrap_or(1)))
    }
}

fn variable(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn directory(FolderOption { host, guest }: FolderOption) -> WasiDirectory {
    WasiDirectory { host, guest }
}
