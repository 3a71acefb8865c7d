//! `schedule`: what a plugin does by the clock.

use std::io::{self, Write};

use clap::Args;
use palisade::{Output, ScheduleStatus};
use palisade_signer::{Answer, Conclusion, Failure, Format, Surroundings, Terminal};
use serde::Serialize;

use super::house::{First, HouseOptions};
use super::table;

/// `schedule`.
#[derive(Args, Debug)]
pub(crate) struct Schedule {
    /// The plugin
    #[arg(value_name = "ID")]
    id: String,

    #[command(flatten)]
    what: What,

    #[command(flatten)]
    house: HouseOptions,
}

/// What is done with one of its entries.
#[derive(Args, Debug)]
#[group(multiple = false)]
struct What {
    /// Keep an entry from beginning
    #[arg(long, value_name = "NAME")]
    pause: Option<String>,

    /// Let a paused entry begin again, from its next time on
    #[arg(long, value_name = "NAME")]
    resume: Option<String>,

    /// Run the command of an entry now, and print its answer
    #[arg(long, value_name = "NAME")]
    run: Option<String>,
}

#[derive(Serialize)]
struct Scheduled {
    id: String,
    schedule: Vec<ScheduleStatus>,
}

/// What a command by the clock answered.
#[derive(Serialize)]
struct Ran {
    status: &'static str,
    result: Box<serde_json::value::RawValue>,
}

impl Schedule {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let (id, what, host) = (&self.id, &self.what, (surroundings, &mut *terminal));
        let first = if what.run.is_some() {
            First::Start
        } else {
            First::TryToStart
        };
        let done = self.house.run_on(id, first, host, async |supervisor, terminal| {
            if let Some(name) = &what.run {
                let _progress = terminal.progress("running");
                return Ok(Done::Ran(supervisor.run_schedule(id, name).await?));
            }
            if let Some(name) = &what.pause {
                supervisor.pause_schedule(id, name).await?;
            }
            if let Some(name) = &what.resume {
                supervisor.resume_schedule(id, name).await?;
            }
            Ok(Done::Looked(supervisor.schedule(id)?))
        })?;
        match (done, terminal.format()) {
            (Done::Looked(schedule), _) => terminal.answer(&Scheduled { id: self.id, schedule })?,
            (Done::Ran(output), Format::People) => terminal.plugin_bytes(output.bytes())?,
            (Done::Ran(output), Format::Json) => terminal.json_line(&Ran {
                status: "success",
                result: crate::call::json_of(output.bytes())?,
            })?,
        }
        Ok(Conclusion::Done)
    }
}

/// What the command came to.
enum Done {
    Looked(Vec<ScheduleStatus>),
    Ran(Output),
}

impl Answer for Scheduled {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.schedule.is_empty() {
            return writeln!(out, "{} does nothing by the clock", self.id);
        }
        let rows = self.schedule.iter().map(|entry| {
            let next = match (&entry.next, entry.allowed, entry.paused) {
                (_, false, _) => "not granted".to_owned(),
                (_, _, true) => "paused".to_owned(),
                (Some(next), ..) => next.to_string(),
                (None, ..) => "-".to_owned(),
            };
            [entry.name.clone(), when(&entry.when), entry.command.clone(), next]
        });
        table::write(out, ["NAME", "WHEN", "COMMAND", "NEXT"], rows)
    }
}

/// `{"every": "10s"}` as a person says it.
fn when(recurrence: &serde_json::Value) -> String {
    let member = |name: &str| recurrence.get(name).and_then(serde_json::Value::as_str);
    match (member("every"), member("cron")) {
        (Some(every), _) => format!("every {every}"),
        (None, Some(cron)) => cron.to_owned(),
        (None, None) => recurrence.to_string(),
    }
}
