//! `state get`, `set`, `export` and `import`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use palisade::{Blame, Code, Coded, PluginArchive, PluginStatus};
use palisade_signer::input::{Input, Kind};
use palisade_signer::output::{self, Audience, Existing};
use palisade_signer::{Answer, Conclusion, Failure, Format, HostError, Surroundings, Terminal, UsageError, style};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::house::{First, HouseOptions, about};
use super::object::JsonSource;

/// An archive: 100 MiB of storage is the most there can be, a third more in base64, and keys.
const ARCHIVE: Kind = Kind::new("archive", 160 * 1024 * 1024);

/// A state record has at most 1 MiB; the host says so itself.
const RECORD: Kind = Kind::new("state record", 2 * 1024 * 1024);

/// What a plugin keeps.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// Print the state record
    Get(Get),
    /// Replace the state record, or remove it
    Set(Set),
    /// Write everything that the plugin keeps as JSON: state record, keys and values
    Export(Export),
    /// Replace everything that the plugin keeps by what was exported
    Import(Import),
}

/// `state get`.
#[derive(Args, Debug)]
pub(crate) struct Get {
    /// The plugin
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    house: HouseOptions,
}

/// `state set`.
#[derive(Args, Debug)]
pub(crate) struct Set {
    /// The plugin
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    source: JsonSource,

    /// Remove the record
    #[arg(long, conflicts_with_all = ["inline", "file"])]
    remove: bool,

    #[command(flatten)]
    house: HouseOptions,
}

/// `state export`.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The plugin
    #[arg(value_name = "ID")]
    id: String,

    /// Write it to FILE, for the owner alone to read
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    house: HouseOptions,
}

/// `state import`.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The plugin
    #[arg(value_name = "ID")]
    id: String,

    /// What was exported, or archived by `uninstall`; - reads it from standard input
    #[arg(value_name = "FILE")]
    archive: Input,

    #[command(flatten)]
    house: HouseOptions,
}

#[derive(Serialize)]
struct Record {
    plugin: String,
    state: Option<Box<RawValue>>,
}

/// Nothing of it was started, so its state is no news.
#[derive(Serialize)]
struct Kept {
    plugin: String,
    version: String,
    #[serde(skip)]
    done: &'static str,
}

#[derive(Serialize)]
struct Exported {
    plugin: String,
    archive: PathBuf,
}

impl StateCommand {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        match self {
            Self::Get(command) => command.run(surroundings, terminal),
            Self::Set(command) => command.run(surroundings, terminal),
            Self::Export(command) => command.run(surroundings, terminal),
            Self::Import(command) => command.run(surroundings, terminal),
        }
    }
}

impl Get {
    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let (id, host) = (&self.id, (surroundings, &mut *terminal));
        let record = self.house.run_on(id, First::Leave, host, async |supervisor, _| {
            Ok(supervisor.state(id).await?)
        })?;
        match terminal.format() {
            Format::People => terminal.plugin_bytes(&record.unwrap_or_default())?,
            Format::Json => {
                let state = record.map(|record| serde_json::from_slice(&record)).transpose();
                terminal.json_line(&Record {
                    plugin: self.id,
                    state: state.map_err(HostError::Answer)?,
                })?;
            }
        }
        Ok(Conclusion::Done)
    }
}

impl Set {
    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let record = match (self.remove, self.source.is_empty()) {
            (true, _) => None,
            (false, false) => Some(self.source.read(RECORD)?),
            (false, true) => {
                let error = UsageError::new("JSON", "nothing was given");
                return Err(error
                    .with_help("give it as JSON, as - or with --file FILE; --remove removes it")
                    .into());
            }
        };
        let done = if self.remove {
            "removed the state of"
        } else {
            "set the state of"
        };
        let (id, host) = (&self.id, (surroundings, &mut *terminal));
        let status = self.house.run_on(id, First::Leave, host, async |supervisor, _| {
            Ok(supervisor.set_state(id, record).await?)
        })?;
        terminal.answer(&Kept::of(&status, done))?;
        Ok(Conclusion::Done)
    }
}

impl Export {
    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let (id, host) = (&self.id, (surroundings, &mut *terminal));
        let writes = self.output.as_deref();
        let exported = self.house.run_beside(writes, host, async |supervisor, _| {
            Ok(supervisor.export_data(id).await?)
        });
        let archive = exported.map_err(|failure| about(failure, id))?;
        let Some(path) = self.output else {
            terminal.json_line(&archive)?;
            return Ok(Conclusion::Done);
        };
        let json = serde_json::to_vec(&archive).map_err(HostError::Answer)?;
        output::write(&path, &json, Audience::Owner, Existing::Replace)?;
        terminal.answer(&Exported {
            plugin: self.id,
            archive: path,
        })?;
        Ok(Conclusion::Done)
    }
}

impl Import {
    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let json = self.archive.read(ARCHIVE)?;
        let archive: PluginArchive = serde_json::from_slice(&json).map_err(NoArchive)?;
        let (id, host) = (&self.id, (surroundings, &mut *terminal));
        let status = self.house.run_on(id, First::Leave, host, async |supervisor, _| {
            Ok(supervisor.import_data(id, archive).await?)
        })?;
        terminal.answer(&Kept::of(&status, "imported the data of"))?;
        Ok(Conclusion::Done)
    }
}

impl Kept {
    fn of(status: &PluginStatus, done: &'static str) -> Self {
        Self {
            plugin: status.id.clone(),
            version: status.version.clone(),
            done,
        }
    }
}

impl Answer for Kept {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", style::good(format_args!("{} {}", self.done, self.plugin)))
    }
}

impl Answer for Exported {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{}",
            style::good(format_args!("exported the data of {}", self.plugin))
        )?;
        writeln!(out, "  archive  {}", self.archive.display())
    }
}

/// A file that no export wrote.
#[derive(Debug, Error)]
#[error("this is no archive of a plugin's data")]
struct NoArchive(#[source] serde_json::Error);

impl Coded for NoArchive {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn blame(&self) -> Blame {
        Blame::Request
    }

    fn details(&self) -> Map<String, Value> {
        let place = json!({"line": self.0.line(), "column": self.0.column()});
        place.as_object().cloned().unwrap_or_default()
    }
}
