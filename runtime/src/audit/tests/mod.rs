//! Everything that can be done to a log behind its back, and everything that can go wrong while it is written.

mod checkpoints;
mod crash;
mod events;
mod exports;
mod faults;
mod log;
mod tampering;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::database::TRIGGERS;
use super::{
    AuditAction, AuditBreak, AuditCheckpoint, AuditEntry, AuditLog, AuditOpenError, AuditOutcome, AuditReader,
    AuditVerified, CheckpointKey,
};
use crate::services::ManualClock;

const SEED: [u8; 32] = [7; 32];

/// A data directory with a log, and what a test does to it while it is closed.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// With `records` records and a checkpoint after each of `after`; that of its close is the last.
    fn with(records: u64, after: &[u64]) -> Self {
        let place = Self::new();
        let log = place.log();
        for seq in 1..=records {
            assert_eq!(log.append(entry(seq)).unwrap(), seq);
            if after.contains(&seq) {
                log.checkpoint().unwrap();
            }
        }
        drop(log);
        place
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn open(&self) -> Result<AuditLog, AuditOpenError> {
        AuditLog::open(self.path(), clock(), key())
    }

    fn log(&self) -> AuditLog {
        self.open().unwrap()
    }

    fn verify(&self) -> Result<AuditVerified, AuditBreak> {
        AuditReader::open(self.path(), key().public().clone()).unwrap().verify()
    }

    /// What broke, as its word and the record it names.
    fn broken(&self) -> (&'static str, u64) {
        let broken = self.verify().unwrap_err();
        (broken.as_str(), broken.seq().unwrap_or_default())
    }

    /// As somebody would who can write to the file, triggers or not.
    fn tamper(&self, sql: &str) {
        let database = self.raw();
        database
            .execute_batch("DROP TRIGGER records_are_not_changed; DROP TRIGGER records_are_not_deleted;")
            .unwrap();
        database.execute_batch(sql).unwrap();
        database.execute_batch(TRIGGERS).unwrap();
    }

    fn raw(&self) -> Connection {
        Connection::open(self.path().join("audit.db")).unwrap()
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::stepping(Duration::from_secs(1)))
}

fn key() -> CheckpointKey {
    CheckpointKey::from_seed(&SEED).unwrap()
}

fn entry(number: u64) -> AuditEntry {
    let Value::Object(details) = json!({"number": number, "list": [true, null, "ü\u{1F600}\n"]}) else {
        unreachable!()
    };
    AuditEntry {
        actor: format!("user:{}", number % 3),
        plugin_id: number.is_multiple_of(2).then(|| "com.acme.greeter".to_owned()),
        action: AuditAction::ALL[usize::try_from(number).unwrap() % AuditAction::ALL.len()],
        resource: format!("1.0.{number}"),
        outcome: AuditOutcome::ALL[usize::try_from(number).unwrap() % AuditOutcome::ALL.len()],
        details,
    }
}

fn fill(log: &AuditLog, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        log.append(entry(number)).unwrap();
    }
}

fn checkpoint_file(place: &Place) -> AuditCheckpoint {
    AuditCheckpoint::from_line(&std::fs::read(place.path().join("audit.checkpoint")).unwrap()).unwrap()
}
