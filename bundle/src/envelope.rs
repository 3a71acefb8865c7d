//! DSSE envelopes (<https://github.com/secure-systems-lab/dsse>, protocol v1) in their one spelling.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::canonical_json::{self, JsonError, excerpt};
use crate::digest::Digest;
use crate::key::KeyId;

/// More co-signers than any release needs; bounds the signatures a stranger can make us check.
pub const MAX_SIGNATURES: usize = 16;

/// What the payload of an envelope is. Part of what is signed: a signature for one type is none for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PayloadType {
    /// A [`Statement`](crate::Statement) about a bundle.
    Bundle,
    /// A trust document.
    Trust,
}

impl PayloadType {
    /// The media type.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bundle => "application/vnd.palisade.bundle.v1+json",
            Self::Trust => "application/vnd.palisade.trust.v1+json",
        }
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A payload with its signatures, none of which has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    payload_type: PayloadType,
    payload: Vec<u8>,
    signatures: Vec<EnvelopeSignature>,
}

/// One signature of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvelopeSignature {
    /// Whose it claims to be.
    pub key_id: KeyId,
    /// The 64 bytes of RFC 8032.
    pub bytes: [u8; 64],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    keyid: KeyId,
    sig: String,
}

impl Envelope {
    /// Reads an envelope of this type. Accepts only the bytes that [`Envelope::to_bytes`] gives.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub(crate) fn parse(bytes: &[u8], expected: PayloadType, limit_bytes: usize) -> Result<Self, EnvelopeError> {
        let wire: Wire = canonical_json::parse(bytes, limit_bytes)?;
        if wire.payload_type != expected.as_str() {
            return Err(EnvelopeError::PayloadType {
                expected,
                actual: excerpt(&wire.payload_type),
            });
        }
        let payload = BASE64.decode(&wire.payload).map_err(|_| EnvelopeError::Base64)?;
        let signatures: Result<Vec<_>, _> = wire.signatures.iter().map(EnvelopeSignature::parse).collect();
        let envelope = Self::new(expected, payload, signatures?)?;
        if envelope.to_bytes()? == bytes {
            Ok(envelope)
        } else {
            Err(EnvelopeError::NotCanonical)
        }
    }

    /// Puts an envelope together; the signatures must be sorted by key id, one a key.
    pub(crate) fn new(
        payload_type: PayloadType,
        payload: Vec<u8>,
        signatures: Vec<EnvelopeSignature>,
    ) -> Result<Self, EnvelopeError> {
        if signatures.is_empty() || signatures.len() > MAX_SIGNATURES {
            return Err(EnvelopeError::SignatureCount {
                actual: signatures.len(),
            });
        }
        if !signatures.is_sorted_by(|before, after| before.key_id < after.key_id) {
            return Err(EnvelopeError::Unsorted);
        }
        Ok(Self {
            payload_type,
            payload,
            signatures,
        })
    }

    /// The one spelling of this envelope.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, EnvelopeError> {
        let signatures = self.signatures.iter();
        let signatures = signatures.map(|signature| WireSignature {
            keyid: signature.key_id,
            sig: BASE64.encode(signature.bytes),
        });
        let wire = Wire {
            payload: BASE64.encode(&self.payload),
            payload_type: self.payload_type.to_string(),
            signatures: signatures.collect(),
        };
        Ok(canonical_json::to_bytes(&wire)?)
    }

    /// What is signed, as it was signed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The digest of the payload: it stays the same when a signature is added.
    #[must_use]
    pub fn payload_digest(&self) -> Digest {
        Digest::of(&self.payload)
    }

    /// The signatures, sorted by key id.
    #[must_use]
    pub fn signatures(&self) -> &[EnvelopeSignature] {
        &self.signatures
    }

    /// The bytes that each signature is over.
    #[must_use]
    pub fn pre_authentication_encoding(&self) -> Vec<u8> {
        pre_authentication_encoding(self.payload_type.as_str(), &self.payload)
    }
}

impl EnvelopeSignature {
    fn parse(wire: &WireSignature) -> Result<Self, EnvelopeError> {
        let bytes = BASE64.decode(&wire.sig).map_err(|_| EnvelopeError::Base64)?;
        let bytes = bytes
            .try_into()
            .map_err(|_| EnvelopeError::SignatureLength { key_id: wire.keyid })?;
        Ok(Self {
            key_id: wire.keyid,
            bytes,
        })
    }
}

/// `PAE(type, body)` of DSSE: lengths before contents, so that no two pairs encode alike.
pub(crate) fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// Why bytes are not an envelope of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Not JSON of the expected shape.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// An envelope of something else.
    #[error("the payload type is `{actual}`, not `{expected}`")]
    PayloadType {
        /// What was asked for.
        expected: PayloadType,
        /// What was found: its beginning, safe to print.
        actual: String,
    },
    /// Payload or signature is not base64 (RFC 4648 with padding).
    #[error("the payload or a signature is not base64")]
    Base64,
    /// A signature has not 64 bytes.
    #[error("the signature of {key_id} does not have 64 bytes")]
    SignatureLength {
        /// Whose it claims to be.
        key_id: KeyId,
    },
    /// No signature, or too many.
    #[error("there are {actual} signatures; an envelope has 1 to 16")]
    SignatureCount {
        /// How many.
        actual: usize,
    },
    /// Not sorted by key id, or two by one key.
    #[error("the signatures are not sorted by key id, each key once")]
    Unsorted,
    /// The same content has another, canonical, spelling.
    #[error("the envelope is not in its canonical spelling")]
    NotCanonical,
}

