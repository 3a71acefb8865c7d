//! `logs`, `events`, `top`: reading what a data directory keeps, also while a host has it.

pub(crate) mod events;
pub(crate) mod line;
pub(crate) mod logs;
mod rates;
pub(crate) mod top;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use palisade::{Blame, Code, Coded, JournalError, JournalLine, JournalReader};
use palisade_signer::Failure;
use serde_json::{Map, Value};
use thiserror::Error;

/// How often a file that is followed is looked at: a person sees no delay, and a look costs two `stat`s.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How many lines are shown unless asked otherwise: a screen or two.
const LINES: usize = 100;

/// The last lines that `keep` lets through, and the reader behind them.
fn last<T: JournalLine>(
    reader: &mut JournalReader<T>,
    lines: usize,
    keep: impl Fn(&T) -> bool,
) -> Result<VecDeque<T>, JournalError> {
    let mut last = VecDeque::new();
    reader.read(|line| {
        if keep(&line) {
            last.push_back(line);
            if last.len() > lines {
                last.pop_front();
            }
        }
    })?;
    Ok(last)
}

/// Shows every line that comes, until showing fails: a closed pipe, or the end of the process.
fn follow<T: JournalLine>(
    reader: &mut JournalReader<T>,
    mut show: impl FnMut(&T) -> Result<(), Failure>,
) -> Result<std::convert::Infallible, Failure> {
    loop {
        let mut news = Vec::new();
        reader.read(|line| news.push(line))?;
        news.iter().try_for_each(&mut show)?;
        thread::sleep(LOOK_EVERY);
    }
}

/// There is nothing to read.
#[derive(Debug, Error)]
#[non_exhaustive]
enum NothingKept {
    /// No host ever had the directory.
    #[error("there is no data directory at `{}`", path.display())]
    NoDirectory { path: PathBuf },
    /// No plugin of this name was ever here.
    #[error("nothing is known of a plugin `{id}`")]
    NoPlugin { id: String, suggestion: Option<String> },
}

impl NothingKept {
    fn check(folder: &Path) -> Result<(), Self> {
        match folder.is_dir() {
            true => Ok(()),
            false => Err(Self::NoDirectory {
                path: folder.to_owned(),
            }),
        }
    }
}

impl Coded for NothingKept {
    fn code(&self) -> Code {
        match self {
            Self::NoDirectory { .. } | Self::NoPlugin { .. } => Code::NotFound,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NoDirectory { .. } | Self::NoPlugin { .. } => Blame::Missing,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let (kind, name, suggestion) = match self {
            Self::NoDirectory { path } => ("folder", path.to_string_lossy().into_owned(), &None),
            Self::NoPlugin { id, suggestion } => ("plugin", id.clone(), suggestion),
        };
        Map::from_iter([
            ("kind".to_owned(), kind.into()),
            ("name".to_owned(), name.into()),
            ("suggestion".to_owned(), suggestion.as_deref().into()),
        ])
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::NoDirectory { .. } => vec!["--data-dir D   names another one".to_owned()],
            Self::NoPlugin { suggestion, .. } => suggestion.iter().map(|id| format!("did you mean `{id}`?")).collect(),
        }
    }
}
