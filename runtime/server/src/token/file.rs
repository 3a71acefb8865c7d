//! The tokens of a data directory, in a file that may change under a running server.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use palisade::{Blame, Code, Coded};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use thiserror::Error;

use super::Token;

/// Where the tokens of a data directory are.
const NAME: &str = "tokens.json";

/// A file is read as far as this: a thousand tokens, each comparing in less than a microsecond.
const MAX_BYTES: u64 = 256 * 1024;

/// The tokens that `palisade token` manages. Reads again what somebody else has written.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    read: Mutex<Read>,
}

/// What was read, and of which file.
#[derive(Clone, Debug, Default)]
struct Read {
    stamp: Option<Stamp>,
    tokens: Arc<[Token]>,
}

/// A file that was replaced differs in one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    bytes: u64,
    inode: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    tokens: Vec<Token>,
}

impl TokenFile {
    /// The file of a data directory. One that is not there holds no token.
    #[must_use]
    pub fn in_directory(folder: &Path) -> Self {
        Self {
            path: folder.join(NAME),
            read: Mutex::default(),
        }
    }

    /// The tokens as they are in the file now. Reads it on the calling thread if it has changed.
    ///
    /// # Errors
    ///
    /// [`TokenFileError`]: it is there and cannot be read.
    pub fn tokens(&self) -> Result<Arc<[Token]>, TokenFileError> {
        let stamp = Stamp::of(&self.path).map_err(TokenFileError::Read)?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.stamp != stamp {
            let tokens = match stamp {
                Some(_) => self.parse()?,
                None => Vec::new(),
            };
            *read = Read {
                stamp,
                tokens: tokens.into(),
            };
        }
        Ok(Arc::clone(&read.tokens))
    }

    fn parse(&self) -> Result<Vec<Token>, TokenFileError> {
        let file = fs::File::open(&self.path).map_err(TokenFileError::Read)?;
        let mut text = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, MAX_BYTES + 1), &mut text).map_err(TokenFileError::Read)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(TokenFileError::TooLarge);
        }
        let written: Written = serde_json::from_slice(&text).map_err(TokenFileError::Malformed)?;
        Ok(written.tokens)
    }

    /// Replaces the tokens by what `change` makes of them, in one step and for the owner alone, and answers what it does.
    /// Two changes at a time come one after the other.
    ///
    /// # Errors
    ///
    /// [`TokenFileError`]: nothing is changed.
    pub fn change<T>(&self, change: impl FnOnce(&mut Vec<Token>) -> T) -> Result<T, TokenFileError> {
        let _alone = self.lock().map_err(TokenFileError::Write)?;
        let before = self.tokens()?;
        let mut tokens = before.to_vec();
        let changed = change(&mut tokens);
        if tokens == *before {
            return Ok(changed);
        }
        let mut text = serde_json::to_vec_pretty(&Written { tokens }).map_err(TokenFileError::Malformed)?;
        text.push(b'\n');
        if text.len() as u64 > MAX_BYTES {
            return Err(TokenFileError::TooLarge);
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let written = || -> io::Result<()> {
            let mut file = NamedTempFile::new_in(folder)?;
            file.write_all(&text)?;
            file.as_file().sync_all()?;
            file.persist(&self.path)?;
            fs::File::open(folder)?.sync_all()
        };
        written().map_err(TokenFileError::Write)?;
        Ok(changed)
    }

    /// Keeps other processes from changing it until what is returned is dropped. On a file of its own, because the file
    /// itself is replaced.
    fn lock(&self) -> io::Result<fs::File> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(self.path.with_extension("lock"))?;
        file.lock()?;
        Ok(file)
    }
}

impl Stamp {
    /// `None` when there is no file.
    fn of(path: &Path) -> io::Result<Option<Self>> {
        let found = match fs::metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(Self {
            modified: found.modified()?,
            bytes: found.len(),
            inode: inode(&found),
        }))
    }
}

#[cfg(unix)]
fn inode(found: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}

#[cfg(not(unix))]
fn inode(_found: &fs::Metadata) -> u64 {
    0
}

/// The file of tokens could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenFileError {
    /// It is there and cannot be read.
    #[error("the tokens cannot be read")]
    Read(#[source] io::Error),
    /// It is not what `palisade token` writes.
    #[error("the file of tokens is malformed")]
    Malformed(#[source] serde_json::Error),
    /// There are too many.
    #[error("the file of tokens is larger than 256 KiB")]
    TooLarge,
    /// It cannot be replaced.
    #[error("the tokens cannot be written")]
    Write(#[source] io::Error),
}

impl Coded for TokenFileError {
    fn code(&self) -> Code {
        match self {
            Self::Read(_) | Self::Malformed(_) | Self::Write(_) => Code::InternalError,
            Self::TooLarge => Code::ResourceExhausted,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Read(_) | Self::Malformed(_) | Self::TooLarge | Self::Write(_) => Blame::Host,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Scopes;

    #[test]
    fn what_one_writes_another_reads_without_being_told() {
        let folder = tempfile::tempdir().unwrap();
        let (server, command) = (
            TokenFile::in_directory(folder.path()),
            TokenFile::in_directory(folder.path()),
        );
        assert!(server.tokens().unwrap().is_empty());
        command
            .change(|tokens| tokens.push(Token::new("ada", "pal_a", Scopes::ALL)))
            .unwrap();
        assert_eq!(server.tokens().unwrap()[0].name, "ada");
        command.change(Vec::clear).unwrap();
        assert!(server.tokens().unwrap().is_empty());
    }

    #[test]
    fn the_file_holds_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::in_directory(folder.path());
        file.change(|tokens| tokens.push(Token::new("ada", "pal_secret", Scopes::ALL)))
            .unwrap();
        let text = fs::read_to_string(folder.path().join(NAME)).unwrap();
        assert!(!text.contains("pal_secret"), "{text}");
    }

    #[test]
    fn refuses_a_file_that_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), "{}").unwrap();
        let error = TokenFile::in_directory(folder.path()).tokens().unwrap_err();
        assert!(matches!(error, TokenFileError::Malformed(_)));
    }
}
