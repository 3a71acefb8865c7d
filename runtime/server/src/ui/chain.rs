//! Whether the audit chain holds, looked at now and then: [`ChainCheck`].

use std::sync::{Arc, Mutex, PoisonError};

use palisade::{AuditBreak, AuditLog, AuditVerified, Timestamp};

use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::service::Service;

/// For how long the chain is taken to be as it was: following it reads the whole log, a second per 100,000 records.
const GOOD_FOR_SECONDS: i64 = 60;

/// What the chain was like when it was followed last.
#[derive(Default)]
pub(super) struct ChainCheck {
    last: Mutex<Option<Arc<Checked>>>,
}

/// What following the chain came to.
pub(super) struct Checked {
    pub(super) at: Timestamp,
    pub(super) outcome: Result<AuditVerified, AuditBreak>,
}

/// Follows the chain, unless that was done a moment ago and `anew` is not asked for.
///
/// # Errors
///
/// There is no audit log.
pub(super) async fn checked(service: &Service, anew: bool) -> Result<Arc<Checked>, Rejection> {
    let log = log_of(service)?.clone();
    let (now, check) = (service.now(), &service.dashboard().chain);
    let last = check.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let is_fresh = |checked: &Arc<Checked>| {
        now.unix_seconds().saturating_sub(checked.at.unix_seconds()) < GOOD_FOR_SECONDS && checked.outcome.is_ok()
    };
    if let Some(last) = last.filter(|last| !anew && is_fresh(last)) {
        return Ok(last);
    }
    let verified = tokio::task::spawn_blocking(move || log.verify());
    let outcome = verified.await.map_err(|_| RequestError::Panicked.reject())?;
    let checked = Arc::new(Checked { at: now, outcome });
    *check.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&checked));
    Ok(checked)
}

/// The audit log, where there is one.
pub(super) fn log_of(service: &Service) -> Result<&AuditLog, Rejection> {
    service
        .audit()
        .ok_or_else(|| RequestError::NotKept { what: "audit trail" }.reject())
}
