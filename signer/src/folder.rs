//! The files of a folder that is to become a bundle: [`list`], [`read`].
//!
//! What goes in depends on the folder alone: names are sorted, times, owners and modes are not looked at.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use palisade_bundle::{Blame, Code, Coded};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::failure::Failure;
use crate::input::{self, Kind, name_of};

/// Bounds of the container profile (bundle.md), applied while looking so that no folder is read for nothing.
const MAX_FILES: usize = 1_000;
const MAX_DEPTH: usize = 16;
const MAX_TOTAL_BYTES: u64 = 100 * 1024 * 1024;

/// The files of a folder by the name they get in the bundle.
#[derive(Debug, Default)]
pub struct Listing {
    /// Where the content of each name is.
    pub files: BTreeMap<String, PathBuf>,
    /// Hidden files and folders, which are left out: they hold version control, editor state and secrets.
    pub left_out: Vec<String>,
}

/// Finds every file under `folder`, links to files inside it included.
///
/// # Errors
///
/// [`FolderError`].
pub fn list(folder: &Path) -> Result<Listing, FolderError> {
    let metadata = fs::metadata(folder).map_err(|_| FolderError::Missing {
        path: folder.to_owned(),
        is: "",
    })?;
    if !metadata.is_dir() {
        return Err(FolderError::Missing {
            path: folder.to_owned(),
            is: name_of(&metadata),
        });
    }
    let root = folder.canonicalize().map_err(|error| FolderError::Unreadable {
        path: folder.to_owned(),
        error,
    })?;
    let mut listing = Listing::default();
    let mut waiting = vec![(root.clone(), String::new(), 1)];
    while let Some((path, prefix, depth)) = waiting.pop() {
        let unreadable = |error| FolderError::Unreadable {
            path: path.clone(),
            error,
        };
        for entry in fs::read_dir(&path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().into_string();
            let name = name.map_err(|name| FolderError::NotUnicode {
                name: name.to_string_lossy().into_owned(),
            })?;
            let full = format!("{prefix}{name}");
            if name.starts_with('.') {
                listing.left_out.push(full);
                continue;
            }
            let metadata = entry.metadata().map_err(unreadable)?;
            if metadata.is_dir() {
                if depth == MAX_DEPTH {
                    return Err(FolderError::TooDeep { name: full });
                }
                waiting.push((entry.path(), format!("{full}/"), depth.saturating_add(1)));
                continue;
            }
            let source = if metadata.is_symlink() {
                followed(&entry.path(), &root, &full)?
            } else if metadata.is_file() {
                entry.path()
            } else {
                return Err(FolderError::NotAFile {
                    name: full,
                    is: name_of(&metadata),
                });
            };
            listing.files.insert(full, source);
            if listing.files.len() > MAX_FILES {
                return Err(FolderError::TooMany);
            }
        }
    }
    listing.left_out.sort_unstable();
    Ok(listing)
}

/// Reads the files of a listing.
///
/// # Errors
///
/// When one cannot be read, and when they are too large alone or together.
pub fn read(listing: &Listing) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut total_bytes = 0_u64;
    let mut files = Vec::with_capacity(listing.files.len());
    for (name, path) in &listing.files {
        let bytes = input::read_file(path, Kind::CONTENT)?;
        total_bytes = total_bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if total_bytes > MAX_TOTAL_BYTES {
            return Err(FolderError::TooLarge {
                actual_bytes: total_bytes,
            }
            .into());
        }
        files.push((name.clone(), bytes));
    }
    Ok(files)
}

/// The file a link leads to, which must be in the same folder tree.
fn followed(link: &Path, root: &Path, name: &str) -> Result<PathBuf, FolderError> {
    let target = link
        .canonicalize()
        .map_err(|_| FolderError::LinkToNothing { name: name.to_owned() })?;
    if !target.starts_with(root) {
        return Err(FolderError::LinkOutside { name: name.to_owned() });
    }
    match fs::metadata(&target) {
        Ok(metadata) if metadata.is_file() => Ok(target),
        Ok(metadata) => Err(FolderError::NotAFile {
            name: format!("{name} (a link)"),
            is: name_of(&metadata),
        }),
        Err(error) => Err(FolderError::Unreadable { path: target, error }),
    }
}

/// Why a folder cannot become a bundle.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FolderError {
    /// There is no such folder.
    #[error("there is no folder at `{}`{}", path.display(), but_there_is(is))]
    Missing {
        /// Where.
        path: PathBuf,
        /// What is there instead, if anything.
        is: &'static str,
    },
    /// It is a folder, but not of a plugin.
    #[error("the folder `{}` has no plugin.json", path.display())]
    NoManifest {
        /// Where.
        path: PathBuf,
    },
    /// A name is not Unicode.
    #[error("the file name `{name}` is not Unicode")]
    NotUnicode {
        /// The name, with replacement characters.
        name: String,
    },
    /// Something is neither file nor folder.
    #[error("`{name}` is {is}, and a bundle holds files alone")]
    NotAFile {
        /// Its name.
        name: String,
        /// What it is.
        is: &'static str,
    },
    /// A link leads out of the folder.
    #[error("`{name}` is a link that leads out of the folder")]
    LinkOutside {
        /// Its name.
        name: String,
    },
    /// A link leads nowhere.
    #[error("`{name}` is a link to something that is not there")]
    LinkToNothing {
        /// Its name.
        name: String,
    },
    /// Folders are nested too deeply.
    #[error("`{name}` lies deeper than the {MAX_DEPTH} levels a bundle may have")]
    TooDeep {
        /// The first folder that is too deep.
        name: String,
    },
    /// There are too many files.
    #[error("the folder has more than the {MAX_FILES} files a bundle may hold")]
    TooMany,
    /// The files are too large together.
    #[error("the files of the folder are larger than the {MAX_TOTAL_BYTES} bytes a bundle may unpack to")]
    TooLarge {
        /// How large, at least.
        actual_bytes: u64,
    },
    /// The operating system refuses.
    #[error("cannot read the folder `{}`", path.display())]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// What it says.
        #[source]
        error: std::io::Error,
    },
}

