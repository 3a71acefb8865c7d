//! What a command hears from outside of the sandbox, kept and played back bit for bit: [`Recording`].
//!
//! Host calls, random numbers and clock readings are everything a guest can hear: with the same ones it does the same
//! and takes the same fuel.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::BASE64;
use palisade_abi::GuestError;
use palisade_bundle::{Blame, Code, Coded, Digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::imports::{Answer, HostCallError, Outcome};
use crate::receipt::HostCall;

/// The form of a recording that this version writes and reads.
const FORMAT: u32 = 1;

/// Everything one command heard, from the start of its instance on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    format: u32,
    /// The bundle that ran.
    digest: String,
    /// The command that ran.
    command: String,
    entries: Vec<Entry>,
}

impl Recording {
    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// [`RecordingError`] when it is no recording, or one of another version.
    pub fn from_json(json: &[u8]) -> Result<Self, RecordingError> {
        let recording: Self = serde_json::from_slice(json).map_err(RecordingError::Malformed)?;
        match recording.format {
            FORMAT => Ok(recording),
            actual => Err(RecordingError::Format { actual }),
        }
    }

    /// The recording as JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// How many host calls, random numbers and clock readings it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the command heard nothing from outside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether it was made with this bundle and command.
    pub(super) fn check(&self, digest: Digest, command: &str) -> Result<(), RecordingError> {
        if self.digest == digest.to_string() && self.command == command {
            return Ok(());
        }
        Err(RecordingError::OfAnother {
            digest: self.digest.clone(),
            command: self.command.clone(),
        })
    }
}

/// Something cannot be played back.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// Not a recording.
    #[error("this is no recording: {0}")]
    Malformed(serde_json::Error),
    /// A recording of another version.
    #[error("the recording has format {actual}, and this is {FORMAT}")]
    Format {
        /// Its format.
        actual: u32,
    },
    /// A recording of something else.
    #[error("the recording is of the command `{command}` of the bundle {digest}")]
    OfAnother {
        /// The bundle it was made with.
        digest: String,
        /// The command it was made with.
        command: String,
    },
}

impl Coded for RecordingError {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn blame(&self) -> Blame {
        Blame::Request
    }
}

