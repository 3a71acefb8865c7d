//! Reading what the user points at, never more than it may be: [`Input`], [`Kind`].

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use palisade_bundle::Code;

pub use crate::input_error::InputError;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// A folder with more entries than this is not searched for a name like the one that is missing.
const SUGGESTION_ENTRIES: usize = 1_000;

/// A file, or `-` for standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file by its path.
    File(PathBuf),
}

/// What is being read: its name in messages, and how large it may be.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    name: &'static str,
    max_bytes: u64,
    too_large: Code,
}

impl Kind {
    /// A bundle; the cap of the container profile.
    pub const BUNDLE: Self = Self {
        name: "bundle",
        max_bytes: 50 * MIB,
        too_large: Code::PackageTooLarge,
    };
    /// A PEM file: an encrypted Ed25519 key has 400 bytes, the rest is room for comments.
    pub const KEY: Self = Self {
        name: "key file",
        max_bytes: 64 * KIB,
        too_large: Code::PayloadTooLarge,
    };
    /// The one line of a passphrase file.
    pub const PASSPHRASE: Self = Self {
        name: "passphrase file",
        max_bytes: 4 * KIB,
        too_large: Code::PayloadTooLarge,
    };
    /// A trust document: thousands of publishers fit.
    pub const TRUST_DOCUMENT: Self = Self {
        name: "trust document",
        max_bytes: 4 * MIB,
        too_large: Code::PayloadTooLarge,
    };
    /// A plugin's configuration.
    pub const CONFIG: Self = Self {
        name: "configuration file",
        max_bytes: MIB,
        too_large: Code::PayloadTooLarge,
    };
    /// The arguments of a command; the runtime applies the plugin's own, lower limit.
    pub const ARGUMENTS: Self = Self {
        name: "input file",
        max_bytes: 10 * MIB,
        too_large: Code::PayloadTooLarge,
    };
    /// A file that goes into a bundle; the cap of one entry.
    pub const CONTENT: Self = Self {
        name: "file",
        max_bytes: 64 * MIB,
        too_large: Code::PackageTooLarge,
    };

    /// Something else.
    #[must_use]
    pub const fn new(name: &'static str, max_bytes: u64) -> Self {
        Self {
            name,
            max_bytes,
            too_large: Code::PayloadTooLarge,
        }
    }
}

impl From<OsString> for Input {
    fn from(path: OsString) -> Self {
        if path == "-" {
            Self::Stdin
        } else {
            Self::File(path.into())
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Input {
    /// Reads everything, at most what its kind may have.
    ///
    /// # Errors
    ///
    /// When there is no such regular file, when it is too large and when it cannot be read.
    pub fn read(&self, kind: Kind) -> Result<Vec<u8>, InputError> {
        match self {
            Self::Stdin => read_capped(io::stdin().lock(), 0, kind, Path::new("standard input")),
            Self::File(path) => read_file(path, kind),
        }
    }
}

/// Reads a regular file, at most `kind`'s bytes of it.
///
/// # Errors
///
/// When there is no such regular file, when it is too large and when it cannot be read.
pub fn read_file(path: &Path, kind: Kind) -> Result<Vec<u8>, InputError> {
    let metadata = fs::metadata(path).map_err(|error| cannot_read(path, kind, error))?;
    if !metadata.is_file() {
        return Err(InputError::NotAFile {
            kind: kind.name,
            path: path.to_owned(),
            is: name_of(&metadata),
        });
    }
    if metadata.len() > kind.max_bytes {
        return Err(too_large(path, kind, metadata.len()));
    }
    let file = File::open(path).map_err(|error| cannot_read(path, kind, error))?;
    read_capped(file, metadata.len(), kind, path)
}

/// As [`read_file`], and the bytes must be UTF-8.
///
/// # Errors
///
/// Those of [`read_file`], and when the bytes are no text.
pub fn read_text(path: &Path, kind: Kind) -> Result<String, InputError> {
    String::from_utf8(read_file(path, kind)?).map_err(|_| InputError::NotText {
        kind: kind.name,
        path: path.to_owned(),
    })
}

/// Reads whatever is at `path` but a folder: descriptors (`/dev/fd/3`) and pipes too.
///
/// # Errors
///
/// As [`read_file`].
pub(crate) fn read_anything(path: &Path, kind: Kind) -> Result<Vec<u8>, InputError> {
    let metadata = fs::metadata(path).map_err(|error| cannot_read(path, kind, error))?;
    if metadata.is_dir() {
        return Err(InputError::NotAFile {
            kind: kind.name,
            path: path.to_owned(),
            is: name_of(&metadata),
        });
    }
    let file = File::open(path).map_err(|error| cannot_read(path, kind, error))?;
    read_capped(file, kind.max_bytes, kind, path)
}

fn read_capped(reader: impl Read, expected_bytes: u64, kind: Kind, path: &Path) -> Result<Vec<u8>, InputError> {
    // Room for one more byte than expected lets the last read see the end without growing.
    let capacity = usize::try_from(expected_bytes.saturating_add(1)).unwrap_or(0);
    let mut bytes = Vec::with_capacity(capacity);
    let read = reader.take(kind.max_bytes.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| cannot_read(path, kind, error))?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= kind.max_bytes => Ok(bytes),
        _ => Err(too_large(path, kind, kind.max_bytes.saturating_add(1))),
    }
}

fn too_large(path: &Path, kind: Kind, actual_bytes: u64) -> InputError {
    InputError::TooLarge {
        kind: kind.name,
        path: path.to_owned(),
        actual_bytes,
        limit_bytes: kind.max_bytes,
        code: kind.too_large,
    }
}

fn cannot_read(path: &Path, kind: Kind, error: io::Error) -> InputError {
    use io::ErrorKind::{InvalidFilename, IsADirectory, NotADirectory, NotFound};
    match error.kind() {
        NotFound | NotADirectory | InvalidFilename => InputError::Missing {
            kind: kind.name,
            path: path.to_owned(),
            suggestion: similar_neighbour(path).map(|name| path.with_file_name(name)),
        },
        IsADirectory => InputError::NotAFile {
            kind: kind.name,
            path: path.to_owned(),
            is: "a folder",
        },
        _ => InputError::Unreadable {
            kind: kind.name,
            path: path.to_owned(),
            error,
        },
    }
}

/// What stands at a path that should hold a regular file.
pub(crate) fn name_of(metadata: &fs::Metadata) -> &'static str {
    let file_type = metadata.file_type();
    if file_type.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if file_type.is_fifo() {
            return "a named pipe";
        }
        if file_type.is_socket() {
            return "a socket";
        }
        if file_type.is_block_device() || file_type.is_char_device() {
            return "a device";
        }
    }
    "not a regular file"
}

