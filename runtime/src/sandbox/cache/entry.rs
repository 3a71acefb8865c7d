//! One file of the cache: sixteen fixed bytes, a MAC, and compiled code.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::private::{self, Opened};
use super::{CacheKey, CacheSecret, Oddity};
use crate::sandbox::compile::MAX_ARTIFACT_BYTES;

/// How an entry begins; what the file is, for whoever looks into the folder.
const MAGIC: [u8; 16] = *b"palisade code 1\n";

/// HMAC-SHA-256.
const MAC_BYTES: usize = 32;

/// Where the code begins.
const HEAD_BYTES: usize = MAGIC.len() + MAC_BYTES;

/// A whole entry whose MAC held; the bytes that were verified, not the file they came from.
pub(super) struct Kept(Vec<u8>);

impl Kept {
    /// The bytes, and where the code begins in them.
    pub(super) fn into_parts(self) -> (Vec<u8>, usize) {
        (self.0, HEAD_BYTES)
    }
}

/// Reads an entry; `None` when there is none.
///
/// # Errors
///
/// What is odd about it.
pub(super) fn read(path: &Path, key: &CacheKey, secret: &CacheSecret) -> Result<Option<Kept>, Oddity> {
    let Some(Opened { file, size_bytes }) = private::open_file(path)? else {
        return Ok(None);
    };
    let head_bytes = u64::try_from(HEAD_BYTES).unwrap_or(u64::MAX);
    if size_bytes < head_bytes || size_bytes > MAX_ARTIFACT_BYTES.saturating_add(head_bytes) {
        return Err(Oddity::Size);
    }
    let room = usize::try_from(size_bytes).map_err(|_| Oddity::Size)?;
    let mut bytes = Vec::with_capacity(room);
    (&file)
        .take(size_bytes)
        .read_to_end(&mut bytes)
        .map_err(Oddity::Unreadable)?;
    let (head, code) = bytes.split_at_checked(HEAD_BYTES).ok_or(Oddity::Size)?;
    let (magic, claimed) = head.split_at_checked(MAGIC.len()).ok_or(Oddity::Size)?;
    if magic != MAGIC {
        return Err(Oddity::Form);
    }
    // Compared in constant time.
    mac(key, secret, code)
        .verify_slice(claimed)
        .map_err(|_mismatch| Oddity::Mac)?;
    // When it was used last is for eviction alone; a wrong time costs a compilation.
    let _ = private::touch(&file);
    Ok(Some(Kept(bytes)))
}

/// Writes an entry so that a reader sees the old one, the new one or none, never half of one.
pub(super) fn write(folder: &Path, path: &Path, key: &CacheKey, secret: &CacheSecret, code: &[u8]) -> io::Result<()> {
    // Readable by the owner alone from its first moment.
    let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder)?;
    file.write_all(&MAGIC)?;
    file.write_all(&mac(key, secret, code).finalize().into_bytes())?;
    file.write_all(code)?;
    file.as_file().sync_all()?;
    match file.persist(path) {
        Ok(_) => Ok(()),
        // Something that cannot be replaced lies there: an empty folder can at least be removed for the next time.
        Err(refused) => {
            let _ = fs::remove_dir(path);
            Err(refused.error)
        }
    }
}

/// How the name of a file begins that is still being written.
pub(super) const TEMPORARY: &str = "new-";

/// The MAC of an entry: over what it is and what is in it.
#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn mac(key: &CacheKey, secret: &CacheSecret, code: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("32 bytes are a key");
    mac.update(&MAGIC);
    mac.update(key.as_bytes());
    mac.update(code);
    mac
}
