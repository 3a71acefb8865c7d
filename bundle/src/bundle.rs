//! A bundle: the bytes of one file, of which only the frame has been looked at.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use crate::container::{
    FirstEntry, MAX_FILE_BYTES, MAX_SIGNATURE_BYTES, SIGNATURE_PATH, StructureError, StructureReason, first_entry,
};
use crate::contents::{Contents, ContentsError};
use crate::digest::Digest;
use crate::envelope::{Envelope, EnvelopeError, PayloadType};
use crate::problem::{Blame, Code, Coded};
use crate::statement::Statement;
use crate::steps::Trace;

/// A file that begins like a bundle. Nothing in it is trusted; cheap to clone.
///
/// Opening reads the header of the first entry and the envelope in it, and nothing else: whoever has no key reaches no
/// decompressor and no list of entries.
#[derive(Clone)]
pub struct Bundle(Arc<Opened>);

struct Opened {
    bytes: Vec<u8>,
    signed: Option<Signed>,
}

struct Signed {
    envelope: Envelope,
    /// Start of entry 1.
    content_start: usize,
    statement: OnceLock<Option<Statement>>,
}

impl Bundle {
    /// Takes the bytes of a file. A bundle without a signature opens too; verifying decides about it.
    ///
    /// # Errors
    ///
    /// [`OpenError::TooLarge`] beyond 50 MiB; [`OpenError::Structure`] and [`OpenError::Envelope`] when it does not
    /// begin as every bundle does.
    pub fn open(bytes: impl Into<Vec<u8>>) -> Result<Self, OpenError> {
        let bytes = bytes.into();
        let actual_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if actual_bytes > MAX_FILE_BYTES {
            return Err(OpenError::TooLarge {
                actual_bytes,
                limit_bytes: MAX_FILE_BYTES,
            });
        }
        let signed = match first_entry(&bytes)? {
            FirstEntry::Signature { envelope } => Some(Signed::parse(&bytes, envelope)?),
            FirstEntry::Manifest => None,
        };
        Ok(Self(Arc::new(Opened { bytes, signed })))
    }

    /// The whole file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The identity of the bundle: the digest of its statement, which no added signature changes. Of an unsigned bundle
    /// the digest of the file.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.envelope()
            .map_or_else(|| self.file_digest(), Envelope::payload_digest)
    }

    /// The digest of the whole file, computed anew. It changes with every signature.
    #[must_use]
    pub fn file_digest(&self) -> Digest {
        Digest::of(self.bytes())
    }

    /// The envelope, unless the bundle is unsigned.
    #[must_use]
    pub fn envelope(&self) -> Option<&Envelope> {
        self.0.signed.as_ref().map(|signed| &signed.envelope)
    }

    /// What the signers are said to say, if it can be read. Nobody has checked that they do.
    #[must_use]
    pub fn unverified_statement(&self) -> Option<&Statement> {
        let signed = self.0.signed.as_ref()?;
        signed
            .statement
            .get_or_init(|| Statement::parse(signed.envelope.payload()).ok())
            .as_ref()
    }

    /// Unpacks the bundle and checks everything except who signed it: for tools that look at bundles, not for hosts
    /// that run them.
    ///
    /// # Errors
    ///
    /// [`ContentsError`]: the bundle contradicts its own statement, the container profile or its manifest.
    pub fn unverified_contents(&self) -> Result<Contents, ContentsError> {
        let statement = self
            .envelope()
            .map(|envelope| Statement::parse(envelope.payload()))
            .transpose();
        let statement = statement.map_err(ContentsError::Statement)?;
        Contents::unpack(self, statement.as_ref(), &mut Trace::default())
    }

    /// Where the signed content begins, unless the bundle is unsigned.
    pub(crate) fn content_start(&self) -> Option<usize> {
        self.0.signed.as_ref().map(|signed| signed.content_start)
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signatures = self.envelope().map_or(0, |envelope| envelope.signatures().len());
        let mut bundle = f.debug_struct("Bundle");
        bundle
            .field("bytes", &self.bytes().len())
            .field("signatures", &signatures)
            .finish()
    }
}

impl Signed {
    fn parse(bytes: &[u8], envelope: Range<usize>) -> Result<Self, OpenError> {
        let content_start = envelope.end;
        let truncated = || StructureError::of(SIGNATURE_PATH, StructureReason::Truncated);
        let limit_bytes = usize::try_from(MAX_SIGNATURE_BYTES).unwrap_or(usize::MAX);
        let envelope = bytes.get(envelope).ok_or_else(truncated)?;
        let envelope = Envelope::parse(envelope, PayloadType::Bundle, limit_bytes)?;
        Ok(Self {
            envelope,
            content_start,
            statement: OnceLock::new(),
        })
    }
}

