//! Why a bundle or a trust document is refused.

use serde_json::{Map, Value};

use super::declaration::RevokedKey;
use crate::canonical_json::JsonError;
use crate::contents::ContentsError;
use crate::digest::Digest;
use crate::envelope::EnvelopeError;
use crate::key::KeyId;
use crate::manifest::PluginId;
use crate::problem::{Blame, Code, Coded};
use crate::time::Timestamp;

/// Why a bundle is not vouched for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The bundle is unsigned.
    #[error("the bundle is not signed")]
    Unsigned,
    /// The trust document is past its end.
    #[error("the trust document expired at {expires}; nothing new can be installed on its word")]
    TrustExpired {
        /// The end.
        expires: Timestamp,
    },
    /// No signature is by a key of the trust store.
    #[error("no signature is by a trusted key")]
    UntrustedKey {
        /// Who signed, as the envelope says.
        key_ids: Vec<KeyId>,
    },
    /// The key is published for development.
    #[error("key {key_id} is a development key that everyone has")]
    DevelopmentKey {
        /// The key.
        key_id: KeyId,
    },
    /// The key is not good yet.
    #[error("key {key_id} is valid from {not_before} on")]
    KeyNotYetValid {
        /// The key.
        key_id: KeyId,
        /// Its first second.
        not_before: Timestamp,
    },
    /// The key is no longer good.
    #[error("key {key_id} was valid until {not_after}")]
    KeyExpired {
        /// The key.
        key_id: KeyId,
        /// Its last second.
        not_after: Timestamp,
    },
    /// The key was replaced.
    #[error("key {key_id} is retired; nothing new can be installed on its word")]
    KeyRetired {
        /// The key.
        key_id: KeyId,
    },
    /// The key is in other hands.
    #[error("key {key_id} is compromised")]
    KeyCompromised {
        /// The key.
        key_id: KeyId,
    },
    /// The key was revoked.
    #[error("key {} was revoked at {}: {}", .0.keyid, .0.since, .0.reason)]
    KeyRevoked(RevokedKey),
    /// A signature by a known key does not verify.
    #[error("the signature of key {key_id} does not verify")]
    BadSignature {
        /// The key.
        key_id: KeyId,
    },
    /// What was signed is no statement.
    #[error("the signed statement cannot be read")]
    Statement(#[source] JsonError),
    /// The signers said how long the bundle may be used, and that is over.
    #[error("the bundle may be used until {not_after}")]
    BundleExpired {
        /// Its last second.
        not_after: Timestamp,
        /// Who said so.
        key_id: KeyId,
    },
    /// This very bundle was revoked.
    #[error("bundle {digest} was revoked")]
    BundleRevoked {
        /// The digest of its statement.
        digest: Digest,
        /// Who signed it.
        key_id: KeyId,
    },
    /// The signers are trusted, but not for this plugin.
    #[error("key {key_id} may not sign for plugin `{id}`")]
    NotForThisId {
        /// The key.
        key_id: KeyId,
        /// The plugin.
        id: PluginId,
    },
    /// Too few keys that may have signed.
    #[error("{valid} of {required} signatures needed")]
    Threshold {
        /// One that signed.
        key_id: KeyId,
        /// How many keys have signed.
        valid: usize,
        /// How many must.
        required: usize,
    },
    /// The bundle contradicts itself or its signed statement.
    #[error(transparent)]
    Contents(#[from] ContentsError),
    /// The clock of the host shows a time no document can name.
    #[error("the clock of this host is out of range")]
    Clock,
}

impl VerifyError {
    fn key_id(&self) -> Option<KeyId> {
        match self {
            Self::Unsigned | Self::TrustExpired { .. } | Self::Statement(_) | Self::Contents(_) | Self::Clock => None,
            Self::UntrustedKey { key_ids } => key_ids.first().copied(),
            Self::KeyRevoked(revoked) => Some(revoked.keyid),
            Self::DevelopmentKey { key_id }
            | Self::KeyNotYetValid { key_id, .. }
            | Self::KeyExpired { key_id, .. }
            | Self::KeyRetired { key_id }
            | Self::KeyCompromised { key_id }
            | Self::BadSignature { key_id }
            | Self::BundleExpired { key_id, .. }
            | Self::BundleRevoked { key_id, .. }
            | Self::NotForThisId { key_id, .. }
            | Self::Threshold { key_id, .. } => Some(*key_id),
        }
    }
}

impl Coded for VerifyError {
    fn code(&self) -> Code {
        match self {
            Self::Unsigned => Code::SignatureMissing,
            Self::UntrustedKey { .. } | Self::DevelopmentKey { .. } | Self::NotForThisId { .. } => Code::UntrustedKey,
            Self::TrustExpired { .. }
            | Self::KeyNotYetValid { .. }
            | Self::KeyExpired { .. }
            | Self::KeyRetired { .. }
            | Self::BundleExpired { .. } => Code::KeyExpired,
            Self::KeyCompromised { .. } | Self::KeyRevoked(_) => Code::KeyRevoked,
            Self::BadSignature { .. } | Self::Threshold { .. } => Code::InvalidSignature,
            Self::BundleRevoked { .. } => Code::BundleRevoked,
            Self::Statement(_) => Code::CorruptedData,
            Self::Contents(error) => error.code(),
            Self::Clock => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Statement(_) => Blame::Bundle,
            Self::Contents(error) => error.blame(),
            Self::Clock => Blame::Host,
            Self::Unsigned
            | Self::TrustExpired { .. }
            | Self::UntrustedKey { .. }
            | Self::DevelopmentKey { .. }
            | Self::KeyNotYetValid { .. }
            | Self::KeyExpired { .. }
            | Self::KeyRetired { .. }
            | Self::KeyCompromised { .. }
            | Self::KeyRevoked(_)
            | Self::BadSignature { .. }
            | Self::BundleExpired { .. }
            | Self::BundleRevoked { .. }
            | Self::NotForThisId { .. }
            | Self::Threshold { .. } => Blame::Trust,
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::Contents(error) => return error.details(),
            Self::Statement(error) => return ContentsError::Statement(error.clone()).details(),
            _ => {}
        }
        let mut details = Map::new();
        if let Some(key_id) = self.key_id() {
            details.insert("key_id".to_owned(), key_id.to_string().into());
        }
        if let Self::Threshold { valid, required, .. } = self {
            details.insert("valid".to_owned(), (*valid).into());
            details.insert("required".to_owned(), (*required).into());
        }
        details
    }

    fn help(&self) -> Vec<String> {
        let help = match self {
            Self::Unsigned => "sign it with `palisade sign`, or allow unsigned bundles while developing",
            Self::UntrustedKey { .. } => {
                "if you know the publisher, get their public key from them and pass it with `--trust KEY.pub`"
            }
            Self::DevelopmentKey { .. } => "sign it with a key of your own, made by `palisade key generate --out PATH`",
            Self::NotForThisId { .. } => "the trust store lists which plugin ids each publisher may sign for",
            Self::TrustExpired { .. } => "get the current trust document from whoever keeps it",
            Self::KeyExpired { .. } | Self::KeyRetired { .. } | Self::BundleExpired { .. } => {
                "get a newer release from the publisher"
            }
            Self::BadSignature { .. } => "fetch the bundle again from its publisher",
            Self::Contents(error) => return error.help(),
            Self::KeyNotYetValid { .. } | Self::Clock => "check the clock of this machine",
            Self::KeyCompromised { .. }
            | Self::KeyRevoked(_)
            | Self::BundleRevoked { .. }
            | Self::Threshold { .. }
            | Self::Statement(_) => return Vec::new(),
        };
        vec![help.to_owned()]
    }
}

/// Why a trust document is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// Not an envelope of ours.
    #[error("the trust document cannot be read")]
    Envelope(#[from] EnvelopeError),
    /// Not JSON of the expected shape.
    #[error("the trust document cannot be read")]
    Json(#[from] JsonError),
    /// A rule about what it says is broken.
    #[error("the trust document is malformed at {pointer}: expected {expected}")]
    Declaration {
        /// JSON pointer to the place.
        pointer: String,
        /// What would be right.
        expected: &'static str,
    },
    /// No signature is by a key of the root.
    #[error("the trust document is not signed by a key of the root")]
    UntrustedRoot {
        /// Who signed, as the envelope says.
        key_ids: Vec<KeyId>,
    },
    /// A signature by a key of the root does not verify.
    #[error("the signature of root key {key_id} does not verify")]
    BadSignature {
        /// The key.
        key_id: KeyId,
    },
    /// Too few keys of the root have signed.
    #[error("{valid} of {required} signatures of the root needed")]
    Threshold {
        /// How many have.
        valid: usize,
        /// How many must.
        required: usize,
    },
    /// A document that is older than the one in use, or another one of the same version.
    #[error("version {offered} of the trust document cannot replace version {current}")]
    Rollback {
        /// The version in use.
        current: u64,
        /// The version offered.
        offered: u64,
    },
    /// A document whose predecessor is not the one in use.
    #[error("version {offered} of the trust document does not follow version {current}")]
    Gap {
        /// The version in use.
        current: u64,
        /// The version offered.
        offered: u64,
    },
}

impl Coded for TrustError {
    fn code(&self) -> Code {
        match self {
            Self::Envelope(_) | Self::Json(_) | Self::Declaration { .. } => Code::CorruptedData,
            Self::UntrustedRoot { .. } => Code::UntrustedKey,
            Self::BadSignature { .. } | Self::Threshold { .. } => Code::InvalidSignature,
            Self::Rollback { .. } | Self::Gap { .. } => Code::DowngradeRefused,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Envelope(_) | Self::Json(_) | Self::Declaration { .. } => Blame::Bundle,
            Self::UntrustedRoot { .. }
            | Self::BadSignature { .. }
            | Self::Threshold { .. }
            | Self::Rollback { .. }
            | Self::Gap { .. } => Blame::Trust,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let entry = ("entry", Value::from("trust.json"));
        let members = match self {
            Self::Envelope(error) => vec![entry, ("reason", error.as_str().into())],
            Self::Json(_) => vec![entry, ("reason", "json".into())],
            Self::Declaration { pointer, expected } => {
                let expected = *expected;
                vec![
                    entry,
                    ("reason", "declaration".into()),
                    ("pointer", pointer.as_str().into()),
                    ("expected", expected.into()),
                ]
            }
            Self::UntrustedRoot { key_ids } => key_ids
                .first()
                .map(|key_id| ("key_id", key_id.to_string().into()))
                .into_iter()
                .collect(),
            Self::BadSignature { key_id } => vec![("key_id", key_id.to_string().into())],
            Self::Threshold { valid, required } => vec![("valid", (*valid).into()), ("required", (*required).into())],
            Self::Rollback { current, offered } | Self::Gap { current, offered } => {
                vec![
                    ("required", current.saturating_add(1).into()),
                    ("actual", (*offered).into()),
                ]
            }
        };
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Gap { current, .. } => {
                vec![format!(
                    "accept version {} first: each version names who may sign the next",
                    current.saturating_add(1)
                )]
            }
            _ => Vec::new(),
        }
    }
}
