//! Files and folders that are this user's alone: how they are opened, and what is looked at before they are believed.
//!
//! What is checked is the opened file, not its name, so that nobody can exchange one for the other in between.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{OFlags, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::{CacheError, Oddity};

/// The bits of a mode by which others than the owner may do anything.
const OTHERS: u32 = 0o077;

/// A file that passed every check.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) size_bytes: u64,
}

/// Opens a regular file that is this user's alone and has one name; `None` when there is none.
pub(super) fn open_file(path: &Path) -> Result<Option<Opened>, Oddity> {
    // Without following a link, and without waiting for the other end of a pipe.
    let file = match open(path, OFlags::NOFOLLOW | OFlags::NONBLOCK) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => return Err(Oddity::Link),
        Err(error) => return Err(Oddity::Unreadable(error)),
    };
    let metadata = file.metadata().map_err(Oddity::Unreadable)?;
    if !metadata.is_file() {
        return Err(Oddity::NotAFile);
    }
    if metadata.uid() != geteuid().as_raw() {
        return Err(Oddity::Owner);
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(Oddity::Mode);
    }
    if metadata.nlink() != 1 {
        return Err(Oddity::SecondName);
    }
    Ok(Some(Opened {
        size_bytes: metadata.len(),
        file,
    }))
}

/// Makes a folder, where it is missing, and checks that it is this user's alone.
pub(super) fn open_folder(path: &Path) -> Result<(), CacheError> {
    let folder = create_folder(path).and_then(|()| open(path, OFlags::NOFOLLOW | OFlags::DIRECTORY));
    let metadata = folder.and_then(|folder| folder.metadata());
    let metadata = metadata.map_err(CacheError::Folder)?;
    if metadata.uid() != geteuid().as_raw() {
        return Err(CacheError::Owner);
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(CacheError::Mode);
    }
    Ok(())
}

/// Makes a folder and those above it, where they are missing, for this user alone.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Says that a file was used now. The system knows the time; a library does not ask.
pub(super) fn touch(file: &File) -> io::Result<()> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let times = Timestamps {
        last_access: now,
        last_modification: now,
    };
    Ok(rustix::fs::futimens(file, &times)?)
}

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}