/// Why bytes are not a bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Larger than any bundle.
    #[error("{actual_bytes} bytes are more than the {limit_bytes} a bundle may have")]
    TooLarge {
        /// What was offered.
        actual_bytes: u64,
        /// What is allowed.
        limit_bytes: u64,
    },
    /// The file does not begin with the header of an envelope or a manifest.
    #[error(transparent)]
    Structure(#[from] StructureError),
    /// The envelope is not one of ours.
    #[error("the signature cannot be read")]
    Envelope(#[from] EnvelopeError),
}

impl Coded for OpenError {
    fn code(&self) -> Code {
        match self {
            Self::TooLarge { .. } => Code::PackageTooLarge,
            Self::Structure(error) => error.code(),
            Self::Envelope(_) => Code::CorruptedData,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::TooLarge { .. } | Self::Structure(_) | Self::Envelope(_) => Blame::Bundle,
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::TooLarge {
                actual_bytes,
                limit_bytes,
            } => Map::from_iter([
                ("actual_bytes".to_owned(), (*actual_bytes).into()),
                ("limit_bytes".to_owned(), (*limit_bytes).into()),
            ]),
            Self::Structure(error) => error.details(),
            Self::Envelope(error) => Map::from_iter([
                ("entry".to_owned(), SIGNATURE_PATH.into()),
                ("reason".to_owned(), error.as_str().into()),
            ]),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::TooLarge { .. } | Self::Envelope(_) => Vec::new(),
            Self::Structure(error) => error.help(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{RawEntry, RawZip, signed, unsigned};

    #[track_caller]
    fn check(bytes: Vec<u8>, expected: Result<(), (Code, &str)>) {
        let verdict = Bundle::open(bytes).map(|_| ()).map_err(|error| {
            let reason = error
                .details()
                .get("reason")
                .map(|reason| reason.as_str().unwrap().to_owned());
            (error.code(), reason.unwrap_or_default())
        });
        assert_eq!(verdict, expected.map_err(|(code, reason)| (code, reason.to_owned())));
    }

    #[test]
    fn opens_signed_and_unsigned_bundles() {
        check(signed("com.acme.weather", &[1]).bytes().to_vec(), Ok(()));
        check(unsigned("com.acme.weather").bytes().to_vec(), Ok(()));
        assert!(unsigned("com.acme.weather").envelope().is_none());
    }

    #[test]
    fn takes_50_mib_and_not_one_byte_more() {
        let mut bytes = unsigned("com.acme.weather").bytes().to_vec();
        bytes.resize(50 * 1024 * 1024, 0);
        check(bytes.clone(), Ok(()));
        bytes.push(0);
        check(bytes, Err((Code::PackageTooLarge, "")));
    }

    #[test]
    fn refuses_what_does_not_begin_like_a_bundle() {
        let corrupted = Code::CorruptedData;
        check(Vec::new(), Err((corrupted, "local_header_missing")));
        check(b"PK\x05\x06".to_vec(), Err((corrupted, "local_header_missing")));
        check(b"\x7fELF".to_vec(), Err((corrupted, "local_header_missing")));
        check(b"PK\x03\x04".to_vec(), Err((corrupted, "truncated")));
        check(
            RawZip::stored(&[("a", b"")]).build(),
            Err((corrupted, "manifest_missing")),
        );
        check(
            RawZip::stored(&[("META-INF/signature.jsom", b"")]).build(),
            Err((corrupted, "manifest_missing")),
        );
    }

    #[test]
    fn refuses_an_envelope_entry_of_any_other_form() {
        let name = SIGNATURE_PATH.as_bytes();
        let check_entry = |entry: RawEntry, reason| {
            let mut zip = RawZip::stored(&[]);
            zip.push(entry);
            check(zip.build(), Err((Code::CorruptedData, reason)));
        };
        check_entry(RawEntry::stored(name, b"{}"), "envelope_json");
        check_entry(RawEntry::stored(name, b""), "envelope_json");
        check_entry(RawEntry::deflated(name, b"{}"), "signature_compressed");
        check_entry(
            RawEntry::stored(name, &vec![b' '; 512 * 1024 + 1]),
            "signature_too_large",
        );
        let mut cut_off = RawEntry::stored(name, b"{}");
        cut_off.local.packed_bytes = 1 << 20;
        cut_off.local.size_bytes = 1 << 20;
        check_entry(cut_off, "truncated");
    }
}
