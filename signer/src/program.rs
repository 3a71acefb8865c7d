//! From arguments to an exit code: [`run`], the body of both binaries' `main`.
//!
//! **Invariant:** this is the only place of the crate that reads the environment and the clock.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::FalseyValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Command, Parser};
use etcetera::BaseStrategy;
use jiff::Timestamp;
use palisade_bundle::{Blame, Code, Coded};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::failure::{Conclusion, Failure};
use crate::problem::Problem;
use crate::surroundings::{Interaction, Surroundings, TraceCollector};
use crate::terminal::{Format, Terminal};

/// A command line program.
pub trait Program: Parser {
    /// The options that every command has.
    fn common(&self) -> &CommonOptions;

    /// Does what the arguments say.
    ///
    /// # Errors
    ///
    /// Whatever stopped it.
    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure>;
}

/// The options that every command has.
#[derive(Args, Clone, Debug)]
pub struct CommonOptions {
    /// Answer with one JSON object on standard output, fail with one on standard error
    #[arg(long, global = true, help_heading = "Options for every command")]
    pub json: bool,

    /// Never ask a question; fail and name the option that answers it
    #[arg(
        long,
        global = true,
        env = "PALISADE_NO_INPUT",
        hide_env_values = true,
        value_parser = FalseyValueParser::new(),
        help_heading = "Options for every command"
    )]
    pub no_input: bool,
}

/// Runs `P` with `arguments`, the first of which is the program's name.
pub fn run<P: Program>(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let operation = operation_of(&P::command(), &arguments);
    let (mut terminal, surroundings, ended) = match P::try_parse_from(&arguments) {
        Ok(program) => {
            let format = if program.common().json {
                Format::Json
            } else {
                Format::People
            };
            let mut terminal = Terminal::of_process(format);
            let surroundings = surroundings_of_process(program.common().no_input);
            let ended = program.run(&surroundings, &mut terminal);
            (terminal, surroundings, ended)
        }
        Err(error) => {
            let format = if asks_for_json(&arguments) {
                Format::Json
            } else {
                Format::People
            };
            let mut terminal = Terminal::of_process(format);
            let ended = answer_parser(&error, &mut terminal);
            (terminal, surroundings_of_process(true), ended)
        }
    };
    let code = match ended {
        Ok(conclusion) => {
            terminal.flush_warnings();
            conclusion.exit_code()
        }
        Err(failure) => {
            let failure = match terminal.take_warnings() {
                warnings if warnings.is_empty() => failure,
                warnings => failure.with_detail("warnings", warnings),
            };
            if let Failure::Reported(report) = &failure {
                let id = operation_id(&surroundings);
                terminal.report(&Problem::new(report, &operation, id, surroundings.now));
            }
            failure.exit_code()
        }
    };
    ExitCode::from(code)
}

fn surroundings_of_process(no_input: bool) -> Surroundings {
    let interaction = if no_input {
        Interaction::Impossible("--no-input was given")
    } else if env::var_os("CI").is_some_and(|value| !value.is_empty()) {
        Interaction::Impossible("CI is set")
    } else if !io::stdin().is_terminal() {
        Interaction::Impossible("standard input is no terminal")
    } else {
        Interaction::Possible
    };
    Surroundings {
        now: Timestamp::now(),
        fill_random: |bytes| getrandom::fill(bytes).map_err(io::Error::from),
        interaction,
        default_trust_dir: default_trust_dir(),
        default_cache_dir: default_cache_dir(),
        default_data_dir: default_data_dir(),
        credentials_dir: env::var_os("CREDENTIALS_DIRECTORY")
            .filter(|folder| !folder.is_empty())
            .map(PathBuf::from),
        program: program(),
        traces: TraceCollector::of(|name| env::var(name).ok()),
    }
}

/// `PALISADE_TRUST_STORE`, else `palisade/trust` in the configuration folder of the user.
fn default_trust_dir() -> Option<PathBuf> {
    match env::var_os("PALISADE_TRUST_STORE") {
        Some(folder) if !folder.is_empty() => Some(folder.into()),
        _ => Some(
            etcetera::choose_base_strategy()
                .ok()?
                .config_dir()
                .join("palisade")
                .join("trust"),
        ),
    }
}

/// `PALISADE_CACHE_DIR`, else `palisade` in the cache folder of the user.
fn default_cache_dir() -> Option<PathBuf> {
    match env::var_os("PALISADE_CACHE_DIR") {
        Some(folder) if !folder.is_empty() => Some(folder.into()),
        _ => Some(etcetera::choose_base_strategy().ok()?.cache_dir().join("palisade")),
    }
}

