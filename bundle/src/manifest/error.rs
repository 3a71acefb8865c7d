//! What is wrong with a manifest, where, and what would be right.

use std::fmt;
use std::ops::Range;

use serde_json::{Map, Value, json};

use super::source::Unreadable;
use super::version::UnsupportedVersion;
use crate::permission::UnknownPermission;
use crate::{Blame, Code, Coded};

/// Why a manifest was refused: everything found wrong, in the order of the text, never empty.
///
/// The first problem decides code, message and details; `details.problems` lists all when there is more than one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError(Box<Found>);

/// What was found wrong, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    first: ManifestProblem,
    rest: Vec<ManifestProblem>,
}

impl ManifestError {
    /// Puts `first` and what else was found into the order of the text.
    pub(super) fn new(mut first: ManifestProblem, mut rest: Vec<ManifestProblem>) -> Self {
        let place = |problem: &ManifestProblem| (problem.location.span.start, problem.pointer.len());
        rest.sort_by_key(place);
        if let Some(earliest) = rest.first_mut().filter(|earliest| place(earliest) < place(&first)) {
            std::mem::swap(&mut first, earliest);
            rest.sort_by_key(place);
        }
        Self(Box::new(Found { first, rest }))
    }

    pub(super) fn unreadable(text: &[u8], Unreadable { fault, span }: Unreadable) -> Self {
        let location = Location::of(text, span);
        let first = ManifestProblem {
            pointer: String::new(),
            fault,
            location,
        };
        Self::new(first, Vec::new())
    }

    /// The first problem in the text.
    #[must_use]
    pub fn first(&self) -> &ManifestProblem {
        &self.0.first
    }

    /// Every problem found, at most [`MAX_PROBLEMS`](super::MAX_PROBLEMS).
    pub fn problems(&self) -> impl Iterator<Item = &ManifestProblem> {
        std::iter::once(&self.0.first).chain(&self.0.rest)
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.first)?;
        match self.0.rest.len() {
            0 => Ok(()),
            1 => f.write_str(", and 1 more problem"),
            more => write!(f, ", and {more} more problems"),
        }
    }
}

impl std::error::Error for ManifestError {}

impl Coded for ManifestError {
    fn code(&self) -> Code {
        self.0.first.fault.code()
    }

    fn blame(&self) -> Blame {
        Blame::Bundle
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = self.0.first.details();
        if !self.0.rest.is_empty() {
            let problems = self
                .problems()
                .map(|problem| Value::Object(problem.details()))
                .collect();
            details.insert("problems".to_owned(), Value::Array(problems));
        }
        details
    }

    fn help(&self) -> Vec<String> {
        self.0.first.help()
    }
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestProblem {
    /// JSON pointer (RFC 6901) to the value or key; empty for the whole document.
    pub pointer: String,
    /// What is wrong.
    pub fault: ManifestFault,
    /// Where in the text.
    pub location: Location,
}

impl ManifestProblem {
    /// What would be right, in words.
    #[must_use]
    pub fn expected(&self) -> String {
        match &self.fault {
            ManifestFault::TooLarge { limit_bytes, .. } => format!("at most {limit_bytes} bytes"),
            ManifestFault::NotUtf8 => "text in UTF-8".to_owned(),
            ManifestFault::Syntax { .. } => "JSON (RFC 8259)".to_owned(),
            ManifestFault::TooDeep { limit } => format!("at most {limit} levels of nesting"),
            ManifestFault::TooManyValues { limit } => format!("at most {limit} values"),
            ManifestFault::UnknownKey { known, .. } if known.len() <= LISTED_KEYS => one_of(known),
            ManifestFault::UnknownKey { .. } => "a key of plugin.json, or one that starts with `x-`".to_owned(),
            ManifestFault::DuplicateKey { .. } => "each key once".to_owned(),
            ManifestFault::BothSpellings { key, .. } => format!("only `{key}`"),
            ManifestFault::MissingKey { key } => format!("the key `{key}`"),
            ManifestFault::Unexpected { expected, .. } => expected.clone(),
            ManifestFault::Permission(_) => "a permission such as storage:read".to_owned(),
            ManifestFault::Version(unsupported) => unsupported.actual.clone(),
        }
    }

