//! `list`, `status` and `health`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::Args;
use palisade::{Health, PluginStatus, State, Visible};
use palisade_signer::{Answer, Conclusion, Failure, Surroundings, Terminal, style};
use serde::Serialize;

use super::answer::Row;
use super::house::{First, HouseOptions};
use super::table;

/// `list`.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    house: HouseOptions,
}

/// `status`.
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// The plugin; without, all of them
    #[arg(value_name = "ID")]
    id: Option<String>,

    #[command(flatten)]
    house: HouseOptions,
}

/// `health`.
#[derive(Args, Debug)]
pub(crate) struct CheckHealth {
    /// The plugin; without, all of them
    #[arg(value_name = "ID")]
    id: Option<String>,

    #[command(flatten)]
    house: HouseOptions,
}

#[derive(Serialize)]
struct Listed {
    plugins: Vec<Row>,
}

#[derive(Serialize)]
struct Described {
    plugins: Vec<PluginStatus>,
}

/// The body of GET /plugins/{id}.
#[derive(Serialize)]
#[serde(transparent)]
struct One(PluginStatus);

#[derive(Serialize)]
struct Diagnosed {
    overall_status: &'static str,
    plugins: BTreeMap<String, Diagnosis>,
    timestamp: i64,
}

#[derive(Serialize)]
struct Diagnosis {
    status: &'static str,
    state: State,
    checks: Checks,
}

#[derive(Serialize)]
struct Checks {
    active_requests: usize,
}

impl List {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let all = all(&self.house, surroundings, terminal)?;
        let plugins = all.iter().map(Row::of).collect();
        terminal.answer(&Listed { plugins })?;
        Ok(Conclusion::Done)
    }
}

impl Status {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        match &self.id {
            Some(id) => terminal_one(&self.house, id, surroundings, terminal)?,
            None => {
                let plugins = all(&self.house, surroundings, terminal)?;
                terminal.answer(&Described { plugins })?;
            }
        }
        Ok(Conclusion::Done)
    }
}

impl CheckHealth {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let plugins = match &self.id {
            Some(id) => vec![one(&self.house, id, surroundings, terminal)?],
            None => all(&self.house, surroundings, terminal)?,
        };
        let overall = Health::overall(plugins.iter().map(|status| status.health));
        let diagnosis = |status: &PluginStatus| Diagnosis {
            status: status.health.as_str(),
            state: status.state,
            checks: Checks {
                active_requests: status.active_requests,
            },
        };
        terminal.answer(&Diagnosed {
            overall_status: overall.as_str(),
            plugins: plugins
                .iter()
                .map(|status| (status.id.clone(), diagnosis(status)))
                .collect(),
            timestamp: surroundings.now.as_second(),
        })?;
        Ok(match overall {
            Health::Healthy => Conclusion::Done,
            _ => Conclusion::Findings,
        })
    }
}

/// Starts what is enabled, and tells how all of it is.
fn all(
    house: &HouseOptions,
    surroundings: &Surroundings,
    terminal: &mut Terminal,
) -> Result<Vec<PluginStatus>, Failure> {
    house.run(surroundings, terminal, async |supervisor, terminal| {
        let progress = terminal.progress("starting");
        let failed = supervisor.start().await;
        drop(progress);
        for (id, error) in failed {
            terminal.warn(format_args!("{id} did not start: {}", Visible(error.to_string())));
        }
        Ok(supervisor.list())
    })
}

fn one(
    house: &HouseOptions,
    id: &str,
    surroundings: &Surroundings,
    terminal: &mut Terminal,
) -> Result<PluginStatus, Failure> {
    house.run_on(
        id,
        First::TryToStart,
        (surroundings, terminal),
        async |supervisor, _| supervisor.status(id).map_err(Failure::from),
    )
}

fn terminal_one(
    house: &HouseOptions,
    id: &str,
    surroundings: &Surroundings,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let status = one(house, id, surroundings, terminal)?;
    terminal.answer(&One(status))
}

impl Answer for Listed {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.plugins.is_empty() {
            return writeln!(out, "nothing is installed");
        }
        let rows = self.plugins.iter().map(|plugin| {
            [
                plugin.id.clone(),
                plugin.version.clone(),
                plugin.state.to_string(),
                plugin.health.to_owned(),
                plugin.active_requests.to_string(),
            ]
        });
        table::write(out, ["ID", "VERSION", "STATE", "HEALTH", "REQUESTS"], rows)
    }
}

impl Answer for Described {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.plugins.is_empty() {
            return writeln!(out, "nothing is installed");
        }
        self.plugins.iter().try_for_each(|plugin| describe(plugin, out))
    }
}

impl Answer for One {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        describe(&self.0, out)
    }
}

impl Answer for Diagnosed {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = self
            .plugins
            .iter()
            .map(|(id, diagnosis)| [id.clone(), diagnosis.state.to_string(), diagnosis.status.to_owned()]);
        table::write(out, ["ID", "STATE", "HEALTH"], rows)?;
        writeln!(out, "{} {}", style::heading("overall"), self.overall_status)
    }
}

fn describe(status: &PluginStatus, out: &mut dyn Write) -> io::Result<()> {
    let heading = format!("{} {}", status.id, status.version);
    writeln!(out, "{}", style::heading(Visible(heading)))?;
    let joined = |words: Vec<String>| match words.is_empty() {
        true => "none".to_owned(),
        false => words.join(", "),
    };
    let versions = status.versions.iter().map(|kept| kept.version.clone()).collect();
    let granted = status.granted.iter().map(ToString::to_string).collect();
    let mut facts = vec![
        ("state", status.state.to_string()),
        ("health", status.health.as_str().to_owned()),
        ("enabled", if status.enabled { "yes" } else { "no" }.to_owned()),
        (
            "publisher",
            status.publisher.clone().unwrap_or_else(|| "nobody".to_owned()),
        ),
        ("digest", format!("sha256:{}", status.digest)),
        ("granted", joined(granted)),
        ("versions", joined(versions)),
        ("requests", status.active_requests.to_string()),
    ];
    if !status.withheld.is_empty() {
        facts.push((
            "withheld",
            joined(status.withheld.iter().map(ToString::to_string).collect()),
        ));
    }
    if let Some(failure) = &status.failure {
        let at = failure.at.map(|at| format!(", {at}")).unwrap_or_default();
        let what = format!("{} during {}{at}: {}", failure.code, failure.phase, failure.message);
        facts.push(("failure", what));
    }
    for (name, fact) in facts {
        writeln!(out, "  {name:9}  {}", Visible(fact))?;
    }
    Ok(())
}
