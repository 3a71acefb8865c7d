//! What the sandbox refuses, recorded.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::AuditLog;
use super::record::{AuditAction, AuditEntry, AuditOutcome, number};
use crate::event::{Event, EventKind, EventSink};

/// Records refused permissions, security violations and limits that were reached, and passes every event on.
///
/// Never waits for the disk: what the log cannot take in time is counted, and the log records how many that were.
///
/// ```
/// use std::sync::Arc;
///
/// use palisade::{AuditEvents, AuditLog, CheckpointKey, HostServices, MemoryEvents, SystemClock};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let seed = [7; 32];
/// let log = AuditLog::open(&directory, Arc::new(SystemClock), CheckpointKey::from_seed(&seed)?)?;
/// let services = HostServices {
///     events: Arc::new(AuditEvents::new(log, Arc::new(MemoryEvents::new(1_000)))),
///     ..HostServices::default()
/// };
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AuditEvents {
    log: AuditLog,
    next: Arc<dyn EventSink>,
}

impl AuditEvents {
    /// Records in `log` and passes on to `next`.
    #[must_use]
    pub fn new(log: AuditLog, next: Arc<dyn EventSink>) -> Self {
        Self { log, next }
    }
}

impl EventSink for AuditEvents {
    fn emit(&self, event: Event) {
        if let Some(entry) = entry_of(&event) {
            self.log.note(entry);
        }
        self.next.emit(event);
    }
}

/// The record of an event, if it has one.
fn entry_of(event: &Event) -> Option<AuditEntry> {
    let (action, word, resource, told) = match &event.kind {
        EventKind::PermissionDenied { permission, call } => (
            AuditAction::SecurityViolation,
            "plugin:permission:denied",
            permission.to_string(),
            Some(("call", Value::from(*call))),
        ),
        EventKind::SecurityViolation { kind } => (
            AuditAction::SecurityViolation,
            "plugin:security:violation",
            (*kind).to_owned(),
            None,
        ),
        EventKind::ResourceExceeded { resource, limit } => (
            AuditAction::ResourceExhaustion,
            "plugin:resource:exceeded",
            (*resource).to_owned(),
            Some(("limit", number(*limit))),
        ),
        EventKind::ResourceThreshold { .. } | EventKind::Undelivered { .. } | EventKind::Custom { .. } => return None,
        // What is done to a plugin is recorded by whoever does it, before it takes effect.
        EventKind::Installing
        | EventKind::Installed
        | EventKind::Enabling
        | EventKind::Enabled
        | EventKind::Disabling
        | EventKind::Disabled
        | EventKind::Uninstalling
        | EventKind::Uninstalled
        | EventKind::Reloading
        | EventKind::Reloaded { .. }
        | EventKind::Rollback { .. }
        | EventKind::Draining { .. }
        | EventKind::Drained { .. }
        | EventKind::ConfigUpdated { .. }
        | EventKind::StateChanged { .. }
        | EventKind::Error { .. }
        | EventKind::Warning { .. }
        | EventKind::Executed { .. }
        | EventKind::Quarantined { .. }
        | EventKind::Restarting { .. }
        | EventKind::Restarted { .. }
        | EventKind::HealthChanged { .. }
        | EventKind::ResourceUsage { .. }
        | EventKind::PermissionChanged { .. } => return None,
    };
    let members = [
        ("event", Value::from(word)),
        ("event_seq", number(event.seq)),
        ("version", Value::from(event.version.as_ref())),
    ];
    let details = members.into_iter().chain(told);
    Some(AuditEntry {
        actor: format!("plugin:{}", event.plugin_id),
        plugin_id: Some(event.plugin_id.to_string()),
        action,
        resource,
        outcome: AuditOutcome::Denied,
        details: details
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<Map<_, _>>(),
    })
}
