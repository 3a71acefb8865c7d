//! `enable`, `disable`, `restart`, `rollback`, `release` and `uninstall`.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use palisade::{DisableOptions, LastState, PluginData, PluginStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Detail, Done};
use crate::api::Api;
use crate::body;
use crate::caller::Caller;
use crate::caller::scope::Manage;
use crate::endpoint::Endpoint;
use crate::params::Params;
use crate::service::Service;

/// How long running commands are waited for by `disable`, unless the request says otherwise (http.md).
const DISABLE_MS: u64 = 5_000;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Enabling {
    /// A configuration that replaces the one it has.
    config: Option<Map<String, Value>>,
    /// Also when it crashed too often and is locked away.
    force: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Disabling {
    /// Whether what its cleanup writes into the state record is kept.
    #[serde(alias = "saveState")]
    save_state: bool,
    /// How long running commands are waited for.
    #[serde(alias = "timeout")]
    timeout_ms: u64,
}

impl Default for Disabling {
    fn default() -> Self {
        Self {
            save_state: true,
            timeout_ms: DISABLE_MS,
        }
    }
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Uninstalling {
    /// Leave its data for a later install by the same publisher.
    #[serde(alias = "preserveData")]
    preserve_data: bool,
    /// Write no archive, and go on when some of its data cannot be deleted.
    force: bool,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Stopped {
    /// Commands that ended in time.
    drained: usize,
    /// Commands that had to be interrupted.
    cancelled: usize,
    state_saved: bool,
    #[schemars(with = "Map<String, Value>")]
    detail: PluginStatus,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct RolledBack {
    /// The version that is active again.
    version: String,
    old_version: String,
    #[schemars(with = "Map<String, Value>")]
    detail: PluginStatus,
}

#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
struct Removed {
    version: String,
    /// The file in the data directory that holds its data.
    archived: Option<String>,
}

pub(super) fn add(api: Api) -> Api {
    let post = |name, path, summary| Endpoint::post(name, path, summary).needs::<Manage>().about_plugin();
    let remove = Endpoint::delete("delete", "/plugins/{id}", "Remove a plugin, stopping it first");
    api.call(
        post("enable", "/plugins/enable", "Start a plugin, now and with the host")
            .optional_json::<Enabling>()
            .answers::<Done<Detail>>(200),
        enable,
    )
    .call(
        post(
            "disable",
            "/plugins/disable",
            "Stop a plugin; its configuration and data stay",
        )
        .optional_json::<Disabling>()
        .answers::<Done<Stopped>>(200),
        disable,
    )
    .call(
        post(
            "restart",
            "/plugins/restart",
            "Stop and start a plugin, also a failed one",
        )
        .answers::<Done<Detail>>(200),
        restart,
    )
    .call(
        post(
            "rollback",
            "/plugins/rollback",
            "Bring back an earlier version of a plugin",
        )
        .takes(
            "version",
            json!({"type": "string"}),
            "A version that is kept; without, the one before",
        )
        .answers::<Done<RolledBack>>(200),
        rollback,
    )
    .call(
        post(
            "release",
            "/plugins/release",
            "Let a plugin be started again that is locked away",
        )
        .answers::<Done<Detail>>(200),
        release,
    )
    .call(
        post("uninstall", "/plugins/uninstall", "Remove a plugin, stopping it first")
            .optional_json::<Uninstalling>()
            .answers::<Done<Removed>>(200),
        uninstall,
    )
    .call(
        remove
            .needs::<Manage>()
            .about_plugin()
            .optional_json::<Uninstalling>()
            .answers::<Done<Removed>>(200),
        uninstall,
    )
}

async fn enable(
    State(service): State<Service>,
    caller: Caller<Manage>,
    mut params: Params,
    headers: HeaderMap,
    sent: Body,
) -> Answer<Done<Detail>> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    let (Enabling { config, force }, supervisor) = (body::optional(&headers, sent).await?, caller.supervisor());
    let failure = supervisor.status(&id)?.failure;
    if force && failure.is_some_and(|failure| failure.quarantined) {
        supervisor.release(&id).await?;
    }
    if let Some(config) = config {
        supervisor
            .update_config(&id, supervisor.meant_config(&id, config)?)
            .await?;
    }
    let status = supervisor.enable(&id).await?;
    Ok(Done::detailed(&service, "Plugin enabled", status))
}

async fn disable(
    State(service): State<Service>,
    caller: Caller<Manage>,
    mut params: Params,
    headers: HeaderMap,
    sent: Body,
) -> Answer<Done<Stopped>> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    let Disabling { save_state, timeout_ms } = body::optional(&headers, sent).await?;
    let options = DisableOptions {
        timeout: Duration::from_millis(timeout_ms),
        last_state: if save_state { LastState::Keep } else { LastState::Refuse },
    };
    let disabled = caller.supervisor().disable(&id, options).await?;
    let more = Stopped {
        drained: disabled.drained,
        cancelled: disabled.cancelled,
        state_saved: disabled.state_saved,
        detail: disabled.status,
    };
    Ok(Json(Done::new(&service, id, "Plugin disabled", more)))
}

async fn restart(State(service): State<Service>, caller: Caller<Manage>, mut params: Params) -> Answer<Done<Detail>> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    let status = caller.supervisor().restart(&id).await?;
    Ok(Done::detailed(&service, "Plugin restarted", status))
}

async fn release(State(service): State<Service>, caller: Caller<Manage>, mut params: Params) -> Answer<Done<Detail>> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    let status = caller.supervisor().release(&id).await?;
    Ok(Done::detailed(&service, "Plugin released", status))
}

async fn rollback(
    State(service): State<Service>,
    caller: Caller<Manage>,
    mut params: Params,
) -> Answer<Done<RolledBack>> {
    let (id, version) = (
        params.plugin()?,
        params.text("version")?.filter(|version| !version.is_empty()),
    );
    params.end(&["plugin", "version"])?;
    let supervisor = caller.supervisor();
    let old_version = supervisor.status(&id)?.version;
    let status = match version {
        Some(version) => supervisor.rollback_to(&id, &version).await?,
        None => supervisor.rollback(&id).await?,
    };
    let more = RolledBack {
        version: status.version.clone(),
        old_version,
        detail: status,
    };
    Ok(Json(Done::new(&service, id, "Plugin rolled back", more)))
}

async fn uninstall(
    State(service): State<Service>,
    caller: Caller<Manage>,
    mut params: Params,
    headers: HeaderMap,
    sent: Body,
) -> Answer<Done<Removed>> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    let Uninstalling { preserve_data, force } = body::optional(&headers, sent).await?;
    let data = match (preserve_data, force) {
        (true, _) => PluginData::Preserve,
        (false, true) => PluginData::Discard,
        (false, false) => PluginData::Archive,
    };
    let version = caller.supervisor().status(&id)?.version;
    let removed = caller.supervisor().uninstall(&id, data).await?;
    let archived = removed.archive.map(|archive| archive.display().to_string());
    Ok(Json(Done::new(
        &service,
        id,
        "Plugin uninstalled",
        Removed { version, archived },
    )))
}
