//! A rejection as RFC 9457 and errors.md have it: [`Problem`].

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use palisade::{Code, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::operation::Operation;
use crate::rejection::Rejection;

/// What is known of the request that was rejected.
pub(crate) struct Asked<'a> {
    pub(crate) operation: Operation,
    pub(crate) plugin: Option<String>,
    /// Under this the log says more.
    pub(crate) request_id: &'a str,
    pub(crate) at: Timestamp,
}

/// The body of every answer that is an error.
#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    /// The number, or the word `error` on the calls whose clients look for that.
    status: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    detail: String,
    code: &'static str,
    message: String,
    details: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<&'a str>,
    operation: &'static str,
    operation_id: &'a str,
    timestamp: Value,
    severity: &'static str,
    recoverable: bool,
    /// Whose fault it is; decides the exit code of a command line.
    blame: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    help: Vec<String>,
}

/// Makes the answer to a request that was rejected out of `response`, whose status and headers stay.
pub(crate) fn write(rejection: &Rejection, asked: &Asked<'_>, response: &mut Response) {
    let (code, status) = (rejection.code(), rejection.status());
    let operation = asked.operation;
    if rejection.is_of_the_host() {
        let error = rejection.full();
        tracing::error!(
            operation_id = asked.request_id,
            operation = operation.name,
            error,
            "a call failed"
        );
    }
    let details = rejection.error().details();
    add_headers(response, code, &details);
    let message = rejection.message();
    let is_unknown_plugin = operation.is_classic && code == Code::NotFound;
    let problem = Problem {
        kind: format!("urn:palisade:problem:{code}"),
        title: code.meaning(),
        status: match operation.is_classic {
            true => "error".into(),
            false => status.as_u16().into(),
        },
        http_status: operation.is_classic.then(|| status.as_u16()),
        detail: message.clone(),
        code: code.as_str(),
        message: match is_unknown_plugin {
            true => "Plugin not found".to_owned(),
            false => message,
        },
        details,
        plugin: match operation.is_classic {
            // Their clients look for it in any case.
            true => Some(asked.plugin.as_deref().unwrap_or_default()),
            false => asked.plugin.as_deref(),
        },
        operation: operation.name,
        operation_id: asked.request_id,
        timestamp: match operation.is_classic {
            true => asked.at.unix_seconds().into(),
            false => asked.at.to_string().into(),
        },
        severity: code.severity().as_str(),
        recoverable: code.is_recoverable(),
        blame: rejection.error().blame().as_str(),
        help: rejection.error().help(),
    };
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.remove(CONTENT_LENGTH);
    *response.body_mut() = Body::from(body);
}

fn add_headers(response: &mut Response, code: Code, details: &Map<String, Value>) {
    let status = response.status();
    let headers = response.headers_mut();
    if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
        let retry_after_ms = details.get("retry_after_ms").and_then(Value::as_u64).unwrap_or(1_000);
        // Whole seconds, and never less than one: a client that comes back at once helps nobody.
        headers.insert(RETRY_AFTER, retry_after_ms.div_ceil(1_000).max(1).into());
    }
    let scope = details.get("scope").and_then(Value::as_str);
    let challenge = match (code, scope) {
        (Code::Unauthorized, _) => "Bearer realm=\"palisade\"".to_owned(),
        (Code::Forbidden, Some(scope)) => {
            format!("Bearer realm=\"palisade\", error=\"insufficient_scope\", scope=\"{scope}\"")
        }
        _ => return,
    };
    if let Ok(challenge) = challenge.parse() {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
}
