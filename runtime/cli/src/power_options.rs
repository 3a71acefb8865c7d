//! What a plugin may do and use: the options that `call` and `bench` share.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use palisade::{
    Blame, ByteSize, Code, Coded, DirectoryMapping, DirectoryQuota, HostServices, HttpClient, LimitSettings, LogSink,
    Policy, SqliteStorage, parse_duration,
};
use palisade_signer::input::{Input, Kind, read_file};
use palisade_signer::{Failure, UsageError};
use secrecy::SecretString;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::confinement::Confinement;
use crate::folder_option::FolderOption;

/// A secret: a token or a key, with its line end.
const SECRET: Kind = Kind::new("secret", 64 * 1024);

/// What a plugin may do and use.
#[derive(Args, Debug)]
pub(crate) struct PowerOptions {
    /// Grant a permission that the plugin asks for; `palisade help permissions` lists them
    #[arg(long, value_name = "PERM", help_heading = "Powers")]
    grant: Vec<String>,

    /// Let the plugin read a folder under the name GUEST; takes --grant filesystem:read as well
    #[arg(long, value_name = "HOST::GUEST", help_heading = "Powers")]
    dir: Vec<FolderOption>,

    /// Let it also write there, up to 10 MiB in 10,000 files; takes --grant filesystem:write as well
    #[arg(long, value_name = "HOST::GUEST", help_heading = "Powers")]
    writable_dir: Vec<FolderOption>,

    /// Let it make links and rename files in the folders that it may write
    #[arg(long, requires = "writable_dir", help_heading = "Powers")]
    allow_links: bool,

    /// Keep its state and storage in FILE, made when it is not there; without, they are gone afterwards
    #[arg(long, value_name = "FILE", help_heading = "Powers")]
    storage: Option<PathBuf>,

    /// Give a credential of the manifest its value, the first line of FILE; the plugin never sees it
    #[arg(long, value_name = "NAME=FILE", help_heading = "Powers")]
    secret: Vec<SecretOption>,

    /// Let its requests go to this machine and the networks it is in, not only to public addresses
    #[arg(long, help_heading = "Powers")]
    allow_private_network: bool,

    /// Configuration for the plugin, a JSON object
    #[arg(long, value_name = "FILE", help_heading = "Powers")]
    config: Option<PathBuf>,

    /// Fuel per command, at most; one unit is about one instruction
    #[arg(long, value_name = "N", help_heading = "Powers")]
    fuel: Option<u64>,

    /// Memory, at most: 64MiB
    #[arg(long, value_name = "SIZE", help_heading = "Powers")]
    memory: Option<ByteSize>,

    /// Time per command, at most: 500ms, 2s
    #[arg(long, value_name = "T", value_parser = parse_duration, help_heading = "Powers")]
    timeout: Option<Duration>,
}

impl PowerOptions {
    /// What the plugin is allowed.
    pub(crate) fn policy(&self) -> Result<Policy, Failure> {
        let mut policy = Policy::deny_all().limits(LimitSettings {
            fuel: self.fuel,
            memory_bytes: self.memory.map(ByteSize::as_bytes),
            execution_time: self.timeout,
            ..LimitSettings::default()
        });
        for permission in &self.grant {
            policy = policy.allow(permission)?;
        }
        for mapping in self.mappings() {
            policy = policy.map_directory(mapping)?;
        }
        for secret in &self.secret {
            policy = policy.secret(&secret.name, secret.read()?);
        }
        if self.allow_private_network {
            policy = policy.allow_private_network();
        }
        if let Some(path) = &self.config {
            let config = serde_json::from_slice(&read_file(path, Kind::CONFIG)?);
            policy = policy.config(config.map_err(|error| ConfigFileError {
                path: path.clone(),
                error,
            })?);
        }
        Ok(policy)
    }

    /// What the host lends to the plugin. Starts threads, so it comes after [`confinement`](Self::confinement).
    pub(crate) fn services(&self, log: Arc<dyn LogSink>) -> Result<HostServices, Failure> {
        let services = HostServices::default();
        let http = HttpClient::builder().crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let storage = match &self.storage {
            Some(path) => Arc::new(SqliteStorage::open(path, Arc::clone(&services.clock))?) as _,
            None => Arc::clone(&services.storage),
        };
        Ok(HostServices {
            log,
            http: Arc::new(http.build()?),
            storage,
            ..services
        })
    }

