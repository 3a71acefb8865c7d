//! Private keys and their files.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::{KeypairBytes, PublicKeyBytes};
use pkcs8::der::pem::PemLabel as _;
use pkcs8::der::{Decode as _, SecretDocument};
use pkcs8::pkcs5::pbes2::{EncryptionScheme, Kdf, Parameters, Salt, ScryptParams};
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::{Zeroize, Zeroizing};

use super::{KeyError, PublicKey};

/// An Ed25519 private key. Wiped from memory when dropped, never printed.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Takes the 32 secret bytes of RFC 8032, which must come from a good source of randomness.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Reads an unencrypted `PRIVATE KEY` PEM file (PKCS#8 version 1 or 2), as `openssl genpkey` writes it.
    ///
    /// # Errors
    ///
    /// [`KeyError::PassphraseNeeded`], [`KeyError::NotAPrivateKeyFile`], [`KeyError::Mismatch`].
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        if is_encrypted_pem(pem) {
            return Err(KeyError::PassphraseNeeded);
        }
        let document = document_labelled(pem, PrivateKeyInfoRef::PEM_LABEL)?;
        Self::from_der(document.as_bytes())
    }

    /// Reads an `ENCRYPTED PRIVATE KEY` PEM file (PBES2 with scrypt or PBKDF2).
    ///
    /// # Errors
    ///
    /// [`KeyError::WrongPassphrase`], [`KeyError::NotAPrivateKeyFile`], [`KeyError::DerivationTooCostly`].
    pub fn from_encrypted_pem(pem: &str, passphrase: &SecretString) -> Result<Self, KeyError> {
        let document = document_labelled(pem, EncryptedPrivateKeyInfoRef::PEM_LABEL)?;
        let encrypted =
            EncryptedPrivateKeyInfoRef::from_der(document.as_bytes()).map_err(|_| KeyError::NotAPrivateKeyFile)?;
        let scheme = &encrypted.encryption_algorithm;
        check_cost(&scheme.pbes2().ok_or(KeyError::NotAPrivateKeyFile)?.kdf)?;
        let decrypted = Zeroizing::new(
            scheme
                .decrypt(passphrase.expose_secret(), encrypted.encrypted_data.as_bytes())
                .map_err(|_| KeyError::WrongPassphrase)?,
        );
        // CBC has no authentication: a wrong passphrase shows as bad padding or as bytes that are no key.
        Self::from_der(&decrypted).map_err(|_| KeyError::WrongPassphrase)
    }

    /// Writes a `PRIVATE KEY` PEM file: PKCS#8 version 1, which OpenSSL reads (it refuses version 2).
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        let der = self.to_der();
        let text = Zeroizing::new(BASE64.encode(der.as_slice()));
        Zeroizing::new(format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            text.as_str()
        ))
    }

    /// Writes an `ENCRYPTED PRIVATE KEY` PEM file: scrypt and AES-256-CBC, which OpenSSL 3 reads.
    ///
    /// # Errors
    ///
    /// [`KeyError::Encryption`].
    pub fn to_encrypted_pem(
        &self,
        passphrase: &SecretString,
        nonce: &EncryptionNonce,
    ) -> Result<Zeroizing<String>, KeyError> {
        let salt = Salt::new(nonce.salt).map_err(|_| KeyError::Encryption)?;
        let kdf = Kdf::Scrypt(ScryptParams {
            salt,
            cost_parameter: SCRYPT_COST,
            block_size: SCRYPT_BLOCK_SIZE,
            parallelization: 1,
            key_length: None,
        });
        let parameters = Parameters {
            kdf,
            encryption: EncryptionScheme::Aes256Cbc { iv: nonce.iv },
        };
        let der = self.to_der();
        let encrypted_data = parameters
            .encrypt(passphrase.expose_secret(), der.as_slice())
            .map_err(|_| KeyError::Encryption)?;
        let encrypted_data =
            pkcs8::der::asn1::OctetStringRef::new(&encrypted_data).map_err(|_| KeyError::Encryption)?;
        let encrypted = EncryptedPrivateKeyInfoRef {
            encryption_algorithm: parameters.into(),
            encrypted_data,
        };
        SecretDocument::encode_msg(&encrypted)
            .and_then(|document| document.to_pem(EncryptedPrivateKeyInfoRef::PEM_LABEL, LineEnding::LF))
            .map_err(|_| KeyError::Encryption)
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs exactly `message`. Deterministic (RFC 8032).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let outline = PrivateKeyInfoRef::from_der(der).map_err(|_| KeyError::NotAPrivateKeyFile)?;
        let pair = KeypairBytes::try_from(outline).map_err(|_| KeyError::NotAPrivateKeyFile)?;
        let key = Self::from_seed(&pair.secret_key);
        match &pair.public_key {
            Some(PublicKeyBytes(bytes)) if bytes != key.public().as_bytes() => Err(KeyError::Mismatch),
            Some(_) | None => Ok(key),
        }
    }

    fn to_der(&self) -> Zeroizing<Vec<u8>> {
        let mut seed = self.0.to_bytes();
        let der = Zeroizing::new([PKCS8_HEADER, seed.as_slice()].concat());
        seed.zeroize();
        der
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().id())
    }
}

