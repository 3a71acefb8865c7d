//! Everything about a plugin, and how plugins depend on each other.

use axum::Json;
use axum::extract::State;
use palisade::{DependencyGraph, PluginStatus};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::answer::{Answer, Detail, Done};
use crate::api::Api;
use crate::caller::Caller;
use crate::caller::scope::{Manage, Read};
use crate::endpoint::Endpoint;
use crate::params::Params;
use crate::service::Service;

#[derive(Serialize, JsonSchema)]
struct Plugins {
    #[schemars(with = "Vec<Map<String, Value>>")]
    plugins: Vec<PluginStatus>,
}

pub(super) fn add(api: Api) -> Api {
    let all = Endpoint::get("plugins", "/plugins", "Everything about every plugin");
    let one = Endpoint::get(
        "plugin",
        "/plugins/{id}",
        "Everything about a plugin: manifest, versions, grant, limits, history",
    );
    let graph = Endpoint::get(
        "dependencies",
        "/plugins/dependencies",
        "Who needs whom, and who starts when",
    );
    let check = Endpoint::post(
        "check_health",
        "/plugins/health/check",
        "Check the health of a plugin now",
    );
    api.call(all.needs::<Read>().answers::<Plugins>(200), plugins)
        .call(
            one.needs::<Read>().about_plugin().answers::<Map<String, Value>>(200),
            plugin,
        )
        .call(graph.needs::<Read>().answers::<Map<String, Value>>(200), dependencies)
        .call(
            check.needs::<Manage>().about_plugin().answers::<Done<Detail>>(200),
            check_health,
        )
}

async fn plugins(caller: Caller<Read>, params: Params) -> Answer<Plugins> {
    params.end(&[])?;
    Ok(Json(Plugins {
        plugins: caller.supervisor().list(),
    }))
}

async fn plugin(caller: Caller<Read>, mut params: Params) -> Answer<PluginStatus> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    Ok(Json(caller.supervisor().status(&id)?))
}

async fn dependencies(caller: Caller<Read>, params: Params) -> Answer<DependencyGraph> {
    params.end(&[])?;
    Ok(Json(caller.supervisor().dependencies()))
}

async fn check_health(
    State(service): State<Service>,
    caller: Caller<Manage>,
    mut params: Params,
) -> Answer<Done<Detail>> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    let status = caller.supervisor().check_health(&id).await?;
    Ok(Done::detailed(&service, "Plugin is well", status))
}
