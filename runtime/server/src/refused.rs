//! Tokens that were refused, in the audit trail: every attack shows, and none fills the disk.

use std::sync::{Mutex, PoisonError};

use palisade::{AuditAction, AuditEntry, AuditLog, AuditOutcome, Timestamp};
use serde_json::{Map, json};

/// Seconds from one note to the next. A burst is one record with a number in it, not thousands of writes to the disk.
const SECONDS: i64 = 10;

/// Counts refused tokens and notes them now and then.
pub(crate) struct Refused {
    audit: Option<AuditLog>,
    since: Mutex<Since>,
}

/// Since the last note.
#[derive(Default)]
struct Since {
    noted: Option<Timestamp>,
    count: u64,
}

impl Refused {
    pub(crate) fn new(audit: Option<AuditLog>) -> Self {
        Self {
            audit,
            since: Mutex::default(),
        }
    }

    /// Counts one, and notes it with those before it unless that was done a moment ago.
    pub(crate) fn note(&self, now: Timestamp) {
        let Some(audit) = &self.audit else { return };
        let count = {
            let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
            since.count = since.count.saturating_add(1);
            let is_due = |noted: Timestamp| now.unix_seconds().abs_diff(noted.unix_seconds()) >= SECONDS.unsigned_abs();
            if !since.noted.is_none_or(is_due) {
                return;
            }
            since.noted = Some(now);
            std::mem::take(&mut since.count)
        };
        audit.note(AuditEntry {
            actor: "anonymous".to_owned(),
            plugin_id: None,
            action: AuditAction::AuthenticationFailure,
            resource: "http".to_owned(),
            outcome: AuditOutcome::Denied,
            details: Map::from_iter([("refused".to_owned(), json!(count))]),
        });
    }

    /// The file of tokens is there and says nothing: nobody is let in by it.
    pub(crate) fn unreadable(&self, error: &(dyn std::error::Error + 'static)) {
        tracing::error!(
            error,
            "the tokens of the data directory cannot be read, and none of them is accepted"
        );
    }
}
