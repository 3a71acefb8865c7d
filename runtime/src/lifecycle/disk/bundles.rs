//! Bundles by the digest of their bytes.
//!
//! A file appears under its name whole or not at all: it is written elsewhere, the disk is asked whether it arrived, it
//! is renamed, and the disk is asked again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use palisade_bundle::Digest;
use palisade_bundle::container::MAX_FILE_BYTES;

use super::StoreError;

/// A folder of bundles.
#[derive(Debug)]
pub(super) struct Bundles {
    folder: PathBuf,
    staging: PathBuf,
}

impl Bundles {
    pub(super) fn new(folder: PathBuf, staging: PathBuf) -> Self {
        Self { folder, staging }
    }

    /// Stores a bundle, in place of one that is there already: what lies there may be damaged.
    pub(super) fn put(&self, bundle: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bundle);
        write_durably(&self.staging, &self.folder, &name(digest), bundle)?;
        Ok(digest)
    }

    /// The bytes of a bundle, after they were hashed again.
    pub(super) fn read(&self, digest: Digest) -> Result<Vec<u8>, StoreError> {
        let path = self.folder.join(name(digest));
        let size = fs::metadata(&path)
            .map_err(|error| StoreError::missing(digest, error))?
            .len();
        // Nothing larger was ever stored, so nothing larger has to be read to know that it is wrong.
        if size > MAX_FILE_BYTES {
            return Err(StoreError::Damaged { digest });
        }
        let bytes = fs::read(path).map_err(|error| StoreError::missing(digest, error))?;
        match Digest::of(&bytes) == digest {
            true => Ok(bytes),
            false => Err(StoreError::Damaged { digest }),
        }
    }

    /// Removes what a crash left half-written.
    pub(super) fn clear_staging(&self) -> Result<(), StoreError> {
        for entry in entries(&self.staging)? {
            remove(&entry)?;
        }
        Ok(())
    }

    /// Removes every bundle that is not referenced.
    pub(super) fn collect(&self, referenced: &BTreeSet<Digest>) -> Result<(), StoreError> {
        let referenced: BTreeSet<_> = referenced.iter().copied().map(name).collect();
        for path in entries(&self.folder)? {
            let is_referenced = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| referenced.contains(name));
            if !is_referenced {
                remove(&path)?;
            }
        }
        Ok(())
    }
}

/// Writes a file into `folder` under `name`, whole or not at all, so that it survives the machine.
pub(super) fn write_durably(staging: &Path, folder: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let failed = |error| StoreError::io("staging", error);
    let mut staged = tempfile::NamedTempFile::new_in(staging).map_err(failed)?;
    staged.write_all(bytes).map_err(failed)?;
    staged.as_file().sync_all().map_err(failed)?;
    staged.persist(folder.join(name)).map_err(|error| failed(error.error))?;
    sync_folder(folder).map_err(failed)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be opened as a file, and renames are written through.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

fn name(digest: Digest) -> String {
    format!("{digest}.zip")
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let listed = fs::read_dir(folder).and_then(|entries| entries.map(|entry| entry.map(|it| it.path())).collect());
    listed.map_err(|error| StoreError::io("bundles", error))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("bundles", error)),
        _ => Ok(()),
    }
}
