//! What can go wrong with the journal.

use std::io;
use std::path::PathBuf;

use palisade_bundle::{Blame, Code, Coded};
use thiserror::Error;

/// The journal cannot be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// Its folder cannot be created.
    #[error("cannot create the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        reason: io::Error,
    },
    /// One of its files cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        reason: io::Error,
    },
    /// There is no thread to write it.
    #[error("the operating system gave no thread")]
    Thread(#[source] io::Error),
}

impl Coded for JournalError {
    fn code(&self) -> Code {
        match self {
            Self::Folder { .. } | Self::File { .. } | Self::Thread(_) => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Folder { .. } | Self::File { .. } | Self::Thread(_) => Blame::Host,
        }
    }
}