/// One thing a guest heard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Entry {
    Call {
        name: String,
        /// SHA-256 over the arguments and their lengths.
        input: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        yes: bool,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        output: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<TapedError>,
    },
    Random(String),
    /// Nanoseconds of the guest's monotonic clock.
    Monotonic(u64),
    /// Nanoseconds since 1970.
    Wall(u64),
    /// The state record that the instance was started with, base64.
    State(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TapedError {
    code: String,
    message: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    details: Map<String, Value>,
}

/// What a tape says to a host call.
pub(super) enum Taped {
    /// Nothing: do it.
    Blank,
    /// This came of it then.
    Outcome(Outcome),
}

/// The tape of one instance: off for all but a few.
#[derive(Clone, Debug, Default)]
pub(super) struct Tape(Option<Arc<Mutex<Reel>>>);

#[derive(Debug)]
enum Reel {
    Recording(Vec<Entry>),
    Playing { left: VecDeque<Entry>, played: usize },
}

/// A guest that is played back did something else than when it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the plugin does not do what was recorded: at entry {at} {expected} was next, and it asked for {actual}")]
pub(super) struct Diverged {
    pub(super) at: usize,
    pub(super) expected: String,
    pub(super) actual: String,
}

impl Tape {
    pub(super) fn recording() -> Self {
        Self(Some(Arc::new(Mutex::new(Reel::Recording(Vec::new())))))
    }

    pub(super) fn playing(recording: &Recording) -> Self {
        let left = recording.entries.clone().into();
        Self(Some(Arc::new(Mutex::new(Reel::Playing { left, played: 0 }))))
    }

    /// What was recorded.
    pub(super) fn finish(&self, digest: Digest, command: &str) -> Recording {
        let entries = match self.reel().as_deref_mut() {
            Some(Reel::Recording(entries)) => std::mem::take(entries),
            Some(Reel::Playing { .. }) | None => Vec::new(),
        };
        Recording {
            format: FORMAT,
            digest: digest.to_string(),
            command: command.to_owned(),
            entries,
        }
    }

    pub(super) fn wants_inputs(&self) -> bool {
        self.0.is_some()
    }

    /// What the tape says to a host call with these arguments.
    pub(super) fn play(&self, call: HostCall, inputs: &[Vec<u8>]) -> Result<Taped, Diverged> {
        let Some(entry) = self.next(call.name())? else {
            return Ok(Taped::Blank);
        };
        match entry.entry {
            Entry::Call {
                name,
                input,
                yes,
                output,
                error,
            } if name == call.name() && input == fingerprint(inputs) => Ok(Taped::Outcome(match error {
                Some(error) => Err(error.into()),
                None => Ok(Answer {
                    bytes: BASE64.decode(output.as_bytes()).unwrap_or_default(),
                    yes,
                }),
            })),
            Entry::Call { name, .. } if name == call.name() => {
                let expected = format!("{name} with other arguments");
                Err(entry.at.diverged(expected, call.name().to_owned()))
            }
            other => Err(entry.at.diverged(other.word(), call.name().to_owned())),
        }
    }

    /// Records what came of a host call.
    pub(super) fn record(&self, call: HostCall, inputs: &[Vec<u8>], outcome: &Outcome) {
        let (yes, output, error) = match outcome {
            Ok(answer) => (answer.yes, BASE64.encode(&answer.bytes), None),
            Err(error) => (false, String::new(), Some(TapedError::from(error))),
        };
        self.keep(Entry::Call {
            name: call.name().to_owned(),
            input: fingerprint(inputs),
            yes,
            output,
            error,
        });
    }

    /// Random bytes: `fresh` ones, recorded, or those of the tape.
    pub(super) fn random(&self, fresh: &mut [u8]) -> Result<(), Diverged> {
        let Some(entry) = self.next("random numbers")? else {
            self.keep_with(|| Entry::Random(BASE64.encode(fresh)));
            return Ok(());
        };
        let taped = match &entry.entry {
            Entry::Random(text) => BASE64.decode(text.as_bytes()).ok(),
            _ => None,
        };
        match taped.filter(|taped| taped.len() == fresh.len()) {
            Some(taped) => fresh.copy_from_slice(&taped),
            None => {
                let asked = format!("{} random bytes", fresh.len());
                return Err(entry.at.diverged(entry.entry.word(), asked));
            }
        }
        Ok(())
    }

    /// The state record an instance starts with: `fresh`, recorded, or that of the tape, which has none unless it says so.
    pub(super) async fn state<E>(
        &self,
        fresh: impl Future<Output = Result<Option<Vec<u8>>, E>>,
    ) -> Result<Option<Vec<u8>>, E> {
        if let Some(Reel::Playing { left, played }) = self.reel().as_deref_mut() {
            let Some(Entry::State(record)) = left.front() else {
                return Ok(None);
            };
            let record = BASE64.decode(record.as_bytes()).ok();
            left.pop_front();
            *played += 1;
            return Ok(record);
        }
        let record = fresh.await?;
        if let Some(record) = &record {
            self.keep_with(|| Entry::State(BASE64.encode(record)));
        }
        Ok(record)
    }

    /// A reading of the monotonic clock: a fresh one, or that of the tape. The engine's clocks cannot fail, so a
    /// tape that does not fit answers the fresh one and the next entry tells.
    pub(super) fn monotonic(&self, fresh: impl FnOnce() -> u64) -> u64 {
        self.reading(fresh, Entry::Monotonic, |entry| match entry {
            Entry::Monotonic(reading) => Some(*reading),
            _ => None,
        })
    }

    /// A reading of the wall clock, likewise.
    pub(super) fn wall(&self, fresh: impl FnOnce() -> u64) -> u64 {
        self.reading(fresh, Entry::Wall, |entry| match entry {
            Entry::Wall(reading) => Some(*reading),
            _ => None,
        })
    }

    fn reading(
        &self,
        fresh: impl FnOnce() -> u64,
        entry: fn(u64) -> Entry,
        of_entry: fn(&Entry) -> Option<u64>,
    ) -> u64 {
        let taped = match self.reel().as_deref_mut() {
            Some(Reel::Playing { left, played }) => {
                let taped = left.front().and_then(of_entry);
                if taped.is_some() {
                    left.pop_front();
                    *played += 1;
                }
                taped
            }
            Some(Reel::Recording(_)) | None => None,
        };
        taped.unwrap_or_else(|| {
            let reading = fresh();
            self.keep(entry(reading));
            reading
        })
    }

    fn keep(&self, entry: Entry) {
        self.keep_with(|| entry);
    }

    fn keep_with(&self, entry: impl FnOnce() -> Entry) {
        if let Some(Reel::Recording(entries)) = self.reel().as_deref_mut() {
            entries.push(entry());
        }
    }

    /// The next entry of a tape that is played.
    fn next(&self, actual: &str) -> Result<Option<Next>, Diverged> {
        match self.reel().as_deref_mut() {
            Some(Reel::Playing { left, played }) => {
                let at = At(*played);
                *played += 1;
                match left.pop_front() {
                    Some(entry) => Ok(Some(Next { at, entry })),
                    None => Err(Diverged {
                        at: at.0,
                        expected: "nothing".to_owned(),
                        actual: actual.to_owned(),
                    }),
                }
            }
            Some(Reel::Recording(_)) | None => Ok(None),
        }
    }

    fn reel(&self) -> Option<MutexGuard<'_, Reel>> {
        let reel = self.0.as_ref()?;
        Some(reel.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Next {
    at: At,
    entry: Entry,
}

struct At(usize);

impl Entry {
    fn word(&self) -> String {
        match self {
            Self::Call { name, .. } => name.clone(),
            Self::Random(_) => "random bytes".to_owned(),
            Self::Monotonic(_) | Self::Wall(_) => "a clock reading".to_owned(),
            Self::State(_) => "the state of the start".to_owned(),
        }
    }
}

impl At {
    fn diverged(&self, expected: String, actual: String) -> Diverged {
        Diverged {
            at: self.0,
            expected,
            actual,
        }
    }
}

fn fingerprint(inputs: &[Vec<u8>]) -> String {
    let mut hash = Sha256::new();
    for input in inputs {
        hash.update(u64::try_from(input.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(input);
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

impl From<&HostCallError> for TapedError {
    fn from(error: &HostCallError) -> Self {
        Self {
            code: error.word().to_owned(),
            message: error.message.clone(),
            details: error.details.clone(),
        }
    }
}

impl From<TapedError> for HostCallError {
    fn from(taped: TapedError) -> Self {
        match Code::ALL.iter().find(|code| code.as_str() == taped.code) {
            Some(code) => Self {
                details: taped.details,
                ..Self::new(*code, taped.message)
            },
            None => Self::foreign(GuestError {
                code: taped.code,
                message: taped.message,
                details: taped.details,
            }),
        }
    }
}
