//! What the host has counted.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::api::Api;
use crate::caller::Caller;
use crate::caller::scope::Metrics;
use crate::endpoint::{Endpoint, Schema};
use crate::metrics;
use crate::params::Params;
use crate::rejection::Rejection;
use crate::request_error::RequestError;

pub(super) fn add(api: Api) -> Api {
    let metrics = Endpoint::get("metrics", "/metrics", "What the host has counted, for Prometheus")
        .needs::<Metrics>()
        .answers_with(200, "text/plain", Schema::bytes());
    api.call(metrics, metrics_of)
}

async fn metrics_of(caller: Caller<Metrics>, params: Params) -> Result<Response, Rejection> {
    params.end(&[])?;
    let text = metrics::metrics(caller.supervisor()).await;
    // Writing to a string fails for nothing but a bug of ours.
    let text = text.map_err(|_| RequestError::Panicked.reject())?;
    Ok(([(CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response())
}
