//! `status`, `list`, `health` and `reload`: calls whose clients are older than this API.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use palisade::{Health, PluginStatus, State as PluginState};
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::{Answer, Detail, Done};
use crate::api::Api;
use crate::caller::Caller;
use crate::caller::scope::{Manage, Read};
use crate::duration::in_words_of_go;
use crate::endpoint::Endpoint;
use crate::params::Params;
use crate::rejection::Rejection;
use crate::service::Service;

/// How often a client that watches a drain may well ask. The drain itself is told of every end of a command.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Serialize, JsonSchema)]
struct SystemStatus {
    plugin_system: PluginSystem,
    health_status: HealthStatus,
    /// How long the server has been up, such as `2h15m30s`.
    uptime: String,
    /// Seconds since 1970.
    timestamp: i64,
}

#[derive(Serialize, JsonSchema)]
struct PluginSystem {
    enabled: bool,
    total_plugins: usize,
    active_plugins: usize,
    plugin_dir: String,
    active_requests: usize,
    plugin_states: BTreeMap<String, &'static str>,
    draining: DrainSettings,
}

#[derive(Serialize, JsonSchema)]
struct DrainSettings {
    timeout: String,
    poll_interval: String,
}

#[derive(Serialize, JsonSchema)]
struct HealthStatus {
    healthy_count: usize,
    unhealthy_count: usize,
    total_count: usize,
    overall_status: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct List {
    plugins: Vec<Listed>,
    total_count: usize,
    /// Seconds since 1970.
    timestamp: i64,
}

#[derive(Serialize, JsonSchema)]
struct Listed {
    name: String,
    status: &'static str,
    health: PluginHealth,
    version: String,
    generation: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct PluginHealth {
    status: &'static str,
    state: &'static str,
    /// Seconds since 1970; 0 while no check has run.
    last_check: i64,
    checks: Checks,
}

#[derive(Serialize, JsonSchema)]
struct Checks {
    active_requests: usize,
}

#[derive(Serialize, JsonSchema)]
struct AllHealth {
    overall_status: &'static str,
    plugins: BTreeMap<String, PluginHealth>,
    /// Seconds since 1970.
    timestamp: i64,
}

pub(super) fn add(api: Api) -> Api {
    let status = Endpoint::get("status", "/plugins/status", "The state of all plugins in short");
    let list = Endpoint::get("list", "/plugins/list", "Every plugin, with its health");
    let health = Endpoint::get(
        "health",
        "/plugins/health",
        "The health of every plugin, and of all together",
    );
    let reload = Endpoint::post(
        "reload",
        "/plugins/reload",
        "Replace the instances of a plugin; no command is lost",
    );
    api.call(
        status.classic().needs::<Read>().answers::<SystemStatus>(200),
        system_status,
    )
    .call(list.classic().needs::<Read>().answers::<List>(200), list_plugins)
    .call(health.classic().needs::<Read>().answers::<AllHealth>(200), all_health)
    .call(
        reload
            .classic()
            .needs::<Manage>()
            .about_plugin()
            .answers::<Done<Detail>>(200),
        reload_plugin,
    )
}

async fn system_status(State(service): State<Service>, caller: Caller<Read>, params: Params) -> Answer<SystemStatus> {
    params.end(&[])?;
    let (supervisor, plugins) = (caller.supervisor(), caller.supervisor().list());
    let monitored = plugins.iter().filter(|status| status.health != Health::Unknown);
    let (total, healthy) = monitored.fold((0, 0), |(total, healthy), status| {
        (total + 1, healthy + usize::from(status.health == Health::Healthy))
    });
    Ok(Json(SystemStatus {
        plugin_system: PluginSystem {
            enabled: !service.ending().is_cancelled(),
            total_plugins: plugins.len(),
            active_plugins: plugins
                .iter()
                .filter(|status| status.state == PluginState::Active)
                .count(),
            plugin_dir: supervisor.folder().display().to_string(),
            active_requests: plugins.iter().map(|status| status.active_requests).sum(),
            plugin_states: plugins
                .iter()
                .map(|status| (status.id.clone(), status.state.as_str()))
                .collect(),
            draining: DrainSettings {
                timeout: in_words_of_go(supervisor.drain_timeout()),
                poll_interval: in_words_of_go(POLL_INTERVAL),
            },
        },
        health_status: HealthStatus {
            healthy_count: healthy,
            unhealthy_count: total - healthy,
            total_count: total,
            overall_status: Health::overall(plugins.iter().map(|status| status.health)).as_str(),
        },
        uptime: in_words_of_go(Duration::from_secs(service.uptime().as_secs())),
        timestamp: service.now().unix_seconds(),
    }))
}

async fn list_plugins(State(service): State<Service>, caller: Caller<Read>, params: Params) -> Answer<List> {
    params.end(&[])?;
    let plugins: Vec<_> = caller.supervisor().list().iter().map(Listed::of).collect();
    Ok(Json(List {
        total_count: plugins.len(),
        plugins,
        timestamp: service.now().unix_seconds(),
    }))
}

async fn all_health(State(service): State<Service>, caller: Caller<Read>, params: Params) -> Answer<AllHealth> {
    params.end(&[])?;
    let plugins = caller.supervisor().list();
    Ok(Json(AllHealth {
        overall_status: Health::overall(plugins.iter().map(|status| status.health)).as_str(),
        plugins: plugins
            .iter()
            .map(|status| (status.id.clone(), PluginHealth::of(status)))
            .collect(),
        timestamp: service.now().unix_seconds(),
    }))
}

async fn reload_plugin(
    State(service): State<Service>,
    caller: Caller<Manage>,
    mut params: Params,
) -> Result<Json<Done<Detail>>, Rejection> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    let status = caller.supervisor().reload(&id).await?;
    Ok(Done::detailed(
        &service,
        "Plugin reloaded successfully with graceful draining",
        status,
    ))
}

impl Listed {
    fn of(status: &PluginStatus) -> Self {
        Self {
            name: status.id.clone(),
            status: status.state.as_str(),
            health: PluginHealth::of(status),
            version: status.version.clone(),
            generation: status.generation,
        }
    }
}

impl PluginHealth {
    fn of(status: &PluginStatus) -> Self {
        Self {
            status: status.health.as_str(),
            state: status.state.as_str(),
            last_check: status.last_check.map_or(0, |at| at.unix_seconds()),
            checks: Checks {
                active_requests: status.active_requests,
            },
        }
    }
}