    /// What stands there instead, shortened and safe to print.
    #[must_use]
    pub fn found(&self) -> Option<&str> {
        match &self.fault {
            ManifestFault::Unexpected { found, .. } => Some(found),
            ManifestFault::UnknownKey { key, .. } | ManifestFault::DuplicateKey { key } => Some(key),
            ManifestFault::BothSpellings { alias, .. } => Some(alias),
            ManifestFault::Permission(unknown) => Some(&unknown.name),
            ManifestFault::Version(unsupported) => Some(&unsupported.required),
            ManifestFault::Syntax { reason } => Some(reason),
            ManifestFault::TooLarge { .. }
            | ManifestFault::NotUtf8
            | ManifestFault::TooDeep { .. }
            | ManifestFault::TooManyValues { .. }
            | ManifestFault::MissingKey { .. } => None,
        }
    }

    /// What was probably meant.
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        match &self.fault {
            ManifestFault::UnknownKey { suggestion, .. } | ManifestFault::Unexpected { suggestion, .. } => {
                suggestion.as_deref()
            }
            ManifestFault::Permission(unknown) => unknown.suggestion.as_deref(),
            ManifestFault::TooLarge { .. }
            | ManifestFault::NotUtf8
            | ManifestFault::Syntax { .. }
            | ManifestFault::TooDeep { .. }
            | ManifestFault::TooManyValues { .. }
            | ManifestFault::DuplicateKey { .. }
            | ManifestFault::BothSpellings { .. }
            | ManifestFault::MissingKey { .. }
            | ManifestFault::Version(_) => None,
        }
    }

    /// The facts as members of `details`: those every manifest problem has, and those its own code asks for.
    #[must_use]
    pub fn details(&self) -> Map<String, Value> {
        let mut details = match &self.fault {
            ManifestFault::Permission(unknown) => unknown.details(),
            ManifestFault::Version(unsupported) => unsupported.details(),
            ManifestFault::TooLarge { .. }
            | ManifestFault::NotUtf8
            | ManifestFault::Syntax { .. }
            | ManifestFault::TooDeep { .. }
            | ManifestFault::TooManyValues { .. }
            | ManifestFault::UnknownKey { .. }
            | ManifestFault::DuplicateKey { .. }
            | ManifestFault::BothSpellings { .. }
            | ManifestFault::MissingKey { .. }
            | ManifestFault::Unexpected { .. } => Map::new(),
        };
        details.insert("pointer".to_owned(), json!(self.pointer));
        details.insert("expected".to_owned(), json!(self.expected()));
        let optional = [("found", self.found()), ("suggestion", self.suggestion())];
        for (key, value) in optional.into_iter().filter_map(|(key, value)| Some((key, value?))) {
            details.insert(key.to_owned(), json!(value));
        }
        details.insert("line".to_owned(), json!(self.location.line));
        details.insert("column".to_owned(), json!(self.location.column));
        details
    }

    fn help(&self) -> Vec<String> {
        if let ManifestFault::Permission(unknown) = &self.fault {
            return unknown.help();
        }
        if let ManifestFault::Version(unsupported) = &self.fault {
            return unsupported.help();
        }
        let suggestion = self.suggestion().map(|meant| format!("did you mean `{meant}`?"));
        let unknown = matches!(self.fault, ManifestFault::UnknownKey { .. });
        let list =
            (unknown && suggestion.is_none()).then(|| "`palisade schema manifest` describes every key".to_owned());
        suggestion.into_iter().chain(list).collect()
    }
}

