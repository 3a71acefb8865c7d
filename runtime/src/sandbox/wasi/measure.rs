//! Counts what is in a writable folder before a plugin may change it.

use std::collections::HashSet;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::path::Path;

use super::quota::Usage;

/// A folder could not be measured.
#[derive(Debug)]
pub(super) enum MeasureError {
    TooManyFiles,
    Io(io::Error),
}

impl From<io::Error> for MeasureError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Adds up everything under `root`, following no link and looking at no more than `most_files` entries. A file with
/// several names counts once.
pub(super) fn measure(root: &Path, most_files: u64) -> Result<Usage, MeasureError> {
    let mut usage = Usage::default();
    let mut seen = HashSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if identity_of_shared(&metadata).is_some_and(|identity| !seen.insert(identity)) {
                continue;
            }
            usage.files = usage.files.saturating_add(1);
            if usage.files > most_files {
                return Err(MeasureError::TooManyFiles);
            }
            usage.bytes = usage.bytes.saturating_add(size(&metadata));
            usage.special |= is_special(metadata.file_type());
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(usage)
}

/// What counts as bytes: contents of files, targets of links. The size of a folder is the file system's business.
fn size(metadata: &Metadata) -> u64 {
    match metadata.is_dir() {
        true => 0,
        false => metadata.len(),
    }
}

fn is_special(kind: FileType) -> bool {
    !(kind.is_file() || kind.is_dir() || kind.is_symlink())
}

/// What tells a file with several names apart from others; `None` for one with a single name.
#[cfg(unix)]
fn identity_of_shared(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    (!metadata.is_dir() && metadata.nlink() > 1).then(|| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity_of_shared(_metadata: &Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(root: &Path) -> Usage {
        measure(root, 100).unwrap()
    }

    #[test]
    fn counts_files_folders_and_links_and_follows_none() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("big"), [0; 1000]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/file"), [0; 10]).unwrap();
        assert_eq!(usage(folder.path()), Usage::new(10, 3));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("../some/where", folder.path().join("link")).unwrap();
            std::os::unix::fs::symlink(outside.path(), folder.path().join("out")).unwrap();
            let length = u64::try_from(outside.path().as_os_str().len()).unwrap();
            assert_eq!(usage(folder.path()), Usage::new(10 + 13 + length, 5));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_with_two_names_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("one"), [0; 10]).unwrap();
        fs::hard_link(folder.path().join("one"), folder.path().join("two")).unwrap();
        assert_eq!(usage(folder.path()), Usage::new(10, 1));
    }

    #[test]
    fn stops_at_the_first_entry_too_many() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["one", "two", "three"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert!(measure(folder.path(), 3).is_ok());
        assert!(matches!(measure(folder.path(), 2), Err(MeasureError::TooManyFiles)));
    }

    #[cfg(unix)]
    #[test]
    fn notices_what_is_no_ordinary_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!measure(folder.path(), 10).unwrap().special);
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        assert!(measure(folder.path(), 10).unwrap().special);
    }
}
