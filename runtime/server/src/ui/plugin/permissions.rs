//! What a plugin asks for, was granted, and may do; and another version, which may ask for more.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use palisade::{Permission, PluginStatus};
use serde::Deserialize;

use super::Head;
use crate::caller::scope::{Manage, Read};
use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::token::Scope;
use crate::ui::shell::{Section, Shell, shown};
use crate::ui::visitor::{Sent, Visitor};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    done: Option<String>,
}

struct Row {
    name: String,
    meaning: &'static str,
    protects: &'static str,
    reason: String,
    /// Whether the plugin asks for it, and can do without.
    asked: &'static str,
    standing: &'static str,
    tone: &'static str,
    is_granted: bool,
}

#[derive(Template)]
#[template(path = "permissions.html")]
struct PermissionsPage {
    shell: Shell,
    head: Head,
    rows: Vec<Row>,
    lacks_install: Option<String>,
}

pub(super) async fn page(
    visitor: Visitor,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Rejection> {
    let status = visitor.caller::<Read>()?.supervisor().status(&id)?;
    shown(&PermissionsPage {
        shell: visitor.shell(Section::Plugins, format!("Permissions of {}", status.manifest.name)),
        head: Head::of(&visitor, &status, "permissions").after(asked.done.as_deref()),
        rows: rows(&status),
        lacks_install: visitor.lacks(Scope::Install),
    })
}

/// What is asked first, in the order of the manifest; then what else was granted or is withheld.
fn rows(status: &PluginStatus) -> Vec<Row> {
    let asked = status.manifest.permissions.iter().map(|request| {
        let asked = if request.optional { "optional" } else { "required" };
        Row::of(status, &request.name, asked, request.reason.clone().unwrap_or_default())
    });
    let is_asked = |name: &&Permission| status.manifest.permissions.iter().any(|request| request.name == **name);
    let others = status
        .granted
        .iter()
        .chain(&status.withheld)
        .filter(|name| !is_asked(name));
    asked
        .chain(others.map(|name| Row::of(status, name, "not asked", String::new())))
        .collect()
}

impl Row {
    fn of(status: &PluginStatus, name: &Permission, asked: &'static str, reason: String) -> Self {
        let is_granted =
            status.granted.contains(name) || (name.is_granted_to_everyone() && !status.withheld.contains(name));
        let in_effect = status.grant.as_ref().map(|grant| grant.contains(name));
        let (standing, tone) = match (is_granted, in_effect) {
            (true, Some(true)) => ("in effect", "ok"),
            (true, Some(false)) => ("granted, not in effect", "warn"),
            (true, None) => ("granted", "ok"),
            (false, _) if status.withheld.contains(name) => ("withheld", "idle"),
            (false, _) => ("not granted", "idle"),
        };
        Self {
            name: name.to_string(),
            meaning: name.meaning(),
            protects: name.protects(),
            reason,
            asked,
            standing,
            tone,
            is_granted,
        }
    }
}

/// Grants or revokes one permission.
pub(super) async fn change(Path(id): Path<String>, sent: Sent) -> Result<Response, Rejection> {
    let manager = sent.visitor.caller::<Manage>()?;
    let permission = sent
        .form
        .filled("permission")
        .ok_or_else(|| RequestError::Missing { name: "permission" }.reject())?;
    let done = match sent.form.text("change") {
        Some("grant") => {
            manager.supervisor().grant(&id, permission).await?;
            "grant"
        }
        Some("revoke") => {
            manager.supervisor().revoke(&id, permission).await?;
            "revoke"
        }
        _ => return Err(RequestError::Missing { name: "change" }.reject()),
    };
    Ok(sent
        .visitor
        .place
        .go_to(&format!("/plugins/{id}/permissions?done={done}")))
}