/// The entry of the same folder whose name is most like that of `path`, if any is.
fn similar_neighbour(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut best = None;
    for entry in fs::read_dir(folder).ok()?.take(SUGGESTION_ENTRIES).flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let likeness = strsim::jaro_winkler(wanted, &name);
        // Below 0.85 suggestions start to look like jokes; the lower name wins a tie whatever the folder's order.
        let better = best.as_ref().is_none_or(|(most, known): &(f64, String)| {
            likeness > *most || (likeness.total_cmp(most).is_eq() && name < *known)
        });
        if likeness > 0.85 && better {
            best = Some((likeness, name));
        }
    }
    best.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use palisade_bundle::{Blame, Coded};

    use super::*;

    const SMALL: Kind = Kind::new("file", 4);

    #[test]
    fn reads_exactly_as_much_as_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::write(&path, "1234").unwrap();
        assert_eq!(read_file(&path, SMALL).unwrap(), b"1234");
        fs::write(&path, "12345").unwrap();
        let error = read_file(&path, SMALL).unwrap_err();
        assert!(
            matches!(
                error,
                InputError::TooLarge {
                    actual_bytes: 5,
                    limit_bytes: 4,
                    ..
                }
            ),
            "{error:?}"
        );
    }

    #[test]
    fn an_endless_stream_ends_at_the_cap() {
        let error = read_capped(io::repeat(0), 0, SMALL, Path::new("standard input")).unwrap_err();
        assert!(matches!(error, InputError::TooLarge { .. }), "{error:?}");
    }

    #[test]
    fn a_folder_and_nothing_are_both_missing() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            folder.path().to_owned(),
            folder.path().join("absent"),
            folder.path().join("a/b"),
        ] {
            let error = read_file(&path, SMALL).unwrap_err();
            assert_eq!((error.code(), error.blame()), (Code::NotFound, Blame::Missing));
        }
    }

    #[test]
    fn suggests_the_neighbour_with_a_similar_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("greeter-0.1.0.zip"), "").unwrap();
        fs::write(folder.path().join("zzz"), "").unwrap();
        let found = similar_neighbour(&folder.path().join("greter-0.1.0.zip"));
        assert_eq!(found.as_deref(), Some("greeter-0.1.0.zip"));
        assert_eq!(similar_neighbour(&folder.path().join("unlike")), None);
    }
}
