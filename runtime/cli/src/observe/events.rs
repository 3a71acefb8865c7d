//! `events`.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use palisade::{EventLine, JournalReader, PluginId, Timestamp, parse_duration};
use palisade_signer::{Conclusion, Failure, Format, Moment, Surroundings, Terminal};

use super::{LINES, NothingKept, follow, last, line};
use crate::data_dir::DataDirOption;

/// `events`.
#[derive(Args, Debug)]
pub(crate) struct Events {
    /// Go on with what happens from now on
    #[arg(short, long)]
    follow: bool,

    /// Only what happened to this plugin
    #[arg(long, value_name = "ID")]
    plugin: Option<PluginId>,

    /// Only events of this type, such as plugin:executed or just executed; may be given several times
    #[arg(long = "type", value_name = "T")]
    types: Vec<String>,

    /// Only what happened since: a time such as 2028-11-21T00:00:00Z, a day, or how long ago, such as 5m
    #[arg(long, value_name = "T")]
    since: Option<Since>,

    /// How many events to begin with [default: 100, with --since all]
    #[arg(long, value_name = "N")]
    lines: Option<usize>,

    #[command(flatten)]
    data_dir: DataDirOption,
}

/// A moment, or a time before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    Moment(Timestamp),
    Ago(Duration),
}

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text.parse::<Moment>(), parse_duration(text)) {
            (Ok(moment), _) => Ok(Self::Moment(moment.0)),
            (Err(_), Ok(duration)) => Ok(Self::Ago(duration)),
            (Err(_), Err(_)) => Err("expected a time such as 2028-11-21T00:00:00Z, a day, or how long ago, such as 5m"),
        }
    }
}

impl Since {
    /// In seconds, as events tell it.
    fn unix_seconds(self, surroundings: &Surroundings) -> i64 {
        match self {
            Self::Moment(moment) => moment.unix_seconds(),
            Self::Ago(time) => {
                let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
                surroundings.now.as_second().saturating_sub(seconds)
            }
        }
    }
}

/// Which events are shown.
struct Wanted {
    plugin: Option<PluginId>,
    types: Vec<String>,
    since: Option<i64>,
}

impl Wanted {
    fn takes(&self, event: &EventLine) -> bool {
        let name = event.event.strip_prefix("plugin:").unwrap_or(&event.event);
        let is_type = |wanted: &String| *wanted == event.event || wanted == name;
        let is_late = |since| event.timestamp.is_some_and(|at| at.unix_seconds() >= since);
        self.plugin
            .as_ref()
            .is_none_or(|plugin| event.plugin_id.as_deref() == Some(plugin.as_str()))
            && (self.types.is_empty() || self.types.iter().any(is_type))
            && self.since.is_none_or(is_late)
    }
}

impl Events {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let folder = self.data_dir.path(surroundings)?;
        NothingKept::check(folder)?;
        let wanted = Wanted {
            plugin: self.plugin,
            types: self.types,
            since: self.since.map(|since| since.unix_seconds(surroundings)),
        };
        let lines = self.lines.unwrap_or(match wanted.since {
            Some(_) => usize::MAX,
            None => LINES,
        });
        let mut reader = JournalReader::events(folder);
        for event in last(&mut reader, lines, |event| wanted.takes(event))? {
            show(&event, terminal)?;
        }
        if !self.follow {
            return Ok(Conclusion::Done);
        }
        let show_wanted = |event: &EventLine| match wanted.takes(event) {
            true => show(event, terminal),
            false => Ok(()),
        };
        match follow(&mut reader, show_wanted)? {}
    }
}

fn show(event: &EventLine, terminal: &mut Terminal) -> Result<(), Failure> {
    match terminal.format() {
        // As it was written, numbers and all.
        Format::Json => terminal.json_line(&event.json),
        Format::People => terminal.styled(&format!("{}\n", line::event(event))),
    }
}

#[cfg(test)]
mod tests {
    use palisade::JournalLine;

    use super::*;

    #[test]
    fn a_time_is_a_moment_a_day_or_how_long_ago() {
        assert!(matches!("2028-11-21".parse(), Ok(Since::Moment(_))));
        assert_eq!("5m".parse(), Ok(Since::Ago(Duration::from_secs(300))));
        assert!("yesterday".parse::<Since>().is_err());
    }

    #[test]
    fn events_are_chosen_by_plugin_type_and_time() {
        let event = |plugin: &str, name: &str| {
            let json = format!(r#"{{"event":"{name}","plugin_id":"{plugin}","timestamp":"2026-11-25T08:00:00Z"}}"#);
            EventLine::parse(&json).unwrap()
        };
        let executed = event("com.acme.echo", "plugin:executed");
        let at = executed.timestamp.unwrap().unix_seconds();
        let wanted = |plugin: Option<&str>, types: &[&str], since| Wanted {
            plugin: plugin.map(|id| id.parse().unwrap()),
            types: types.iter().map(|name| (*name).to_owned()).collect(),
            since,
        };
        assert!(wanted(None, &[], None).takes(&executed));
        assert!(wanted(Some("com.acme.echo"), &["enabled", "executed"], Some(at)).takes(&executed));
        assert!(wanted(None, &["plugin:executed"], None).takes(&executed));
        assert!(!wanted(Some("com.acme.echoes"), &[], None).takes(&executed));
        assert!(!wanted(None, &["exec"], None).takes(&executed));
        assert!(!wanted(None, &[], Some(at + 1)).takes(&executed));
    }
}
