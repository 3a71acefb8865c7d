//! The audit trail, newest first, and whether its chain holds.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use palisade::{AuditAction, AuditFilter, AuditLog, AuditOutcome, AuditReadError, AuditRecord, MAX_AUDIT_PAGE};
use serde::Deserialize;

use super::chain::{self, log_of};
use super::notice::Notice;
use super::shell::{Section, Shell, shown};
use super::visitor::Visitor;
use super::words;
use crate::caller::scope::Audit;
use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::service::Service;

/// Records of a page: what fits on two screens.
const PAGE: usize = 50;

/// How many times a thousand records are looked through for one page; the next page goes on from there.
const MAX_LOOKS: usize = 10;

/// Which records. Empty is any.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    plugin: String,
    action: String,
    actor: String,
    outcome: String,
    /// Only records with a lower number.
    before: Option<u64>,
    verify: String,
}

struct Row {
    seq: u64,
    time: String,
    actor: String,
    plugin: String,
    action: &'static str,
    resource: String,
    outcome: &'static str,
    tone: &'static str,
    details: String,
    hash: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    shell: Shell,
    wanted: Wanted,
    chain: Chain,
    rows: Vec<Row>,
    /// Where the next page begins.
    older: Option<u64>,
}

struct Chain {
    notice: Option<Notice>,
    records: String,
    last_seq: String,
    signed_seq: String,
    checkpoints: String,
    key: String,
    checked: String,
}

impl Wanted {
    fn is_for_all(&self) -> bool {
        [&self.plugin, &self.action, &self.actor, &self.outcome]
            .iter()
            .all(|wanted| wanted.is_empty())
    }
}

impl AuditPage {
    fn actions(&self) -> impl Iterator<Item = &'static str> {
        AuditAction::ALL.iter().map(|action| action.as_str())
    }

    fn outcomes(&self) -> impl Iterator<Item = &'static str> {
        AuditOutcome::ALL.iter().map(|outcome| outcome.as_str())
    }
}

pub(super) async fn page(
    State(service): State<Service>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Rejection> {
    let _auditor = visitor.caller::<Audit>()?;
    let log = log_of(&service)?.clone();
    // The newest records are seen with their chain followed; who turns pages waits for that only now and then.
    let is_first_look = wanted.before.is_none() && wanted.is_for_all();
    let checked = chain::checked(&service, is_first_look || !wanted.verify.is_empty()).await?;
    let key = words::short(&log.public_key().id().to_string());
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let filter = AuditFilter {
        plugin_id: some(&wanted.plugin),
        action: wanted.action.parse().ok(),
        actor: some(&wanted.actor),
        outcome: wanted.outcome.parse().ok(),
    };
    let before = wanted.before.unwrap_or(u64::MAX);
    let reading = tokio::task::spawn_blocking(move || newest(&log, before, &filter));
    let (records, older) = reading.await.map_err(|_| RequestError::Panicked.reject())??;
    let mut chain = Chain::of(&checked, key);
    chain.checked = words::ago(service.now(), checked.at);
    shown(&AuditPage {
        shell: visitor.shell(Section::Audit, "Audit trail"),
        rows: records.into_iter().map(Row::of).collect(),
        wanted,
        chain,
        older,
    })
}

/// The last records before one number, newest first, and where to look for those before them.
fn newest(
    log: &AuditLog,
    before: u64,
    filter: &AuditFilter,
) -> Result<(Vec<AuditRecord>, Option<u64>), AuditReadError> {
    let window = MAX_AUDIT_PAGE as u64;
    let mut end = before.min(end_of(log)?);
    let mut found = Vec::new();
    for _ in 0..MAX_LOOKS {
        let from = end.saturating_sub(window).max(1);
        let mut page = log.records(from, MAX_AUDIT_PAGE, filter)?.records;
        page.retain(|record| record.seq < end);
        for record in page.into_iter().rev() {
            if found.len() == PAGE {
                let older = found.last().map(|record: &AuditRecord| record.seq);
                return Ok((found, older));
            }
            found.push(record);
        }
        if from == 1 {
            return Ok((found, None));
        }
        end = from;
    }
    Ok((found, Some(end)))
}

/// One more than the number of the last record. Found by halves, as records are numbered without a gap.
fn end_of(log: &AuditLog) -> Result<u64, AuditReadError> {
    let is_there = |seq| Ok::<_, AuditReadError>(!log.records(seq, 1, &AuditFilter::default())?.records.is_empty());
    let (mut low, mut high) = (1, 2);
    while is_there(high)? {
        (low, high) = (high, high.saturating_mul(2));
    }
    while low + 1 < high {
        let middle = low.midpoint(high);
        match is_there(middle)? {
            true => low = middle,
            false => high = middle,
        }
    }
    Ok(low + 1)
}

impl Chain {
    fn of(checked: &chain::Checked, key: String) -> Self {
        let mut chain = Self {
            notice: None,
            records: String::new(),
            last_seq: String::new(),
            signed_seq: String::new(),
            checkpoints: String::new(),
            checked: String::new(),
            key,
        };
        match &checked.outcome {
            Ok(verified) => {
                chain.records = words::count(verified.records);
                chain.last_seq = words::count(verified.last_seq);
                chain.signed_seq = words::count(verified.signed_seq);
                chain.checkpoints = words::count(verified.checkpoints);
            }
            Err(broken) => {
                let mut notice = Notice::done("The chain is broken", broken.to_string());
                notice.tone = "bad";
                chain.notice = Some(notice);
            }
        }
        chain
    }
}

impl Row {
    fn of(record: AuditRecord) -> Self {
        Self {
            seq: record.seq,
            time: record.timestamp.to_string(),
            actor: record.actor,
            plugin: record.plugin_id.unwrap_or_default(),
            action: record.action.as_str(),
            resource: record.resource,
            tone: match record.outcome {
                AuditOutcome::Succeeded => "ok",
                AuditOutcome::Denied => "warn",
                _ => "bad",
            },
            outcome: record.outcome.as_str(),
            details: match record.details.is_empty() {
                true => String::new(),
                false => serde_json::Value::Object(record.details).to_string(),
            },
            hash: words::short(&record.hash.to_string()),
        }
    }
}
