//! `logs`.

use std::path::Path;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use palisade::{JournalReader, Level, LogLine, PluginId, closest};
use palisade_signer::{Conclusion, Failure, Format, Surroundings, Terminal};

use super::{LINES, NothingKept, follow, last, line};
use crate::data_dir::DataDirOption;

/// `logs`.
#[derive(Args, Debug)]
pub(crate) struct Logs {
    /// The plugin
    id: PluginId,

    /// Go on with what it says from now on
    #[arg(short, long)]
    follow: bool,

    /// How many lines to begin with
    #[arg(long, value_name = "N", default_value_t = LINES)]
    lines: usize,

    /// Leave out what is less important: trace, debug, info, warn, error, fatal
    #[arg(long, value_name = "L", value_parser = level(), default_value = "trace", hide_default_value = true, hide_possible_values = true)]
    level: Level,

    #[command(flatten)]
    data_dir: DataDirOption,
}

impl Logs {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let folder = self.data_dir.path(surroundings)?;
        NothingKept::check(folder)?;
        let mut reader = JournalReader::logs(folder, &self.id);
        if !reader.exists() {
            self.check_known(folder)?;
        }
        let is_wanted = |line: &LogLine| line.level >= self.level;
        for line in last(&mut reader, self.lines, is_wanted)? {
            show(&line, terminal)?;
        }
        if !self.follow {
            return Ok(Conclusion::Done);
        }
        let show_wanted = |line: &LogLine| match is_wanted(line) {
            true => show(line, terminal),
            false => Ok(()),
        };
        match follow(&mut reader, show_wanted)? {}
    }

    /// A plugin that never said a word is known by what happened to it.
    fn check_known(&self, folder: &Path) -> Result<(), Failure> {
        let mut known = std::collections::BTreeSet::new();
        JournalReader::events(folder).read(|event| known.extend(event.plugin_id))?;
        match known.contains(self.id.as_str()) {
            true => Ok(()),
            false => Err(NothingKept::NoPlugin {
                suggestion: closest(self.id.as_str(), known.iter().map(String::as_str)).map(str::to_owned),
                id: self.id.to_string(),
            }
            .into()),
        }
    }
}

fn show(line: &LogLine, terminal: &mut Terminal) -> Result<(), Failure> {
    match terminal.format() {
        Format::Json => terminal.json_line(line),
        Format::People => terminal.styled(&format!("{}\n", line::log(line))),
    }
}

fn level() -> impl TypedValueParser<Value = Level> {
    PossibleValuesParser::new(Level::ALL.map(Level::as_str)).map(|word| {
        let level = Level::ALL.into_iter().find(|level| level.as_str() == word);
        level.unwrap_or(Level::Trace)
    })
}
