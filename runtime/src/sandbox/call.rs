//! The verb `call`: what is checked before a guest is entered, and why a command fails.

use std::sync::Arc;

use palisade_abi::GuestError;
use palisade_bundle::manifest::Encoding;
use palisade_bundle::{Blame, Code, Coded, Schema, closest};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};
use thiserror::Error;

use super::load::Loaded;
use super::session::Session;
use super::start::StartError;
use super::trap::Stopped;
use crate::measures::CommandTimes;
use crate::receipt::Receipt;

/// Nesting of JSON arguments (sandbox.md, "Limits").
const JSON_DEPTH: usize = 32;

/// Longest name of a command, as in the manifest.
const COMMAND_NAME_BYTES: usize = 64;

/// A command that passed every check made before the guest is entered.
#[derive(Clone, Copy, Debug)]
pub(super) struct CommandInput<'a> {
    pub(super) name: &'a str,
    pub(super) args: &'a [u8],
    /// Where it is counted.
    pub(super) times: &'a CommandTimes,
}

/// What the manifest says of one command, ready to be checked against.
#[derive(Debug)]
pub(super) struct CommandRule {
    pub(super) encoding: Encoding,
    pub(super) input: Option<Schema>,
    pub(super) times: Arc<CommandTimes>,
}

impl Loaded {
    /// Checks name, size and shape of a command.
    pub(super) fn check_input<'a>(&'a self, name: &'a str, args: &'a [u8]) -> Result<CommandInput<'a>, CallError> {
        let actual_bytes = u64::try_from(args.len()).unwrap_or(u64::MAX);
        if actual_bytes > self.limits().args_bytes {
            return Err(CallError::ArgsTooLarge {
                actual_bytes,
                limit_bytes: self.limits().args_bytes,
            });
        }
        if name.len() > COMMAND_NAME_BYTES {
            return Err(self.unknown_command(&shortened(name)));
        }
        let mut times = &*self.other_times;
        if !self.commands.is_empty() {
            let rule = self.commands.get(name).ok_or_else(|| self.unknown_command(name))?;
            rule.check(args)?;
            times = &rule.times;
        }
        Ok(CommandInput { name, args, times })
    }

    fn unknown_command(&self, name: &str) -> CallError {
        let mut available: Vec<_> = self.commands.keys().cloned().collect();
        available.sort_unstable();
        CallError::InvalidCommand {
            command: name.to_owned(),
            suggestion: closest(name, available.iter().map(String::as_str)).map(str::to_owned),
            available,
        }
    }
}

impl CommandRule {
    fn check(&self, args: &[u8]) -> Result<(), CallError> {
        if self.encoding == Encoding::Bytes {
            return Ok(());
        }
        if is_deeper_than(args, JSON_DEPTH) {
            return Err(CallError::InvalidArgument {
                pointer: String::new(),
                expected: format!("at most {JSON_DEPTH} levels of nesting"),
            });
        }
        let Some(schema) = &self.input else {
            return parse_args::<IgnoredAny>(args).map(drop);
        };
        match schema.violations(&parse_args::<Value>(args)?).into_iter().next() {
            None => Ok(()),
            Some(violation) => Err(CallError::InvalidArgument {
                pointer: violation.pointer,
                expected: violation.expected,
            }),
        }
    }
}

/// Reads JSON arguments; none at all count as `null`.
fn parse_args<T: DeserializeOwned>(args: &[u8]) -> Result<T, CallError> {
    let args = if args.is_empty() { b"null" } else { args };
    serde_json::from_slice(args).map_err(|error| CallError::InvalidArgument {
        pointer: String::new(),
        expected: format!("JSON: {error}"),
    })
}