    /// What has to stay open for this plugin.
    pub(crate) fn confinement(&self) -> Confinement {
        let mut confinement = Confinement::default();
        for folder in &self.dir {
            confinement = confinement.read(&folder.host);
        }
        for folder in &self.writable_dir {
            confinement = confinement.write(&folder.host);
        }
        match &self.storage {
            // A database keeps files of its own beside it.
            Some(path) => confinement.write(folder_of(path)),
            None => confinement,
        }
    }

    /// Refuses what an installed plugin has of its own.
    pub(crate) fn refuse_what_is_installed(&self) -> Result<(), UsageError> {
        if self.config.is_some() {
            let error = UsageError::new("--config", "an installed plugin has a configuration of its own");
            return Err(error.with_help("palisade config set ID --file FILE   replaces it"));
        }
        match &self.storage {
            Some(_) => Err(UsageError::new(
                "--storage",
                "an installed plugin keeps its data in the data directory",
            )),
            None => Ok(()),
        }
    }

    /// The flags that let through what no plugin may otherwise, and whether they are given.
    pub(crate) fn loosening(&self) -> [(&'static str, bool); 2] {
        [
            ("--allow-links", self.allow_links),
            ("--allow-private-network", self.allow_private_network),
        ]
    }

    /// Whether the plugin may use folders of this machine.
    pub(crate) fn maps_folders(&self) -> bool {
        !self.dir.is_empty() || !self.writable_dir.is_empty()
    }

    fn mappings(&self) -> impl Iterator<Item = DirectoryMapping> {
        let readable = self.dir.iter();
        let readable = readable.map(|folder| DirectoryMapping::read_only(&folder.host, &folder.guest));
        let writable = self.writable_dir.iter().map(|folder| {
            let mapping = DirectoryMapping::writable(&folder.host, &folder.guest, DirectoryQuota::default());
            match self.allow_links {
                true => mapping.with_links(),
                false => mapping,
            }
        });
        readable.chain(writable)
    }
}

/// The folder a file lies in.
pub(crate) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// `NAME=FILE`: a credential and where its value is. A value is never an argument, which everyone on the machine can read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SecretOption {
    name: String,
    file: Input,
}

impl FromStr for SecretOption {
    type Err = MalformedSecretOption;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok(Self {
                name: name.to_owned(),
                file: Input::File(file.into()),
            }),
            _ => Err(MalformedSecretOption),
        }
    }
}

impl SecretOption {
    fn read(&self) -> Result<SecretString, Failure> {
        let bytes = self.file.read(SECRET)?;
        let text = String::from_utf8(bytes).map_err(|_| SecretFileError {
            name: self.name.clone(),
        })?;
        let line = text.lines().next().unwrap_or_default();
        Ok(SecretString::from(line.to_owned()))
    }
}

/// Text that is not `NAME=FILE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected NAME=FILE, a credential of the manifest and the file that holds its value")]
struct MalformedSecretOption;

/// A secret that is not text.
#[derive(Debug, Error)]
#[error("the file with the secret `{name}` is not text")]
struct SecretFileError {
    name: String,
}

impl Coded for SecretFileError {
    fn code(&self) -> Code {
        Code::ConfigInvalid
    }

    fn blame(&self) -> Blame {
        Blame::Bundle
    }
}

/// A configuration file that is not JSON.
#[derive(Debug, Error)]
#[error("the configuration file `{}` is not JSON", path.display())]
struct ConfigFileError {
    path: PathBuf,
    #[source]
    error: serde_json::Error,
}

impl Coded for ConfigFileError {
    fn code(&self) -> Code {
        Code::ConfigInvalid
    }

    fn blame(&self) -> Blame {
        Blame::Bundle
    }

    fn details(&self) -> Map<String, Value> {
        let place = [("line", self.error.line()), ("column", self.error.column())];
        place
            .into_iter()
            .map(|(name, number)| (name.to_owned(), Value::from(number)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_name_and_a_file() {
        let secret: SecretOption = "api=token.txt".parse().unwrap();
        assert_eq!(
            (secret.name.as_str(), secret.file),
            ("api", Input::File("token.txt".into()))
        );
        for near in ["api", "=file", "api=", ""] {
            assert_eq!(near.parse::<SecretOption>(), Err(MalformedSecretOption), "{near}");
        }
    }

    #[test]
    fn a_file_in_the_working_folder_has_a_folder() {
        assert_eq!(folder_of(Path::new("a.db")), Path::new("."));
        assert_eq!(folder_of(Path::new("data/a.db")), Path::new("data"));
    }
}
