//! `enable`, `disable`, `restart`, `reload`, `rollback` and `uninstall`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use palisade::{DisableOptions, PluginData, Visible, parse_duration};
use palisade_signer::{Answer, Conclusion, Failure, Surroundings, Terminal, style};
use serde::Serialize;

use super::answer::Changed;
use super::house::{First, HouseOptions, about, begin};

/// `enable`.
#[derive(Args, Debug)]
pub(crate) struct Enable {
    /// The plugin
    #[arg(value_name = "ID")]
    id: String,

    /// Also when it crashed too often and is locked away
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    house: HouseOptions,
}

/// `disable`.
#[derive(Args, Debug)]
pub(crate) struct Disable {
    /// The plugin
    #[arg(value_name = "ID")]
    id: String,

    /// How long running commands are waited for [default: 5s]
    #[arg(long, value_name = "T", value_parser = parse_duration)]
    timeout: Option<Duration>,

    #[command(flatten)]
    house: HouseOptions,
}

/// `restart` and `reload`: nothing but the plugin.
#[derive(Args, Debug)]
pub(crate) struct Again {
    /// The plugin
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    house: HouseOptions,
}

/// `rollback`.
#[derive(Args, Debug)]
pub(crate) struct Rollback {
    /// The plugin
    #[arg(value_name = "ID")]
    id: String,

    /// A version that is kept; without, the one before
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,

    #[command(flatten)]
    house: HouseOptions,
}

/// `uninstall`.
#[derive(Args, Debug)]
pub(crate) struct Uninstall {
    /// The plugin
    #[arg(value_name = "ID")]
    id: String,

    /// Leave its state and storage for a later install by the same publisher
    #[arg(long, conflicts_with = "force")]
    preserve_data: bool,

    /// Write no archive of its data, and go on when some of it cannot be deleted
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    house: HouseOptions,
}

#[derive(Serialize)]
struct Stopped {
    drained: usize,
    cancelled: usize,
    state_saved: bool,
}

#[derive(Serialize)]
struct Replaced {
    old_version: String,
    new_version: String,
}

#[derive(Serialize)]
struct Removed {
    id: String,
    version: String,
    archived: Option<PathBuf>,
}

impl Enable {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let id = &self.id;
        let enabled = self.house.run(surroundings, terminal, async |supervisor, terminal| {
            let failure = supervisor.status(id)?.failure;
            match &failure {
                Some(failure) if failure.quarantined && self.force => drop(supervisor.release(id).await?),
                // Starting it is what was asked for.
                Some(_) => {}
                None => begin(supervisor, id, First::Start, terminal).await?,
            }
            let _progress = terminal.progress("starting");
            Ok(supervisor.enable(id).await?)
        });
        let status = enabled.map_err(|failure| about(failure, id))?;
        terminal.answer(&Changed::new("enabled", &status))?;
        Ok(Conclusion::Done)
    }
}

impl Disable {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let (id, mut options) = (&self.id, DisableOptions::default());
        options.timeout = self.timeout.unwrap_or(options.timeout);
        let host = (surroundings, &mut *terminal);
        let disabled = self
            .house
            .run_on(id, First::TryToStart, host, async |supervisor, terminal| {
                let _progress = terminal.progress("stopping");
                Ok(supervisor.disable(id, options).await?)
            })?;
        let more = Stopped {
            drained: disabled.drained,
            cancelled: disabled.cancelled,
            state_saved: disabled.state_saved,
        };
        terminal.answer(&Changed::with("disabled", &disabled.status, more))?;
        Ok(Conclusion::Done)
    }
}

impl Again {
    pub(super) fn restart(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let (id, host) = (&self.id, (surroundings, &mut *terminal));
        // It does not run between two commands: a start is all there is to do.
        let status = self
            .house
            .run_on(id, First::Leave, host, async |supervisor, terminal| {
                let _progress = terminal.progress("starting");
                Ok(supervisor.restart(id).await?)
            })?;
        terminal.answer(&Changed::new("restarted", &status))?;
        Ok(Conclusion::Done)
    }

    pub(super) fn reload(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let (id, host) = (&self.id, (surroundings, &mut *terminal));
        let status = self
            .house
            .run_on(id, First::TryToStart, host, async |supervisor, terminal| {
                let _progress = terminal.progress("reloading");
                Ok(supervisor.reload(id).await?)
            })?;
        terminal.answer(&Changed::new("reloaded", &status))?;
        Ok(Conclusion::Done)
    }
}

impl Rollback {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let (id, host) = (&self.id, (surroundings, &mut *terminal));
        let (before, status) = self
            .house
            .run_on(id, First::TryToStart, host, async |supervisor, terminal| {
                let before = supervisor.status(id)?.version;
                let _progress = terminal.progress("rolling back");
                let status = match &self.to {
                    Some(version) => supervisor.rollback_to(id, version).await?,
                    None => supervisor.rollback(id).await?,
                };
                Ok((before, status))
            })?;
        let more = Replaced {
            old_version: before,
            new_version: status.version.clone(),
        };
        terminal.answer(&Changed::with("rolled back to", &status, more))?;
        Ok(Conclusion::Done)
    }
}

impl Uninstall {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let data = match (self.preserve_data, self.force) {
            (true, _) => PluginData::Preserve,
            (false, true) => PluginData::Discard,
            (false, false) => PluginData::Archive,
        };
        let (id, host) = (&self.id, (surroundings, &mut *terminal));
        let removed = self
            .house
            .run_on(id, First::TryToStart, host, async |supervisor, terminal| {
                let version = supervisor.status(id)?.version;
                let _progress = terminal.progress("removing");
                let uninstalled = supervisor.uninstall(id, data).await?;
                Ok(Removed {
                    id: id.clone(),
                    version,
                    archived: uninstalled.archive,
                })
            })?;
        terminal.answer(&removed)?;
        Ok(Conclusion::Done)
    }
}

impl Answer for Removed {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let done = format!("uninstalled {} {}", self.id, self.version);
        writeln!(out, "{}", style::good(Visible(done)))?;
        match &self.archived {
            Some(archive) => writeln!(out, "  archive  {}", archive.display()),
            None => Ok(()),
        }
    }
}
