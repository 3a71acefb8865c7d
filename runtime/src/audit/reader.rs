//! Reading and verifying a log, without the key that signs it.

use std::path::Path;

use palisade_bundle::PublicKey;
use rusqlite::{Connection, params};

use super::chain::{AuditVerified, Found, verify};
use super::checkpoint::{AuditCheckpoint, Kept, read_file};
use super::database::{self, COLUMNS, Files, found, open_for_reading, signed};
use super::error::{AuditBreak, AuditOpenError, AuditReadError};
use super::record::{AuditAction, AuditOutcome, AuditRecord};

/// Most records of one page.
pub const MAX_AUDIT_PAGE: usize = 1_000;

/// The log of a directory, for whoever only reads it. Works while a host writes to it, and where no host can open it
/// any more because it is broken.
#[derive(Clone, Debug)]
pub struct AuditReader {
    files: Files,
    key: PublicKey,
}

/// Which records of a log; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only those about this plugin.
    pub plugin_id: Option<String>,
    /// Only this action.
    pub action: Option<AuditAction>,
    /// Only what this actor did.
    pub actor: Option<String>,
    /// Only what came to this.
    pub outcome: Option<AuditOutcome>,
}

/// Part of a listing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuditPage {
    /// The records, in their order.
    pub records: Vec<AuditRecord>,
    /// From where the next page goes on, when there are more.
    pub next_seq: Option<u64>,
}

impl AuditReader {
    /// Finds the log in a directory. `key` is the one its host signs checkpoints with.
    ///
    /// # Errors
    ///
    /// [`AuditOpenError`]: there is no log, or it cannot be read.
    pub fn open(directory: impl AsRef<Path>, key: PublicKey) -> Result<Self, AuditOpenError> {
        let files = Files::of(directory.as_ref())?;
        drop(open_for_reading(&files.database)?);
        Ok(Self::new(files, key))
    }

    pub(super) fn new(files: Files, key: PublicKey) -> Self {
        Self { files, key }
    }

    /// The records from number `from_seq` on that pass the filter, at most `limit` and at most [`MAX_AUDIT_PAGE`].
    ///
    /// Reads the file on the calling thread. Not verified: that is what [`AuditReader::verify`] is for.
    ///
    /// # Errors
    ///
    /// [`AuditReadError::Open`], [`AuditReadError::Database`], [`AuditReadError::Record`].
    pub fn records(&self, from_seq: u64, limit: usize, filter: &AuditFilter) -> Result<AuditPage, AuditReadError> {
        let limit = limit.min(MAX_AUDIT_PAGE);
        let database = open_for_reading(&self.files.database)?;
        let rows = matching(&database, from_seq, limit, filter).map_err(failed)?;
        let mut page = AuditPage::default();
        for row in rows {
            let (seq, record) = match row {
                Found::Record(record) => (record.content.seq, record.read()),
                Found::NoRecord(seq) => (seq.unwrap_or_default(), None),
            };
            if page.records.len() == limit {
                page.next_seq = Some(seq);
                break;
            }
            page.records.push(record.ok_or(AuditReadError::Record { seq })?);
        }
        Ok(page)
    }

    /// Follows the chain from the first record to the last, and compares it with every checkpoint.
    ///
    /// Reads the whole log on the calling thread; other threads and processes may go on writing.
    ///
    /// # Errors
    ///
    /// [`AuditBreak`]: the first record that is not as it was written, and how.
    pub fn verify(&self) -> Result<AuditVerified, AuditBreak> {
        self.verify_then(None, |_| ()).map(|(verified, ())| verified)
    }

    /// As [`AuditReader::verify`], and compares with a checkpoint that was kept elsewhere: only that shows that both
    /// files were replaced by older ones.
    ///
    /// # Errors
    ///
    /// As [`AuditReader::verify`].
    pub fn verify_against(&self, kept: &AuditCheckpoint) -> Result<AuditVerified, AuditBreak> {
        self.verify_then(Some(kept), |_| ()).map(|(verified, ())| verified)
    }

    /// Verifies, and then does something with exactly what was verified.
    pub(super) fn verify_then<T>(
        &self,
        kept: Option<&AuditCheckpoint>,
        then: impl FnOnce(&Connection) -> T,
    ) -> Result<(AuditVerified, T), AuditBreak> {
        // Whatever a checkpoint that was read before vouches for is in what is seen after.
        let before = self.file_checkpoint()?;
        let database = open_for_reading(&self.files.database).map_err(AuditBreak::unreadable)?;
        let view = database::read(&database).map_err(AuditBreak::unreadable)?;
        let mut checkpoints = database::checkpoints(&view).map_err(AuditBreak::unreadable)??;
        let newest_stored = checkpoints.last().map_or(0, |newest| newest.seq);
        for other in [Some(&before), kept].into_iter().flatten() {
            if !checkpoints.contains(other) {
                checkpoints.push(*other);
            }
        }
        checkpoints.sort_by_key(|checkpoint| checkpoint.seq);
        let verified = verify_view(&view, &checkpoints, &self.key)?;

        // The file is written first, so by now it is at least as new as what is seen in the database.
        let after = self.file_checkpoint()?;
        if after.seq < newest_stored {
            return Err(AuditBreak::StaleCheckpoint {
                seq: after.seq,
                newest: newest_stored,
            });
        }
        Ok((verified, then(&view)))
    }

    fn file_checkpoint(&self) -> Result<AuditCheckpoint, AuditBreak> {
        match read_file(&self.files.checkpoint).map_err(AuditBreak::unreadable)? {
            Kept::Checkpoint(checkpoint) => Ok(checkpoint),
            Kept::Nothing | Kept::SomethingElse => Err(AuditBreak::NoCheckpoint),
        }
    }
}

fn verify_view(
    view: &Connection,
    checkpoints: &[AuditCheckpoint],
    key: &PublicKey,
) -> Result<AuditVerified, AuditBreak> {
    let sql = format!("SELECT {COLUMNS} FROM records ORDER BY seq");
    let mut statement = view.prepare(&sql).map_err(AuditBreak::unreadable)?;
    let rows = statement.query_map([], found).map_err(AuditBreak::unreadable)?;
    verify(rows.map(|row| row.map_err(AuditBreak::unreadable)), checkpoints, key)
}

/// One more than `limit`, which shows that there is more.
fn matching(database: &Connection, from_seq: u64, limit: usize, filter: &AuditFilter) -> rusqlite::Result<Vec<Found>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM records
        WHERE seq >= ?1 AND (?2 IS NULL OR plugin_id = ?2) AND (?3 IS NULL OR action = ?3)
            AND (?4 IS NULL OR actor = ?4) AND (?5 IS NULL OR outcome = ?5)
        ORDER BY seq LIMIT ?6"
    );
    let parameters = params![
        signed(from_seq),
        filter.plugin_id,
        filter.action.map(AuditAction::as_str),
        filter.actor,
        filter.outcome.map(AuditOutcome::as_str),
        i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1),
    ];
    let mut statement = database.prepare(&sql)?;
    let rows = statement.query_map(parameters, found)?;
    rows.collect()
}

pub(super) fn failed(error: rusqlite::Error) -> AuditReadError {
    AuditReadError::Database(Box::new(error))
}
