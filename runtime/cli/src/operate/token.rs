//! `token create`, `list` and `revoke`: who may use the API of a data directory.
//!
//! Beside a server: the tokens are a file of their own, which a server reads again when it has changed.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use palisade::{Blame, Code, Coded, Timestamp, closest, parse_duration};
use palisade_server::{Scope, Scopes, Secret, Token, TokenFile};
use palisade_signer::{
    Answer, Conclusion, Failure, HostError, Moment, Surroundings, Terminal, UsageError, output::OutputError, style,
};
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::table;
use crate::data_dir::DataDirOption;

/// The longest name: it stands in every record of the audit log that is about whoever has the token.
const MAX_NAME: usize = 64;

/// The tokens that the API accepts.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and show it, this once
    Create(Create),
    /// List the tokens, without what they are
    List(List),
    /// Accept a token no more
    Revoke(Revoke),
}

/// `token create`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("allowed").required(true).multiple(true))]
pub(crate) struct Create {
    /// What it is called; the audit log names whoever uses it by this
    #[arg(value_name = "NAME", value_parser = name)]
    name: String,

    /// What it may be used for, such as plugin:read; may be repeated
    #[arg(long, value_name = "SCOPE", group = "allowed")]
    scope: Vec<Scope>,

    /// It may be used for everything
    #[arg(long, group = "allowed", conflicts_with = "scope")]
    all_scopes: bool,

    /// When it ends, such as 90d or 2028-11-21; without, never
    #[arg(long, value_name = "TIME")]
    expires: Option<End>,

    #[command(flatten)]
    data: DataDirOption,
}

/// `token list`.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    data: DataDirOption,
}

/// `token revoke`.
#[derive(Args, Debug)]
pub(crate) struct Revoke {
    /// What it is called
    #[arg(value_name = "NAME")]
    name: String,

    #[command(flatten)]
    data: DataDirOption,
}

/// When something ends: at a moment, or after a time.
#[derive(Clone, Copy, Debug)]
enum End {
    At(Timestamp),
    In(Duration),
}

#[derive(Serialize)]
struct Created {
    name: String,
    token: String,
    scopes: Scopes,
    expires: Option<Timestamp>,
}

#[derive(Serialize)]
struct Listed {
    tokens: Vec<Entry>,
}

/// A token in one row.
#[derive(Serialize)]
struct Entry {
    name: String,
    scopes: Scopes,
    created: Option<Timestamp>,
    expires: Option<Timestamp>,
}

#[derive(Serialize)]
struct Revoked {
    name: String,
    revoked: bool,
}

impl TokenCommand {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        match self {
            Self::Create(command) => command.run(surroundings, terminal),
            Self::List(command) => command.run(surroundings, terminal),
            Self::Revoke(command) => command.run(surroundings, terminal),
        }
    }
}

impl Create {
    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let folder = self.data.path(surroundings)?;
        create_folder(folder)?;
        let now = surroundings.timestamp()?;
        let random = surroundings.random().map_err(HostError::Random)?;
        let secret = Secret::of(&random);
        let scopes = match self.all_scopes {
            true => Scopes::ALL,
            false => self.scope.iter().copied().collect(),
        };
        let expires = self.expires.map(|end| end.after(now)).transpose()?;
        let token = Token {
            created: Some(now),
            expires,
            ..Token::new(&self.name, secret.as_str(), scopes)
        };
        let is_new = TokenFile::in_directory(folder).change(|tokens| {
            let is_new = tokens.iter().all(|other| other.name != token.name);
            if is_new {
                tokens.push(token);
            }
            is_new
        })?;
        if !is_new {
            return Err(TokenError::Exists { name: self.name }.into());
        }
        terminal.answer(&Created {
            name: self.name,
            token: secret.as_str().to_owned(),
            scopes,
            expires,
        })?;
        terminal.note("keep it: it is shown this once");
        Ok(Conclusion::Done)
    }
}

impl List {
    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let tokens = TokenFile::in_directory(self.data.path(surroundings)?).tokens()?;
        let tokens = tokens.iter().map(|token| Entry {
            name: token.name.clone(),
            scopes: token.scopes,
            created: token.created,
            expires: token.expires,
        });
        terminal.answer(&Listed {
            tokens: tokens.collect(),
        })?;
        Ok(Conclusion::Done)
    }
}

