//! What the operator hears of the cache: [`CacheWarning`], and why one could not be opened: [`CacheError`].

use std::fmt;
use std::io;

use thiserror::Error;

/// Something about the cache that the operator should know; nothing failed because of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum CacheWarning {
    /// An entry is not to be believed: it was removed, and the module compiled again.
    Distrusted {
        /// Name of its file.
        entry: String,
        /// Why.
        oddity: Oddity,
    },
    /// Compiled code could not be kept.
    NotKept {
        /// What the system says.
        error: io::Error,
    },
}

impl fmt::Display for CacheWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Distrusted { entry, oddity } => {
                write!(f, "`{entry}` in the cache of compiled code {oddity}: compiled again")
            }
            Self::NotKept { error } => write!(f, "compiled code could not be kept in the cache: {error}"),
        }
    }
}

/// What is odd about a file that should be this host's own.
#[derive(Debug)]
#[non_exhaustive]
pub enum Oddity {
    /// It is a symbolic link.
    Link,
    /// It is no regular file.
    NotAFile,
    /// It belongs to another user.
    Owner,
    /// Others can read or write it.
    Mode,
    /// It has a second name, through which it can be changed.
    SecondName,
    /// It is too short or too long.
    Size,
    /// It does not begin as such a file does.
    Form,
    /// Its MAC does not hold: something in it was changed, or it is another module's.
    Mac,
    /// The engine does not take what is in it.
    Unusable,
    /// It cannot be read.
    Unreadable(io::Error),
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::Link => "is a symbolic link",
            Self::NotAFile => "is no regular file",
            Self::Owner => "belongs to another user",
            Self::Mode => "is open to other users",
            Self::SecondName => "has a second name elsewhere",
            Self::Size => "has an impossible size",
            Self::Form => "has another form",
            Self::Mac => "is not as it was written",
            Self::Unusable => "does not fit this engine",
            Self::Unreadable(error) => return write!(f, "cannot be read ({error})"),
        };
        f.write_str(words)
    }
}

/// A folder cannot hold compiled code.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CacheError {
    /// It cannot be made or opened, or is a link.
    #[error("the folder of the cache cannot be opened")]
    Folder(#[source] io::Error),
    /// It belongs to another user.
    #[error("the folder of the cache belongs to another user")]
    Owner,
    /// Others can look into it.
    #[error("the folder of the cache is open to other users")]
    Mode,
}
