//! Why an input was not read.

use std::io;
use std::path::PathBuf;

use palisade_bundle::{Blame, Code, Coded};
use serde_json::{Map, Value, json};
use thiserror::Error;

/// Why something the user pointed at was not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InputError {
    /// Nothing is there.
    #[error("there is no {kind} at `{}`", path.display())]
    Missing {
        /// What was looked for.
        kind: &'static str,
        /// Where.
        path: PathBuf,
        /// Something like it in the same folder.
        suggestion: Option<PathBuf>,
    },
    /// Something else is there.
    #[error("there is no {kind} at `{}`: it is {is}", path.display())]
    NotAFile {
        /// What was looked for.
        kind: &'static str,
        /// Where.
        path: PathBuf,
        /// What is there.
        is: &'static str,
    },
    /// It is larger than it may be.
    #[error("the {kind} `{}` is larger than the {limit_bytes} bytes it may have", path.display())]
    TooLarge {
        /// What was read.
        kind: &'static str,
        /// Where.
        path: PathBuf,
        /// How large it is, at least.
        actual_bytes: u64,
        /// How large it may be.
        limit_bytes: u64,
        /// The code for this kind of input.
        code: Code,
    },
    /// It should be text.
    #[error("the {kind} `{}` is not text", path.display())]
    NotText {
        /// What was read.
        kind: &'static str,
        /// Where.
        path: PathBuf,
    },
    /// It is there but cannot be read.
    #[error("cannot read the {kind} `{}`", path.display())]
    Unreadable {
        /// What was read.
        kind: &'static str,
        /// Where.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        error: io::Error,
    },
}

impl Coded for InputError {
    fn code(&self) -> Code {
        match self {
            Self::Missing { .. } | Self::NotAFile { .. } => Code::NotFound,
            Self::TooLarge { code, .. } => *code,
            Self::NotText { .. } => Code::InvalidArgument,
            Self::Unreadable { .. } => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Missing { .. } | Self::NotAFile { .. } => Blame::Missing,
            Self::TooLarge {
                code: Code::PackageTooLarge,
                ..
            } => Blame::Bundle,
            Self::TooLarge { .. } | Self::NotText { .. } => Blame::Request,
            Self::Unreadable { .. } => Blame::Host,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let details = match self {
            Self::Missing { kind, path, suggestion } => {
                json!({ "kind": kind, "name": path.to_string_lossy(),
                    "suggestion": suggestion.as_ref().map(|path| path.to_string_lossy()) })
            }
            Self::NotAFile { kind, path, .. } => json!({ "kind": kind, "name": path.to_string_lossy() }),
            Self::TooLarge {
                actual_bytes,
                limit_bytes,
                ..
            } => {
                json!({ "actual_bytes": actual_bytes, "limit_bytes": limit_bytes })
            }
            Self::NotText { .. } => json!({ "expected": "UTF-8" }),
            Self::Unreadable { .. } => json!({}),
        };
        match details {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Missing {
                suggestion: Some(suggestion),
                ..
            } => vec![format!("did you mean `{}`?", suggestion.display())],
            Self::NotAFile { is: "a named pipe", .. } => vec!["use `-` to read standard input".to_owned()],
            _ => Vec::new(),
        }
    }
}
