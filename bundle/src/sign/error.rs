//! Why packing or signing fails.

use serde_json::{Map, Value};

use crate::bundle::OpenError;
use crate::canonical_json::JsonError;
use crate::container::{MANIFEST_PATH, SIGNATURE_PATH, StructureError};
use crate::contents::ContentsError;
use crate::envelope::EnvelopeError;
use crate::key::KeyId;
use crate::problem::{Blame, Code, Coded};
use crate::trust::TrustError;

/// Why files cannot be packed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// There is no `plugin.json`.
    #[error("there is no `plugin.json`")]
    ManifestMissing,
    /// A file or the whole breaks a rule of the container profile.
    #[error(transparent)]
    Structure(#[from] StructureError),
    /// The bundle would be too large.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The manifest breaks a rule, or names a module that is not there.
    #[error(transparent)]
    Contents(#[from] ContentsError),
}

impl Coded for PackError {
    fn code(&self) -> Code {
        match self {
            Self::ManifestMissing => Code::InvalidManifest,
            Self::Structure(error) => error.code(),
            Self::Open(error) => error.code(),
            Self::Contents(error) => error.code(),
        }
    }

    fn blame(&self) -> Blame {
        Blame::Bundle
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::ManifestMissing => Map::from_iter([
                ("pointer".to_owned(), "".into()),
                ("expected".to_owned(), MANIFEST_PATH.into()),
            ]),
            Self::Structure(error) => error.details(),
            Self::Open(error) => error.details(),
            Self::Contents(error) => error.details(),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::ManifestMissing => vec!["`palisade new` makes a plugin with a manifest".to_owned()],
            Self::Structure(_) | Self::Open(_) => Vec::new(),
            Self::Contents(error) => error.help(),
        }
    }
}

/// Why something cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The bundle has signatures; they are neither replaced nor added to by accident.
    #[error("the bundle has {signatures} signatures already")]
    AlreadySigned {
        /// How many.
        signatures: usize,
    },
    /// This key has signed already.
    #[error("key {key_id} has signed already")]
    AlreadySignedBy {
        /// The key.
        key_id: KeyId,
    },
    /// There is no signature to add another to.
    #[error("the bundle is not signed")]
    Unsigned,
    /// The bundle would be too large with its signature.
    #[error("{actual_bytes} bytes with the signature are more than the {limit_bytes} a bundle may have")]
    TooLarge {
        /// What it would have.
        actual_bytes: u64,
        /// What is allowed.
        limit_bytes: u64,
    },
    /// The bundle contradicts itself.
    #[error(transparent)]
    Contents(#[from] ContentsError),
    /// The container breaks a rule.
    #[error(transparent)]
    Structure(#[from] StructureError),
    /// The envelope cannot be read or written.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// What is to be signed cannot be written.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The trust document breaks a rule.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl Coded for SignError {
    fn code(&self) -> Code {
        match self {
            Self::AlreadySigned { .. } | Self::AlreadySignedBy { .. } | Self::Json(_) => Code::InvalidArgument,
            Self::Unsigned => Code::SignatureMissing,
            Self::TooLarge { .. } => Code::PackageTooLarge,
            Self::Contents(error) => error.code(),
            Self::Structure(error) => error.code(),
            Self::Envelope(_) => Code::CorruptedData,
            Self::Trust(error) => error.code(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::AlreadySigned { .. } | Self::AlreadySignedBy { .. } | Self::Json(_) => Blame::Request,
            Self::Unsigned => Blame::Trust,
            Self::TooLarge { .. } | Self::Contents(_) | Self::Structure(_) | Self::Envelope(_) => Blame::Bundle,
            Self::Trust(error) => error.blame(),
        }
    }

    fn details(&self) -> Map<String, Value> {
        let members: Vec<(&str, Value)> = match self {
            Self::Contents(error) => return error.details(),
            Self::Structure(error) => return error.details(),
            Self::Trust(error) => return error.details(),
            Self::Unsigned => Vec::new(),
            Self::AlreadySigned { .. } => vec![("expected", "an unsigned bundle".into())],
            Self::AlreadySignedBy { key_id } => {
                vec![
                    ("expected", "another key".into()),
                    ("key_id", key_id.to_string().into()),
                ]
            }
            Self::TooLarge {
                actual_bytes,
                limit_bytes,
            } => {
                vec![
                    ("actual_bytes", (*actual_bytes).into()),
                    ("limit_bytes", (*limit_bytes).into()),
                ]
            }
            Self::Envelope(error) => vec![("entry", SIGNATURE_PATH.into()), ("reason", error.as_str().into())],
            Self::Json(_) => vec![("expected", "integers up to 2^53-1".into())],
        };
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::AlreadySigned { .. } => vec!["to sign beside the others, use `palisade sign --append`".to_owned()],
            Self::Contents(error) => error.help(),
            Self::Structure(error) => error.help(),
            _ => Vec::new(),
        }
    }
}
