//! How recording, reading and verifying fail.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use palisade_bundle::{Blame, Code, Coded, JsonError};
use rusqlite::ErrorCode;
use serde_json::{Map, Value};
use thiserror::Error;

type Reason = Arc<dyn StdError + Send + Sync>;

/// Something was not recorded. What it was about must not be done.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The entry cannot be a record: too large, too deep, or with a number that JSON does not keep.
    #[error("the entry cannot be an audit record")]
    Entry(#[source] JsonError),
    /// The host's clock shows a year that no record can hold.
    #[error("the clock shows no time that an audit record can hold")]
    Clock,
    /// The log was changed from outside since it was opened.
    #[error("the audit log was changed from outside")]
    Broken(#[source] AuditBreak),
    /// Too many records are without a checkpoint, and none can be written.
    #[error("no checkpoint of the audit log can be written")]
    Checkpoint(#[source] Reason),
    /// There is no room for it.
    #[error("the disk of the audit log is full")]
    Full(#[source] Reason),
    /// The database could not do its work.
    #[error("the audit log cannot be written")]
    Database(#[source] Reason),
    /// The log's thread has died.
    #[error("the thread of the audit log has ended")]
    Ended,
}

impl AuditError {
    pub(super) fn database(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(Arc::new(error)),
            _ => Self::Database(Arc::new(error)),
        }
    }
}

impl Coded for AuditError {
    fn code(&self) -> Code {
        match self {
            Self::Entry(_)
            | Self::Clock
            | Self::Broken(_)
            | Self::Checkpoint(_)
            | Self::Full(_)
            | Self::Database(_)
            | Self::Ended => Code::AuditLogFailed,
        }
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::Broken(broken) => broken.details(),
            Self::Entry(_) | Self::Clock | Self::Checkpoint(_) | Self::Full(_) | Self::Database(_) | Self::Ended => {
                Map::new()
            }
        }
    }
}

/// The log of a directory could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditOpenError {
    /// A file cannot be created, found or read.
    #[error("cannot open {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        reason: io::Error,
    },
    /// It is a database of something else, or its tables are not those of a log. It was left as it is.
    #[error("{} is a database, but not an audit log", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer version wrote it. It was left as it is.
    #[error("{} has schema {found}, which is newer than this version", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i32,
    },
    /// The database cannot work with the file: it is damaged, locked, or the disk is full.
    #[error("cannot use {} as a database", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        reason: Box<dyn StdError + Send + Sync>,
    },
    /// The log does not fit its last checkpoints, so going on would sign what somebody made of it. It was left as it is;
    /// to go on, it has to be moved away with its checkpoint.
    #[error("the audit log was changed while it was closed")]
    Broken(#[source] AuditBreak),
    /// The first checkpoint could not be written.
    #[error("no checkpoint of the audit log can be written")]
    Checkpoint(#[source] AuditError),
    /// The system has no thread for it.
    #[error("cannot start a thread for the audit log")]
    Thread(#[source] io::Error),
}

impl Coded for AuditOpenError {
    fn code(&self) -> Code {
        match self {
            Self::File { .. }
            | Self::Foreign { .. }
            | Self::Newer { .. }
            | Self::Database { .. }
            | Self::Broken(_)
            | Self::Checkpoint(_)
            | Self::Thread(_) => Code::AuditLogFailed,
        }
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::Broken(broken) => broken.details(),
            Self::File { .. }
            | Self::Foreign { .. }
            | Self::Newer { .. }
            | Self::Database { .. }
            | Self::Checkpoint(_)
            | Self::Thread(_) => Map::new(),
        }
    }
}

/// Records could not be read or exported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuditReadError {
    /// The log cannot be opened.
    #[error(transparent)]
    Open(#[from] AuditOpenError),
    /// The database could not do its work.
    #[error("the audit log cannot be read")]
    Database(#[source] Box<dyn StdError + Send + Sync>),
    /// What is stored under this number is no record, or one of a newer version.
    #[error("record {seq} cannot be read")]
    Record {
        /// Its number.
        seq: u64,
    },
    /// The log does not verify, and an export would lend it a signature.
    #[error("the audit log does not verify")]
    Broken(#[source] AuditBreak),
    /// The export cannot be signed: as [`AuditError`].
    #[error("the export cannot be signed")]
    Sign(#[source] AuditError),
    /// The export cannot be written where it should go.
    #[error("the export cannot be written")]
    Write(#[source] io::Error),
}

impl Coded for AuditReadError {
    fn code(&self) -> Code {
        match self {
            Self::Open(_)
            | Self::Database(_)
            | Self::Record { .. }
            | Self::Broken(_)
            | Self::Sign(_)
            | Self::Write(_) => Code::AuditLogFailed,
        }
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::Open(error) => error.details(),
            Self::Broken(broken) => broken.details(),
            Self::Record { seq } => Map::from_iter([("seq".to_owned(), Value::from(*seq))]),
            Self::Database(_) | Self::Sign(_) | Self::Write(_) => Map::new(),
        }
    }
}

/// What is wrong with a log, at the first record where something is.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum AuditBreak {
    /// The record does not have the hash of its content.
    #[error("record {seq} was edited")]
    Edited {
        /// Which one.
        seq: u64,
    },
    /// The record is missing, and later ones are there.
    #[error("record {seq} was deleted")]
    Deleted {
        /// Which one.
        seq: u64,
    },
    /// The record is there, but not in its place.
    #[error("record {seq} was moved to another place")]
    Reordered {
        /// Which one.
        seq: u64,
    },
    /// A record stands where none was.
    #[error("record {seq} was inserted")]
    Inserted {
        /// Its number.
        seq: u64,
    },
    /// Records of this stretch were replaced by others with hashes of their own, which do not fit what comes after, or a
    /// checkpoint.
    #[error("records {first} to {last} were rewritten, one of them or all")]
    Rewritten {
        /// The first that may have been.
        first: u64,
        /// The last that may have been.
        last: u64,
    },
    /// A checkpoint says that there were more records.
    #[error("records {first} to {last} were cut off")]
    CutTail {
        /// The first that is missing.
        first: u64,
        /// The last that was signed for.
        last: u64,
    },
    /// A checkpoint is not signed by this host's key.
    #[error("the checkpoint of record {seq} is not signed by this host")]
    Forged {
        /// Which record it is about.
        seq: u64,
    },
    /// The checkpoint file is missing, or something else.
    #[error("there is no checkpoint beside the audit log")]
    NoCheckpoint,
    /// The checkpoint file is older than a checkpoint in the database, before which it is always written.
    #[error("the checkpoint beside the audit log is of record {seq}, and there was one of record {newest}")]
    StaleCheckpoint {
        /// Which record it is about.
        seq: u64,
        /// Which record the newest is about.
        newest: u64,
    },
    /// It cannot be read, so nothing is known of it.
    #[error("the audit log cannot be read")]
    Unreadable(#[source] Reason),
}

impl AuditBreak {
    pub(super) fn unreadable(error: impl StdError + Send + Sync + 'static) -> Self {
        Self::Unreadable(Arc::new(error))
    }

    /// How it is broken, in one word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Edited { .. } => "edited",
            Self::Deleted { .. } => "deleted",
            Self::Reordered { .. } => "reordered",
            Self::Inserted { .. } => "inserted",
            Self::Rewritten { .. } => "rewritten",
            Self::CutTail { .. } => "cut_tail",
            Self::Forged { .. } => "forged_checkpoint",
            Self::NoCheckpoint => "no_checkpoint",
            Self::StaleCheckpoint { .. } => "stale_checkpoint",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// The first record concerned, where there is one.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        match self {
            Self::Edited { seq }
            | Self::Deleted { seq }
            | Self::Reordered { seq }
            | Self::Inserted { seq }
            | Self::Forged { seq }
            | Self::StaleCheckpoint { seq, .. } => Some(*seq),
            Self::Rewritten { first, .. } | Self::CutTail { first, .. } => Some(*first),
            Self::NoCheckpoint | Self::Unreadable(_) => None,
        }
    }
}

impl Coded for AuditBreak {
    fn code(&self) -> Code {
        match self {
            Self::Edited { .. }
            | Self::Deleted { .. }
            | Self::Reordered { .. }
            | Self::Inserted { .. }
            | Self::Rewritten { .. }
            | Self::CutTail { .. }
            | Self::Forged { .. }
            | Self::NoCheckpoint
            | Self::StaleCheckpoint { .. }
            | Self::Unreadable(_) => Code::AuditLogFailed,
        }
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = Map::from_iter([("broken".to_owned(), Value::from(self.as_str()))]);
        if let Some(seq) = self.seq() {
            details.insert("seq".to_owned(), Value::from(seq));
        }
        details
    }
}
