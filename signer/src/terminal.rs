//! Where words go: [`Terminal`]. Standard output is the answer, standard error is everything else.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

use crate::failure::{Failure, HostError};
use crate::json;
use crate::problem::Problem;
use crate::progress::Progress;
use crate::style;
use palisade_bundle::VisibleLines;

/// What a command found out, for people and for programs.
pub trait Answer: Serialize {
    /// Writes it for a person. ANSI styles are welcome, they are removed when nobody would see them.
    ///
    /// # Errors
    ///
    /// Passes on those of `out`.
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// Who reads the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A person.
    People,
    /// A program: `--json`.
    Json,
}

/// The two streams of a command and who reads them.
pub struct Terminal {
    format: Format,
    out: Stream,
    err: Stream,
    /// Held back in JSON mode: when the command fails, standard error is one object and nothing else.
    warnings: Vec<String>,
}

struct Stream {
    writer: Box<dyn Write + Send>,
    is_terminal: bool,
    color: bool,
}

impl Terminal {
    /// The streams of this process. Colour follows the terminal, `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE`.
    #[must_use]
    pub fn of_process(format: Format) -> Self {
        let wants_color = |choice| choice != ColorChoice::Never;
        Self {
            format,
            out: Stream {
                writer: Box::new(io::stdout()),
                is_terminal: io::stdout().is_terminal(),
                color: wants_color(AutoStream::choice(&io::stdout())),
            },
            err: Stream {
                writer: Box::new(io::stderr()),
                is_terminal: io::stderr().is_terminal(),
                color: wants_color(AutoStream::choice(&io::stderr())),
            },
            warnings: Vec::new(),
        }
    }

    /// Streams that end in `out` and `err`, neither of them a terminal.
    #[must_use]
    pub fn into_writers(format: Format, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        let stream = |writer| Stream {
            writer,
            is_terminal: false,
            color: false,
        };
        Self {
            format,
            out: stream(out),
            err: stream(err),
            warnings: Vec::new(),
        }
    }

    /// Who reads the answer.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Writes the answer of the command to standard output.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written; a closed pipe is [`Failure::ClosedPipe`].
    pub fn answer(&mut self, answer: &impl Answer) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json_line(answer),
            Format::People => {
                let mut text = Vec::new();
                answer.write_for_people(&mut text).map_err(Failure::of_stdout)?;
                self.styled(&String::from_utf8_lossy(&text))
            }
        }
    }

    /// Writes one object and a line end to standard output.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written; a closed pipe is [`Failure::ClosedPipe`].
    pub fn json_line(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let mut line = json::to_vec(value).map_err(HostError::Answer)?;
        line.push(b'\n');
        self.write_out(&line)
    }

    /// Writes text of our own to standard output, exactly.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written; a closed pipe is [`Failure::ClosedPipe`].
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.write_out(text.as_bytes())
    }

    /// Writes bytes of a plugin to standard output: unchanged, except that a terminal gets escapes for the characters it
    /// would obey.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written; a closed pipe is [`Failure::ClosedPipe`].
    pub fn plugin_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if !self.out.is_terminal {
            return self.write_out(bytes);
        }
        let mut shown = VisibleLines(String::from_utf8_lossy(bytes)).to_string();
        if !shown.is_empty() && !shown.ends_with('\n') {
            shown.push('\n');
        }
        self.write_out(shown.as_bytes())
    }

    /// Says something to a person on standard error. Lost when nobody can read it.
    pub fn note(&mut self, text: impl fmt::Display) {
        if self.format == Format::People {
            self.write_err(&format!("{text}\n"));
        }
    }

    /// Says `warning: …` on standard error; in JSON mode at the end, or in the problem object.
    pub fn warn(&mut self, text: impl fmt::Display) {
        match self.format {
            Format::People => self.write_err(&format!("{}: {text}\n", style::warning("warning"))),
            Format::Json => self.warnings.push(text.to_string()),
        }
    }

    /// What was held back.
    pub(crate) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Says what was held back.
    pub(crate) fn flush_warnings(&mut self) {
        for warning in self.take_warnings() {
            self.write_err(&format!("warning: {warning}\n"));
        }
    }

    /// Shows that something goes on, on a terminal only and only when it takes longer than a moment.
    pub fn progress(&self, doing: &'static str) -> Progress {
        if self.err.is_terminal && self.format == Format::People {
            Progress::start(doing)
        } else {
            Progress::hidden()
        }
    }

    /// Reports a failure on standard error.
    pub fn report(&mut self, problem: &Problem<'_>) {
        match self.format {
            Format::People => self.write_err(&problem.for_people()),
            Format::Json => self.write_err(&problem.for_programs()),
        }
    }

    /// Writes text with ANSI styles to standard output, without them when nobody would see them.
    ///
    /// # Errors
    ///
    /// When standard output cannot be written; a closed pipe is [`Failure::ClosedPipe`].
    pub fn styled(&mut self, text: &str) -> Result<(), Failure> {
        if self.out.color {
            self.write_out(text.as_bytes())
        } else {
            self.write_out(strip_str(text).to_string().as_bytes())
        }
    }

    fn write_out(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let writer = &mut self.out.writer;
        writer
            .write_all(bytes)
            .and_then(|()| writer.flush())
            .map_err(Failure::of_stdout)
    }

    /// What cannot be said on standard error cannot be said anywhere, so a failure here is silent.
    pub(crate) fn write_err(&mut self, text: &str) {
        let writer = &mut self.err.writer;
        let written = if self.err.color {
            writer.write_all(text.as_bytes())
        } else {
            writer.write_all(strip_str(text).to_string().as_bytes())
        };
        let _ = written.and_then(|()| writer.flush());
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
