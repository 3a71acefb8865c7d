//! The configuration of a plugin.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use palisade::{Coded, ConfigChange, State as PluginState, TransitionError};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::answer::{Answer, Detail, Done};
use crate::api::Api;
use crate::body;
use crate::caller::Caller;
use crate::caller::scope::{Manage, Read};
use crate::endpoint::Endpoint;
use crate::params::Params;
use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::service::Service;

/// What can happen to a new configuration, besides what can to any operation: it was changed since.
const PUT_FAILS: &[u16] = &[404, 409, 412, 413, 415, 422, 429, 503, 504, 507];

#[derive(Serialize, JsonSchema)]
struct Config {
    plugin: String,
    /// The configuration in use, with `[redacted]` for what its schema calls secret.
    config: Map<String, Value>,
    /// Seconds since 1970.
    timestamp: i64,
}

#[derive(Serialize, JsonSchema)]
struct Validity {
    valid: bool,
    errors: Vec<Map<String, Value>>,
}

#[derive(Serialize, JsonSchema)]
struct History {
    plugin: String,
    #[schemars(with = "Vec<Map<String, Value>>")]
    history: Vec<ConfigChange>,
}

pub(super) fn add(api: Api) -> Api {
    let get = Endpoint::get(
        "config",
        "/plugins/config",
        "The configuration of a plugin, with its `ETag`",
    );
    let put = Endpoint::put(
        "set_config",
        "/plugins/config",
        "Replace the configuration; with `If-Match` only if it is still that one",
    );
    let validate = Endpoint::post(
        "validate_config",
        "/plugins/config/validate",
        "Check a configuration, and change nothing",
    );
    let history = Endpoint::get(
        "config_history",
        "/plugins/config/history",
        "The configurations a plugin had, secrets left out",
    );
    api.call(
        get.classic().needs::<Read>().about_plugin().answers::<Config>(200),
        config,
    )
    .call(
        put.classic()
            .needs::<Manage>()
            .about_plugin()
            .json::<Map<String, Value>>()
            .answers::<Done<Detail>>(200)
            .fails(PUT_FAILS),
        set_config,
    )
    .call(
        validate
            .needs::<Read>()
            .about_plugin()
            .json::<Map<String, Value>>()
            .answers::<Validity>(200),
        validate_config,
    )
    .call(
        history.needs::<Read>().about_plugin().answers::<History>(200),
        config_history,
    )
}

async fn config(
    State(service): State<Service>,
    caller: Caller<Read>,
    mut params: Params,
) -> Result<Response, Rejection> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    let tag = service.config_tag(&caller.supervisor().effective_config(&id)?);
    let body = Config {
        config: caller.supervisor().shown_config(&id)?,
        plugin: id,
        timestamp: service.now().unix_seconds(),
    };
    Ok(([(ETAG, tag)], Json(body)).into_response())
}

async fn set_config(
    State(service): State<Service>,
    caller: Caller<Manage>,
    mut params: Params,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, Rejection> {
    let (id, supervisor) = (params.plugin()?, caller.supervisor());
    params.end(&["plugin"])?;
    let before = supervisor.status(&id)?.state;
    let config = supervisor.meant_config(&id, body::config(sent).await?)?;
    let result = match headers.get(IF_MATCH) {
        None => supervisor.update_config(&id, config).await,
        Some(wanted) => {
            let seen = supervisor.effective_config(&id)?;
            if !matches(wanted, &service.config_tag(&seen)) {
                return Err(RequestError::Stale.reject());
            }
            supervisor.replace_config(&id, seen, config).await
        }
    };
    let status = match result {
        Err(TransitionError::ConfigChanged) => return Err(RequestError::Stale.reject()),
        other => other?,
    };
    let message = match before {
        PluginState::Active => "Configuration updated and plugin reloaded",
        _ => "Configuration updated",
    };
    let tag = service.config_tag(&supervisor.effective_config(&id)?);
    Ok(([(ETAG, tag)], Done::detailed(&service, message, status)).into_response())
}

/// Whether one of the tags of `If-Match` is this one (RFC 9110, 13.1.1).
fn matches(wanted: &HeaderValue, tag: &HeaderValue) -> bool {
    let wanted = wanted.to_str().unwrap_or_default();
    wanted
        .split(',')
        .any(|one| one.trim() == "*" || one.trim().as_bytes() == tag.as_bytes())
}

async fn validate_config(caller: Caller<Read>, mut params: Params, sent: Body) -> Answer<Validity> {
    let (id, supervisor) = (params.plugin()?, caller.supervisor());
    params.end(&["plugin"])?;
    supervisor.status(&id)?;
    let config = supervisor.meant_config(&id, body::config(sent).await?)?;
    let Err(error) = supervisor.check_config(&id, config) else {
        return Ok(Json(Validity {
            valid: true,
            errors: Vec::new(),
        }));
    };
    let mut details = error.details();
    let errors = match details.remove("errors") {
        Some(Value::Array(errors)) => errors.into_iter().filter_map(as_object).collect(),
        _ => return Err(error.into()),
    };
    Ok(Json(Validity { valid: false, errors }))
}

fn as_object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

async fn config_history(caller: Caller<Read>, mut params: Params) -> Answer<History> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    let history = caller.supervisor().shown_config_history(&id).await?;
    Ok(Json(History { plugin: id, history }))
}
