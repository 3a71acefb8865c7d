//! What can go wrong with the data directory.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use palisade_bundle::{Blame, Code, Coded, Digest};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::lifecycle::error::HostStopped;

/// Something could not be stored, or is not what was stored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file system could not do its work.
    #[error("cannot write or read the {what} of the data directory")]
    Io {
        /// Which part.
        what: &'static str,
        /// Why not.
        #[source]
        reason: io::Error,
    },
    /// The registry could not do its work.
    #[error("the registry failed")]
    Registry(#[source] Box<dyn Error + Send + Sync>),
    /// A bundle is not what was stored.
    #[error("the stored bundle {digest} was changed or is gone")]
    Damaged {
        /// Which one.
        digest: Digest,
    },
}

impl StoreError {
    pub(super) fn io(what: &'static str, reason: io::Error) -> Self {
        Self::Io { what, reason }
    }

    pub(super) fn registry(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Registry(reason.into())
    }

    pub(in crate::lifecycle) fn random(reason: getrandom::Error) -> Self {
        Self::registry(reason)
    }

    pub(in crate::lifecycle) fn stopped(reason: HostStopped) -> Self {
        Self::registry(reason)
    }

    pub(super) fn missing(digest: Digest, reason: io::Error) -> Self {
        match reason.kind() {
            io::ErrorKind::NotFound => Self::Damaged { digest },
            _ => Self::io("bundles", reason),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::registry(error)
    }
}

impl Coded for StoreError {
    fn code(&self) -> Code {
        match self {
            Self::Io { reason, .. } => match reason.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::ResourceExhausted,
                _ => Code::InternalError,
            },
            Self::Registry(reason) => match reason.downcast_ref::<rusqlite::Error>() {
                Some(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => {
                    Code::ResourceExhausted
                }
                _ => Code::InternalError,
            },
            Self::Damaged { .. } => Code::CorruptedData,
        }
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::Io { what, .. } => Map::from_iter([("resource".to_owned(), (*what).into())]),
            Self::Registry(_) => Map::new(),
            Self::Damaged { digest } => Map::from_iter([
                ("entry".to_owned(), digest.to_string().into()),
                ("reason".to_owned(), "digest mismatch".into()),
            ]),
        }
    }
}

/// A data directory could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SupervisorOpenError {
    /// The folder cannot be created or used.
    #[error("cannot use {} as a data directory", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        #[source]
        reason: io::Error,
    },
    /// Another process has it.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The registry is of something else, of a newer version, or damaged.
    #[error("cannot use the registry in {}", path.display())]
    Registry {
        /// The file.
        path: PathBuf,
        /// What was found.
        #[source]
        reason: Box<dyn Error + Send + Sync>,
    },
    /// What is in it could not be read or repaired.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for SupervisorOpenError {
    fn code(&self) -> Code {
        match self {
            Self::Folder { .. } | Self::Registry { .. } => Code::InternalError,
            Self::InUse { .. } => Code::OperationInProgress,
            Self::Store(error) => error.code(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Folder { .. } | Self::Registry { .. } => Blame::Host,
            Self::InUse { .. } => Blame::Conflict,
            Self::Store(error) => error.blame(),
        }
    }
}
