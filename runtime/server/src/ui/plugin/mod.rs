//! The pages of one plugin. Each has the same [`Head`]: what it is, how it is, and what can be done to it.

mod commands;
mod config;
mod life;
mod live;
mod logs;
mod overview;
mod permissions;
mod schedule;
mod upgrade;

use axum::Router;
use axum::routing::{get, post};
use palisade::{Operation, PluginStatus};

use super::notice::Notice;
use super::visitor::Visitor;
use super::words::{self, Badge};
use crate::service::Service;
use crate::token::Scope;

pub(super) fn routes() -> Router<Service> {
    Router::new()
        .route("/ui/plugins/{id}", get(overview::page))
        .route("/ui/plugins/{id}/live", get(live::samples))
        .route(
            "/ui/plugins/{id}/do/{operation}",
            get(life::confirm).post(life::carry_out),
        )
        .route("/ui/plugins/{id}/commands", get(commands::page))
        .route("/ui/plugins/{id}/commands/{command}", post(commands::run))
        .route("/ui/plugins/{id}/config", get(config::page).post(config::change))
        .route(
            "/ui/plugins/{id}/permissions",
            get(permissions::page).post(permissions::change),
        )
        .route("/ui/plugins/{id}/upgrade", post(upgrade::upgrade))
        .route("/ui/plugins/{id}/upgrade/check", post(upgrade::check))
        .route("/ui/plugins/{id}/schedule", post(schedule::change))
        .route("/ui/plugins/{id}/logs", get(logs::page))
        .route("/ui/plugins/{id}/logs/live", get(logs::live))
}

/// What is above each page of a plugin.
struct Head {
    id: String,
    name: String,
    description: String,
    version: String,
    badge: Badge,
    health: &'static str,
    generation: String,
    publisher: String,
    digest: String,
    active: usize,
    failure: Option<Notice>,
    notice: Option<Notice>,
    tabs: Vec<Tab>,
    buttons: Vec<Button>,
    /// Why its buttons cannot be used.
    lacks: Option<String>,
}

struct Tab {
    path: String,
    label: &'static str,
    is_here: bool,
}

/// Something that can be done to a plugin in its state.
struct Button {
    operation: &'static str,
    label: &'static str,
    /// Whether it asks first, because running commands or data end with it.
    asks: bool,
}

/// Each page of a plugin: the last part of its path, and its name.
const TABS: [(&str, &str); 5] = [
    ("", "Live"),
    ("commands", "Commands"),
    ("config", "Configuration"),
    ("permissions", "Permissions"),
    ("logs", "Logs"),
];

impl Head {
    fn of(visitor: &Visitor, status: &PluginStatus, here: &str) -> Self {
        let at = &visitor.place.at;
        let tab = |(path, label): (&str, &'static str)| Tab {
            is_here: path == here,
            path: format!("{at}/plugins/{}/{path}", status.id)
                .trim_end_matches('/')
                .to_owned(),
            label,
        };
        Self {
            id: status.id.clone(),
            name: status.manifest.name.clone(),
            description: status.manifest.description.clone().unwrap_or_default(),
            version: status.version.clone(),
            badge: words::badge_of(status),
            health: status.health.as_str(),
            generation: status
                .generation
                .map_or_else(|| "–".to_owned(), |generation| generation.to_string()),
            publisher: status.publisher.clone().unwrap_or_else(|| "unsigned".to_owned()),
            digest: status.digest.to_string(),
            active: status.active_requests,
            failure: failure_of(status),
            notice: None,
            tabs: TABS.into_iter().map(tab).collect(),
            buttons: buttons(status),
            lacks: visitor.lacks(Scope::Manage),
        }
    }

    /// With what came of an operation, as the address says it.
    fn after(mut self, done: Option<&str>) -> Self {
        self.notice = done.and_then(life::done);
        self
    }

    fn publisher_short(&self) -> String {
        words::short(&self.publisher)
    }

    fn digest_short(&self) -> String {
        words::short(&self.digest)
    }
}

fn failure_of(status: &PluginStatus) -> Option<Notice> {
    let failure = status.failure.as_ref()?;
    let title = match failure.quarantined {
        true => "Locked away: it crashed too often",
        false => "It failed",
    };
    let mut notice = Notice::done(title, failure.message.clone());
    notice.tone = "bad";
    notice.facts = vec![
        ("code".to_owned(), failure.code.clone()),
        ("during".to_owned(), failure.phase.replace('_', " ")),
    ];
    notice
        .facts
        .extend(failure.at.map(|at| ("at".to_owned(), at.to_string())));
    Some(notice)
}

/// What may be asked of a plugin now, apart from what has a page of its own.
fn buttons(status: &PluginStatus) -> Vec<Button> {
    let is_quarantined = status.failure.as_ref().is_some_and(|failure| failure.quarantined);
    let has_earlier = status.versions.len() > 1;
    let button = |operation| {
        let (operation, label, asks) = match operation {
            Operation::Enable if !is_quarantined => ("enable", "Enable", false),
            Operation::Reload => ("reload", "Reload", false),
            Operation::Release if is_quarantined => ("release", "Release", true),
            Operation::Restart if !is_quarantined => ("restart", "Restart", true),
            Operation::Rollback if has_earlier => ("rollback", "Roll back", true),
            Operation::Disable => ("disable", "Disable", true),
            Operation::Uninstall => ("uninstall", "Uninstall", true),
            _ => return None,
        };
        Some(Button { operation, label, asks })
    };
    status.state.allowed().into_iter().filter_map(button).collect()
}