impl Revoke {
    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let file = TokenFile::in_directory(self.data.path(surroundings)?);
        // Looked at before, so that a directory that is not there is not written to.
        let known = file.tokens()?;
        let unknown = || TokenError::Unknown {
            suggestion: closest(&self.name, known.iter().map(|token| token.name.as_str())).map(str::to_owned),
            name: self.name.clone(),
        };
        if known.iter().all(|token| token.name != self.name) {
            return Err(unknown().into());
        }
        file.change(|tokens| tokens.retain(|token| token.name != self.name))?;
        terminal.answer(&Revoked {
            name: self.name,
            revoked: true,
        })?;
        Ok(Conclusion::Done)
    }
}

/// Makes the data directory where there is none, for its owner alone. A server makes what is in it.
fn create_folder(folder: &Path) -> Result<(), OutputError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| OutputError::Unwritable {
        path: folder.to_owned(),
        error,
    })
}

/// A name that reads the same everywhere, and is none of a token that comes from a file.
fn name(text: &str) -> Result<String, &'static str> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'@');
    if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(is_good) {
        return Err("expected 1 to 64 letters, digits and any of . _ - @");
    }
    Ok(text.to_owned())
}

impl FromStr for End {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(moment) = text.parse::<Moment>() {
            return Ok(Self::At(moment.0));
        }
        let time = parse_duration(text);
        time.map(Self::In)
            .map_err(|_| "expected a time such as 90d, or a moment such as 2028-11-21")
    }
}

impl End {
    fn after(self, now: Timestamp) -> Result<Timestamp, UsageError> {
        let end = match self {
            Self::At(moment) => Some(moment),
            Self::In(time) => i64::try_from(time.as_secs())
                .ok()
                .and_then(|seconds| now.unix_seconds().checked_add(seconds))
                .and_then(|seconds| Timestamp::from_unix_seconds(seconds).ok()),
        };
        end.filter(|end| *end > now)
            .ok_or_else(|| UsageError::new("--expires", "a token has to end after it begins"))
    }
}

impl Answer for Created {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.token)
    }
}

impl Answer for Listed {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let moment = |at: &Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let rows = self.tokens.iter().map(|token| {
            let scopes: Vec<_> = token.scopes.iter().map(Scope::as_str).collect();
            [
                token.name.clone(),
                scopes.join(","),
                moment(&token.created),
                moment(&token.expires),
            ]
        });
        table::write(out, ["NAME", "SCOPES", "CREATED", "EXPIRES"], rows)
    }
}

impl Answer for Revoked {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", style::good(format_args!("revoked {}", self.name)))
    }
}

/// There is no such token, or there is one.
#[derive(Debug, Error)]
enum TokenError {
    #[error("there is a token `{name}`")]
    Exists { name: String },
    #[error("there is no token `{name}`")]
    Unknown { name: String, suggestion: Option<String> },
}

impl Coded for TokenError {
    fn code(&self) -> Code {
        match self {
            Self::Exists { .. } => Code::InvalidState,
            Self::Unknown { .. } => Code::NotFound,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Exists { .. } => Blame::Conflict,
            Self::Unknown { .. } => Blame::Missing,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let (name, suggestion) = match self {
            Self::Exists { name } => (name, &None),
            Self::Unknown { name, suggestion } => (name, suggestion),
        };
        let facts = [
            ("kind", Some("token")),
            ("name", Some(name.as_str())),
            ("suggestion", suggestion.as_deref()),
        ];
        let known = facts
            .into_iter()
            .filter_map(|(key, fact)| Some((key.to_owned(), fact?.into())));
        known.collect()
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Exists { name } => vec![format!("palisade token revoke {name}   makes room for another")],
            Self::Unknown {
                suggestion: Some(name), ..
            } => vec![format!("did you mean `{name}`?")],
            Self::Unknown { suggestion: None, .. } => vec!["palisade token list   shows those there are".to_owned()],
        }
    }
}
