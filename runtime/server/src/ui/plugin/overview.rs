//! A plugin at a glance: live graphs, versions, limits, schedule.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use palisade::{PluginStatus, ScheduleStatus};
use serde::Deserialize;

use super::Head;
use crate::caller::scope::Read;
use crate::rejection::Rejection;
use crate::service::Service;
use crate::ui::events::{EventRow, recent};
use crate::ui::shell::{Section, Shell, shown};
use crate::ui::visitor::Visitor;
use crate::ui::words;

/// Events of the page; the page of all events has more.
const RECENT: usize = 10;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    done: Option<String>,
}

struct Version {
    version: String,
    publisher: String,
    digest: String,
    is_active: bool,
}

struct Step {
    time: String,
    from: &'static str,
    to: &'static str,
    reason: String,
}

#[derive(Template)]
#[template(path = "plugin.html")]
struct OverviewPage {
    shell: Shell,
    head: Head,
    versions: Vec<Version>,
    limits: Vec<(&'static str, String)>,
    schedule: Vec<ScheduleStatus>,
    steps: Vec<Step>,
    events: Vec<EventRow>,
}

pub(super) async fn page(
    State(service): State<Service>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Rejection> {
    let reader = visitor.caller::<Read>()?;
    let supervisor = reader.supervisor();
    let status = supervisor.status(&id)?;
    shown(&OverviewPage {
        shell: visitor.shell(Section::Plugins, status.manifest.name.clone()),
        versions: versions(&status),
        limits: limits(&status),
        schedule: supervisor.schedule(&id)?,
        steps: steps(&status, &service),
        events: recent(supervisor, Some(&id), &visitor.place.at, RECENT, |_| true),
        head: Head::of(&visitor, &status, "").after(asked.done.as_deref()),
    })
}

fn versions(status: &PluginStatus) -> Vec<Version> {
    let newest_first = status.versions.iter().rev();
    let version = |kept: &palisade::KeptVersion| Version {
        version: kept.version.clone(),
        publisher: kept
            .publisher
            .as_deref()
            .map_or_else(|| "unsigned".to_owned(), words::short),
        digest: words::short(&kept.digest.to_string()),
        is_active: kept.digest == status.digest,
    };
    newest_first.map(version).collect()
}

fn limits(status: &PluginStatus) -> Vec<(&'static str, String)> {
    let Some(limits) = &status.limits else {
        return Vec::new();
    };
    let ms = |time: std::time::Duration| {
        format!(
            "{} ms",
            words::count(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
        )
    };
    vec![
        ("fuel per command", words::count(limits.fuel)),
        ("memory", words::bytes(limits.memory_bytes)),
        ("time per command", ms(limits.execution_time)),
        ("arguments", words::bytes(limits.args_bytes)),
        ("answer", words::bytes(limits.output_bytes)),
        ("storage", words::bytes(limits.storage_bytes)),
        ("requests a minute", words::count(limits.requests_per_minute.into())),
    ]
}

fn steps(status: &PluginStatus, service: &Service) -> Vec<Step> {
    let newest_first = status.history.iter().rev().take(RECENT);
    let step = |went: &palisade::Transition| Step {
        time: went.at.map_or_else(String::new, |at| words::ago(service.now(), at)),
        from: went.from.as_str(),
        to: went.to.as_str(),
        reason: went.reason.replace('_', " "),
    };
    newest_first.map(step).collect()
}
