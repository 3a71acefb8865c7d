//! The audit log: what was done to plugins and what they tried, so that nobody can take it back unseen.
//!
//! Records are numbered, chained by SHA-256 and signed for every so often; `docs/audit.md` is the format. There is no
//! way to change or remove a record, and none to switch the log off.

mod chain;
mod checkpoint;
mod database;
mod error;
mod events;
mod export;
mod reader;
mod record;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use palisade_bundle::{PublicKey, Timestamp};
use rusqlite::Connection;

pub use self::chain::AuditVerified;
use self::chain::check_signature;
pub use self::checkpoint::{AuditCheckpoint, CheckpointKey};
use self::checkpoint::{Kept, read_file};
use self::database::{Files, in_database, open_for_writing};
pub use self::error::{AuditBreak, AuditError, AuditOpenError, AuditReadError};
pub use self::events::AuditEvents;
pub use self::export::verify_export;
pub use self::reader::{AuditFilter, AuditPage, AuditReader, MAX_AUDIT_PAGE};
pub use self::record::{AuditAction, AuditEntry, AuditOutcome, AuditRecord, MAX_AUDIT_ENTRY_BYTES, UnknownAuditWord};
use self::writer::{Pen, Writer};
use crate::services::Clock;

/// The audit log of a host, in `audit.db` and `audit.checkpoint` of its data directory.
///
/// What was answered `Ok` is on the disk, and survives the death of the process and of the machine. Clones are handles
/// of one log; dropping the last one waits for what is under way and leaves a checkpoint.
#[derive(Clone)]
pub struct AuditLog {
    writer: Arc<Writer>,
    reader: AuditReader,
    clock: Arc<dyn Clock>,
    key: Arc<CheckpointKey>,
}

impl AuditLog {
    /// Opens the log of a data directory, which has to exist, and creates it where there is none, for this user alone
    /// to read.
    ///
    /// Reads and writes files on the calling thread. The last checkpoints are compared, so that a log whose end was cut
    /// off is not gone on with; the whole chain is compared by [`AuditLog::verify`].
    ///
    /// # Errors
    ///
    /// [`AuditOpenError`]: the files cannot be used, are not those of a log, or do not fit their checkpoints.
    pub fn open(
        directory: impl AsRef<Path>,
        clock: Arc<dyn Clock>,
        key: CheckpointKey,
    ) -> Result<Self, AuditOpenError> {
        Self::open_prepared(directory.as_ref(), clock, key, |_| Ok(()))
    }

    /// `prepare` has the connection that writes, once everything is in place.
    fn open_prepared(
        directory: &Path,
        clock: Arc<dyn Clock>,
        key: CheckpointKey,
        prepare: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<Self, AuditOpenError> {
        let files = Files::of(directory)?;
        let key = Arc::new(key);
        let database = open_for_writing(&files.database)?;
        let (head, signed_seq) = check_end(&database, &files, key.public())?;
        let holders = (Arc::clone(&clock), Arc::clone(&key));
        let mut pen = Pen::new(database, files.clone(), holders, head, signed_seq.unwrap_or_default());
        if signed_seq.is_none() {
            pen.checkpoint().map_err(AuditOpenError::Checkpoint)?;
        }
        prepare(&pen.database).map_err(|error| in_database(&files.database, error))?;
        Ok(Self {
            writer: Arc::new(Writer::spawn(pen).map_err(AuditOpenError::Thread)?),
            reader: AuditReader::new(files, key.public().clone()),
            clock,
            key,
        })
    }

    /// Records, and answers with the number of the record once it is on the disk.
    ///
    /// Blocks the calling thread for about as long as the disk takes to confirm a write; callers that wait at the same
    /// time share one. May be called from async code, where [`AuditLog::append_async`] does not block.
    ///
    /// # Errors
    ///
    /// [`AuditError`]: nothing was recorded, so what it was about must not be done.
    pub fn append(&self, entry: AuditEntry) -> Result<u64, AuditError> {
        pollster::block_on(self.append_async(entry))
    }

    /// As [`AuditLog::append`], under any executor. If the future is dropped, it is recorded or not.
    ///
    /// # Errors
    ///
    /// As [`AuditLog::append`].
    pub async fn append_async(&self, entry: AuditEntry) -> Result<u64, AuditError> {
        entry.check().map_err(AuditError::Entry)?;
        self.writer.append(entry).await
    }

    /// Has something recorded soon, without waiting, for callers that cannot wait and cannot fail. What does not fit
    /// into the queue, or cannot be written, is counted, and the log records how many that were.
    pub fn note(&self, entry: AuditEntry) {
        if entry.check().is_ok() {
            self.writer.note(entry);
        } else {
            self.writer.lose();
        }
    }

    /// How many entries given to [`AuditLog::note`] were not recorded, since the log was opened.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.writer.lost()
    }

