//! One mistake: [`Finding`].

use std::fmt;

use palisade::manifest::ManifestProblem;
use palisade::{Blame, Code, Coded, ManifestError};
use palisade_bundle::Visible;
use palisade_signer::style;
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

/// Something to mend, or to think about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// Whether no host would load the plugin.
    level: Level,
    /// The code that loading would fail with; of advice, the code it is about.
    code: &'static str,
    /// Where: a file, with a place in it.
    place: String,
    /// What.
    message: String,
    /// What to do.
    help: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    Error,
    Warning,
}

impl Finding {
    /// No host would load this.
    pub(super) fn error(code: Code, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            code: code.as_str(),
            place: place.into(),
            message: message.into(),
            help: Vec::new(),
        }
    }

    /// It loads, and is probably not what was meant.
    pub(super) fn warning(code: Code, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            ..Self::error(code, place, message)
        }
    }

    pub(super) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// An error that loading would end with.
    pub(super) fn of_error(place: &str, error: &dyn Coded) -> Self {
        Self {
            help: error.help(),
            ..Self::error(error.code(), place, error.to_string())
        }
    }

    /// The findings that a manifest that cannot be read is.
    pub(super) fn of_manifest(file: &str, error: &ManifestError) -> Vec<Self> {
        let finding = |problem: &ManifestProblem| {
            let finding = Self::error(error.code(), file, problem.to_string());
            match problem.suggestion() {
                Some(suggestion) => finding.with_help(format!("did you mean `{suggestion}`?")),
                None => finding,
            }
        };
        error.problems().map(finding).collect()
    }

    /// Where and what, without level and code.
    pub(crate) fn sentence(&self) -> String {
        Visible(format!("{}: {}", self.place, self.message)).to_string()
    }

    pub(crate) fn is_fatal(&self) -> bool {
        self.level == Level::Error
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Level::Error => write!(f, "{}: ", style::error(format_args!("error[{}]", self.code)))?,
            Level::Warning => write!(f, "{}: ", style::warning(format_args!("warning[{}]", self.code)))?,
        }
        write!(f, "{}: {}", Visible(&self.place), Visible(&self.message))?;
        self.help
            .iter()
            .try_for_each(|help| write!(f, "\n  {}: {}", style::help("help"), Visible(help)))
    }
}

/// A plugin that was built but that no host would load.
#[derive(Debug, Error)]
#[error("no host would load this plugin: {}", summary(findings))]
pub(crate) struct CheckFailed {
    /// Why not; never empty.
    pub(crate) findings: Vec<Finding>,
}

fn summary(findings: &[Finding]) -> String {
    match findings {
        [] => String::new(),
        [only] => only.message.clone(),
        [first, rest @ ..] => format!("{}, and {} more findings", first.message, rest.len()),
    }
}

impl Coded for CheckFailed {
    fn code(&self) -> Code {
        let code = self.findings.first().map(|finding| finding.code);
        Code::ALL
            .iter()
            .copied()
            .find(|known| Some(known.as_str()) == code)
            .unwrap_or(Code::CorruptedData)
    }

    fn blame(&self) -> Blame {
        Blame::Bundle
    }

    fn details(&self) -> Map<String, Value> {
        Map::from_iter([(
            "findings".to_owned(),
            serde_json::to_value(&self.findings).unwrap_or_default(),
        )])
    }

    fn help(&self) -> Vec<String> {
        self.findings.iter().flat_map(|finding| finding.help.clone()).collect()
    }
}