/// Whether JSON nests deeper than `levels`; counts brackets outside of strings, so that nothing has to be parsed.
fn is_deeper_than(json: &[u8], levels: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in json {
        match (byte, in_string) {
            _ if escaped => escaped = false,
            (b'\\', true) => escaped = true,
            (b'"', _) => in_string = !in_string,
            (b'[' | b'{', false) => depth += 1,
            (b']' | b'}', false) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > levels {
            return true;
        }
    }
    false
}

/// A command was not carried out, or the plugin answered with an error.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The manifest lists commands, and this is none of them. The guest was not entered.
    #[error("the plugin has no command `{command}`")]
    InvalidCommand {
        /// What was asked for.
        command: String,
        /// What there is.
        available: Vec<String>,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// The arguments do not fit the command's schema. The guest was not entered.
    #[error("the arguments do not fit{}: expected {expected}", at(pointer))]
    InvalidArgument {
        /// Where, as an RFC 6901 pointer.
        pointer: String,
        /// What should be there.
        expected: String,
    },
    /// The arguments are too large. The guest was not entered.
    #[error("arguments of {actual_bytes} bytes, and {limit_bytes} are allowed")]
    ArgsTooLarge {
        /// Their size.
        actual_bytes: u64,
        /// What is allowed.
        limit_bytes: u64,
    },
    /// The plugin answered with an error of its own; its instance lives on.
    #[error("the plugin answered {}: {}", shortened(&error.code), shortened(&error.message))]
    Guest {
        /// What it answered.
        error: GuestError,
        /// What the command cost.
        receipt: Box<Receipt>,
    },
    /// A new instance was needed and did not start.
    #[error(transparent)]
    Start(Box<StartError>),
    /// The guest was stopped; its instance is gone and the next command gets a fresh one.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The plugin was closed.
    #[error("the plugin was closed")]
    Closed,
}

fn at(pointer: &str) -> String {
    match pointer {
        "" => String::new(),
        pointer => format!(" at {pointer}"),
    }
}

impl CallError {
    pub(super) fn by_guest(reply: &[u8], receipt: Receipt) -> Self {
        Self::Guest {
            error: guest_error(reply),
            receipt: Box::new(receipt),
        }
    }
}

impl From<StartError> for CallError {
    fn from(error: StartError) -> Self {
        Self::Start(Box::new(error))
    }
}

/// What a guest or a caller said, safe to print and short enough for a log.
pub(super) fn shortened(text: &str) -> String {
    const SHOWN_BYTES: usize = 1024;
    let start = text.get(..text.floor_char_boundary(SHOWN_BYTES)).unwrap_or(text);
    palisade_bundle::printable(start)
}

/// Reads an error reply; anything that is not the JSON of the ABI is the message itself.
pub(super) fn guest_error(reply: &[u8]) -> GuestError {
    serde_json::from_slice(reply).unwrap_or_else(|_| GuestError {
        code: Code::GuestError.as_str().to_owned(),
        message: String::from_utf8_lossy(reply).into_owned(),
        details: Map::new(),
    })
}

/// A failed command of a [`Session`], and the session where it can still be trusted.
#[derive(Debug)]
pub struct CallFailure {
    error: CallError,
    session: Option<Session>,
}

impl CallFailure {
    /// The instance can be trusted: it was not entered, or it answered in order.
    pub(super) fn keeping(session: Session, error: CallError) -> Self {
        Self {
            error,
            session: Some(session),
        }
    }

    /// The instance cannot be trusted and is gone.
    pub(super) fn losing_session(stopped: Stopped) -> Self {
        Self {
            error: stopped.into(),
            session: None,
        }
    }

    /// What went wrong, and the session if it lives on.
    #[must_use]
    pub fn into_parts(self) -> (CallError, Option<Session>) {
        (self.error, self.session)
    }
}

impl std::fmt::Display for CallFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for CallFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error)
    }
}

impl From<CallFailure> for CallError {
    fn from(failure: CallFailure) -> Self {
        failure.error
    }
}

impl Coded for CallError {
    fn code(&self) -> Code {
        match self {
            Self::InvalidCommand { .. } => Code::InvalidCommand,
            Self::InvalidArgument { .. } => Code::InvalidArgument,
            Self::ArgsTooLarge { .. } => Code::PayloadTooLarge,
            Self::Guest { .. } => Code::GuestError,
            Self::Start(error) => error.code(),
            Self::Stopped(stopped) => stopped.code(),
            Self::Closed => Code::PluginUnavailable,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::InvalidCommand { .. } => Blame::Missing,
            Self::InvalidArgument { .. } | Self::ArgsTooLarge { .. } => Blame::Request,
            Self::Guest { .. } => Blame::Answer,
            Self::Start(error) => error.blame(),
            Self::Stopped(stopped) => stopped.blame(),
            Self::Closed => Blame::Conflict,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let details = match self {
            Self::InvalidCommand {
                command,
                available,
                suggestion,
            } => serde_json::json!({"command": command, "available": available, "suggestion": suggestion}),
            Self::InvalidArgument { pointer, expected } => {
                serde_json::json!({"pointer": pointer, "expected": expected})
            }
            Self::ArgsTooLarge {
                actual_bytes,
                limit_bytes,
            } => serde_json::json!({"actual_bytes": actual_bytes, "limit_bytes": limit_bytes}),
            Self::Guest { error, .. } => {
                serde_json::json!({"code": error.code, "message": error.message, "details": error.details})
            }
            Self::Start(error) => return error.details(),
            Self::Stopped(stopped) => return stopped.details(),
            Self::Closed => return Map::new(),
        };
        match details {
            Value::Object(details) => details,
            _ => Map::new(),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::InvalidCommand {
                available, suggestion, ..
            } => {
                let meant = suggestion.iter().map(|name| format!("did you mean `{name}`?"));
                let there_is = std::iter::once(format!("the plugin has: {}", available.join(", ")));
                meant.chain(there_is).collect()
            }
            Self::Start(error) => error.help(),
            Self::Stopped(stopped) => stopped.help(),
            Self::InvalidArgument { .. } | Self::ArgsTooLarge { .. } | Self::Guest { .. } | Self::Closed => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_brackets_outside_of_strings() {
        assert!(!is_deeper_than(b"[[{}]]", 3));
        assert!(is_deeper_than(b"[[{}]]", 2));
        assert!(!is_deeper_than(br#"["[[[", "\"[[[", {"}": "[["}]"#, 2));
        assert!(!is_deeper_than(b"[][][][]", 1));
        assert!(is_deeper_than("[".repeat(33).as_bytes(), 32));
    }
}
