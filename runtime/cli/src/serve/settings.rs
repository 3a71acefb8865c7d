//! What a server does: [`Settings`], of options, a file, and what is the case when neither says anything.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use palisade::TrustStore;
use palisade_server::Token;
use palisade_server::listen::ListenSettings;
use palisade_signer::{Failure, Surroundings, TrustOptions, UsageError};

use super::brought;
use super::options::Options;
use crate::data_dir::DataDirOption;
use crate::operate::{given, loosening_trust};

/// Where the API is unless told otherwise: on this machine alone. The port is registered for nothing.
const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7420);

/// Twice the longest time that a command may take by default.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(60);

/// Answers under way may take half of it, which is the longest time of a command by default; the other half is one whole
/// cleanup.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(60);

/// What a server does.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) listen: SocketAddr,
    pub(super) hosts: Vec<String>,
    pub(super) data: DataDirOption,
    pub(super) watch: Option<PathBuf>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) drain_timeout: Duration,
    pub(super) shutdown_delay: Duration,
    pub(super) shutdown_timeout: Duration,
    pub(super) max_connections: usize,
    pub(super) trust: TrustOptions,
    pub(super) allow_unsigned: bool,
}

impl Settings {
    /// What is in `options` wins over what is in `file`.
    pub(super) fn of(options: Options, file: Options) -> Result<Self, Failure> {
        let trust = trust_of(&options, &file)?;
        Ok(Self {
            listen: options.listen.or(file.listen).unwrap_or(ADDRESS),
            hosts: either(options.host, file.host),
            data: DataDirOption::named(options.data_dir.or(file.data_dir)),
            watch: options.watch.or(file.watch),
            token_file: options.token_file.or(file.token_file),
            drain_timeout: options.drain_timeout.or(file.drain_timeout).unwrap_or(DRAIN_TIMEOUT),
            shutdown_delay: options.shutdown_delay.or(file.shutdown_delay).unwrap_or_default(),
            shutdown_timeout: options
                .shutdown_timeout
                .or(file.shutdown_timeout)
                .unwrap_or(SHUTDOWN_TIMEOUT),
            max_connections: options
                .max_connections
                .or(file.max_connections)
                .map_or(ListenSettings::default().connections, NonZeroUsize::get),
            trust,
            allow_unsigned: options.allow_unsigned || file.allow_unsigned,
        })
    }

    /// Whom the server trusts.
    pub(super) fn trust_store(&self, surroundings: &Surroundings) -> Result<TrustStore, Failure> {
        let store = self.trust.store(None, surroundings)?;
        Ok(store.allow_unsigned(self.allow_unsigned))
    }

    /// The tokens of the file that was named.
    pub(super) fn brought_tokens(&self, surroundings: &Surroundings) -> Result<Vec<Token>, Failure> {
        let file = self.token_file.as_deref();
        file.map_or_else(
            || Ok(Vec::new()),
            |file| brought::read(file, surroundings.credentials_dir.as_deref()),
        )
    }

    /// The settings that let through what is refused otherwise.
    pub(super) fn loosened(&self) -> Vec<&'static str> {
        given(loosening_trust(&self.trust, self.allow_unsigned))
    }

    /// The settings that are not as they were and that only a start reads.
    pub(super) fn fixed_differences(&self, before: &Self) -> Vec<&'static str> {
        let differ = [
            ("listen", self.listen != before.listen),
            ("host", self.hosts != before.hosts),
            ("data-dir", self.data != before.data),
            ("watch", self.watch != before.watch),
            ("drain-timeout", self.drain_timeout != before.drain_timeout),
            ("shutdown-delay", self.shutdown_delay != before.shutdown_delay),
            ("shutdown-timeout", self.shutdown_timeout != before.shutdown_timeout),
            ("max-connections", self.max_connections != before.max_connections),
        ];
        given(differ)
    }
}

/// Keys and a store exclude each other, in a file as on the command line; whichever the command line names is meant.
fn trust_of(options: &Options, file: &Options) -> Result<TrustOptions, Failure> {
    if !file.trust.is_empty() && file.trust_store.is_some() {
        let message = "`trust` and `trust-store` cannot both be set";
        return Err(UsageError::new("trust-store", message).into());
    }
    let is_named = !options.trust.is_empty() || options.trust_store.is_some();
    let named = if is_named { options } else { file };
    Ok(TrustOptions {
        trust: named.trust.clone(),
        trust_store: named.trust_store.clone(),
        allow_development_keys: options.allow_development_keys || file.allow_development_keys,
    })
}

fn either<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
    if first.is_empty() { second } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../../docs/operations/palisade.toml");

    #[test]
    fn the_example_says_what_is_the_case_without_it() {
        let example = Settings::of(Options::default(), Options::parse(EXAMPLE).unwrap()).unwrap();
        let default = Settings::of(Options::default(), Options::default()).unwrap();
        assert_eq!(format!("{example:?}"), format!("{default:?}"));
    }

    #[test]
    fn the_example_explains_every_setting_and_no_other() {
        let lines = EXAMPLE.lines().map(|line| line.trim_start_matches("# "));
        let keys = lines.filter_map(|line| line.split_once(" = ")).map(|(key, _)| key);
        let mut explained: Vec<_> = keys.map(str::to_owned).collect();
        let mut known = Options::names();
        explained.sort();
        known.sort();
        assert_eq!(explained, known);
        // Without the comment signs, every line of it is a setting that parses.
        let all: String = EXAMPLE
            .lines()
            .map(|line| {
                line.strip_prefix("# ")
                    .filter(|line| line.contains(" = "))
                    .unwrap_or(line)
            })
            .map(|line| format!("{line}\n"))
            .collect();
        Options::parse(&all).unwrap();
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let file = Options::parse("listen = \"127.0.0.1:1\"\nhost = [\"a\"]\ntrust-store = \"/s\"").unwrap();
        let options = Options {
            listen: Some(([127, 0, 0, 1], 2).into()),
            trust: vec!["k.pub".into()],
            ..Options::default()
        };
        let settings = Settings::of(options, file).unwrap();
        assert_eq!(settings.listen.port(), 2);
        assert_eq!(settings.hosts, ["a"]);
        assert_eq!((settings.trust.trust.len(), settings.trust.trust_store), (1, None));
    }
}
