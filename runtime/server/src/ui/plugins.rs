//! The table of plugins.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use palisade::PluginStatus;
use serde::Deserialize;

use super::notice::Notice;
use super::shell::{Section, Shell, shown};
use super::visitor::Visitor;
use super::words::{self, Badge};
use crate::caller::scope::Read;
use crate::rejection::Rejection;
use crate::service::Service;

/// The states one can look for, as their badges say them.
const STATES: [&str; 8] = [
    "active",
    "degraded",
    "failed",
    "quarantined",
    "draining",
    "disabled",
    "installed",
    "reloading",
];

/// What may be sorted by, and what its column is called.
const COLUMNS: [(&str, &str); 6] = [
    ("id", "Plugin"),
    ("state", "State"),
    ("version", "Version"),
    ("publisher", "Publisher"),
    ("active", "In flight"),
    ("checked", "Checked"),
];

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    q: String,
    state: String,
    sort: String,
    order: String,
    done: String,
}

struct Row {
    id: String,
    name: String,
    badge: Badge,
    version: String,
    publisher: String,
    active: usize,
    checked: String,
    checked_at: i64,
}

struct Column {
    label: &'static str,
    name: &'static str,
    /// `ascending`, `descending` or `none`.
    sorted: &'static str,
    /// The order that the next click asks for.
    next: &'static str,
}

#[derive(Template)]
#[template(path = "plugins.html")]
struct PluginsPage {
    shell: Shell,
    notice: Option<Notice>,
    wanted: Wanted,
    columns: Vec<Column>,
    rows: Vec<Row>,
    total: usize,
}

impl PluginsPage {
    fn states(&self) -> [&'static str; 8] {
        STATES
    }
}

pub(super) async fn page(
    State(service): State<Service>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Rejection> {
    let plugins = visitor.caller::<Read>()?.supervisor().list();
    let total = plugins.len();
    let rows = plugins.iter().map(|status| Row::of(status, &service));
    let mut rows: Vec<Row> = rows.filter(|row| wanted.holds(row)).collect();
    wanted.sort(&mut rows);
    let notice = (wanted.done == "uninstall").then(|| {
        Notice::done(
            "Uninstalled",
            "Its data is kept in an archive of the data directory, unless you chose otherwise.",
        )
    });
    shown(&PluginsPage {
        shell: visitor.shell(Section::Plugins, "Plugins"),
        columns: wanted.columns(),
        notice,
        rows,
        total,
        wanted,
    })
}

impl Row {
    fn of(status: &PluginStatus, service: &Service) -> Self {
        Self {
            id: status.id.clone(),
            name: status.manifest.name.clone(),
            badge: words::badge_of(status),
            version: status.version.clone(),
            publisher: status
                .publisher
                .as_deref()
                .map_or_else(|| "unsigned".to_owned(), words::short),
            active: status.active_requests,
            checked: status
                .last_check
                .map_or_else(|| "never".to_owned(), |at| words::ago(service.now(), at)),
            checked_at: status.last_check.map_or(i64::MIN, palisade::Timestamp::unix_seconds),
        }
    }
}

impl Wanted {
    fn holds(&self, row: &Row) -> bool {
        let q = self.q.trim().to_lowercase();
        let is_named = row.id.contains(&q) || row.name.to_lowercase().contains(&q);
        is_named && (self.state.is_empty() || self.state == row.badge.word)
    }

    fn sort(&self, rows: &mut [Row]) {
        match self.sort.as_str() {
            "state" => rows.sort_by_key(|row| row.badge.word),
            "version" => rows.sort_by(|one, other| one.version.cmp(&other.version)),
            "publisher" => rows.sort_by(|one, other| one.publisher.cmp(&other.publisher)),
            "active" => rows.sort_by_key(|row| row.active),
            "checked" => rows.sort_by_key(|row| row.checked_at),
            _ => rows.sort_by(|one, other| one.id.cmp(&other.id)),
        }
        if self.order == "descending" {
            rows.reverse();
        }
    }

    fn columns(&self) -> Vec<Column> {
        let column = |(name, label): (&'static str, &'static str)| {
            let is_sorted = self.sort == name || (self.sort.is_empty() && name == "id");
            let (sorted, next) = match (is_sorted, self.order == "descending") {
                (true, true) => ("descending", "ascending"),
                (true, false) => ("ascending", "descending"),
                (false, _) => ("none", "ascending"),
            };
            Column {
                label,
                name,
                sorted,
                next,
            }
        };
        COLUMNS.into_iter().map(column).collect()
    }
}
