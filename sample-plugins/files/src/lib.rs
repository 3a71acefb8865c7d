//! Files: ordinary `std::fs`, in the one folder that the operator maps to `/data`. Nothing else is there.

use std::fs;
use std::path::PathBuf;

use palisade_sdk::{Host, Reject, data, plugin};

/// Works with files.
pub struct Files {
    folder: PathBuf,
}

/// Which file or folder.
#[data]
pub struct Place {
    /// Its path in the folder; empty for the folder itself.
    #[serde(default)]
    pub path: String,
}

/// What `write` takes.
#[data]
pub struct NewFile {
    /// The path in the folder.
    pub path: String,
    /// What the file contains afterwards.
    pub text: String,
}

/// One entry of a folder.
#[data]
#[derive(Debug, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its size in bytes; nothing for a folder.
    pub bytes: Option<u64>,
}

impl Default for Files {
    fn default() -> Self {
        let folder = PathBuf::from("/data");
        Self { folder }
    }
}

#[plugin]
impl Files {
    /// Reads a text file.
    #[command(idempotent)]
    pub fn read(&self, place: Place) -> Result<String, Reject> {
        Ok(fs::read_to_string(self.folder.join(place.path))?)
    }

    /// Writes a text file, in place of what was there.
    #[command(idempotent)]
    pub fn write(&self, host: &Host, file: NewFile) -> Result<(), Reject> {
        if !host.is_granted("filesystem:write") {
            return Err(Reject::new("READ_ONLY", "the operator lets this plugin read only"));
        }
        Ok(fs::write(self.folder.join(file.path), file.text)?)
    }

    /// Lists a folder, by name.
    #[command(idempotent)]
    pub fn list(&self, place: Place) -> Result<Vec<Entry>, Reject> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.folder.join(place.path))? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            entries.push(Entry {
                name: entry.file_name().to_string_lossy().into_owned(),
                bytes: metadata.is_file().then_some(metadata.len()),
            });
        }
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(path: &str) -> Place {
        Place { path: path.into() }
    }

    fn file(path: &str) -> NewFile {
        NewFile {
            path: path.into(),
            text: "tea".into(),
        }
    }

    #[test]
    fn writes_reads_and_lists() {
        let temporary = tempfile::tempdir().unwrap();
        fs::create_dir(temporary.path().join("a-folder")).unwrap();
        let files = Files {
            folder: temporary.path().into(),
        };
        let host = Host::fake().with_permissions(["filesystem:read", "filesystem:write"]);
        assert_eq!(files.write(&host, file("b.txt")), Ok(()));
        assert_eq!(files.read(place("b.txt")).as_deref(), Ok("tea"));
        let listed: Vec<_> = files
            .list(place(""))
            .unwrap()
            .into_iter()
            .map(|entry| (entry.name, entry.bytes))
            .collect();
        assert_eq!(listed, [("a-folder".to_owned(), None), ("b.txt".to_owned(), Some(3))]);
        assert!(files.read(place("c.txt")).is_err() && files.list(place("b.txt")).is_err());
    }

    #[test]
    fn writes_nothing_without_the_permission() {
        let temporary = tempfile::tempdir().unwrap();
        let files = Files {
            folder: temporary.path().into(),
        };
        let host = Host::fake().with_permissions(["filesystem:read"]);
        assert_eq!(files.write(&host, file("b.txt")).unwrap_err().code, "READ_ONLY");
        assert_eq!(files.list(place("")), Ok(vec![]));
    }
}
