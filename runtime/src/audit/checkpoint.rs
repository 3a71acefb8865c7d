//! Signed checkpoints: what shows that the end of the log was cut off.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use data_encoding::BASE64;
use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use palisade_bundle::{Digest, JsonError, KeyError, PublicKey, Timestamp, canonical_json};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::record::Head;

/// Comes before what is signed, so that no signature of this key for anything else is one for a checkpoint.
const DOMAIN: &[u8] = b"palisade-audit-checkpoint/1\n";

/// A checkpoint has less than 300 bytes; ten times that is no checkpoint.
const MAX_CHECKPOINT_BYTES: usize = 3_000;

/// The key a host signs its checkpoints with. Wiped from memory when dropped, never printed.
pub struct CheckpointKey {
    private: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl CheckpointKey {
    /// Takes the 32 secret bytes of RFC 8032, which must come from a good source of randomness.
    ///
    /// # Errors
    ///
    /// [`KeyError`]: no key made of a seed is one that [`PublicKey`] refuses, so this is a broken library.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let private = ed25519_dalek::SigningKey::from_bytes(seed);
        let public = PublicKey::from_bytes(private.verifying_key().as_bytes())?;
        Ok(Self { private, public })
    }

    /// Reads an unencrypted `PRIVATE KEY` PEM file (PKCS#8), as `palisade key generate` writes it.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotAPrivateKeyFile`]: the text is something else.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let private = ed25519_dalek::SigningKey::from_pkcs8_pem(pem).map_err(|_| KeyError::NotAPrivateKeyFile)?;
        Self::from_seed(private.as_bytes())
    }

    /// The key that verifies what this one signed.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn sign(&self, head: Head, timestamp: Timestamp) -> Result<AuditCheckpoint, JsonError> {
        let signed = Signed {
            seq: head.seq,
            hash: head.hash,
            timestamp,
        };
        Ok(AuditCheckpoint {
            signature: Signature(self.private.sign(&signed.message()?).to_bytes()),
            seq: signed.seq,
            hash: signed.hash,
            timestamp: signed.timestamp,
        })
    }
}

impl fmt::Debug for CheckpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckpointKey({})", self.public.id())
    }
}

/// A host's word that its log had this many records, and that this was the hash of the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditCheckpoint {
    /// The number of the last record; 0 before the first one.
    pub seq: u64,
    /// Its hash; zeros before the first one.
    pub hash: Digest,
    /// When it was signed.
    pub timestamp: Timestamp,
    /// The signature.
    pub(super) signature: Signature,
}

/// What is signed.
#[derive(Serialize)]
struct Signed {
    seq: u64,
    hash: Digest,
    timestamp: Timestamp,
}

impl Signed {
    fn message(&self) -> Result<Vec<u8>, JsonError> {
        Ok([DOMAIN, canonical_json::to_bytes(self)?.as_slice()].concat())
    }
}

impl AuditCheckpoint {
    /// Reads what [`AuditCheckpoint::to_line`] wrote.
    ///
    /// # Errors
    ///
    /// [`JsonError`]: the text is something else.
    pub fn from_line(line: &[u8]) -> Result<Self, JsonError> {
        canonical_json::parse(line, MAX_CHECKPOINT_BYTES)
    }

    /// As one line of JSON, for a place that whoever can write to the log cannot reach.
    ///
    /// # Errors
    ///
    /// [`JsonError::Number`]: no log has that many records.
    pub fn to_line(&self) -> Result<String, JsonError> {
        let mut line = String::from_utf8_lossy(&canonical_json::to_bytes(self)?).into_owned();
        line.push('\n');
        Ok(line)
    }

    /// Whether `key` signed it.
    #[must_use]
    pub fn is_by(&self, key: &PublicKey) -> bool {
        let signed = Signed {
            seq: self.seq,
            hash: self.hash,
            timestamp: self.timestamp,
        };
        signed
            .message()
            .is_ok_and(|message| key.verify(&message, &self.signature.0))
    }

    pub(super) fn head(&self) -> Head {
        Head {
            seq: self.seq,
            hash: self.hash,
        }
    }
}

/// The 64 bytes of an Ed25519 signature; base64 in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Signature(pub(super) [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(&self.0))
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok()).map(Self);
        bytes.ok_or_else(|| de::Error::custom("a signature is base64 of 64 bytes"))
    }
}

/// What the file beside the database turned out to hold.
pub(super) enum Kept {
    Nothing,
    Checkpoint(AuditCheckpoint),
    SomethingElse,
}

pub(super) fn read_file(path: &Path) -> io::Result<Kept> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::Nothing),
        opened => opened?,
    };
    let mut line = Vec::new();
    // One byte too many is enough to be refused.
    let most = u64::try_from(MAX_CHECKPOINT_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    file.take(most).read_to_end(&mut line)?;
    Ok(AuditCheckpoint::from_line(&line).map_or(Kept::SomethingElse, Kept::Checkpoint))
}

/// Replaces the file, so that the old or the new checkpoint is there whatever happens, and the new one afterwards.
///
/// The name of the new file is fixed: what a killed process left is written over. Two writers never meet here, because
/// both hold the lock of the database.
pub(super) fn replace_file(path: &Path, checkpoint: &AuditCheckpoint) -> io::Result<()> {
    let line = checkpoint.to_line().map_err(io::Error::other)?;
    let new_path = path.with_extension("checkpoint.new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new_path)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()?;
    drop(file);
    fs::rename(&new_path, path)?;
    sync_folder(path)
}

#[cfg(unix)]
fn sync_folder(of: &Path) -> io::Result<()> {
    of.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(not(unix))]
fn sync_folder(_of: &Path) -> io::Result<()> {
    Ok(())
}
