//! What a plugin may do.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::answer::{Answer, Detail, Done};
use crate::api::Api;
use crate::body;
use crate::caller::Caller;
use crate::caller::scope::Manage;
use crate::endpoint::Endpoint;
use crate::params::Params;
use crate::rejection::Rejection;
use crate::service::Service;

#[derive(Serialize, JsonSchema)]
struct Permissions {
    plugin: String,
    /// What its manifest asks for.
    asked: Vec<String>,
    /// What its operator granted.
    granted: Vec<String>,
    /// What every plugin may do and this one may not.
    withheld: Vec<String>,
    /// What it may do, while it runs.
    grant: Option<Vec<String>>,
    /// Seconds since 1970.
    timestamp: i64,
}

/// What is to be granted, and nothing else: a list, or an object that holds it.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Grants {
    List(Vec<String>),
    Object(GrantsObject),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GrantsObject {
    granted: Vec<String>,
}

pub(super) fn add(api: Api) -> Api {
    let get = Endpoint::get(
        "permissions",
        "/plugins/permissions",
        "What a plugin asks for, was granted, and may do",
    );
    let put = Endpoint::put(
        "set_permissions",
        "/plugins/permissions",
        "Grant what is in the list, and nothing else",
    );
    let change = |name, path, summary| {
        Endpoint::post(name, path, summary)
            .needs::<Manage>()
            .about_plugin()
            .requires(
                "permission",
                json!({"type": "string", "minLength": 1}),
                "A permission, or the alias of a family",
            )
            .answers::<Done<Detail>>(200)
    };
    api.call(
        get.needs::<Manage>().about_plugin().answers::<Permissions>(200),
        permissions,
    )
    .call(
        put.needs::<Manage>()
            .about_plugin()
            .json::<Grants>()
            .answers::<Done<Detail>>(200),
        set_permissions,
    )
    .call(change("grant", "/plugins/grant", "Let a plugin do more"), grant)
    .call(change("revoke", "/plugins/revoke", "Let a plugin do less"), revoke)
}

async fn permissions(
    State(service): State<Service>,
    caller: Caller<Manage>,
    mut params: Params,
) -> Answer<Permissions> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    let status = caller.supervisor().status(&id)?;
    let names = |permissions: &[palisade::Permission]| permissions.iter().map(ToString::to_string).collect();
    Ok(Json(Permissions {
        asked: status
            .manifest
            .permissions
            .iter()
            .map(|asked| asked.name.to_string())
            .collect(),
        granted: names(&status.granted),
        withheld: names(&status.withheld),
        grant: status.grant.as_deref().map(names),
        plugin: id,
        timestamp: service.now().unix_seconds(),
    }))
}

async fn set_permissions(
    State(service): State<Service>,
    caller: Caller<Manage>,
    mut params: Params,
    headers: HeaderMap,
    sent: Body,
) -> Answer<Done<Detail>> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    let (Grants::List(granted) | Grants::Object(GrantsObject { granted })) = body::json(&headers, sent).await?;
    let status = caller.supervisor().set_grants(&id, granted).await?;
    Ok(Done::detailed(&service, "Permissions updated", status))
}

async fn grant(State(service): State<Service>, caller: Caller<Manage>, params: Params) -> Answer<Done<Detail>> {
    let (id, permission) = named(params)?;
    let status = caller.supervisor().grant(&id, &permission).await?;
    Ok(Done::detailed(&service, "Permission granted", status))
}

async fn revoke(State(service): State<Service>, caller: Caller<Manage>, params: Params) -> Answer<Done<Detail>> {
    let (id, permission) = named(params)?;
    let status = caller.supervisor().revoke(&id, &permission).await?;
    Ok(Done::detailed(&service, "Permission revoked", status))
}

fn named(mut params: Params) -> Result<(String, String), Rejection> {
    let named = (params.plugin()?, params.required("permission")?);
    params.end(&["plugin", "permission"])?;
    Ok(named)
}