fn but_there_is(is: &str) -> String {
    if is.is_empty() {
        String::new()
    } else {
        format!(": it is {is}")
    }
}

impl Coded for FolderError {
    fn code(&self) -> Code {
        match self {
            Self::Missing { .. } | Self::NoManifest { .. } => Code::NotFound,
            Self::NotUnicode { .. }
            | Self::NotAFile { .. }
            | Self::LinkOutside { .. }
            | Self::LinkToNothing { .. }
            | Self::TooDeep { .. } => Code::CorruptedData,
            Self::TooMany | Self::TooLarge { .. } => Code::PackageTooLarge,
            Self::Unreadable { .. } => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Missing { .. } | Self::NoManifest { .. } => Blame::Missing,
            Self::NotUnicode { .. }
            | Self::NotAFile { .. }
            | Self::LinkOutside { .. }
            | Self::LinkToNothing { .. }
            | Self::TooDeep { .. }
            | Self::TooMany
            | Self::TooLarge { .. } => Blame::Bundle,
            Self::Unreadable { .. } => Blame::Host,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let details = match self {
            Self::Missing { path, .. } => json!({ "kind": "folder", "name": path.to_string_lossy() }),
            Self::NoManifest { .. } => json!({ "kind": "file", "name": "plugin.json" }),
            Self::NotUnicode { name } => json!({ "entry": name, "reason": "not_unicode" }),
            Self::NotAFile { name, .. } => json!({ "entry": name, "reason": "not_a_file" }),
            Self::LinkOutside { name } => json!({ "entry": name, "reason": "link_outside" }),
            Self::LinkToNothing { name } => json!({ "entry": name, "reason": "link_to_nothing" }),
            Self::TooDeep { name } => json!({ "entry": name, "reason": "too_deep" }),
            Self::TooMany => json!({ "limit_files": MAX_FILES }),
            Self::TooLarge { actual_bytes } => {
                json!({ "actual_bytes": actual_bytes, "limit_bytes": MAX_TOTAL_BYTES })
            }
            Self::Unreadable { .. } => json!({}),
        };
        match details {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_nested_files_and_leaves_hidden_ones_out() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("assets/deep")).unwrap();
        fs::create_dir(folder.path().join(".git")).unwrap();
        for name in ["plugin.json", "assets/deep/a.txt", ".env", ".git/config"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let listing = list(folder.path()).unwrap();
        assert_eq!(
            listing.files.keys().collect::<Vec<_>>(),
            ["assets/deep/a.txt", "plugin.json"]
        );
        assert_eq!(listing.left_out, [".env", ".git"]);
        assert_eq!(read(&listing).unwrap()[0].1, b"assets/deep/a.txt");
    }

    #[test]
    fn a_file_is_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f");
        fs::write(&file, "").unwrap();
        for path in [file, folder.path().join("absent")] {
            assert!(matches!(list(&path), Err(FolderError::Missing { .. })));
        }
    }

    #[cfg(unix)]
    #[test]
    fn follows_links_inside_and_refuses_those_that_leave() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("inside");
        fs::create_dir(&inside).unwrap();
        fs::write(inside.join("real"), "x").unwrap();
        fs::write(folder.path().join("secret"), "y").unwrap();
        symlink("real", inside.join("link")).unwrap();
        assert_eq!(list(&inside).unwrap().files.len(), 2);
        symlink("../secret", inside.join("escape")).unwrap();
        assert!(matches!(list(&inside), Err(FolderError::LinkOutside { .. })));
        fs::remove_file(inside.join("escape")).unwrap();
        symlink("..", inside.join("up")).unwrap();
        assert!(matches!(list(&inside), Err(FolderError::LinkOutside { .. })));
        fs::remove_file(inside.join("up")).unwrap();
        symlink(".", inside.join("loop")).unwrap();
        assert!(matches!(list(&inside), Err(FolderError::NotAFile { .. })));
    }

    #[test]
    fn refuses_more_levels_than_a_bundle_has() {
        let folder = tempfile::tempdir().unwrap();
        let segments = |levels: usize| vec!["d"; levels].join("/");
        fs::create_dir_all(folder.path().join(segments(15))).unwrap();
        fs::write(folder.path().join(segments(15)).join("f"), "").unwrap();
        assert_eq!(list(folder.path()).unwrap().files.len(), 1);
        fs::create_dir(folder.path().join(segments(16))).unwrap();
        assert!(matches!(list(folder.path()), Err(FolderError::TooDeep { .. })));
    }
}
