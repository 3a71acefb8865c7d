//! What an operator should see first.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use palisade::{Code, Event, EventKind, Health, PluginStatus, Replay, State as PluginState, Supervisor};

use super::chain::{self, Checked};
use super::events::{EventRow, recent};
use super::shell::{Section, Shell, shown};
use super::visitor::Visitor;
use super::words;
use crate::caller::scope::Read;
use crate::duration::in_words_of_go;
use crate::rejection::Rejection;
use crate::service::Service;
use crate::token::Scope;

/// Events of the overview: enough to see what is going on, few enough to be read.
const RECENT: usize = 12;

/// How long four fifths of a limit stay worth a look: a shift's coffee break.
const THRESHOLD_SECONDS: u64 = 15 * 60;

/// Something that wants attention.
struct Item {
    /// Worst first.
    rank: u8,
    tone: &'static str,
    word: &'static str,
    subject: String,
    text: String,
    path: String,
    link: &'static str,
}

/// A number of plugins, with the list it is of.
struct Total {
    label: &'static str,
    count: usize,
    tone: &'static str,
    path: &'static str,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    shell: Shell,
    items: Vec<Item>,
    totals: Vec<Total>,
    active_requests: usize,
    uptime: String,
    chain: Option<ChainLine>,
    events: Vec<EventRow>,
}

/// The audit chain in a line.
struct ChainLine {
    tone: &'static str,
    text: String,
}

pub(super) async fn page(State(service): State<Service>, visitor: Visitor) -> Result<Response, Rejection> {
    let reader = visitor.caller::<Read>()?;
    let supervisor = reader.supervisor();
    let plugins = supervisor.list();
    let chain = match visitor.may(Scope::Audit) && service.audit().is_some() {
        true => Some(chain::checked(&service, false).await?),
        false => None,
    };
    let mut items: Vec<Item> = plugins.iter().filter_map(of_state).collect();
    items.extend(of_events(supervisor, &plugins));
    items.extend(chain.as_deref().and_then(of_chain));
    items.sort_by(|one, other| (one.rank, &one.subject).cmp(&(other.rank, &other.subject)));
    shown(&OverviewPage {
        items,
        totals: totals(&plugins),
        active_requests: plugins.iter().map(|status| status.active_requests).sum(),
        uptime: in_words_of_go(std::time::Duration::from_secs(service.uptime().as_secs())),
        chain: chain.as_deref().map(chain_line),
        events: recent(supervisor, None, &visitor.place.at, RECENT, is_news),
        shell: visitor.shell(Section::Overview, "Overview"),
    })
}

/// Commands and measurements are for the page of their plugin, and what begins is told again when it has ended.
fn is_news(event: &Event) -> bool {
    !matches!(
        event.kind,
        EventKind::Executed { .. }
            | EventKind::ResourceUsage { .. }
            | EventKind::StateChanged { .. }
            | EventKind::Installing
            | EventKind::Enabling
            | EventKind::Disabling
            | EventKind::Uninstalling
            | EventKind::Reloading
            | EventKind::Restarting { .. }
    )
}

fn of_state(status: &PluginStatus) -> Option<Item> {
    let badge = words::badge_of(status);
    let (rank, text, link) = match (&status.failure, status.state, status.health) {
        (Some(failure), PluginState::Failed, _) if failure.quarantined => (0, failure.message.clone(), "Look at it"),
        (Some(failure), PluginState::Failed, _) => (
            1,
            format!("{} failed: {}", failure.phase, failure.message),
            "Look at it",
        ),
        (_, PluginState::Active, Health::Degraded) => {
            let text = "it runs, and a check, a limit or too many of its commands say that it is not well";
            (4, text.to_owned(), "See its graphs")
        }
        _ if status.draining.is_some() => {
            let text = format!("{} commands are still running", status.active_requests);
            (5, text, "Watch it drain")
        }
        _ if status.operation.is_some() => {
            let operation = status
                .operation
                .as_ref()
                .map_or("operation", |running| running.operation);
            (6, format!("{} is under way", operation.replace('_', " ")), "Watch it")
        }
        _ => return None,
    };
    Some(Item {
        rank,
        tone: badge.tone,
        word: badge.word,
        subject: status.id.clone(),
        text,
        path: format!("/plugins/{}", status.id),
        link,
    })
}

fn of_chain(checked: &Checked) -> Option<Item> {
    let broken = checked.outcome.as_ref().err()?;
    Some(Item {
        rank: 2,
        tone: "bad",
        word: "broken chain",
        subject: "audit trail".to_owned(),
        text: broken.to_string(),
        path: "/audit".to_owned(),
        link: "See where",
    })
}

/// What only events tell: versions that wait for approval, and limits that are nearly used up.
fn of_events(supervisor: &Supervisor, plugins: &[PluginStatus]) -> Vec<Item> {
    let (mut kept, now) = (supervisor.subscribe(None, Replay::Kept), supervisor.clock().wall());
    let mut found = BTreeMap::new();
    for event in std::iter::from_fn(|| kept.try_next()) {
        let id = event.plugin_id.to_string();
        match &event.kind {
            EventKind::Error { error } if error.code == Code::ApprovalRequired.as_str() => {
                let text = "a newer version asks for more than this one and waits for somebody to approve".to_owned();
                found.insert((id, "approval"), (3, text, "permissions", "Look at what it asks"));
            }
            EventKind::Reloaded { .. } => {
                found.remove(&(id, "approval"));
            }
            EventKind::ResourceThreshold { resource, used, limit }
                if now
                    .duration_since(event.timestamp)
                    .is_ok_and(|since| since.as_secs() < THRESHOLD_SECONDS) =>
            {
                let text = format!("{} of {} {resource} used", words::count(*used), words::count(*limit));
                found.insert((id, "near a limit"), (4, text, "", "See its graphs"));
            }
            _ => {}
        }
    }
    let is_there = |id: &str| plugins.iter().any(|status| status.id == id);
    let found = found.into_iter().filter(|((id, _), _)| is_there(id));
    let item = |((subject, word), (rank, text, page, link))| Item {
        rank,
        tone: "warn",
        word,
        path: format!("/plugins/{subject}/{page}").trim_end_matches('/').to_owned(),
        subject,
        text,
        link,
    };
    found.map(item).collect()
}

fn totals(plugins: &[PluginStatus]) -> Vec<Total> {
    let count = |holds: fn(&PluginStatus) -> bool| plugins.iter().filter(|status| holds(status)).count();
    let total = |label, count, tone, path| Total {
        label,
        count,
        tone: if count == 0 { "none" } else { tone },
        path,
    };
    vec![
        total("plugins", plugins.len(), "plain", "/plugins"),
        total(
            "active",
            count(|status| status.state == PluginState::Active),
            "ok",
            "/plugins?state=active",
        ),
        total(
            "degraded",
            count(|status| status.health == Health::Degraded),
            "warn",
            "/plugins?state=degraded",
        ),
        total(
            "failed",
            count(|status| status.state == PluginState::Failed),
            "bad",
            "/plugins?state=failed",
        ),
        total(
            "disabled",
            count(|status| status.state == PluginState::Disabled),
            "idle",
            "/plugins?state=disabled",
        ),
    ]
}

fn chain_line(checked: &Checked) -> ChainLine {
    match &checked.outcome {
        Ok(verified) => ChainLine {
            tone: "ok",
            text: format!("intact, {} records", words::count(verified.records)),
        },
        Err(_) => ChainLine {
            tone: "bad",
            text: "broken".to_owned(),
        },
    }
}
