//! The files: where they lie, and how much one of them holds.
//!
//! A file is opened for each batch of lines and closed again, so nothing has to be remembered of it: what a crash, a full
//! disk or an operator did to it in between is seen.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::line::Target;

/// Most bytes of a log file: at 100 bytes a line, 40,000 of them. With its predecessor, a plugin fills 8 MiB of disk.
pub(super) const LOG_BYTES: u64 = 4 * 1024 * 1024;

/// Most bytes of the file of events, which all plugins share. At 250 bytes an event, the file and its predecessor hold
/// the last minute of 2,000 commands a second, which is what `palisade top` looks at.
pub(super) const EVENT_BYTES: u64 = 16 * 1024 * 1024;

/// The files of one data directory.
#[derive(Clone, Debug)]
pub(super) struct Files {
    folder: PathBuf,
    pub(super) log_bytes: u64,
    pub(super) event_bytes: u64,
}

impl Files {
    /// Those of a directory, which need not be there.
    pub(super) fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            log_bytes: LOG_BYTES,
            event_bytes: EVENT_BYTES,
        }
    }

    /// Those of a directory, whose folders are created where they are missing.
    pub(super) fn create(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join("logs");
        match create_private(&path) {
            Ok(()) => Ok(Self::of(folder)),
            Err(reason) => Err(JournalError::Folder { path, reason }),
        }
    }

    /// Where lines of this kind go. A plugin id is a file name on every system: lower-case labels joined by dots, none of
    /// them the name of a device, 128 bytes at most.
    pub(super) fn path(&self, target: &Target) -> PathBuf {
        match target {
            Target::Events => self.folder.join("events.jsonl"),
            Target::Log(id) => self.folder.join("logs").join(format!("{id}.jsonl")),
        }
    }

    fn limit(&self, target: &Target) -> u64 {
        match target {
            Target::Events => self.event_bytes,
            Target::Log(_) => self.log_bytes,
        }
    }

    /// Appends whole lines. A file that they do not fit in becomes the predecessor of a new one.
    ///
    /// Nothing is forced to the disk: the lines of the last seconds before the machine dies are not worth a write that is
    /// waited for, and the audit log has its own.
    pub(super) fn append(&self, target: &Target, lines: &[u8]) -> io::Result<()> {
        let path = self.path(target);
        let mut file = open(&path)?;
        let mut length = file.metadata()?.len();
        let added = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        if length > 0 && length.saturating_add(added) > self.limit(target) {
            fs::rename(&path, predecessor(&path))?;
            file = open(&path)?;
            length = 0;
        }
        if length > 0 && !ends_a_line(&mut file)? {
            // What was torn stays alone on its line, which readers skip.
            file.write_all(b"\n")?;
        }
        file.write_all(lines)
    }
}

/// The file that was the current one before.
pub(super) fn predecessor(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// Creates a folder for this user alone, and the ones above it.
fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
