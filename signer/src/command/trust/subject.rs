//! What `trust remove` and `trust revoke` are pointed at: [`Subject`].

use std::fmt;
use std::path::Path;

use palisade_bundle::{Blame, Bundle, Code, Coded, Digest, Envelope, KeyId};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::failure::Failure;
use crate::input::{self, InputError, Kind};
use crate::key_file::read_public_key;
use crate::program::UsageError;

/// A key or a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// By its id.
    Key(KeyId),
    /// By its digest.
    Bundle(Digest),
}

impl Subject {
    /// Reads a key id, a digest, or the file of a key or a bundle; `names` are what else the user may have meant.
    pub(super) fn read<'a, N: Iterator<Item = &'a str>>(text: &str, names: impl Fn() -> N) -> Result<Self, Failure> {
        if text.starts_with("ed25519:") {
            return Ok(Self::Key(text.parse::<KeyId>()?));
        }
        if let Some(digest) = text.strip_prefix("sha256:") {
            return Ok(Self::Bundle(
                digest
                    .parse::<Digest>()
                    .map_err(|error| UsageError::new("KEY|BUNDLE", error.to_string()))?,
            ));
        }
        let path = Path::new(text);
        let bytes = match input::read_file(path, Kind::BUNDLE) {
            Ok(bytes) => bytes,
            Err(InputError::Missing { .. }) => return Err(NotThere::new(text, names()).into()),
            Err(error) => return Err(error.into()),
        };
        if bytes.starts_with(b"PK") {
            let bundle = Bundle::open(bytes)?;
            return Ok(Self::Bundle(
                bundle
                    .envelope()
                    .map_or_else(|| bundle.file_digest(), Envelope::payload_digest),
            ));
        }
        Ok(Self::Key(read_public_key(path)?.id()))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "key {key}"),
            Self::Bundle(digest) => write!(f, "bundle sha256:{digest}"),
        }
    }
}

/// Neither the store nor the disk has something by this name.
#[derive(Debug, Error)]
#[error("the trust store has no publisher or key `{name}`, and there is no such file")]
pub(super) struct NotThere {
    name: String,
    suggestion: Option<String>,
}

impl NotThere {
    pub(super) fn new<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let likeness = |known: &&str| strsim::jaro_winkler(name, known);
        let best = known
            .into_iter()
            .max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
        // As for file names: below this, suggestions look like jokes.
        let suggestion = best.filter(|known| likeness(known) > 0.85).map(str::to_owned);
        Self {
            name: name.to_owned(),
            suggestion,
        }
    }
}

impl Coded for NotThere {
    fn code(&self) -> Code {
        Code::NotFound
    }

    fn blame(&self) -> Blame {
        Blame::Missing
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        details.insert("kind".to_owned(), "publisher".into());
        details.insert("name".to_owned(), self.name.clone().into());
        details.extend(
            self.suggestion
                .clone()
                .map(|suggestion| ("suggestion".to_owned(), suggestion.into())),
        );
        details
    }

    fn help(&self) -> Vec<String> {
        let meant = self
            .suggestion
            .iter()
            .map(|suggestion| format!("did you mean `{suggestion}`?"));
        meant
            .chain(["palisade trust list   shows what there is".to_owned()])
            .collect()
    }
}
