//! A result as a file: what `--save` writes and `--compare` reads.

use std::path::{Path, PathBuf};

use palisade::{Blame, Code, Coded};
use palisade_bundle::{Digest, Visible};
use palisade_signer::Failure;
use palisade_signer::input::{Kind, read_file};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

/// A result has twenty numbers and three names; more is some other file.
const MAX_SAVED_BYTES: u64 = 64 * 1024;

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Measured {
    pub(super) plugin: String,
    pub(super) version: String,
    pub(super) command: String,
    /// SHA-256 of the arguments.
    pub(super) arguments: Digest,
    pub(super) concurrency: u16,
    pub(super) calls: u64,
    pub(super) duration_ms: u64,
    pub(super) rate_per_s: f64,
    pub(super) latency_us: Latency,
    /// Median of the first calls.
    pub(super) fuel: u64,
    /// The largest memory of the first calls.
    pub(super) memory_bytes: u64,
}

/// Percentiles of the time of one call, in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

impl Measured {
    /// Reads what `--save` wrote.
    ///
    /// # Errors
    ///
    /// When there is no such file, or it is no result.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = read_file(path, Kind::new("saved result", MAX_SAVED_BYTES))?;
        let refused = |why| SavedResultError::Malformed {
            path: path.to_owned(),
            why,
        };
        let measured: Self = serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))?;
        // A ratio to nothing, or to less, says that everything is well.
        let times = [measured.rate_per_s, measured.latency_us.p50, measured.latency_us.p99];
        if times.iter().any(|number| *number <= 0.0) {
            return Err(refused("a time or a rate is not above zero".to_owned()).into());
        }
        Ok(measured)
    }

    /// Both results are of the same work, each fact by its name: what is saved, and what is to be measured.
    ///
    /// # Errors
    ///
    /// With the first fact that differs.
    pub(super) fn check_same<const N: usize>(
        path: &Path,
        facts: [(&'static str, String, String); N],
    ) -> Result<(), SavedResultError> {
        match facts.into_iter().find(|(_, saved, now)| saved != now) {
            None => Ok(()),
            Some((what, saved, now)) => Err(SavedResultError::Another {
                path: path.to_owned(),
                what,
                saved,
                now,
            }),
        }
    }
}

/// A file that cannot be compared with.
#[derive(Debug, Error)]
pub(super) enum SavedResultError {
    /// No `bench --save` wrote it.
    #[error("`{}` is no result of `bench --save`: {}", path.display(), Visible(why))]
    Malformed { path: PathBuf, why: String },
    /// It is a result of other work.
    #[error("`{}` is of another {what}: `{}`, and this is `{now}`", path.display(), Visible(saved))]
    Another {
        path: PathBuf,
        what: &'static str,
        saved: String,
        now: String,
    },
}

impl Coded for SavedResultError {
    fn code(&self) -> Code {
        match self {
            Self::Malformed { .. } | Self::Another { .. } => Code::InvalidArgument,
        }
    }

    fn blame(&self) -> Blame {
        Blame::Request
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = Map::from_iter([("argument".to_owned(), "--compare".into())]);
        if let Self::Another { what, saved, now, .. } = self {
            details.insert("what".to_owned(), (*what).into());
            details.insert("saved".to_owned(), saved.as_str().into());
            details.insert("now".to_owned(), now.as_str().into());
        }
        details
    }
}
