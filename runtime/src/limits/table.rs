//! The limits as a table, for `docs/limits.md` and `palisade help limits`.

use std::time::Duration;

use palisade_bundle::{Code, format_duration};

use super::Limits;

/// One limit of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitRow {
    /// What is limited.
    pub name: &'static str,
    /// What a plugin has when nobody says otherwise.
    pub default: String,
    /// The most a manifest or an operator can ask for.
    pub ceiling: String,
    /// By which words a manifest or an operator asks; empty when they cannot.
    pub asked_with: &'static str,
    /// What happens there.
    pub reached: Reached,
    /// What it protects.
    pub protects: &'static str,
}

/// What happens when a limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reached {
    /// The command, or the load, ends with this code.
    Ends(Code),
    /// The host call answers with this code as an error value, and the plugin goes on.
    Answers(Code),
    /// WASI's function answers with this `errno`, and the plugin goes on.
    Errno(&'static str),
    /// What is too much is dropped, counted, and told in one line.
    Dropped,
}

impl std::fmt::Display for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ends(code) => write!(f, "{code}"),
            Self::Answers(code) => write!(f, "{code}, as an error value"),
            Self::Errno(name) => write!(f, "errno {name}"),
            Self::Dropped => f.write_str("dropped and counted"),
        }
    }
}

impl Limits {
    /// Every limit of a plugin, in the order of `docs/limits.md`.
    #[must_use]
    pub fn table() -> Vec<LimitRow> {
        [Self::work(), Self::sizes(), Self::reach()].concat()
    }

    fn row<T>(
        name: &'static str,
        of: fn(&Self) -> T,
        shown: fn(T) -> String,
        asked_with: &'static str,
        (reached, protects): (Reached, &'static str),
    ) -> LimitRow {
        LimitRow {
            name,
            default: shown(of(&Self::DEFAULT)),
            ceiling: shown(of(&Self::CEILING)),
            asked_with,
            reached,
            protects,
        }
    }

    /// Work: fuel, memory, time.
    fn work() -> Vec<LimitRow> {
        vec![
            Self::row(
                "fuel per command",
                |limits| limits.fuel,
                number,
                "resource_limits.fuel, --fuel",
                (Reached::Ends(Code::FuelExhausted), "the processor"),
            ),
            Self::row(
                "fuel for a start, a cleanup, an event",
                |limits| limits.lifecycle_fuel,
                number,
                "",
                (
                    Reached::Ends(Code::FuelExhausted),
                    "the processor, before and after a command",
                ),
            ),
            Self::row(
                "memory of an instance",
                |limits| limits.memory_bytes,
                size,
                "resource_limits.memory, --memory",
                (Reached::Ends(Code::MemoryLimitExceeded), "the host's memory"),
            ),
            Self::row(
                "time per command",
                |limits| limits.execution_time,
                time,
                "resource_limits.execution_time, --timeout",
                (Reached::Ends(Code::ExecutionTimeout), "whoever waits for the answer"),
            ),
            Self::row(
                "time for a start, all phases",
                |limits| limits.initialization_time,
                time,
                "",
                (
                    Reached::Ends(Code::InitializationTimeout),
                    "whoever waits for the plugin",
                ),
            ),
        ]
    }

    /// Sizes: what goes in and comes out, and what is written down.
    fn sizes() -> Vec<LimitRow> {
        vec![
            Self::row(
                "arguments of a command",
                |limits| limits.args_bytes,
                size,
                "",
                (
                    Reached::Ends(Code::PayloadTooLarge),
                    "the guest's memory, and the copy into it",
                ),
            ),
            Self::row(
                "reply to a command",
                |limits| limits.output_bytes,
                size,
                "resource_limits.output",
                (Reached::Ends(Code::AbiViolation), "the host's memory"),
            ),
            Self::row(
                "log of a command, in lines of 8 KiB, 100 a second",
                |limits| limits.log_bytes,
                size,
                "",
                (Reached::Dropped, "the log, and whoever reads it"),
            ),
            Self::row(
                "storage, in values of 1 MiB under keys of 256 bytes",
                |limits| limits.storage_bytes,
                size,
                "resource_limits.storage",
                (Reached::Answers(Code::StorageQuotaExceeded), "the host's disk"),
            ),
            Self::row(
                "keys in storage",
                |limits| limits.storage_keys,
                number,
                "",
                (
                    Reached::Answers(Code::StorageQuotaExceeded),
                    "the host's disk, and the time a listing takes",
                ),
            ),
        ]
    }

    /// Reach: the network, host calls, files.
    fn reach() -> Vec<LimitRow> {
        vec![
            Self::row(
                "HTTP requests a minute",
                |limits| u64::from(limits.requests_per_minute),
                number,
                "resource_limits.network.requests_per_minute",
                (
                    Reached::Answers(Code::RateLimitExceeded),
                    "the machines a plugin talks to",
                ),
            ),
            Self::row(
                "HTTP requests at once",
                |limits| u64::from(limits.requests_in_flight),
                number,
                "network.max_concurrent",
                (Reached::Answers(Code::ResourceExhausted), "the host's connections"),
            ),
            Self::row(
                "body of an HTTP request",
                |limits| limits.request_bytes,
                size,
                "resource_limits.network.request_size",
                (
                    Reached::Answers(Code::PayloadTooLarge),
                    "the network, and the host's memory",
                ),
            ),
            Self::row(
                "body of an HTTP response, as sent and unpacked",
                |limits| limits.response_bytes,
                size,
                "resource_limits.network.response_size",
                (
                    Reached::Answers(Code::PayloadTooLarge),
                    "the host's memory, against bombs too",
                ),
            ),
            Self::row(
                "time of an HTTP request, redirects and all",
                |limits| limits.request_time,
                time,
                "resource_limits.network.timeout",
                (Reached::Answers(Code::NetworkTimeout), "the host's connections"),
            ),
            Self::row(
                "host calls at once",
                |limits| u64::from(limits.host_calls_in_flight),
                number,
                "",
                (Reached::Answers(Code::ResourceExhausted), "the host's services"),
            ),
            Self::row(
                "open files of an instance",
                |limits| u64::from(limits.open_files),
                number,
                "",
                (Reached::Errno("nfile"), "the host's file descriptors"),
            ),
        ]
    }
}

/// `10000000` as `10,000,000`.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn size(bytes: u64) -> String {
    format!("{} MiB", number(bytes >> 20))
}

fn time(time: Duration) -> String {
    format_duration(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_stands_before_every_third_digit_from_the_end() {
        assert_eq!(
            [1, 123, 1234, 16_777_216].map(number),
            ["1", "123", "1,234", "16,777,216"]
        );
    }

    #[test]
    fn every_limit_says_what_it_protects_and_none_stands_twice() {
        let table = Limits::table();
        let mut names: Vec<_> = table.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), table.len());
        assert!(table.iter().all(|row| !row.protects.is_empty()));
        // A new field of `Limits` belongs into the table: serde counts them.
        let fields = serde_json::to_value(Limits::DEFAULT).unwrap();
        assert_eq!(fields.as_object().unwrap().len(), table.len());
    }
}