impl EnvelopeError {
    /// The stable word, as in `details.reason`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Json(_) => "envelope_json",
            Self::PayloadType { .. } => "envelope_payload_type",
            Self::Base64 => "envelope_base64",
            Self::SignatureLength { .. } => "envelope_signature_length",
            Self::SignatureCount { .. } => "envelope_signature_count",
            Self::Unsorted => "envelope_unsorted",
            Self::NotCanonical => "envelope_not_canonical",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::SigningKey;

    const LIMIT: usize = 1 << 20;

    fn envelope(payload: &[u8], seeds: &[u8]) -> Envelope {
        let encoding = pre_authentication_encoding(PayloadType::Bundle.as_str(), payload);
        let mut signatures: Vec<_> = seeds
            .iter()
            .map(|seed| SigningKey::from_seed(&[*seed; 32]))
            .map(|key| EnvelopeSignature {
                key_id: key.public().id(),
                bytes: key.sign(&encoding),
            })
            .collect();
        signatures.sort_by_key(|signature| signature.key_id);
        Envelope {
            payload_type: PayloadType::Bundle,
            payload: payload.to_vec(),
            signatures,
        }
    }

    fn parse(text: &str) -> Result<Envelope, EnvelopeError> {
        Envelope::parse(text.as_bytes(), PayloadType::Bundle, LIMIT)
    }

    #[test]
    fn encodes_the_test_vector_of_the_dsse_protocol() {
        // <https://github.com/secure-systems-lab/dsse/blob/master/protocol.md#test-vectors>
        let encoding = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoding, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn reads_what_it_writes() {
        let seeds: Vec<u8> = (0..16).collect();
        for count in [1, 2, 16] {
            let envelope = envelope(b"{}", &seeds[..count]);
            let bytes = envelope.to_bytes().unwrap();
            assert_eq!(Envelope::parse(&bytes, PayloadType::Bundle, LIMIT), Ok(envelope));
        }
    }

    #[test]
    fn refuses_no_signature_and_seventeen() {
        let seeds: Vec<u8> = (0..17).collect();
        for count in [0, 17] {
            let text = String::from_utf8(envelope(b"{}", &seeds[..count]).to_bytes().unwrap()).unwrap();
            assert_eq!(parse(&text), Err(EnvelopeError::SignatureCount { actual: count }));
        }
    }

    #[test]
    fn refuses_signatures_out_of_order_and_twice_by_one_key() {
        let mut reversed = envelope(b"{}", &[1, 2]);
        reversed.signatures.reverse();
        let mut doubled = envelope(b"{}", &[1]);
        doubled.signatures.push(doubled.signatures[0]);
        for envelope in [reversed, doubled] {
            let text = String::from_utf8(envelope.to_bytes().unwrap()).unwrap();
            assert_eq!(parse(&text), Err(EnvelopeError::Unsorted));
        }
    }

    #[test]
    fn refuses_an_envelope_of_another_type() {
        let bytes = envelope(b"{}", &[1]).to_bytes().unwrap();
        let refusal = Envelope::parse(&bytes, PayloadType::Trust, LIMIT).unwrap_err();
        assert_eq!(refusal.as_str(), "envelope_payload_type");
    }

    #[test]
    fn refuses_every_other_spelling() {
        let text = String::from_utf8(envelope(b"{\"a\":1}", &[1]).to_bytes().unwrap()).unwrap();
        let other_spellings = [
            text.replace(':', ": "),
            text.replace("application/", r"application\/"),
            text.replace("application/", r"\u0061pplication/"),
            format!("{text}\n"),
            format!(" {text}"),
            text.replace("payloadType", "PayloadType"),
            text.replace("{\"payload\":", "{\"extra\":1,\"payload\":"),
            text.replace("{\"payload\":", "{\"payload\":\"\",\"payload\":"),
            text.replace("\"sig\":", "\"sig\":\"\",\"sig\":"),
            text.replace("==\"", "\""),
        ];
        for spelling in other_spellings {
            assert_ne!(spelling, text);
            assert!(parse(&spelling).is_err(), "{spelling}");
        }
    }

    #[test]
    fn refuses_base64_with_stray_bits() {
        // `Zg==` and `Zh==` decode to the same byte in a lenient reader.
        let text = String::from_utf8(envelope(b"f", &[1]).to_bytes().unwrap()).unwrap();
        assert!(parse(&text).is_ok());
        assert_eq!(parse(&text.replace("Zg==", "Zh==")), Err(EnvelopeError::Base64));
        assert_eq!(parse(&text.replace("Zg==", "Zg")), Err(EnvelopeError::Base64));
    }

    #[test]
    fn refuses_a_signature_of_another_length() {
        let envelope = envelope(b"f", &[1]);
        let text = String::from_utf8(envelope.to_bytes().unwrap()).unwrap();
        let signature = envelope.signatures[0];
        let short = text.replace(&BASE64.encode(signature.bytes), &BASE64.encode(&signature.bytes[..63]));
        assert_eq!(
            parse(&short),
            Err(EnvelopeError::SignatureLength {
                key_id: signature.key_id
            })
        );
    }

    proptest! {
        #[test]
        fn never_panics_and_accepts_only_its_own_spelling(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(envelope) = Envelope::parse(&bytes, PayloadType::Bundle, LIMIT) {
                prop_assert_eq!(envelope.to_bytes().unwrap(), bytes);
            }
        }
    }
}
