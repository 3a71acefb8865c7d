//! The one way in and out: every request is looked at here before it reaches a handler, and every answer dressed.

mod trace;

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::http::header::{
    CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;

use self::trace::TraceParent;
use crate::denied::Denied;
use crate::operation::Operation;
use crate::problem::{self, Asked};
use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::service::Service;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// A request id of a client is echoed up to here: a UUID has 36 characters.
const MAX_REQUEST_ID: usize = 128;

/// What pages of this server may load and do; a page may say less. Nothing of it is for the eyes of frames or referrers.
const SECURITY: [(HeaderName, HeaderValue); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// The middleware around everything.
pub(crate) async fn door(State(service): State<Service>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let request_id = request_id(&parts.headers);
    let trace = TraceParent::of(parts.headers.get(TRACE_PARENT));
    let (uri, is_head) = (parts.uri.clone(), parts.method == axum::http::Method::HEAD);
    let span = trace.span(parts.method.as_str(), parts.uri.path());
    let mut response = match look_at(&service, &parts) {
        Ok(()) => {
            next.run(Request::from_parts(parts, body))
                .instrument(span.clone())
                .await
        }
        Err(denied) => Rejection::from(denied).into_response(),
    };
    if let Some(rejection) = rejection_of(&mut response) {
        let operation = response
            .extensions()
            .get::<Operation>()
            .copied()
            .unwrap_or(Operation::NONE);
        let asked = Asked {
            operation,
            plugin: operation.plugin_of(&uri),
            request_id: request_id.to_str().unwrap_or_default(),
            at: service.now(),
        };
        problem::write(&rejection, &asked, &mut response);
        if is_head {
            *response.body_mut() = axum::body::Body::empty();
        }
    }
    span.record("status", response.status().as_u16());
    let headers = response.headers_mut();
    for (name, value) in SECURITY {
        headers.entry(name).or_insert(value);
    }
    if let Some(trace) = trace.answer(&span) {
        headers.insert(TRACE_PARENT, trace);
    }
    headers.insert(REQUEST_ID, request_id);
    response
}

/// Refuses what a browser sends for a page that is not ours.
fn look_at(service: &Service, parts: &Parts) -> Result<(), Denied> {
    let host = host_of(parts).ok_or(Denied::Host)?;
    if !service.answers_to(host.host()) {
        return Err(Denied::Host);
    }
    let Some(origin) = parts.headers.get(ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    match origin.as_ref().and_then(Uri::authority) {
        Some(authority) if *authority == host => Ok(()),
        _ => Err(Denied::Origin),
    }
}

/// The name this server is called by: of the target if it has one (RFC 9112, 3.2.2), else of the one `Host`.
fn host_of(parts: &Parts) -> Option<Authority> {
    if let Some(authority) = parts.uri.authority() {
        return Some(authority.clone());
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next()?;
    match hosts.next() {
        None => host.to_str().ok()?.parse().ok(),
        Some(_) => None,
    }
}

/// The rejection in a response, and one for what the router answers by itself.
fn rejection_of(response: &mut Response) -> Option<Rejection> {
    if let Some(rejection) = response.extensions_mut().remove::<Rejection>() {
        return Some(rejection);
    }
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => Some(RequestError::Method.reject()),
        _ => None,
    }
}

/// The id of a request: the client's, if it can be shown, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let is_fine =
        |id: &&HeaderValue| (1..=MAX_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
    if let Some(id) = headers.get(REQUEST_ID).filter(is_fine) {
        return id.clone();
    }
    // Unlike any other of this run by its number, and of other runs by chance.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let random = getrandom::u64().unwrap_or_default();
    format!("{random:016x}{number:08x}")
        .parse()
        .unwrap_or(HeaderValue::from_static("unknown"))
}
