//! Following the chain from its first record, and naming the first that breaks it.

use std::iter::Peekable;
use std::slice::Iter;

use palisade_bundle::PublicKey;

use super::checkpoint::AuditCheckpoint;
use super::error::AuditBreak;
use super::record::{Head, StoredRecord};

/// How far behind its place a record is looked for when no checkpoint says how long the log was.
const SEARCHED: u64 = 1_000;

/// A log in which nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditVerified {
    /// How many records there are.
    pub records: u64,
    /// The number of the last one; 0 when there is none.
    pub last_seq: u64,
    /// How many checkpoints of the host were compared.
    pub checkpoints: u64,
    /// Up to which record the host signed. Whoever can write to the file can still have cut or added what comes after.
    pub signed_seq: u64,
}

/// What stands in the place of one record.
pub(super) enum Found {
    Record(Box<StoredRecord>),
    /// Under this number, where it has one.
    NoRecord(Option<u64>),
}

/// Follows `records` in the order in which they stand, and compares them with `checkpoints`, which are sorted.
pub(super) fn verify(
    mut records: impl Iterator<Item = Result<Found, AuditBreak>>,
    checkpoints: &[AuditCheckpoint],
    key: &PublicKey,
) -> Result<AuditVerified, AuditBreak> {
    let mut chain = Chain {
        head: Head::of_nothing(),
        signed_seq: 0,
        compared: 0,
        checkpoints: checkpoints.iter().peekable(),
        newest_seq: checkpoints.last().map_or(0, |newest| newest.seq),
        key,
    };
    chain.compare()?;
    while let Some(found) = records.next() {
        chain.follow(found?, &mut records)?;
        chain.compare()?;
    }
    chain.end()
}

struct Chain<'a> {
    head: Head,
    signed_seq: u64,
    compared: u64,
    checkpoints: Peekable<Iter<'a, AuditCheckpoint>>,
    newest_seq: u64,
    key: &'a PublicKey,
}

impl Chain<'_> {
    fn follow(
        &mut self,
        found: Found,
        rest: &mut impl Iterator<Item = Result<Found, AuditBreak>>,
    ) -> Result<(), AuditBreak> {
        let seq = self.head.seq.saturating_add(1);
        let found_seq = match &found {
            Found::Record(record) => record.content.seq,
            Found::NoRecord(found_seq) => found_seq.unwrap_or(seq),
        };
        if found_seq > seq {
            return Err(missing(seq, found, rest)?);
        }
        if found_seq < seq {
            return Err(AuditBreak::Inserted { seq: found_seq });
        }
        let Found::Record(record) = found else {
            return Err(AuditBreak::Edited { seq });
        };
        if !record.is_whole() {
            return Err(self.misplaced(record, rest)?);
        }
        if record.content.prev_hash != self.head.hash {
            // Both have the hash of their content: one of them, or what comes before, is not what was recorded.
            let first = self.signed_seq.saturating_add(1);
            return Err(AuditBreak::Rewritten { first, last: seq });
        }
        self.head = record.head();
        Ok(())
    }

    /// What happened where `record` has not the hash of its content.
    fn misplaced(
        &self,
        record: Box<StoredRecord>,
        rest: &mut impl Iterator<Item = Result<Found, AuditBreak>>,
    ) -> Result<AuditBreak, AuditBreak> {
        let seq = self.head.seq.saturating_add(1);
        if record.hash == self.head.hash && record.was(self.head.seq) {
            return Ok(AuditBreak::Inserted { seq });
        }
        if record.was(self.head.seq) {
            return Ok(AuditBreak::Inserted { seq: self.head.seq });
        }
        let last = self.newest_seq.max(seq.saturating_add(SEARCHED));
        if (seq.saturating_add(1)..=last).any(|later| record.was(later)) {
            return missing(seq, Found::Record(record), rest);
        }
        Ok(AuditBreak::Edited { seq })
    }

    /// Compares with the checkpoints of the record that was just reached.
    fn compare(&mut self) -> Result<(), AuditBreak> {
        let (head, key) = (self.head, self.key);
        while let Some(checkpoint) = self.checkpoints.next_if(|next| next.seq <= head.seq) {
            check_signature(checkpoint, key)?;
            if checkpoint.head() != head {
                return Err(AuditBreak::Rewritten {
                    first: self.signed_seq.saturating_add(1).min(head.seq),
                    last: head.seq,
                });
            }
            self.compared = self.compared.saturating_add(1);
            self.signed_seq = head.seq;
        }
        Ok(())
    }

    /// No checkpoint may be left.
    fn end(self) -> Result<AuditVerified, AuditBreak> {
        let last = self.head.seq;
        let mut signed_for = last;
        for checkpoint in self.checkpoints {
            check_signature(checkpoint, self.key)?;
            signed_for = signed_for.max(checkpoint.seq);
        }
        if signed_for > last {
            return Err(AuditBreak::CutTail {
                first: last.saturating_add(1),
                last: signed_for,
            });
        }
        Ok(AuditVerified {
            records: last,
            last_seq: last,
            checkpoints: self.compared,
            signed_seq: self.signed_seq,
        })
    }
}

pub(super) fn check_signature(checkpoint: &AuditCheckpoint, key: &PublicKey) -> Result<(), AuditBreak> {
    if checkpoint.is_by(key) {
        Ok(())
    } else {
        Err(AuditBreak::Forged { seq: checkpoint.seq })
    }
}

/// Whether record `seq`, which is not in its place, is in another one.
fn missing(
    seq: u64,
    found: Found,
    rest: &mut impl Iterator<Item = Result<Found, AuditBreak>>,
) -> Result<AuditBreak, AuditBreak> {
    for found in std::iter::once(Ok(found)).chain(rest) {
        if let Found::Record(record) = found?
            && record.was(seq)
        {
            return Ok(AuditBreak::Reordered { seq });
        }
    }
    Ok(AuditBreak::Deleted { seq })
}