/// `PALISADE_DATA_DIR`, else `palisade` in the data folder of the user.
fn default_data_dir() -> Option<PathBuf> {
    match env::var_os("PALISADE_DATA_DIR") {
        Some(folder) if !folder.is_empty() => Some(folder.into()),
        _ => Some(etcetera::choose_base_strategy().ok()?.data_dir().join("palisade")),
    }
}

/// On Linux by a name that goes on meaning this very program when another version is installed over it.
fn program() -> Option<PathBuf> {
    let myself = PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") && myself.exists() {
        Some(myself)
    } else {
        env::current_exe().ok()
    }
}

/// 32 hexadecimal digits, the form of a W3C trace id, so that the two can be one.
fn operation_id(surroundings: &Surroundings) -> String {
    // Without randomness the id is all zeros, which W3C Trace Context reads as "none".
    let bytes = surroundings.random().unwrap_or_default();
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// The words of the arguments that name a command, such as `key generate`; the program's name when there are none.
fn operation_of(program: &Command, arguments: &[OsString]) -> String {
    let mut command = program;
    let mut words = Vec::new();
    for argument in arguments.iter().skip(1).filter_map(|argument| argument.to_str()) {
        if argument.starts_with('-') {
            continue;
        }
        let Some(found) = command.find_subcommand(argument) else {
            break;
        };
        words.push(found.get_name());
        command = found;
    }
    if words.is_empty() {
        program.get_name().to_owned()
    } else {
        words.join(" ")
    }
}

/// Whether `--json` stands before any `--`: arguments that could not be parsed still have a reader.
fn asks_for_json(arguments: &[OsString]) -> bool {
    let mut options = arguments.iter().take_while(|argument| *argument != OsStr::new("--"));
    options.any(|argument| argument == OsStr::new("--json"))
}

/// Shows help and version as answers, everything else as a failure.
///
/// # Errors
///
/// [`UsageError`], and when standard output cannot be written.
pub fn answer_parser(error: &clap::Error, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            terminal.styled(&error.render().ansi().to_string())?;
            Ok(Conclusion::Done)
        }
        _ => Err(UsageError::from(error).into()),
    }
}

/// Arguments that make no sense.
#[derive(Debug, Error)]
#[error("{message}")]
pub struct UsageError {
    message: String,
    argument: Option<String>,
    expected: Option<String>,
    suggestion: Option<String>,
    help: Vec<String>,
}

impl UsageError {
    /// Arguments that each parse but do not go together, or a value only the command itself can judge.
    #[must_use]
    pub fn new(argument: &str, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            argument: Some(argument.to_owned()),
            expected: None,
            suggestion: None,
            help: Vec::new(),
        }
    }

    /// Adds a line that says what to do.
    #[must_use]
    pub fn with_help(mut self, line: impl Into<String>) -> Self {
        self.help.push(line.into());
        self
    }
}

impl From<&clap::Error> for UsageError {
    fn from(error: &clap::Error) -> Self {
        let fact = |kind| error.get(kind).and_then(one_line);
        // A program called without a command shows its help instead of a message.
        if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            return Self {
                message: "a command is missing".to_owned(),
                argument: None,
                expected: Some("a command".to_owned()),
                suggestion: None,
                help: vec!["`--help` lists the commands".to_owned()],
            };
        }
        let text = error.render().to_string();
        let mut paragraphs = text.split("\n\n");
        let message = paragraphs.next().unwrap_or_default();
        let message = joined(message.strip_prefix("error: ").unwrap_or(message));
        let help = paragraphs
            .flat_map(|paragraph| paragraph.split("\n  tip: "))
            .map(|line| joined(line.trim().trim_start_matches("tip: ").trim_start_matches("Usage: ")))
            .filter(|line| !line.is_empty() && !line.starts_with("For more information"))
            .collect();
        Self {
            message,
            argument: fact(ContextKind::InvalidArg).or_else(|| fact(ContextKind::InvalidSubcommand)),
            expected: fact(ContextKind::ValidValue).or_else(|| fact(ContextKind::ValidSubcommand)),
            suggestion: fact(ContextKind::SuggestedArg)
                .or_else(|| fact(ContextKind::SuggestedSubcommand))
                .or_else(|| fact(ContextKind::SuggestedValue)),
            help,
        }
    }
}

/// Lines as one, single spaces between words.
fn joined(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn one_line(value: &ContextValue) -> Option<String> {
    match value {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) if !texts.is_empty() => Some(texts.join(", ")),
        _ => None,
    }
}

impl Coded for UsageError {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn blame(&self) -> Blame {
        Blame::Request
    }

    fn details(&self) -> Map<String, Value> {
        let facts = [
            ("argument", &self.argument),
            ("expected", &self.expected),
            ("suggestion", &self.suggestion),
        ];
        let known = facts
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())));
        known.collect()
    }

    fn help(&self) -> Vec<String> {
        self.help.clone()
    }
}