/// What must be random and new for every encrypted key file.
#[derive(Clone, Copy)]
pub struct EncryptionNonce {
    /// Salt of the key derivation.
    pub salt: [u8; 16],
    /// First block of the cipher.
    pub iv: [u8; 16],
}

/// Whether the text is an encrypted private key file, so that a passphrase must be asked for.
#[must_use]
pub fn is_encrypted_pem(pem: &str) -> bool {
    pem.trim_start().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----")
}

/// What comes before the 32 secret bytes of every version 1 Ed25519 key (RFC 8410, section 7).
const PKCS8_HEADER: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// scrypt N and r: 16 MiB, half of what OpenSSL allows a key file without being told otherwise.
const SCRYPT_COST: u64 = 1 << 14;
const SCRYPT_BLOCK_SIZE: u16 = 8;

/// More than any tool asks for by default, less than a second or two and 256 MiB.
const MAX_SCRYPT_COST: u64 = 1 << 18;
const MAX_SCRYPT_PARALLELIZATION: u16 = 4;
const MAX_PBKDF2_ITERATIONS: u32 = 10_000_000;

/// A key file chooses its own derivation, so its cost is bounded before a byte is derived.
fn check_cost(kdf: &Kdf) -> Result<(), KeyError> {
    let affordable = match kdf {
        Kdf::Scrypt(scrypt) => {
            // Decoding the parameters panics on a cost of 0.
            scrypt.cost_parameter.is_power_of_two()
                && (2..=MAX_SCRYPT_COST).contains(&scrypt.cost_parameter)
                && (1..=SCRYPT_BLOCK_SIZE).contains(&scrypt.block_size)
                && (1..=MAX_SCRYPT_PARALLELIZATION).contains(&scrypt.parallelization)
        }
        Kdf::Pbkdf2(pbkdf2) => (1..=MAX_PBKDF2_ITERATIONS).contains(&pbkdf2.iteration_count),
        _ => false,
    };
    if affordable {
        Ok(())
    } else {
        Err(KeyError::DerivationTooCostly)
    }
}

