//! Ed25519 keys: strict on reading and on verifying, named by the digest of their bytes.

#[cfg(any(test, feature = "sign"))]
mod signing;
#[cfg(test)]
mod vectors;

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::pkcs8::PublicKeyBytes;
use ed25519_dalek::{Signature, VerifyingKey};
use pkcs8::DecodePublicKey as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Map;

use crate::digest::Digest;
use crate::problem::{Blame, Code, Coded};

#[cfg(any(test, feature = "sign"))]
pub use self::signing::{EncryptionNonce, SigningKey, is_encrypted_pem};

/// An Ed25519 public key that can only have been made for verifying strictly.
///
/// Its point is on the curve, encoded the one canonical way, and not of small order.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Takes the 32 bytes of RFC 8032.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotAPoint`], [`KeyError::NotCanonical`], [`KeyError::Weak`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAPoint)?;
        // Decoding takes y and y+p alike; a key with two spellings would have two ids.
        if key.to_edwards().compress().as_bytes() != bytes {
            return Err(KeyError::NotCanonical);
        }
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(Self(key))
    }

    /// Reads a `PUBLIC KEY` PEM file (RFC 8410), as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotAPublicKeyFile`], and those of [`PublicKey::from_bytes`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let PublicKeyBytes(bytes) =
            PublicKeyBytes::from_public_key_pem(pem.trim()).map_err(|_| KeyError::NotAPublicKeyFile)?;
        Self::from_bytes(&bytes)
    }

    /// Writes a `PUBLIC KEY` PEM file (RFC 8410).
    #[must_use]
    pub fn to_pem(&self) -> String {
        let der = [SPKI_HEADER, self.as_bytes().as_slice()].concat();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            BASE64.encode(der)
        )
    }

    /// The 32 bytes of RFC 8032.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The name of this key: the digest of its 32 bytes.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId(Digest::of(self.as_bytes()))
    }

    /// Whether `signature` is by this key over exactly `message`.
    ///
    /// Refuses a scalar that is not reduced, a commitment of small order and any non-canonical encoding, so that
    /// a signature cannot be changed into another valid one.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

/// As base64 of the 32 bytes.
impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(self.as_bytes()))
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or_else(|| de::Error::custom("a public key is base64 of 32 bytes"))?;
        Self::from_bytes(&bytes).map_err(de::Error::custom)
    }
}

/// What comes before the 32 bytes of every Ed25519 `SubjectPublicKeyInfo` (RFC 8410, section 4).
const SPKI_HEADER: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// The name of a public key: `ed25519:` and the SHA-256 of its 32 bytes. A hint in an envelope, never a proof.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Digest);

const KEY_ID_PREFIX: &str = "ed25519:";

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KEY_ID_PREFIX}{}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digest = text.strip_prefix(KEY_ID_PREFIX).ok_or(KeyError::NotAKeyId)?;
        digest.parse().map(Self).map_err(|_| KeyError::NotAKeyId)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Why bytes or a file are not a key we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes are not a point of the curve.
    #[error("the 32 bytes are not an Ed25519 public key")]
    NotAPoint,
    /// The point has another, canonical, encoding.
    #[error("the public key is not encoded canonically")]
    NotCanonical,
    /// The point has small order: anyone can sign for it.
    #[error("the public key is weak: anyone can make signatures that it accepts")]
    Weak,
    /// The text is not a `PUBLIC KEY` PEM file with an Ed25519 key.
    #[error("not an Ed25519 public key file in PEM form")]
    NotAPublicKeyFile,
    /// The text is not a `PRIVATE KEY` or `ENCRYPTED PRIVATE KEY` PEM file with an Ed25519 key.
    #[error("not an Ed25519 private key file in PKCS#8 PEM form")]
    NotAPrivateKeyFile,
    /// The file holds a public key that does not belong to its private key.
    #[error("the private key file holds a public key that is not its own")]
    Mismatch,
    /// The file is encrypted and no passphrase was given.
    #[error("the private key file is encrypted")]
    PassphraseNeeded,
    /// The file cannot be decrypted with this passphrase.
    #[error("the passphrase is wrong, or the private key file is damaged")]
    WrongPassphrase,
    /// The file asks for more memory or time than any honest one.
    #[error("the private key file asks for an unreasonable key derivation")]
    DerivationTooCostly,
    /// The text is not a key id.
    #[error("a key id is `ed25519:` and 64 lower-case hexadecimal digits")]
    NotAKeyId,
    /// The key could not be encrypted.
    #[error("the private key cannot be encrypted")]
    Encryption,
}

impl Coded for KeyError {
    fn code(&self) -> Code {
        match self {
            Self::NotAPoint
            | Self::NotCanonical
            | Self::Weak
            | Self::NotAPublicKeyFile
            | Self::NotAPrivateKeyFile
            | Self::Mismatch
            | Self::PassphraseNeeded
            | Self::WrongPassphrase
            | Self::DerivationTooCostly
            | Self::NotAKeyId => Code::InvalidArgument,
            Self::Encryption => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NotAPoint | Self::NotCanonical | Self::Weak => Blame::Trust,
            Self::NotAPublicKeyFile
            | Self::NotAPrivateKeyFile
            | Self::Mismatch
            | Self::PassphraseNeeded
            | Self::WrongPassphrase
            | Self::DerivationTooCostly
            | Self::NotAKeyId => Blame::Request,
            Self::Encryption => Blame::Host,
        }
    }

