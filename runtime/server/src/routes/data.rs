//! What a plugin keeps.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use palisade::PluginArchive;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::answer::{Answer, Detail, Done};
use crate::api::Api;
use crate::body::{self, MAX_ARCHIVE_BYTES, MAX_JSON_BYTES};
use crate::caller::Caller;
use crate::caller::scope::Manage;
use crate::endpoint::Endpoint;
use crate::params::Params;
use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::service::Service;

pub(super) fn add(api: Api) -> Api {
    let state = Endpoint::get("state", "/plugins/state", "The state record of a plugin, as it is");
    let set_state = Endpoint::put(
        "set_state",
        "/plugins/state",
        "Replace the state record of a plugin that does not run; `null` removes it",
    );
    let export = Endpoint::get("export_data", "/plugins/data", "Everything a plugin keeps");
    let import = Endpoint::put(
        "import_data",
        "/plugins/data",
        "Replace everything that a plugin keeps, while it does not run",
    );
    api.call(state.needs::<Manage>().about_plugin().answers::<Value>(200), state_of)
        .call(
            set_state
                .needs::<Manage>()
                .about_plugin()
                .json::<Value>()
                .answers::<Done<Detail>>(200),
            replace_state,
        )
        .call(
            export
                .needs::<Manage>()
                .about_plugin()
                .answers::<Map<String, Value>>(200),
            export_data,
        )
        .call(
            import
                .needs::<Manage>()
                .about_plugin()
                .json::<Map<String, Value>>()
                .answers::<Done<Detail>>(200),
            import_data,
        )
}

async fn state_of(caller: Caller<Manage>, mut params: Params) -> Result<Response, Rejection> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    match caller.supervisor().state(&id).await? {
        Some(record) => Ok(([(CONTENT_TYPE, "application/json")], record).into_response()),
        None => Err(RequestError::NoState.reject()),
    }
}

async fn replace_state(
    State(service): State<Service>,
    caller: Caller<Manage>,
    mut params: Params,
    sent: Body,
) -> Answer<Done<Detail>> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    let record = body::bytes(sent, MAX_JSON_BYTES).await?;
    let is_null = serde_json::from_slice::<&RawValue>(&record).is_ok_and(|record| record.get() == "null");
    let status = caller.supervisor().set_state(&id, (!is_null).then_some(record)).await?;
    Ok(Done::detailed(&service, "State replaced", status))
}

async fn export_data(caller: Caller<Manage>, mut params: Params) -> Answer<PluginArchive> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    Ok(Json(caller.supervisor().export_data(&id).await?))
}

async fn import_data(
    State(service): State<Service>,
    caller: Caller<Manage>,
    mut params: Params,
    sent: Body,
) -> Answer<Done<Detail>> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    caller.supervisor().status(&id)?;
    let archive = body::bytes(sent, MAX_ARCHIVE_BYTES).await?;
    let archive: PluginArchive = serde_json::from_slice(&archive).map_err(|error| {
        RequestError::Body {
            reason: error.to_string(),
        }
        .reject()
    })?;
    let status = caller.supervisor().import_data(&id, archive).await?;
    Ok(Done::detailed(&service, "Data replaced", status))
}
