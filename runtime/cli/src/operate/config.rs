//! `config get`, `set`, `validate` and `history`.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use palisade::{ConfigChange, Supervisor, Visible, VisibleLines};
use palisade_signer::input::Kind;
use palisade_signer::{Answer, Conclusion, Failure, Surroundings, Terminal, style};
use serde::Serialize;
use serde_json::{Map, Value};

use super::answer::Changed;
use super::house::{First, HouseOptions};
use super::object::{JsonSource, object};
use super::table;

/// The configuration of a plugin.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the configuration in effect
    Get(Get),
    /// Replace the configuration, all of it; a plugin that runs is reloaded
    Set(Set),
    /// Check a configuration against the plugin's schema, and change nothing
    Validate(Validate),
    /// List the configurations that the plugin has had
    History(Get),
}

/// `config get` and `config history`.
#[derive(Args, Debug)]
pub(crate) struct Get {
    /// The plugin
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    house: HouseOptions,
}

/// `config set`.
#[derive(Args, Debug)]
pub(crate) struct Set {
    /// The plugin
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    source: JsonSource,

    #[command(flatten)]
    house: HouseOptions,
}

/// `config validate`.
#[derive(Args, Debug)]
pub(crate) struct Validate {
    /// The plugin
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    source: JsonSource,

    #[command(flatten)]
    house: HouseOptions,
}

/// The body of GET /plugins/config.
#[derive(Serialize)]
struct Got {
    plugin: String,
    config: Map<String, Value>,
    timestamp: i64,
}

#[derive(Serialize)]
struct Valid {
    valid: bool,
    errors: [(); 0],
}

#[derive(Serialize)]
struct Had {
    plugin: String,
    history: Vec<ConfigChange>,
}

impl ConfigCommand {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        match self {
            Self::Get(command) => command.get(surroundings, terminal),
            Self::Set(command) => command.run(surroundings, terminal),
            Self::Validate(command) => command.run(surroundings, terminal),
            Self::History(command) => command.history(surroundings, terminal),
        }
    }
}

impl Get {
    fn get(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let (id, host) = (&self.id, (surroundings, &mut *terminal));
        let config = self
            .house
            .run_on(id, First::Leave, host, async |supervisor, _| effective(supervisor, id))?;
        terminal.answer(&Got {
            plugin: self.id,
            config,
            timestamp: surroundings.now.as_second(),
        })?;
        Ok(Conclusion::Done)
    }

    fn history(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let (id, host) = (&self.id, (surroundings, &mut *terminal));
        let history = self.house.run_on(id, First::Leave, host, async |supervisor, _| {
            Ok(supervisor.config_history(id).await?)
        })?;
        terminal.answer(&Had {
            plugin: self.id,
            history,
        })?;
        Ok(Conclusion::Done)
    }
}

impl Set {
    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let config = object(&self.source.read(Kind::CONFIG)?)?;
        let (id, host) = (&self.id, (surroundings, &mut *terminal));
        let status = self
            .house
            .run_on(id, First::TryToStart, host, async |supervisor, terminal| {
                let _progress = terminal.progress("reloading");
                Ok(supervisor.update_config(id, config).await?)
            })?;
        terminal.answer(&Changed::new("configured", &status))?;
        Ok(Conclusion::Done)
    }
}

impl Validate {
    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let config = object(&self.source.read(Kind::CONFIG)?)?;
        let (id, host) = (&self.id, (surroundings, &mut *terminal));
        self.house.run_on(id, First::Leave, host, async |supervisor, _| {
            Ok(supervisor.check_config(id, config)?)
        })?;
        terminal.answer(&Valid {
            valid: true,
            errors: [],
        })?;
        Ok(Conclusion::Done)
    }
}

fn effective(supervisor: &Supervisor, id: &str) -> Result<Map<String, Value>, Failure> {
    let of_operator = supervisor.config(id)?;
    Ok(match of_operator {
        Some(config) => config,
        None => supervisor.status(id)?.manifest.config.clone(),
    })
}

impl Answer for Got {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let json = serde_json::to_string_pretty(&self.config)?;
        writeln!(out, "{}", VisibleLines(json))
    }
}

impl Answer for Valid {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", style::good("the configuration fits"))
    }
}

impl Answer for Had {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = self.history.iter().map(|change| {
            let at = change.at.map(|at| at.to_string()).unwrap_or_default();
            let config = Value::Object(change.config.clone()).to_string();
            [
                change.number.to_string(),
                at,
                change.version.clone(),
                Visible(config).to_string(),
            ]
        });
        table::write(out, ["NUMBER", "SINCE", "VERSION", "CONFIGURATION"], rows)
    }
}
