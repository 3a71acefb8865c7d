//! What is in a bundle: files and manifest, checked against each other and against the signed statement.

mod error;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use sha2::Digest as _;

pub use self::error::{ContentsError, ReadError};

use crate::bundle::Bundle;
use crate::canonical_json::excerpt;
use crate::container::{Entry, MANIFEST_PATH, SIGNATURE_PATH, Tail, compare_tail, read_entry, scan_entry, tail, walk};
use crate::digest::Digest;
use crate::manifest::{MAX_MANIFEST_BYTES, Manifest};
use crate::statement::{Statement, abi_name};
use crate::steps::{Step, Trace};

/// Unpacked files are kept up to this sum, so that a module is inflated once. Half of the 64 MiB that verifying may
/// cost beyond the file; what does not fit is inflated again when asked for.
const MAX_KEPT_BYTES: u64 = 32 * 1024 * 1024;

/// The files of a bundle that agrees with itself. Says nothing about who made it; cheap to clone.
#[derive(Clone)]
pub struct Contents(Arc<Unpacked>);

struct Unpacked {
    bundle: Bundle,
    entries: Vec<Entry>,
    files: Vec<BundleFile>,
    kept: Vec<Option<Vec<u8>>>,
    manifest: Manifest,
}

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BundleFile {
    /// Relative path with `/` between levels.
    pub path: String,
    /// Number of unpacked bytes.
    pub size_bytes: u64,
    /// Digest of the unpacked bytes.
    pub sha256: Digest,
}

impl Contents {
    /// Checks and unpacks a bundle, against its statement when there is one.
    pub(crate) fn unpack(
        bundle: &Bundle,
        statement: Option<&Statement>,
        trace: &mut Trace,
    ) -> Result<Self, ContentsError> {
        let bytes = bundle.bytes();
        let signed = bundle.content_start().zip(statement);
        let tail = match signed {
            Some((start, statement)) => trace.note(Step::Content, check_content(bytes, start, statement))?,
            None => trace.note(Step::Structure, tail(bytes))?,
        };
        let mut entries = trace.note(Step::Structure, walk(bytes, &tail))?;
        trace.note(Step::Directory, compare_tail(bytes, &tail, &entries))?;
        if let Some(statement) = statement {
            trace.note(Step::Files, check_files(&entries, statement))?;
        }
        let (files, kept) = trace.note(Step::Digests, unpack_files(bytes, &entries, statement))?;
        entries.retain(is_file);
        let manifest = trace.note(Step::Manifest, check_manifest(bytes, &entries, statement))?;
        Ok(Self(Arc::new(Unpacked {
            bundle: bundle.clone(),
            entries,
            files,
            kept,
            manifest,
        })))
    }

    /// The manifest. Its id, version and ABI are those of the statement.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    /// The files in the order of the container; the envelope is none of them.
    #[must_use]
    pub fn files(&self) -> &[BundleFile] {
        &self.0.files
    }

    /// The unpacked bytes of a file.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoSuchFile`]. [`ReadError::Damaged`] cannot happen to bytes that have been read before.
    pub fn read(&self, path: &str) -> Result<Cow<'_, [u8]>, ReadError> {
        let no_such_file = || ReadError::NoSuchFile { path: path.to_owned() };
        let index = self
            .0
            .entries
            .iter()
            .position(|entry| entry.name == path)
            .ok_or_else(no_such_file)?;
        if let Some(Some(kept)) = self.0.kept.get(index) {
            return Ok(Cow::Borrowed(kept));
        }
        let entry = self.0.entries.get(index).ok_or_else(no_such_file)?;
        Ok(read_entry(self.0.bundle.bytes(), entry, &mut |_| {})?)
    }

    /// The module: the file that the manifest calls its entry point.
    ///
    /// # Errors
    ///
    /// As [`Contents::read`]; that the file exists has been checked.
    pub fn module(&self) -> Result<Cow<'_, [u8]>, ReadError> {
        self.read(&self.0.manifest.entry_point)
    }
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents")
            .field("id", &self.manifest().id)
            .field("files", &self.files().len())
            .finish()
    }
}

fn is_file(entry: &Entry) -> bool {
    entry.name != SIGNATURE_PATH
}

