//! What was done to plugins and what they tried, chained and signed.

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use palisade::{AuditAction, AuditFilter, AuditLog, AuditOutcome, AuditReadError, AuditRecord, MAX_AUDIT_PAGE};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use crate::api::Api;
use crate::caller::Caller;
use crate::caller::scope::Audit;
use crate::endpoint::{Endpoint, Schema};
use crate::params::Params;
use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::service::Service;

/// Records of a page, unless asked otherwise.
const PAGE: usize = 100;

#[derive(Serialize, JsonSchema)]
struct Page {
    /// Oldest first.
    #[schemars(with = "Vec<Map<String, Value>>")]
    records: Vec<AuditRecord>,
    /// Where the next page begins: its `from_seq`; `null` on the last.
    next_seq: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct Verified {
    valid: bool,
    records: u64,
    last_seq: u64,
    checkpoints: u64,
    /// Up to which record the host signed.
    signed_seq: u64,
}

pub(super) fn add(api: Api) -> Api {
    let (text, number) = (
        || json!({"type": "string"}),
        || json!({"type": "integer", "minimum": 0}),
    );
    let words = |all: Vec<&'static str>| json!({"enum": all});
    let page = Endpoint::get("audit", "/plugins/audit", "The audit trail, page by page")
        .takes("from_seq", number(), "The first record of the page")
        .takes(
            "since",
            json!({"type": "string", "format": "date-time"}),
            "Only what was written after",
        )
        .takes(
            "limit",
            json!({"type": "integer", "minimum": 1, "maximum": MAX_AUDIT_PAGE}),
            "How many records",
        )
        .takes("plugin", text(), "Only about this plugin")
        .takes(
            "action",
            words(AuditAction::ALL.iter().map(|word| word.as_str()).collect()),
            "Only this action",
        )
        .takes("actor", text(), "Only what this actor did")
        .takes(
            "outcome",
            words(AuditOutcome::ALL.iter().map(|word| word.as_str()).collect()),
            "Only what came to this",
        );
    let verify = Endpoint::get(
        "verify_audit",
        "/plugins/audit/verify",
        "Follow the chain of the audit trail to its end",
    );
    let export = Endpoint::get(
        "export_audit",
        "/plugins/audit/export",
        "All of the audit trail, as JSON Lines that can be verified elsewhere",
    );
    api.call(page.needs::<Audit>().fails(&[404]).answers::<Page>(200), records)
        .call(
            verify.needs::<Audit>().fails(&[404]).answers::<Verified>(200),
            verify_chain,
        )
        .call(
            export
                .needs::<Audit>()
                .fails(&[404])
                .answers_with(200, "application/jsonl", Schema::bytes()),
            export_all,
        )
}

async fn records(State(service): State<Service>, _caller: Caller<Audit>, mut params: Params) -> Answer<Page> {
    let from_seq = params.parsed("from_seq", "a number")?.unwrap_or(0);
    let since: Option<palisade::Timestamp> = params.parsed("since", "a time as RFC 3339")?;
    let limit = params.parsed("limit", "a number from 1 to 1000")?.unwrap_or(PAGE);
    let filter = AuditFilter {
        plugin_id: params.text("plugin")?,
        action: params.parsed("action", "an action of the audit trail")?,
        actor: params.text("actor")?,
        outcome: params.parsed("outcome", "succeeded, failed or denied")?,
    };
    params.end(&["from_seq", "since", "limit", "plugin", "action", "actor", "outcome"])?;
    if !(1..=MAX_AUDIT_PAGE).contains(&limit) {
        let expected = "a number from 1 to 1000";
        return Err(RequestError::Parameter {
            name: "limit",
            expected,
        }
        .reject());
    }
    let page = read(&service, move |log| page_of(log, from_seq, limit, &filter, since)).await?;
    Ok(Json(page))
}

fn page_of(
    log: &AuditLog,
    mut from_seq: u64,
    limit: usize,
    filter: &AuditFilter,
    since: Option<palisade::Timestamp>,
) -> Result<Page, AuditReadError> {
    let mut records = Vec::new();
    loop {
        let page = log.records(from_seq, limit - records.len(), filter)?;
        let is_wanted = |record: &AuditRecord| since.is_none_or(|since| record.timestamp >= since);
        records.extend(page.records.into_iter().filter(is_wanted));
        match page.next_seq {
            Some(next) if records.len() < limit => from_seq = next,
            next_seq => return Ok(Page { records, next_seq }),
        }
    }
}

async fn verify_chain(State(service): State<Service>, _caller: Caller<Audit>, params: Params) -> Answer<Verified> {
    params.end(&[])?;
    let verified = read(&service, AuditLog::verify).await?;
    Ok(Json(Verified {
        valid: true,
        records: verified.records,
        last_seq: verified.last_seq,
        checkpoints: verified.checkpoints,
        signed_seq: verified.signed_seq,
    }))
}

async fn export_all(
    State(service): State<Service>,
    _caller: Caller<Audit>,
    params: Params,
) -> Result<Response, Rejection> {
    params.end(&[])?;
    let export = |log: &AuditLog| {
        let mut lines = Vec::new();
        log.export(&mut lines).map(|_checkpoint| lines)
    };
    let lines = read(&service, export).await?;
    Ok(([(CONTENT_TYPE, "application/jsonl")], lines).into_response())
}

/// Reads the log where it holds up nobody.
async fn read<T, E>(
    service: &Service,
    work: impl FnOnce(&AuditLog) -> Result<T, E> + Send + 'static,
) -> Result<T, Rejection>
where
    T: Send + 'static,
    E: Into<Rejection> + Send + 'static,
{
    let log = service
        .audit()
        .ok_or_else(|| RequestError::NotKept { what: "audit trail" }.reject())?
        .clone();
    let read = tokio::task::spawn_blocking(move || work(&log));
    read.await
        .map_err(|_| RequestError::Panicked.reject())?
        .map_err(Into::into)
}
