//! How a command ends: [`Conclusion`], [`Failure`], and the exit code of each.

use std::io;

use palisade_bundle::{Blame, Code, Coded, InvalidTimestamp};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::excerpt::Excerpt;

/// A command that did what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Conclusion {
    /// Nothing more to say.
    Done,
    /// A check ran to its end and found something (`doctor`, `check`, `bench --compare`).
    Findings,
    /// A program that ran in the sandbox ended with this status, which is passed on.
    Status(u8),
}

/// A command that did not.
#[derive(Debug)]
pub enum Failure {
    /// Something the user should read.
    Reported(Box<Report>),
    /// The reader of standard output went away, which is its right: nothing is said.
    ClosedPipe,
    /// The user interrupted a question.
    Interrupted,
}

/// An error on its way to the user, with what the library that raised it could not know.
#[derive(Debug)]
pub struct Report {
    pub(crate) error: Box<dyn Coded + Send + Sync>,
    pub(crate) plugin: Option<String>,
    pub(crate) details: Map<String, Value>,
    pub(crate) excerpt: Option<Excerpt>,
    pub(crate) help: Vec<String>,
}

impl Report {
    /// The facts of the error and those added on the way.
    pub(crate) fn details(&self) -> Map<String, Value> {
        let mut details = self.error.details();
        details.extend(self.details.clone());
        details.retain(|_, value| !value.is_null());
        details
    }
}

impl<E: Coded + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Reported(Box::new(Report {
            error: Box::new(error),
            plugin: None,
            details: Map::new(),
            excerpt: None,
            help: Vec::new(),
        }))
    }
}

impl Failure {
    /// Adds a line that says what to do, after those of the error itself.
    #[must_use]
    pub fn with_help(mut self, line: impl Into<String>) -> Self {
        if let Self::Reported(report) = &mut self {
            report.help.push(line.into());
        }
        self
    }

    /// Names the plugin the failure is about.
    #[must_use]
    pub fn about_plugin(mut self, id: impl Into<String>) -> Self {
        if let Self::Reported(report) = &mut self {
            report.plugin = Some(id.into());
        }
        self
    }

    /// Adds a fact to those of the error itself.
    #[must_use]
    pub fn with_detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        if let Self::Reported(report) = &mut self {
            report.details.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Shows the place in a file the failure is about.
    #[must_use]
    pub fn with_excerpt(mut self, excerpt: Option<Excerpt>) -> Self {
        if let Self::Reported(report) = &mut self {
            report.excerpt = excerpt;
        }
        self
    }

    /// A failed write to standard output.
    #[must_use]
    pub fn of_stdout(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ClosedPipe
        } else {
            HostError::Stdout(error).into()
        }
    }

    /// The code, when there is something to report.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Reported(report) => Some(report.error.code()),
            Self::ClosedPipe | Self::Interrupted => None,
        }
    }

    /// Whose fault it is, when there is something to report.
    #[must_use]
    pub fn blame(&self) -> Option<Blame> {
        match self {
            Self::Reported(report) => Some(report.error.blame()),
            Self::ClosedPipe | Self::Interrupted => None,
        }
    }

    /// The exit code of the process (errors.md, "Command line exit codes").
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Reported(report) => exit_code_of(report.error.blame()),
            Self::ClosedPipe => 128 + 13,
            Self::Interrupted => 128 + 2,
        }
    }
}

impl Conclusion {
    /// The exit code of the process (errors.md, "Command line exit codes").
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Findings => 20,
            Self::Status(status) => status,
        }
    }
}

fn exit_code_of(blame: Blame) -> u8 {
    match blame {
        Blame::Request => 2,
        Blame::Missing => 3,
        Blame::Trust => 4,
        Blame::Bundle => 5,
        Blame::Policy => 6,
        Blame::Plugin => 7,
        Blame::Answer => 8,
        Blame::Conflict => 9,
        Blame::Connection => 10,
        // `Blame` can grow; what is not known here is unexpected here.
        _ => 1,
    }
}

/// What the machine refused to do for us.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HostError {
    /// Standard output could not be written.
    #[error("cannot write to standard output")]
    Stdout(#[source] io::Error),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random(#[source] io::Error),
    /// A question could not be asked.
    #[error("cannot ask on this terminal")]
    Prompt(#[source] inquire::InquireError),
    /// The clock shows a time that no document can name.
    #[error("the clock of this machine is out of range")]
    Clock(#[source] InvalidTimestamp),
    /// No thread could be started.
    #[error("the operating system gave no thread")]
    Threads(#[source] io::Error),
    /// No temporary folder could be made.
    #[error("cannot make a temporary folder")]
    TemporaryFolder(#[source] io::Error),
    /// A compile worker could not be confined, or its streams failed.
    #[error("the compile worker failed")]
    CompileWorker(#[source] io::Error),
    /// An answer could not be written as JSON.
    #[error("the answer could not be written as JSON")]
    Answer(#[source] serde_json::Error),
}

impl Coded for HostError {
    fn code(&self) -> Code {
        match self {
            Self::Stdout(_)
            | Self::Random(_)
            | Self::Prompt(_)
            | Self::Clock(_)
            | Self::Threads(_)
            | Self::TemporaryFolder(_)
            | Self::CompileWorker(_)
            | Self::Answer(_) => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Stdout(_)
            | Self::Random(_)
            | Self::Prompt(_)
            | Self::Clock(_)
            | Self::Threads(_)
            | Self::TemporaryFolder(_)
            | Self::CompileWorker(_)
            | Self::Answer(_) => Blame::Host,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_blame_has_the_exit_code_of_the_table() {
        let codes = [
            Blame::Host,
            Blame::Request,
            Blame::Missing,
            Blame::Trust,
            Blame::Bundle,
            Blame::Policy,
            Blame::Plugin,
            Blame::Answer,
            Blame::Conflict,
            Blame::Connection,
        ]
        .map(exit_code_of);
        assert_eq!(codes, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn a_closed_pipe_is_no_report() {
        let failure = Failure::of_stdout(io::ErrorKind::BrokenPipe.into());
        assert!(matches!(failure, Failure::ClosedPipe));
        assert_eq!(failure.exit_code(), 141);
        assert_eq!(Failure::of_stdout(io::ErrorKind::StorageFull.into()).exit_code(), 1);
    }
}
