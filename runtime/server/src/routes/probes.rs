//! What whoever watches the server asks.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use palisade::Health;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::answer::Answer;
use crate::api::Api;
use crate::caller::Caller;
use crate::caller::scope::Read;
use crate::endpoint::Endpoint;
use crate::params::Params;
use crate::rejection::Rejection;
use crate::service::Service;

#[derive(Serialize, JsonSchema)]
struct Word {
    status: &'static str,
}

pub(super) fn add(api: Api) -> Api {
    let live = Endpoint::get("livez", "/livez", "Whether the server answers").answers::<Word>(200);
    let ready = Endpoint::get(
        "readyz",
        "/readyz",
        "Whether the server takes work: it is not about to stop, and not all plugins are ill",
    )
    .answers::<Word>(200)
    .answers::<Word>(503);
    let document = Endpoint::get("openapi", "/openapi.json", "This document")
        .needs::<Read>()
        .answers::<Map<String, Value>>(200);
    api.call(live, livez).call(ready, readyz).call(document, openapi)
}

async fn livez(params: Params) -> Answer<Word> {
    params.end(&[])?;
    Ok(Json(Word { status: "ok" }))
}

async fn readyz(State(service): State<Service>, params: Params) -> Result<Response, Rejection> {
    params.end(&[])?;
    let is_ready = !service.ending().is_cancelled() && service.supervisor().health() != Health::Unhealthy;
    Ok(match is_ready {
        true => Json(Word { status: "ready" }).into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, Json(Word { status: "not ready" })).into_response(),
    })
}

async fn openapi(_caller: Caller<Read>, params: Params) -> Answer<Value> {
    params.end(&[])?;
    Ok(Json(crate::openapi()))
}
