//! Commands of plugins.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use palisade::{CallError, CommandError, GuestError, Output, Receipt, Supervisor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::api::Api;
use crate::body::{self, MAX_ARGS_BYTES};
use crate::caller::Caller;
use crate::caller::scope::Execute;
use crate::endpoint::{Endpoint, Schema};
use crate::params::Params;
use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::service::Service;

/// What a command cost, as a header.
pub(super) const RECEIPT: HeaderName = HeaderName::from_static("palisade-receipt");

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Execution {
    command: String,
    /// The arguments, which reach the plugin as they stand here; nothing at all when they are missing.
    #[serde(default)]
    #[schemars(with = "Option<Value>")]
    args: Option<Box<RawValue>>,
    /// How long the answer is waited for, besides the plugin's own limit.
    #[schemars(range(min = 1))]
    timeout_ms: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct Executed<'a> {
    plugin: &'a str,
    command: &'a str,
    /// `success`, or `error` when the plugin answered with an error of its own.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    result: Option<Reply<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorReply<'a>>,
    receipt: Bill,
    /// Seconds since 1970.
    timestamp: i64,
}

/// What a plugin answered: its JSON, or its bytes.
#[derive(Serialize)]
#[serde(untagged)]
enum Reply<'a> {
    Json(&'a RawValue),
    Bytes { base64: String },
    Nothing,
}

#[derive(Serialize, JsonSchema)]
struct ErrorReply<'a> {
    code: &'a str,
    message: &'a str,
    #[schemars(with = "Value")]
    details: &'a Map<String, Value>,
}

/// What a command cost.
#[derive(Serialize, JsonSchema)]
pub(super) struct Bill {
    fuel: u64,
    memory_peak_bytes: u64,
    duration_us: u64,
    host_calls: BTreeMap<&'static str, u32>,
    /// Which start of the plugin answered.
    generation: u64,
    /// The identity of its bundle.
    digest: String,
}

pub(super) fn add(api: Api) -> Api {
    let execute = Endpoint::post("execute", "/plugins/execute", "Run a command of a plugin");
    let command = Endpoint::post(
        "command",
        "/plugins/{id}/commands/{command}",
        "Run a command of a plugin on bytes",
    );
    api.call(
        execute
            .needs::<Execute>()
            .about_plugin()
            .json::<Execution>()
            .answers::<Executed<'_>>(200),
        execute_command,
    )
    .call(
        command
            .needs::<Execute>()
            .about_plugin()
            .requires("command", json!({"type": "string", "minLength": 1}), "The command")
            .body("application/octet-stream", Schema::bytes(), false)
            .answers::<Value>(200)
            .answers_with(200, "application/octet-stream", Schema::bytes()),
        raw_command,
    )
}

async fn execute_command(
    State(service): State<Service>,
    caller: Caller<Execute>,
    mut params: Params,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, Rejection> {
    let id = params.plugin()?;
    params.end(&["plugin"])?;
    let Execution {
        command,
        args,
        timeout_ms,
    } = body::json(&headers, sent).await?;
    let args = args.as_deref().map_or(&b""[..], |args| args.get().as_bytes());
    let called = in_time(caller.supervisor().call(&id, &command, args), timeout_ms).await?;
    let (status, result, error, receipt) = match &called {
        Ok(output) => ("success", Some(Reply::of(output.bytes())), None, output.receipt()),
        Err(CommandError::Call(CallError::Guest { error, receipt })) => {
            ("error", None, Some(ErrorReply::of(error)), &**receipt)
        }
        Err(_) => {
            return Err(called
                .err()
                .map_or_else(|| RequestError::Panicked.reject(), Rejection::from));
        }
    };
    let executed = Executed {
        plugin: &id,
        command: &command,
        status,
        result,
        error,
        receipt: Bill::of(receipt),
        timestamp: service.now().unix_seconds(),
    };
    let body = serde_json::to_vec(&executed).map_err(|_| RequestError::Panicked.reject())?;
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

async fn raw_command(caller: Caller<Execute>, mut params: Params, sent: Body) -> Result<Response, Rejection> {
    let (id, command) = (params.plugin()?, params.required("command")?);
    params.end(&["plugin", "command"])?;
    let args = body::bytes(sent, MAX_ARGS_BYTES).await?;
    run(caller.supervisor(), &id, &command, &args).await
}

async fn run(supervisor: &Supervisor, id: &str, command: &str, args: &[u8]) -> Result<Response, Rejection> {
    match supervisor.call(id, command, args).await {
        Ok(output) => Ok(bytes_of(output)),
        // Its bytes would be taken for an answer.
        Err(error @ CommandError::Call(CallError::Guest { .. })) => {
            Err(Rejection::with_status(error, StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(error) => Err(error.into()),
    }
}

/// What a plugin answered, as it is, with the bill in a header.
pub(super) fn bytes_of(output: Output) -> Response {
    let bill = serde_json::to_string(&Bill::of(output.receipt())).unwrap_or_default();
    let is_json = serde_json::from_slice::<&RawValue>(output.bytes()).is_ok();
    let kind = if is_json {
        "application/json"
    } else {
        "application/octet-stream"
    };
    let mut response = ([(CONTENT_TYPE, kind)], output.into_bytes()).into_response();
    if let Ok(bill) = HeaderValue::try_from(bill) {
        response.headers_mut().insert(RECEIPT, bill);
    }
    response
}

/// Waits for a command as long as its sender does. A command that is given up is abandoned.
async fn in_time<T>(call: impl Future<Output = T>, timeout_ms: Option<u64>) -> Result<T, Rejection> {
    match timeout_ms {
        None => Ok(call.await),
        Some(0) => {
            let reason = "`timeout_ms` has to be at least 1".to_owned();
            Err(RequestError::Body { reason }.reject())
        }
        Some(limit_ms) => {
            let ended = timeout(Duration::from_millis(limit_ms), call).await;
            ended.map_err(|_| RequestError::TimedOut { limit_ms }.reject())
        }
    }
}

impl<'a> Reply<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        match serde_json::from_slice(bytes) {
            Ok(json) => Self::Json(json),
            Err(_) if bytes.is_empty() => Self::Nothing,
            Err(_) => Self::Bytes {
                base64: STANDARD.encode(bytes),
            },
        }
    }
}

impl<'a> ErrorReply<'a> {
    fn of(error: &'a GuestError) -> Self {
        Self {
            code: &error.code,
            message: &error.message,
            details: &error.details,
        }
    }
}

impl Bill {
    fn of(receipt: &Receipt) -> Self {
        Self {
            fuel: receipt.fuel,
            memory_peak_bytes: receipt.peak_memory_bytes,
            duration_us: u64::try_from(receipt.duration.as_micros()).unwrap_or(u64::MAX),
            host_calls: receipt.host_calls.iter().collect(),
            generation: receipt.generation,
            digest: format!("sha256:{}", receipt.digest),
        }
    }
}
