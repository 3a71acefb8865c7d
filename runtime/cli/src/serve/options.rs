//! What `serve` can be told: [`Options`], on the command line and as a file.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use palisade::{Blame, Code, Coded, closest, parse_duration};
use palisade_signer::input::{Kind, read_text};
use palisade_signer::{Excerpt, Failure};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::power_options::folder_of;

/// A file of settings is read as far as this, many times what all keys with comments take.
const FILE: Kind = Kind::new("settings file", 64 * 1024);

/// Every option but `--config`. In a file, each is a key of the same name.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Options {
    /// Where to listen [default: 127.0.0.1:7420]. Another address than one of this machine needs a token
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<SocketAddr>,

    /// A name that clients call this server by, besides localhost; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) host: Vec<String>,

    /// The data directory [default: palisade in the XDG data folder] [env: PALISADE_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,

    /// Install and upgrade the bundles that are put into this folder. Grants nothing
    #[arg(long, value_name = "DIR")]
    pub(super) watch: Option<PathBuf>,

    /// Accept the tokens of this file besides those of `palisade token`: one a line, and its scopes
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,

    /// How long running commands are waited for when a plugin is replaced [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    #[serde(deserialize_with = "time")]
    pub(super) drain_timeout: Option<Duration>,

    /// How long requests are still taken once /readyz says that the end has begun [default: 0s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    #[serde(deserialize_with = "time")]
    pub(super) shutdown_delay: Option<Duration>,

    /// How long the end may take after that: answers under way, and the cleanup of every plugin [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    #[serde(deserialize_with = "time")]
    pub(super) shutdown_timeout: Option<Duration>,

    /// Connections at a time; one more sends away those that wait longest [default: 10240]
    #[arg(long, value_name = "N")]
    pub(super) max_connections: Option<NonZeroUsize>,

    /// Trust this public key, whatever the id of the plugin, instead of the trust store
    #[arg(long, value_name = "PUB", conflicts_with = "trust_store", help_heading = "Trust")]
    pub(super) trust: Vec<PathBuf>,

    /// Use the trust store in DIR [default: palisade/trust in the XDG configuration folder]
    /// [env: PALISADE_TRUST_STORE]
    #[arg(long, value_name = "DIR", help_heading = "Trust")]
    pub(super) trust_store: Option<PathBuf>,

    /// Accept the public development keys of this project, which anybody can sign with
    #[arg(long, help_heading = "Trust")]
    pub(super) allow_development_keys: bool,

    /// Run bundles that nobody signed. For development: anyone can have made them
    #[arg(long, help_heading = "Trust")]
    pub(super) allow_unsigned: bool,
}

impl Options {
    /// Reads a file. Paths in it start from its folder.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = read_text(path, FILE)?;
        let mut options = Self::parse(&text).map_err(|error| error.shown_in(path, &text))?;
        // Resolved now, so that a working directory that changes changes nothing.
        let folder = fs::canonicalize(folder_of(path)).unwrap_or_else(|_| folder_of(path).to_owned());
        options.start_from(&folder);
        Ok(options)
    }

    pub(super) fn parse(text: &str) -> Result<Self, SettingsError> {
        let table: toml::Table = toml::from_str(text)?;
        let known: Vec<_> = Self::names();
        if let Some(unknown) = table.keys().find(|key| !known.contains(key)) {
            return Err(SettingsError::Unknown {
                key: unknown.clone(),
                suggestion: closest(unknown, known.iter().map(String::as_str)).map(str::to_owned),
            });
        }
        Ok(toml::from_str(text)?)
    }

    /// The names of the options, which are the keys of a file.
    pub(super) fn names() -> Vec<String> {
        let command = Self::augment_args(clap::Command::new("serve"));
        let names = command.get_arguments().filter_map(|argument| argument.get_long());
        names.map(str::to_owned).collect()
    }

    fn start_from(&mut self, folder: &Path) {
        let single = [
            &mut self.data_dir,
            &mut self.watch,
            &mut self.token_file,
            &mut self.trust_store,
        ];
        for path in single.into_iter().flatten().chain(&mut self.trust) {
            *path = folder.join(&*path);
        }
    }
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map(Some).map_err(D::Error::custom)
}

/// A file of settings makes no sense.
#[derive(Debug, Error)]
pub(super) enum SettingsError {
    #[error("the settings cannot be read: {}", .0.message())]
    Malformed(#[from] toml::de::Error),
    #[error("there is no setting `{key}`")]
    Unknown { key: String, suggestion: Option<String> },
}

impl SettingsError {
    /// Shows the place in the file.
    fn shown_in(self, path: &Path, text: &str) -> Failure {
        let place = match &self {
            Self::Malformed(error) => error.span().map(|span| (span, error.message().to_owned())),
            Self::Unknown { key, .. } => {
                let start = text
                    .match_indices(key.as_str())
                    .map(|(at, _)| at)
                    .find(|at| starts_a_line(text, *at));
                start.map(|start| (start..start + key.len(), "unknown".to_owned()))
            }
        };
        let excerpt = place.map(|place| Excerpt::new(&self.to_string(), &path.display().to_string(), text, [place]));
        Failure::from(self).with_excerpt(excerpt)
    }
}

fn starts_a_line(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    before
        .rsplit('\n')
        .next()
        .is_none_or(|line| line.trim_matches(['"', ' ', '\t', '[']).is_empty())
}

impl Coded for SettingsError {
    fn code(&self) -> Code {
        match self {
            Self::Malformed(_) | Self::Unknown { .. } => Code::InvalidArgument,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Malformed(_) | Self::Unknown { .. } => Blame::Request,
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::Malformed(_) => Map::new(),
            Self::Unknown { key, suggestion } => {
                let facts = [("argument", Some(key)), ("suggestion", suggestion.as_ref())];
                let known = facts
                    .into_iter()
                    .filter_map(|(name, fact)| Some((name.to_owned(), fact?.clone().into())));
                known.collect()
            }
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Malformed(_) => Vec::new(),
            Self::Unknown {
                suggestion: Some(word), ..
            } => vec![format!("did you mean `{word}`?")],
            Self::Unknown { suggestion: None, .. } => vec![format!("settings: {}", Options::names().join(", "))],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_a_key_and_every_key_an_option() {
        for name in Options::names() {
            // Whatever the value is wrong about, it is not the name.
            let error = Options::parse(&format!("{name} = {{}}")).unwrap_err().to_string();
            assert!(
                !error.contains("unknown field") && !error.contains("there is no setting"),
                "{error}"
            );
        }
    }

    #[test]
    fn an_unknown_key_is_named_and_gets_a_suggestion() {
        let error = Options::parse("lisen = \"127.0.0.1:1\"").unwrap_err();
        assert_eq!(error.to_string(), "there is no setting `lisen`");
        assert_eq!(error.help(), ["did you mean `listen`?"]);
        assert!(matches!(
            Options::parse("[listen]\nx = 1"),
            Err(SettingsError::Malformed(_))
        ));
        assert!(Options::parse("max-connections = 0").is_err());
        assert!(Options::parse("drain-timeout = 60").is_err());
    }

    #[test]
    fn paths_in_a_file_start_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("palisade.toml");
        fs::write(&file, "watch = \"drop\"\ntrust = [\"/etc/a.pub\", \"b.pub\"]\n").unwrap();
        let options = Options::read(&file).unwrap();
        let folder = fs::canonicalize(folder.path()).unwrap();
        assert_eq!(options.watch, Some(folder.join("drop")));
        assert_eq!(options.trust, [PathBuf::from("/etc/a.pub"), folder.join("b.pub")]);
    }
}
