//! What a command may know of the process it runs in: [`Surroundings`].

use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use jiff::Timestamp;

use crate::failure::HostError;

/// Clock, randomness and settings, read once by the binary and handed down; no command looks them up by itself.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The moment the command started. One command has one "now".
    pub now: Timestamp,
    /// Fills a buffer from the operating system's random source.
    pub fill_random: fn(&mut [u8]) -> io::Result<()>,
    /// Whether a person can be asked.
    pub interaction: Interaction,
    /// `PALISADE_TRUST_STORE`, else `palisade/trust` in the XDG configuration folder; `None` when the user has no home.
    pub default_trust_dir: Option<PathBuf>,
    /// `PALISADE_CACHE_DIR`, else `palisade` in the XDG cache folder; `None` when the user has no home.
    pub default_cache_dir: Option<PathBuf>,
    /// `PALISADE_DATA_DIR`, else `palisade` in the XDG data folder; `None` when the user has no home.
    pub default_data_dir: Option<PathBuf>,
    /// `CREDENTIALS_DIRECTORY`: where the service manager put what only this process may read, if it did.
    pub credentials_dir: Option<PathBuf>,
    /// The program this process runs, for starting it once more; `None` when the system does not say.
    pub program: Option<PathBuf>,
    /// Where traces are sent; `None` when nobody asked for it.
    pub traces: Option<TraceCollector>,
}

impl Surroundings {
    /// The moment the command started, as the bundle library takes it.
    #[must_use]
    pub fn system_time(&self) -> SystemTime {
        SystemTime::from(self.now)
    }

    /// The moment the command started, as signed documents spell it.
    ///
    /// # Errors
    ///
    /// When the clock of this machine shows a year of five digits.
    pub fn timestamp(&self) -> Result<palisade_bundle::Timestamp, HostError> {
        self.system_time().try_into().map_err(HostError::Clock)
    }

    /// Random bytes, for keys and ids.
    ///
    /// # Errors
    ///
    /// When the operating system has no randomness to give.
    pub fn random<const N: usize>(&self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        (self.fill_random)(&mut bytes)?;
        Ok(bytes)
    }
}

/// Who takes traces, over OTLP with HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceCollector {
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, else `OTEL_EXPORTER_OTLP_ENDPOINT` and the path for traces.
    pub endpoint: String,
    /// `OTEL_SERVICE_NAME`, else `palisade`.
    pub service_name: String,
}

impl TraceCollector {
    /// By the variables that OpenTelemetry specifies for every program; `None` when none of them names an endpoint, or
    /// `OTEL_SDK_DISABLED` is `true`.
    pub(crate) fn of(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return None;
        }
        let of_all = || variable("OTEL_EXPORTER_OTLP_ENDPOINT");
        let endpoint = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .or_else(|| of_all().map(|base| format!("{}/v1/traces", base.trim_end_matches('/'))))?;
        Some(Self {
            endpoint,
            service_name: variable("OTEL_SERVICE_NAME").unwrap_or_else(|| "palisade".to_owned()),
        })
    }
}

/// Whether a command may ask a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interaction {
    /// Somebody sits at the terminal.
    Possible,
    /// Nobody does, and why: `standard input is no terminal`, `CI is set`, `--no-input was given`.
    Impossible(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: Option<(&str, &str)>) {
        let found = TraceCollector::of(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        let found = found.map(|collector| (collector.endpoint, collector.service_name));
        let expected = expected.map(|(endpoint, name)| (endpoint.to_owned(), name.to_owned()));
        assert_eq!(found, expected);
    }

    #[test]
    fn traces_are_sent_where_the_standard_variables_say_and_nowhere_without_them() {
        let (all, own) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        check(&[], None);
        check(&[(all, "")], None);
        check(&[("OTEL_SERVICE_NAME", "mine")], None);
        check(
            &[(all, "http://a:4318/")],
            Some(("http://a:4318/v1/traces", "palisade")),
        );
        let named = ("OTEL_SERVICE_NAME", "mine");
        check(
            &[(all, "http://a"), (own, "http://b/x"), named],
            Some(("http://b/x", "mine")),
        );
        check(&[(all, "http://a"), ("OTEL_SDK_DISABLED", "True")], None);
        check(
            &[(all, "http://a"), ("OTEL_SDK_DISABLED", "no")],
            Some(("http://a/v1/traces", "palisade")),
        );
    }
}