fn document_labelled(pem: &str, expected: &str) -> Result<SecretDocument, KeyError> {
    let (label, document) = SecretDocument::from_pem(pem.trim()).map_err(|_| KeyError::NotAPrivateKeyFile)?;
    if label == expected {
        Ok(document)
    } else {
        Err(KeyError::NotAPrivateKeyFile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: EncryptionNonce = EncryptionNonce {
        salt: [1; 16],
        iv: [2; 16],
    };

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32])
    }

    #[test]
    fn signs_the_first_test_of_rfc_8032() {
        let seed = super::super::tests::bytes("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let key = SigningKey::from_seed(&seed);
        let expected = super::super::tests::bytes(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b\
             d25bf5f0595bbe24655141438e7a100b",
        );
        assert_eq!(key.sign(b""), expected);
        assert!(key.public().verify(b"", &expected));
    }

    #[test]
    fn writes_version_1_as_the_library_does_and_reads_both_versions() {
        use ed25519_dalek::pkcs8::EncodePrivateKey as _;
        let key = key();
        for public_key in [None, Some(PublicKeyBytes(*key.public().as_bytes()))] {
            let version = u8::from(public_key.is_some());
            let pair = KeypairBytes {
                secret_key: [7; 32],
                public_key,
            };
            let pem = pair.to_pkcs8_pem(LineEnding::LF).unwrap();
            assert_eq!(SigningKey::from_pem(&pem).unwrap().public(), key.public());
            assert_eq!(*key.to_pem() == *pem, version == 0);
        }
    }

    #[test]
    fn refuses_a_file_whose_public_key_is_another_ones() {
        use ed25519_dalek::pkcs8::EncodePrivateKey as _;
        let public_key = Some(PublicKeyBytes(*SigningKey::from_seed(&[8; 32]).public().as_bytes()));
        let pem = KeypairBytes {
            secret_key: [7; 32],
            public_key,
        }
        .to_pkcs8_pem(LineEnding::LF)
        .unwrap();
        assert_eq!(SigningKey::from_pem(&pem).err(), Some(KeyError::Mismatch));
    }

    #[test]
    fn decrypts_with_the_right_passphrase_only() {
        let right = SecretString::from("correct horse");
        let pem = key().to_encrypted_pem(&right, &NONCE).unwrap();
        assert!(is_encrypted_pem(&pem));
        assert_eq!(
            SigningKey::from_encrypted_pem(&pem, &right).unwrap().public(),
            key().public()
        );
        let wrong = SecretString::from("correct horsf");
        assert_eq!(
            SigningKey::from_encrypted_pem(&pem, &wrong).err(),
            Some(KeyError::WrongPassphrase)
        );
        assert_eq!(SigningKey::from_pem(&pem).err(), Some(KeyError::PassphraseNeeded));
        let plain = key().to_pem();
        assert_eq!(
            SigningKey::from_encrypted_pem(&plain, &right).err(),
            Some(KeyError::NotAPrivateKeyFile)
        );
    }

    /// Three files of one key that OpenSSL 3.0 has written: `genpkey`, `pkcs8 -topk8 -scrypt`, `pkcs8 -topk8 -v2`.
    const OPENSSL_PLAIN: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIHl1IddHBguJ19wYJovaq3DS0fTv4znw/g8uwuAUl8pX
-----END PRIVATE KEY-----
";
    const OPENSSL_SCRYPT: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGTME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAjul3gW7nIt4QICQAAC
AQgCAQEwHQYJYIZIAWUDBAEqBBBaCY09T2FpiJj/4YrZlPHyBEDJjIm41RYO140k
4L4kpCbfssXGkF0T8OfZwfdK2ZRXrsL7U6/4hADzNP/m3oguFbwivsK2H0f74o9V
pYWcA7MK
-----END ENCRYPTED PRIVATE KEY-----
";
    const OPENSSL_PBKDF2: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgxkJ90zZ+0hwICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEECVUOzX41zAMXLKgPL/RNbsEQKsu
q8IAyZgCjwu/91/qcZXB1acrMSlmZJiqlxTwMm0VCyzrfV+emua6AYYoAeTkoY27
FxovBtz/e3XIEiHQKhU=
-----END ENCRYPTED PRIVATE KEY-----
";

    #[test]
    fn reads_what_openssl_writes() {
        let plain = SigningKey::from_pem(OPENSSL_PLAIN).unwrap();
        assert_eq!(*plain.to_pem(), OPENSSL_PLAIN);
        let public = "MCowBQYDK2VwAyEA3mrhoVWRM5jN0YHk204t9Kx8mKY0U14VhSEdBitNCOM=";
        assert!(plain.public().to_pem().contains(public));
        for pem in [OPENSSL_SCRYPT, OPENSSL_PBKDF2] {
            let key = SigningKey::from_encrypted_pem(pem, &SecretString::from("palisade")).unwrap();
            assert_eq!(key.public(), plain.public());
        }
    }

    #[test]
    fn refuses_a_derivation_that_would_eat_the_machine() {
        let scrypt = |cost_parameter, block_size, parallelization| {
            let salt = Salt::new([1; 16]).unwrap();
            check_cost(&Kdf::Scrypt(ScryptParams {
                salt,
                cost_parameter,
                block_size,
                parallelization,
                key_length: None,
            }))
        };
        assert_eq!(scrypt(1 << 14, 8, 1), Ok(()));
        assert_eq!(scrypt(1 << 18, 8, 4), Ok(()));
        for (cost, block_size, parallelization) in [
            (1 << 19, 8, 1),
            (0, 8, 1),
            (3, 8, 1),
            (1 << 14, 9, 1),
            (2, 0, 1),
            (2, 8, 5),
        ] {
            assert_eq!(
                scrypt(cost, block_size, parallelization),
                Err(KeyError::DerivationTooCostly)
            );
        }
    }

    #[test]
    fn asks_what_a_file_costs_before_deriving_anything() {
        let passphrase = SecretString::from("palisade");
        let pem = key().to_encrypted_pem(&passphrase, &NONCE).unwrap();
        let der = BASE64
            .decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>())
            .unwrap();
        let cost = der.windows(4).position(|bytes| bytes == b"\x02\x02\x40\x00").unwrap();
        // 16,384 becomes 0, spelled in a way DER forbids, and a number that is no power of two.
        for (changed, expected) in [
            (b"\x02\x02\x00\x00", KeyError::NotAPrivateKeyFile),
            (b"\x02\x02\x7f\xff", KeyError::DerivationTooCostly),
        ] {
            let mut der = der.clone();
            der[cost..cost + 4].copy_from_slice(changed);
            let text = BASE64.encode(der).into_bytes();
            let lines: Vec<_> = text.chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
            let label = "ENCRYPTED PRIVATE KEY";
            let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"));
            assert_eq!(SigningKey::from_encrypted_pem(&pem, &passphrase).err(), Some(expected));
        }
    }

    #[test]
    fn prints_the_key_id_and_nothing_secret() {
        let printed = format!("{:?}", key());
        assert_eq!(printed, format!("SigningKey({})", key().public().id()));
    }
}
