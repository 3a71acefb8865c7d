//! Where operations are written down before they take effect.

use std::error::Error;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use palisade_bundle::{Blame, Code, Coded};
use thiserror::Error;

use crate::audit::{AuditEntry, AuditLog, AuditOutcome};

/// What came of an operation that was refused: not allowed, or just not successful.
pub(super) fn outcome_of(error: &dyn Coded) -> AuditOutcome {
    match error.blame() {
        Blame::Policy | Blame::Trust => AuditOutcome::Denied,
        _ => AuditOutcome::Failed,
    }
}

/// A place for the audit trail.
pub trait AuditSink: fmt::Debug + Send + Sync {
    /// Writes one line down. What this answers `Ok` to is kept. Called where blocking is allowed.
    ///
    /// # Errors
    ///
    /// [`AuditFailed`]: the operation is not carried out then.
    fn record(&self, entry: &AuditEntry) -> Result<(), AuditFailed>;
}

impl AuditSink for AuditLog {
    fn record(&self, entry: &AuditEntry) -> Result<(), AuditFailed> {
        let appended = self.append(entry.clone());
        appended.map(drop).map_err(|error| AuditFailed(Box::new(error)))
    }
}

/// The audit trail could not be written.
#[derive(Debug, Error)]
#[error("the audit trail could not be written")]
pub struct AuditFailed(#[source] pub Box<dyn Error + Send + Sync>);

impl Coded for AuditFailed {
    fn code(&self) -> Code {
        Code::AuditLogFailed
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }
}

/// An audit trail in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryAudit(Mutex<Vec<AuditEntry>>);

impl MemoryAudit {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything written so far.
    #[must_use]
    pub fn entries(&self) -> Vec<AuditEntry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl AuditSink for MemoryAudit {
    fn record(&self, entry: &AuditEntry) -> Result<(), AuditFailed> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push(entry.clone());
        Ok(())
    }
}