impl fmt::Display for ManifestProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pointer,
            fault,
            location,
        } = self;
        match fault {
            ManifestFault::TooLarge {
                actual_bytes,
                limit_bytes,
            } => {
                return write!(f, "the manifest has {actual_bytes} bytes, {limit_bytes} are allowed");
            }
            ManifestFault::NotUtf8 => f.write_str("the manifest is not UTF-8 text")?,
            ManifestFault::Syntax { reason } => write!(f, "the manifest is not JSON: {reason}")?,
            ManifestFault::TooDeep { limit } => write!(f, "nested deeper than {limit} levels")?,
            ManifestFault::TooManyValues { limit } => write!(f, "more than {limit} values")?,
            ManifestFault::UnknownKey { .. } => write!(f, "unknown key `{pointer}`")?,
            ManifestFault::DuplicateKey { .. } => write!(f, "the key `{pointer}` stands there twice")?,
            ManifestFault::BothSpellings { key, alias } => {
                write!(f, "`{alias}` is another spelling of `{key}`, which is there too")?;
            }
            ManifestFault::MissingKey { key } if pointer.is_empty() => write!(f, "the key `{key}` is missing")?,
            ManifestFault::MissingKey { key } => write!(f, "the key `{key}` is missing in `{pointer}`")?,
            ManifestFault::Unexpected { expected, found, .. } if pointer.is_empty() => {
                write!(f, "expected {expected}, found {found}")?;
            }
            ManifestFault::Unexpected { expected, found, .. } => {
                write!(f, "`{pointer}`: expected {expected}, found {found}")?;
            }
            ManifestFault::Permission(unknown) => write!(f, "`{pointer}`: {unknown}")?,
            ManifestFault::Version(unsupported) => write!(f, "`{pointer}`: {unsupported}")?,
        }
        write!(f, " (line {}, column {})", location.line, location.column)
    }
}

/// More keys than this are not listed in a message.
const LISTED_KEYS: usize = 12;

fn one_of(keys: &[&str]) -> String {
    match keys {
        [] => "no key at all".to_owned(),
        keys => format!(
            "one of {}",
            keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// What can be wrong with a manifest. Texts from the manifest are shortened and safe to print.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestFault {
    /// The text is larger than a manifest may be.
    TooLarge {
        /// Its size.
        actual_bytes: usize,
        /// The most it may be.
        limit_bytes: usize,
    },
    /// The bytes are not UTF-8.
    NotUtf8,
    /// The text is not JSON.
    Syntax {
        /// What the JSON reader stumbled over.
        reason: String,
    },
    /// Objects and lists are nested too deeply.
    TooDeep {
        /// The most levels there may be.
        limit: usize,
    },
    /// There are too many values.
    TooManyValues {
        /// The most there may be, objects and lists included.
        limit: usize,
    },
    /// A key that no rule knows.
    UnknownKey {
        /// The key as written.
        key: String,
        /// The closest known key, when one is close.
        suggestion: Option<String>,
        /// The keys that are known there.
        known: Vec<&'static str>,
    },
    /// A key that stands twice in one object.
    DuplicateKey {
        /// The key as written.
        key: String,
    },
    /// A key in snake_case and in camelCase in one object.
    BothSpellings {
        /// The canonical spelling.
        key: String,
        /// The other spelling.
        alias: String,
    },
    /// A required key that is not there.
    MissingKey {
        /// The key.
        key: String,
    },
    /// A value that breaks its rule.
    Unexpected {
        /// What would be right, in words.
        expected: String,
        /// What stands there.
        found: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// A permission nobody knows.
    Permission(UnknownPermission),
    /// A manifest or ABI version this crate does not know.
    Version(UnsupportedVersion),
}

impl ManifestFault {
    fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. }
            | Self::NotUtf8
            | Self::Syntax { .. }
            | Self::TooDeep { .. }
            | Self::TooManyValues { .. }
            | Self::UnknownKey { .. }
            | Self::DuplicateKey { .. }
            | Self::BothSpellings { .. }
            | Self::MissingKey { .. }
            | Self::Unexpected { .. } => Code::InvalidManifest,
            Self::Permission(unknown) => unknown.code(),
            Self::Version(unsupported) => unsupported.code(),
        }
    }
}

/// A place in the text of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// The bytes in question.
    pub span: Range<usize>,
}

impl Location {
    /// The place of `span` in `text`; an offset inside a character counts as its start.
    pub(super) fn of(text: &[u8], span: Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.split(|byte| *byte == b'\n').count();
        let tail = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_character_start = |byte: &&u8| **byte & 0b1100_0000 != 0b1000_0000;
        let column = tail.iter().filter(is_character_start).count().saturating_add(1);
        Self { line, column, span }
    }
}
