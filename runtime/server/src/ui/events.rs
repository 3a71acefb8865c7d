//! What happened, as it happens.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use palisade::{Event, EventKind, EventLine, Replay, Subscription, Supervisor};
use serde::Deserialize;
use serde_json::Value;

use super::shell::{Section, Shell, shown};
use super::stream;
use super::visitor::Visitor;
use crate::caller::scope::Read;
use crate::rejection::Rejection;
use crate::service::Service;
use crate::stream::Source;

/// Events of a page: what fits on two screens. The journal has the rest.
const SHOWN: usize = 100;

/// The longest list of facts of an event. The journal has all of it.
const MAX_FACTS: usize = 300;

/// One event as a row.
#[derive(Template)]
#[template(path = "event_row.html")]
pub(super) struct EventRow {
    at: String,
    pub(super) time: String,
    pub(super) plugin: String,
    pub(super) kind: String,
    pub(super) tone: &'static str,
    pub(super) facts: String,
}

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    shell: Shell,
    rows: Vec<EventRow>,
    plugin: String,
    kind: String,
}

/// Which events.
#[derive(Clone, Default, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    plugin: String,
    #[serde(default)]
    kind: String,
}

impl EventRow {
    /// The row, if the event can be told at all.
    pub(super) fn of(event: &Arc<Event>, at: &str) -> Option<Self> {
        let line = EventLine::of(event)?;
        let mut facts: Vec<_> = line.facts.iter().filter_map(fact).collect();
        if let EventKind::Error { error } | EventKind::Rollback { cause: error } = &event.kind {
            facts = vec![format!("{}: {}", error.code, error.message)];
        }
        let facts = facts.join(" · ");
        Some(Self {
            at: at.to_owned(),
            time: line.timestamp.map(|time| time.to_string()).unwrap_or_default(),
            plugin: line.plugin_id.unwrap_or_default(),
            kind: line.event.trim_start_matches("plugin:").to_owned(),
            tone: tone(&event.kind),
            facts: match facts.char_indices().nth(MAX_FACTS) {
                Some((end, _)) => format!("{}…", facts.get(..end).unwrap_or_default()),
                None => facts,
            },
        })
    }
}

impl EventRow {
    /// Month, day and time: what tells events of one host apart.
    fn clock(&self) -> String {
        self.time.get(5..19).unwrap_or_default().replace('T', " ")
    }
}

fn fact((name, value): (&String, &Value)) -> Option<String> {
    let value = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(format!("{} {value}", name.replace('_', " ")))
}

fn tone(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Error { .. }
        | EventKind::Rollback { .. }
        | EventKind::Quarantined { .. }
        | EventKind::SecurityViolation { .. } => "bad",
        EventKind::Warning { .. }
        | EventKind::Undelivered { .. }
        | EventKind::PermissionDenied { .. }
        | EventKind::ResourceThreshold { .. }
        | EventKind::ResourceExceeded { .. }
        | EventKind::Restarting { .. } => "warn",
        EventKind::Installing
        | EventKind::Enabling
        | EventKind::Disabling
        | EventKind::Uninstalling
        | EventKind::Reloading
        | EventKind::Draining { .. } => "busy",
        EventKind::Executed { status, .. } if *status != "ok" => "warn",
        EventKind::Enabled | EventKind::Reloaded { .. } | EventKind::Installed | EventKind::Restarted { .. } => "ok",
        _ => "idle",
    }
}

/// The last events that pass, newest first.
pub(super) fn recent(
    supervisor: &Supervisor,
    plugin: Option<&str>,
    at: &str,
    count: usize,
    passes: impl Fn(&Event) -> bool,
) -> Vec<EventRow> {
    let mut kept = supervisor.subscribe(plugin, Replay::Kept);
    let events: Vec<_> = std::iter::from_fn(|| kept.try_next())
        .filter(|event| passes(event))
        .collect();
    events
        .iter()
        .rev()
        .filter_map(|event| EventRow::of(event, at))
        .take(count)
        .collect()
}

impl Wanted {
    fn plugin(&self) -> Option<&str> {
        Some(self.plugin.as_str()).filter(|id| !id.is_empty())
    }

    fn holds(&self, row: &EventRow) -> bool {
        row.kind.contains(self.kind.trim())
    }
}

pub(super) async fn page(visitor: Visitor, Query(wanted): Query<Wanted>) -> Result<Response, Rejection> {
    let reader = visitor.caller::<Read>()?;
    let mut rows = recent(
        reader.supervisor(),
        wanted.plugin(),
        &visitor.place.at,
        usize::MAX,
        |_| true,
    );
    rows.retain(|row| wanted.holds(row));
    rows.truncate(SHOWN);
    shown(&EventsPage {
        shell: visitor.shell(Section::Events, "Events"),
        rows,
        plugin: wanted.plugin,
        kind: wanted.kind,
    })
}

/// Rows as events happen.
pub(super) async fn live(
    State(service): State<Service>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let reader = visitor.caller::<Read>()?;
    let source = Following {
        subscription: reader.supervisor().subscribe(wanted.plugin(), Replay::Nothing),
        at: visitor.place.at.clone(),
        wanted,
    };
    Ok(stream::answer(&service, visitor, &headers, source))
}

struct Following {
    subscription: Subscription,
    at: String,
    wanted: Wanted,
}

impl Source for Following {
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let event = self.subscription.next().await;
            let row = EventRow::of(&event, &self.at).filter(|row| self.wanted.holds(row));
            if let Some(sent) = row.and_then(|row| stream::part("row", &row)) {
                return Some(sent);
            }
        }
    }
}
