//! The folder itself: its parts, and the lock that makes one process its only user.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::SupervisorOpenError;

/// A data directory that is this process's alone until it is dropped.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    /// Locked as long as it is open, and by nothing else: a crash unlocks it.
    _lock: File,
}

impl DataDirectory {
    /// Takes a directory, and creates it where there is none, for this user alone.
    ///
    /// # Errors
    ///
    /// [`SupervisorOpenError::InUse`] when another process has it, [`SupervisorOpenError::Folder`] when it cannot be used.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SupervisorOpenError> {
        let path = path.as_ref();
        let failed = |reason| SupervisorOpenError::Folder {
            path: path.to_owned(),
            reason,
        };
        create_private(path).map_err(failed)?;
        let path = fs::canonicalize(path).map_err(failed)?;
        let lock = lock(&path)?;
        let folder = Self { path, _lock: lock };
        for part in [folder.bundles(), folder.staging(), folder.archives()] {
            create_private(&part).map_err(failed)?;
        }
        Ok(folder)
    }

    /// Where it is, in full.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn registry(&self) -> PathBuf {
        self.path.join("registry.db")
    }

    pub(super) fn bundles(&self) -> PathBuf {
        self.path.join("bundles")
    }

    pub(super) fn staging(&self) -> PathBuf {
        self.path.join("staging")
    }

    pub(super) fn archives(&self) -> PathBuf {
        self.path.join("archives")
    }
}

fn lock(folder: &Path) -> Result<File, SupervisorOpenError> {
    let failed = |reason| SupervisorOpenError::Folder {
        path: folder.to_owned(),
        reason,
    };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(folder.join("lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SupervisorOpenError::InUse {
            path: folder.to_owned(),
        }),
        Err(TryLockError::Error(reason)) => Err(failed(reason)),
    }
}

/// Creates a folder for this user alone, and the ones above it.
fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