    fn details(&self) -> Map<String, serde_json::Value> {
        let mut details = Map::new();
        if self.code() == Code::InvalidArgument {
            details.insert("expected".to_owned(), self.expected().into());
        }
        details
    }
}

impl KeyError {
    fn expected(self) -> &'static str {
        match self {
            Self::NotAPoint | Self::NotCanonical | Self::Weak => "a canonical Ed25519 public key of large order",
            Self::NotAPublicKeyFile => "-----BEGIN PUBLIC KEY----- with an Ed25519 key",
            Self::NotAPrivateKeyFile | Self::Mismatch | Self::DerivationTooCostly => {
                "-----BEGIN PRIVATE KEY----- or -----BEGIN ENCRYPTED PRIVATE KEY----- with an Ed25519 key"
            }
            Self::PassphraseNeeded | Self::WrongPassphrase => "the passphrase of the private key file",
            Self::NotAKeyId => "ed25519:<64 hexadecimal digits>",
            Self::Encryption => "a key that can be encrypted",
        }
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::pkcs8::EncodePublicKey as _;

    use super::*;

    /// The public key of RFC 8032, section 7.1, test 1.
    const RFC_8032_KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    pub(super) fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        data_encoding::HEXLOWER
            .decode(hex.as_bytes())
            .unwrap()
            .try_into()
            .unwrap()
    }

    #[test]
    fn verifies_the_first_test_of_rfc_8032() {
        let key = PublicKey::from_bytes(&bytes(RFC_8032_KEY)).unwrap();
        let signature = bytes(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b\
             d25bf5f0595bbe24655141438e7a100b",
        );
        assert!(key.verify(b"", &signature));
        assert!(!key.verify(b"\0", &signature));
    }

    #[test]
    fn refuses_every_key_of_small_order() {
        // All eight points of small order in their canonical encodings.
        for hex in [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        ] {
            assert_eq!(PublicKey::from_bytes(&bytes(hex)), Err(KeyError::Weak), "{hex}");
        }
    }

    #[test]
    fn refuses_every_second_spelling_of_a_key() {
        // y + p for y = 0, 1, 3, and the two points with x = 0 and the sign bit set.
        for hex in [
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0100000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        ] {
            let refusal = PublicKey::from_bytes(&bytes(hex));
            assert!(
                matches!(refusal, Err(KeyError::NotCanonical | KeyError::NotAPoint)),
                "{hex}: {refusal:?}"
            );
        }
    }

    #[test]
    fn refuses_bytes_that_are_no_point() {
        let mut no_point = [0; 32];
        no_point[0] = 2;
        assert_eq!(PublicKey::from_bytes(&no_point), Err(KeyError::NotAPoint));
    }

    #[test]
    fn writes_the_pem_the_library_writes_and_reads_it_back() {
        let key = PublicKey::from_bytes(&bytes(RFC_8032_KEY)).unwrap();
        let library = PublicKeyBytes(*key.as_bytes())
            .to_public_key_pem(pkcs8::LineEnding::LF)
            .unwrap();
        assert_eq!(key.to_pem(), library);
        assert_eq!(PublicKey::from_pem(&library), Ok(key.clone()));
        assert_eq!(PublicKey::from_pem(&library.replace('\n', "\r\n")), Ok(key));
    }

    #[test]
    fn refuses_a_pem_file_of_anything_else() {
        let key = PublicKey::from_bytes(&bytes(RFC_8032_KEY)).unwrap();
        let x25519 = [
            b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00".as_slice(),
            key.as_bytes(),
        ]
        .concat();
        let x25519 = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            BASE64.encode(x25519)
        );
        for pem in [
            x25519,
            key.to_pem().replace("PUBLIC", "PRIVATE"),
            String::new(),
            format!("{}x", key.to_pem()),
        ] {
            assert_eq!(PublicKey::from_pem(&pem), Err(KeyError::NotAPublicKeyFile), "{pem}");
        }
    }

    #[test]
    fn names_a_key_by_the_digest_of_its_bytes() {
        let key = PublicKey::from_bytes(&bytes(RFC_8032_KEY)).unwrap();
        let id = key.id().to_string();
        assert_eq!(
            id,
            "ed25519:21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9"
        );
        assert_eq!(id.parse(), Ok(key.id()));
        for text in [
            id.replace("ed25519:", "ed448:"),
            id.to_uppercase(),
            id.replace(':', ""),
            format!("{id} "),
        ] {
            assert_eq!(text.parse::<KeyId>(), Err(KeyError::NotAKeyId), "{text}");
        }
    }
}
