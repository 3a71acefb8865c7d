//! Signed trust documents: who vouches for them, and how one follows another.

use serde::{Deserialize, Serialize};

use super::declaration::{MAX_DOCUMENT_BYTES, Root, TrustDeclaration};
use super::error::TrustError;
use crate::digest::Digest;
use crate::envelope::{Envelope, PayloadType};
use crate::time::Timestamp;

/// The document as base64 in its envelope, and the signatures.
const MAX_ENVELOPE_BYTES: usize = 2 * MAX_DOCUMENT_BYTES;

/// A trust document that is signed by its own root, and by whoever had to agree to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustDocument {
    declaration: TrustDeclaration,
    digest: Digest,
}

/// What a host remembers of the last trust document it accepted, so that an older one cannot come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustRecord {
    /// Its version.
    pub version: u64,
    /// Digest of what was signed.
    pub sha256: Digest,
}

impl TrustDocument {
    /// Reads a document that names its own root: right for one that was made on this machine, or whose root somebody
    /// compares by eye.
    ///
    /// # Errors
    ///
    /// The document is malformed, or its root has not signed it.
    pub fn self_rooted(bytes: &[u8]) -> Result<Self, TrustError> {
        Self::signed_by(bytes, None)
    }

    /// Reads the first document of a store whose root was given by other means.
    ///
    /// # Errors
    ///
    /// The document is malformed, or is not signed by both `root` and its own root.
    pub fn rooted_in(bytes: &[u8], root: &Root) -> Result<Self, TrustError> {
        Self::signed_by(bytes, Some(root))
    }

    /// Reads the document a host accepted before.
    ///
    /// # Errors
    ///
    /// As [`TrustDocument::self_rooted`]; [`TrustError::Rollback`] when it is an older one, or another one of the same
    /// version; [`TrustError::Gap`] when it is a newer one, which only its predecessor can accept.
    pub fn reopen(bytes: &[u8], record: &TrustRecord) -> Result<Self, TrustError> {
        let document = Self::self_rooted(bytes)?;
        let (current, offered) = (record.version, document.version());
        if offered < current || (offered == current && document.digest != record.sha256) {
            return Err(TrustError::Rollback { current, offered });
        }
        if offered > current {
            return Err(TrustError::Gap { current, offered });
        }
        Ok(document)
    }

    /// Reads the document that follows this one: version N+1, signed by the root of N and by the root of N+1.
    ///
    /// # Errors
    ///
    /// [`TrustError::Rollback`] for an older version or another document of this version, [`TrustError::Gap`] when
    /// documents in between are missing, and the errors of [`TrustDocument::rooted_in`].
    pub fn successor(&self, bytes: &[u8]) -> Result<Self, TrustError> {
        let document = Self::signed_by(bytes, Some(&self.declaration.root))?;
        if document.digest == self.digest {
            return Ok(document);
        }
        let (current, offered) = (self.version(), document.version());
        match current.checked_add(1) {
            _ if offered <= current => Err(TrustError::Rollback { current, offered }),
            Some(next) if next == offered => Ok(document),
            _ => Err(TrustError::Gap { current, offered }),
        }
    }

    /// What the document says.
    #[must_use]
    pub fn declaration(&self) -> &TrustDeclaration {
        &self.declaration
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.declaration.version
    }

    /// What to remember of it.
    #[must_use]
    pub fn record(&self) -> TrustRecord {
        TrustRecord {
            version: self.version(),
            sha256: self.digest,
        }
    }

    /// The envelope of a document whose signatures nobody has looked at.
    #[cfg(any(test, feature = "sign"))]
    pub(crate) fn unverified_envelope(bytes: &[u8]) -> Result<Envelope, TrustError> {
        Ok(Envelope::parse(bytes, PayloadType::Trust, MAX_ENVELOPE_BYTES)?)
    }

    fn signed_by(bytes: &[u8], anchor: Option<&Root>) -> Result<Self, TrustError> {
        let envelope = Envelope::parse(bytes, PayloadType::Trust, MAX_ENVELOPE_BYTES)?;
        let message = envelope.pre_authentication_encoding();
        if let Some(anchor) = anchor {
            check_root(anchor, &envelope, &message)?;
        }
        let declaration = TrustDeclaration::parse(envelope.payload())?;
        check_root(&declaration.root, &envelope, &message)?;
        Ok(Self {
            declaration,
            digest: envelope.payload_digest(),
        })
    }
}

/// Counts the keys of `root` that have signed; one bad signature by any of them spoils the document.
fn check_root(root: &Root, envelope: &Envelope, message: &[u8]) -> Result<(), TrustError> {
    let mut valid: usize = 0;
    for signature in envelope.signatures() {
        let Some(key) = root.keys.iter().find(|key| key.keyid == signature.key_id) else {
            continue;
        };
        if !key.public.verify(message, &signature.bytes) {
            return Err(TrustError::BadSignature {
                key_id: signature.key_id,
            });
        }
        valid = valid.saturating_add(1);
    }
    if valid == 0 {
        let key_ids = envelope.signatures().iter().map(|signature| signature.key_id).collect();
        return Err(TrustError::UntrustedRoot { key_ids });
    }
    if valid < root.threshold {
        return Err(TrustError::Threshold {
            valid,
            required: root.threshold,
        });
    }
    Ok(())
}

/// From when to when a trust document is good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    pub(super) created: Option<Timestamp>,
    pub(super) expires: Timestamp,
}

/// How fresh a trust document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    Fresh,
    /// 80 % of its life have passed.
    Stale,
    Expired,
}

impl Lifetime {
    pub(super) fn at(self, now: Timestamp) -> Freshness {
        if now >= self.expires {
            return Freshness::Expired;
        }
        let Some(created) = self.created else {
            return Freshness::Fresh;
        };
        let seconds_since = |time: Timestamp| time.unix_seconds().saturating_sub(created.unix_seconds());
        // Years have four digits, so five times a difference stays far from the end of the type.
        let passed = seconds_since(now).saturating_mul(5);
        let whole = seconds_since(self.expires).saturating_mul(4);
        if passed >= whole {
            Freshness::Stale
        } else {
            Freshness::Fresh
        }
    }
}