    /// Signs for every record so far, and answers with the checkpoint: kept where the host cannot write, it shows
    /// whether the whole log was replaced. Blocks as [`AuditLog::append`] does.
    ///
    /// # Errors
    ///
    /// [`AuditError`]: there is no new checkpoint.
    pub fn checkpoint(&self) -> Result<AuditCheckpoint, AuditError> {
        pollster::block_on(self.writer.checkpoint())
    }

    /// For reading: pages of records, verification.
    #[must_use]
    pub fn reader(&self) -> &AuditReader {
        &self.reader
    }

    /// As [`AuditReader::records`].
    ///
    /// # Errors
    ///
    /// As [`AuditReader::records`].
    pub fn records(&self, from_seq: u64, limit: usize, filter: &AuditFilter) -> Result<AuditPage, AuditReadError> {
        self.reader.records(from_seq, limit, filter)
    }

    /// As [`AuditReader::verify`].
    ///
    /// # Errors
    ///
    /// As [`AuditReader::verify`].
    pub fn verify(&self) -> Result<AuditVerified, AuditBreak> {
        self.reader.verify()
    }

    /// Writes the whole log as JSON Lines that [`verify_export`] takes, after it was verified, and answers with the
    /// checkpoint it starts with.
    ///
    /// Reads the whole log twice on the calling thread, and gives `out` a line at a time.
    ///
    /// # Errors
    ///
    /// [`AuditReadError`]; [`AuditReadError::Broken`] when the log does not verify.
    pub fn export(&self, mut out: impl Write) -> Result<AuditCheckpoint, AuditReadError> {
        let timestamp = Timestamp::try_from(self.clock.wall()).map_err(|_| AuditReadError::Sign(AuditError::Clock))?;
        let write = |view: &Connection| export::write(view, &self.key, timestamp, &mut out);
        self.reader.verify_then(None, write).map_err(AuditReadError::Broken)?.1
    }

    /// The key that verifies the checkpoints.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        self.key.public()
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog")
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}

/// Where the log ends and what its newest checkpoint is about, which is `None` for a log that was never used. The
/// newest checkpoint in the database and the one in the file have to fit.
fn check_end(
    database: &Connection,
    files: &Files,
    key: &PublicKey,
) -> Result<(record::Head, Option<u64>), AuditOpenError> {
    let failed = |error| in_database(&files.database, error);
    // No other process replaces the file meanwhile.
    let locked = database::write(database).map_err(failed)?;
    let head = database::head(&locked).map_err(failed)?;
    let stored = database::newest_checkpoint(&locked).map_err(failed)?;
    let stored = stored.map_err(AuditOpenError::Broken)?;
    let kept = read_file(&files.checkpoint).map_err(|reason| AuditOpenError::File {
        path: files.checkpoint.clone(),
        reason,
    })?;
    let broken = |broken| Err(AuditOpenError::Broken(broken));
    let kept = match (kept, &stored) {
        (Kept::Checkpoint(kept), _) => kept,
        (Kept::Nothing, None) if head.seq == 0 => return Ok((head, None)),
        (Kept::Nothing | Kept::SomethingElse, _) => return broken(AuditBreak::NoCheckpoint),
    };
    for checkpoint in stored.iter().chain([&kept]) {
        check_signature(checkpoint, key).map_err(AuditOpenError::Broken)?;
        let (first, last) = (head.seq.saturating_add(1), checkpoint.seq);
        if first <= last {
            return broken(AuditBreak::CutTail { first, last });
        }
        if database::head_at(&locked, last).map_err(failed)? != Some(checkpoint.head()) {
            return broken(AuditBreak::Rewritten {
                first: last.min(1),
                last,
            });
        }
    }
    match stored {
        Some(stored) if kept.seq < stored.seq => broken(AuditBreak::StaleCheckpoint {
            seq: kept.seq,
            newest: stored.seq,
        }),
        _ => Ok((head, Some(kept.seq))),
    }
}
