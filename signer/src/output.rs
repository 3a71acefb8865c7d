//! Writing files so that a reader sees the old one or the new one, never half of one: [`write()`].

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use palisade_bundle::{Blame, Code, Coded};
use serde_json::{Map, Value};
use tempfile::{Builder, NamedTempFile};
use thiserror::Error;

use crate::input::name_of;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Whoever the umask lets.
    Everyone,
    /// The owner alone, from the moment the file exists.
    Owner,
}

/// What happens to a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is replaced.
    Replace,
    /// It stays, and writing fails.
    Keep,
}

/// Writes `bytes` to `path`: into a temporary file beside it, synced, renamed over it, the folder synced.
///
/// # Errors
///
/// When a file is there and shall stay, when something other than a file is there, and when the disk refuses.
pub fn write(path: &Path, bytes: &[u8], audience: Audience, existing: Existing) -> Result<(), OutputError> {
    let failed = |error| OutputError::Unwritable {
        path: path.to_owned(),
        error,
    };
    let target = real_target(path)?;
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(OutputError::NoFolder {
            path: folder.to_owned(),
        });
    }
    // The kind alone: the error itself names the temporary file, which means nothing to the reader.
    let mut file = temporary(folder, audience).map_err(|error| failed(error.kind().into()))?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(failed)?;
    match existing {
        Existing::Replace => file.persist(&target).map_err(|error| failed(error.error))?,
        Existing::Keep => file
            .persist_noclobber(&target)
            .map_err(|refused| match refused.error.kind() {
                io::ErrorKind::AlreadyExists => OutputError::Exists { path: path.to_owned() },
                _ => failed(refused.error),
            })?,
    };
    sync_folder(folder).map_err(failed)
}

/// Makes a folder and those above it, readable by the owner alone where they are new.
///
/// # Errors
///
/// When the disk refuses.
pub(crate) fn create_private_folder(path: &Path) -> Result<(), OutputError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| OutputError::Unwritable {
        path: path.to_owned(),
        error,
    })
}

/// The file behind a link, so that a link stays a link; refuses devices, pipes and folders, which a rename would replace.
fn real_target(path: &Path) -> Result<PathBuf, OutputError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => fs::canonicalize(path).map_err(|error| OutputError::Unwritable {
            path: path.to_owned(),
            error,
        }),
        Ok(metadata) => Err(OutputError::NotAFile {
            path: path.to_owned(),
            is: name_of(&metadata),
        }),
        Err(_) => Ok(path.to_owned()),
    }
}

fn temporary(folder: &Path, audience: Audience) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(".palisade-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = match audience {
            Audience::Everyone => 0o666,
            Audience::Owner => 0o600,
        };
        builder.permissions(fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = audience;
    builder.tempfile_in(folder)
}

/// A rename is on disk only when its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

/// Why a file was not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OutputError {
    /// A file that must not be replaced is there.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// The folder it should go into is not there.
    #[error("there is no folder `{}` to write into", path.display())]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Something that cannot be replaced is there.
    #[error("cannot write to `{}`: it is {is}", path.display())]
    NotAFile {
        /// Where.
        path: PathBuf,
        /// What is there.
        is: &'static str,
    },
    /// The operating system refuses.
    #[error("cannot write `{}`", path.display())]
    Unwritable {
        /// Where.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        error: io::Error,
    },
}

impl Coded for OutputError {
    fn code(&self) -> Code {
        match self {
            Self::Exists { .. } | Self::NotAFile { .. } => Code::InvalidArgument,
            Self::NoFolder { .. } => Code::NotFound,
            Self::Unwritable { .. } => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Exists { .. } | Self::NotAFile { .. } => Blame::Request,
            Self::NoFolder { .. } => Blame::Missing,
            Self::Unwritable { .. } => Blame::Host,
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::Exists { .. } => Map::from_iter([("expected".to_owned(), Value::from("a path with no file"))]),
            Self::NotAFile { .. } => Map::from_iter([("expected".to_owned(), Value::from("a regular file"))]),
            Self::NoFolder { path } => Map::from_iter([
                ("kind".to_owned(), Value::from("folder")),
                ("name".to_owned(), Value::from(path.to_string_lossy())),
            ]),
            Self::Unwritable { .. } => Map::new(),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Exists { .. } => vec!["`--force` replaces it".to_owned()],
            Self::NoFolder { .. } | Self::NotAFile { .. } | Self::Unwritable { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_or_keeps_as_told_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        write(&path, b"one", Audience::Everyone, Existing::Keep).unwrap();
        let error = write(&path, b"two", Audience::Everyone, Existing::Keep).unwrap_err();
        assert!(matches!(error, OutputError::Exists { .. }), "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), b"one");
        write(&path, b"three", Audience::Everyone, Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn never_replaces_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(folder.path(), b"", Audience::Everyone, Existing::Replace).unwrap_err();
        assert!(
            matches!(error, OutputError::NotAFile { is: "a folder", .. }),
            "{error:?}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_private_file_is_the_owners_alone_and_a_link_stays_a_link() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write(&path, b"s", Audience::Owner, Existing::Keep).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        write(&link, b"t", Audience::Owner, Existing::Replace).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"t");
    }
}
