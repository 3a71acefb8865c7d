//! The log as JSON Lines: a signed checkpoint of its end, and then every record.

use std::io::{self, BufRead, Read as _, Write};

use palisade_bundle::{JsonError, PublicKey, Timestamp, canonical_json};
use rusqlite::Connection;

use super::chain::{AuditVerified, Found, check_signature, verify};
use super::checkpoint::{AuditCheckpoint, CheckpointKey};
use super::database::{self, COLUMNS, found};
use super::error::{AuditBreak, AuditError, AuditReadError};
use super::reader::failed;
use super::record::{MAX_AUDIT_ENTRY_BYTES, StoredRecord};

/// Longest line: an entry, and some room for number, time and hashes.
const MAX_LINE_BYTES: usize = MAX_AUDIT_ENTRY_BYTES + 1_024;

/// Verifies an export with nothing but the key of its host.
///
/// There is one spelling of an export: whatever differs from what the host wrote, be it by one byte, is refused. That
/// it is the host's newest, no export can show.
///
/// # Errors
///
/// [`AuditBreak`]: the first record that is not as it was written, and how; [`AuditBreak::NoCheckpoint`] when it does
/// not start with a checkpoint.
pub fn verify_export(mut export: impl BufRead, key: &PublicKey) -> Result<AuditVerified, AuditBreak> {
    let first = next_line(&mut export)?.and_then(Line::whole);
    let checkpoint = first.and_then(|line| {
        let checkpoint = AuditCheckpoint::from_line(&line).ok()?;
        (canonical_json::to_bytes(&checkpoint).ok()? == line).then_some(checkpoint)
    });
    let checkpoint = checkpoint.ok_or(AuditBreak::NoCheckpoint)?;
    // Before anything that it decides.
    check_signature(&checkpoint, key)?;
    let records = std::iter::from_fn(|| match next_line(&mut export) {
        Ok(line) => line.map(|line| Ok(line.found())),
        Err(error) => Some(Err(error)),
    });
    let verified = verify(records, &[checkpoint], key)?;
    if verified.last_seq > checkpoint.seq {
        return Err(AuditBreak::Inserted {
            seq: checkpoint.seq.saturating_add(1),
        });
    }
    Ok(verified)
}

/// One line, without its end.
enum Line {
    Whole(Vec<u8>),
    /// Too long, or without an end.
    Broken,
}

impl Line {
    fn whole(self) -> Option<Vec<u8>> {
        match self {
            Self::Whole(line) => Some(line),
            Self::Broken => None,
        }
    }

    fn found(self) -> Found {
        let record = self.whole().and_then(|line| {
            let record: StoredRecord = canonical_json::parse(&line, MAX_LINE_BYTES).ok()?;
            // The hash is over the meaning; only one spelling of it was written.
            (canonical_json::to_bytes(&record).ok()? == line).then_some(record)
        });
        record.map_or(Found::NoRecord(None), |record| Found::Record(Box::new(record)))
    }
}

fn next_line(export: &mut impl BufRead) -> Result<Option<Line>, AuditBreak> {
    let mut line = Vec::new();
    // With its end, and one byte too many is enough to be refused.
    let most = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX).saturating_add(2);
    export
        .take(most)
        .read_until(b'\n', &mut line)
        .map_err(AuditBreak::unreadable)?;
    if line.is_empty() {
        return Ok(None);
    }
    let whole = line.pop() == Some(b'\n') && line.len() <= MAX_LINE_BYTES;
    Ok(Some(if whole { Line::Whole(line) } else { Line::Broken }))
}

/// Writes what `view` sees, which was verified before.
pub(super) fn write(
    view: &Connection,
    key: &CheckpointKey,
    timestamp: Timestamp,
    out: &mut impl Write,
) -> Result<AuditCheckpoint, AuditReadError> {
    let head = database::head(view).map_err(failed)?;
    let checkpoint = key.sign(head, timestamp).map_err(unsigned)?;
    write_line(out, &canonical_json::to_bytes(&checkpoint).map_err(unsigned)?)?;
    let sql = format!("SELECT {COLUMNS} FROM records ORDER BY seq");
    let mut statement = view.prepare(&sql).map_err(failed)?;
    for found in statement.query_map([], found).map_err(failed)? {
        match found.map_err(failed)? {
            Found::Record(record) => write_line(out, &canonical_json::to_bytes(&record).map_err(unsigned)?)?,
            Found::NoRecord(seq) => {
                let seq = seq.unwrap_or_default();
                return Err(AuditReadError::Record { seq });
            }
        }
    }
    out.flush().map_err(AuditReadError::Write)?;
    Ok(checkpoint)
}

fn write_line(out: &mut impl Write, line: &[u8]) -> Result<(), AuditReadError> {
    let written: io::Result<()> = out.write_all(line).and_then(|()| out.write_all(b"\n"));
    written.map_err(AuditReadError::Write)
}

fn unsigned(error: JsonError) -> AuditReadError {
    AuditReadError::Sign(AuditError::Entry(error))
}
