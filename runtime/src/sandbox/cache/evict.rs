//! Keeping the folder within its bound: what was not used for the longest time goes first.

use std::cmp::Reverse;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Removes files until what remains is `max_bytes` at most.
///
/// Files that somebody began to write and never finished count as well, and go the same way. Two processes that evict
/// at once remove a little more than they must.
pub(super) fn down_to(folder: &Path, max_bytes: u64) -> io::Result<()> {
    let mut files: Vec<_> = fs::read_dir(folder)?.filter_map(|entry| file(&entry.ok()?)).collect();
    // The newest first; of one age by name, so that the order is one.
    files.sort_unstable_by(|one, other| (Reverse(one.0), &one.2).cmp(&(Reverse(other.0), &other.2)));
    let mut total_bytes = 0_u64;
    for (_, bytes, path) in files {
        total_bytes = total_bytes.saturating_add(bytes);
        if total_bytes > max_bytes {
            // Another process may have been quicker.
            let _ = fs::remove_file(path);
        }
    }
    Ok(())
}

/// When a file was used last, its size and its path; `None` when it went away meanwhile.
fn file(entry: &DirEntry) -> Option<(SystemTime, u64, PathBuf)> {
    // Of the entry itself: a link counts as a link.
    let metadata = entry.metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.len(), entry.path()))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    /// Files of ten bytes, the first the oldest.
    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (age, name) in (1..).zip(names) {
            let path = folder.path().join(name);
            fs::write(&path, [0; 10]).unwrap();
            let used = SystemTime::UNIX_EPOCH + Duration::from_secs(age);
            File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_modified(used)
                .unwrap();
        }
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_used_last_stays_within_the_bound() {
        let folder = folder(&["a", "b", "new-c", "d"]);
        down_to(folder.path(), 40).unwrap();
        assert_eq!(names(folder.path()), ["a", "b", "d", "new-c"]);
        down_to(folder.path(), 39).unwrap();
        assert_eq!(names(folder.path()), ["b", "d", "new-c"]);
        down_to(folder.path(), 10).unwrap();
        assert_eq!(names(folder.path()), ["d"]);
        down_to(folder.path(), 0).unwrap();
        assert!(names(folder.path()).is_empty());
    }
}