fn check_content(bytes: &[u8], start: usize, statement: &Statement) -> Result<Tail, ContentsError> {
    let tail = tail(bytes)?;
    let content = bytes.get(start..tail.directory_start).unwrap_or_default();
    let actual_bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
    if actual_bytes != statement.content.length {
        return Err(ContentsError::ContentLength {
            signed_bytes: statement.content.length,
            actual_bytes,
        });
    }
    if Digest::of(content) != statement.content.sha256 {
        return Err(ContentsError::ContentDigest);
    }
    Ok(tail)
}

/// Compares names and sizes of the entries with the signed list, in order.
fn check_files(entries: &[Entry], statement: &Statement) -> Result<(), ContentsError> {
    let mut signed = statement.files.iter();
    for entry in entries.iter().filter(|entry| is_file(entry)) {
        let matches = signed
            .next()
            .is_some_and(|file| file.path == entry.name && file.size == entry.size_bytes);
        if !matches {
            return Err(ContentsError::FileNotSigned {
                path: entry.name.clone(),
            });
        }
    }
    match signed.next() {
        None => Ok(()),
        Some(missing) => Err(ContentsError::FileMissing {
            path: excerpt(&missing.path),
        }),
    }
}

type UnpackedFiles = (Vec<BundleFile>, Vec<Option<Vec<u8>>>);

/// Inflates every entry once and compares its digest with the signed one.
fn unpack_files(
    bytes: &[u8],
    entries: &[Entry],
    statement: Option<&Statement>,
) -> Result<UnpackedFiles, ContentsError> {
    let mut files = Vec::with_capacity(entries.len());
    let mut kept = Vec::with_capacity(entries.len());
    let mut room_bytes = MAX_KEPT_BYTES;
    for entry in entries {
        if !is_file(entry) {
            scan_entry(bytes, entry, &mut |_| {})?;
            continue;
        }
        let signed = statement.and_then(|statement| statement.files.get(files.len()));
        let mut hasher = sha2::Sha256::new();
        let left_bytes = room_bytes.checked_sub(entry.size_bytes);
        if let Some(left_bytes) = left_bytes {
            match read_entry(bytes, entry, &mut |chunk| hasher.update(chunk))? {
                Cow::Owned(unpacked) => {
                    room_bytes = left_bytes;
                    kept.push(Some(unpacked));
                }
                Cow::Borrowed(_) => kept.push(None),
            }
        } else {
            scan_entry(bytes, entry, &mut |chunk| hasher.update(chunk))?;
            kept.push(None);
        }
        let sha256 = Digest::from_bytes(hasher.finalize().into());
        if signed.is_some_and(|signed| signed.sha256 != sha256) {
            return Err(ContentsError::FileDigest {
                path: entry.name.clone(),
            });
        }
        files.push(BundleFile {
            path: entry.name.clone(),
            size_bytes: entry.size_bytes,
            sha256,
        });
    }
    Ok((files, kept))
}

fn check_manifest(bytes: &[u8], entries: &[Entry], statement: Option<&Statement>) -> Result<Manifest, ContentsError> {
    let entry = entries.iter().find(|entry| entry.name == MANIFEST_PATH);
    let entry = entry.ok_or_else(|| ContentsError::FileMissing {
        path: MANIFEST_PATH.to_owned(),
    })?;
    let limit_bytes = u64::try_from(MAX_MANIFEST_BYTES).unwrap_or(u64::MAX);
    if entry.size_bytes > limit_bytes {
        return Err(ContentsError::ManifestTooLarge {
            actual_bytes: entry.size_bytes,
            limit_bytes,
        });
    }
    let manifest = Manifest::parse(&read_entry(bytes, entry, &mut |_| {})?)?;
    if !entries.iter().any(|entry| entry.name == manifest.entry_point) {
        return Err(ContentsError::EntryPointMissing {
            path: manifest.entry_point,
        });
    }
    if let Some(statement) = statement {
        check_statement(&manifest, statement)?;
    }
    Ok(manifest)
}

fn check_statement(manifest: &Manifest, statement: &Statement) -> Result<(), ContentsError> {
    let pairs = [
        ("id", statement.id.to_string(), manifest.id.to_string()),
        ("version", statement.version.to_string(), manifest.version.to_string()),
        (
            "abi_version",
            statement.abi.clone(),
            abi_name(manifest.abi_version.major),
        ),
    ];
    for (member, signed, actual) in pairs {
        if signed != actual {
            return Err(ContentsError::ManifestNotSigned { member, signed, actual });
        }
    }
    Ok(())
}
