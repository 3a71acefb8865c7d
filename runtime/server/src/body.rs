//! Bodies of requests, within their bounds: refused before they are read where that can be known, and in any case before
//! more than the limit is in memory.

use axum::body::{Body, HttpBody as _};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;
use palisade::Code;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::rejection::Rejection;
use crate::request_error::RequestError;

/// A configuration or any other JSON (http.md).
pub(crate) const MAX_JSON_BYTES: u64 = 1024 * 1024;

/// Arguments of a command, with what JSON adds around them (http.md: 1 MiB, which the plugin's own limit may undercut).
pub(crate) const MAX_ARGS_BYTES: u64 = 1024 * 1024;

/// A bundle (http.md). The container profile has bounds of its own.
pub(crate) const MAX_BUNDLE_BYTES: u64 = 50 * 1024 * 1024;

/// The data of a plugin: its storage quota by default is 10 MiB, which base64 makes a third longer.
pub(crate) const MAX_ARCHIVE_BYTES: u64 = 32 * 1024 * 1024;

/// All of a body.
pub(crate) async fn bytes(body: Body, limit_bytes: u64) -> Result<Vec<u8>, Rejection> {
    within(body, limit_bytes, Code::PayloadTooLarge).await
}

/// A bundle.
pub(crate) async fn bundle(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Rejection> {
    if !media_type_is(headers, |kind| {
        matches!(kind, "application/zip" | "application/octet-stream")
    }) {
        return Err(RequestError::MediaType {
            expected: "application/zip",
        }
        .reject());
    }
    within(body, MAX_BUNDLE_BYTES, Code::PackageTooLarge).await
}

/// JSON of type `T`.
pub(crate) async fn json<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Rejection> {
    if !media_type_is(headers, is_json) {
        return Err(RequestError::MediaType {
            expected: "application/json",
        }
        .reject());
    }
    let bytes = bytes(body, MAX_JSON_BYTES).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        RequestError::Body {
            reason: error.to_string(),
        }
        .reject()
    })
}

/// JSON of type `T`, which may be missing.
pub(crate) async fn optional<T: DeserializeOwned + Default>(headers: &HeaderMap, body: Body) -> Result<T, Rejection> {
    match body.is_end_stream() {
        true => Ok(T::default()),
        false => json(headers, body).await,
    }
}

/// A configuration, of whatever type its sender says it is.
pub(crate) async fn config(body: Body) -> Result<Map<String, Value>, Rejection> {
    let bytes = bytes(body, MAX_JSON_BYTES).await?;
    serde_json::from_slice(&bytes).map_err(|_| RequestError::NotAConfiguration.reject())
}

async fn within(mut body: Body, limit_bytes: u64, code: Code) -> Result<Vec<u8>, Rejection> {
    let too_large = |actual_bytes| {
        RequestError::TooLarge {
            code,
            actual_bytes,
            limit_bytes,
        }
        .reject()
    };
    let declared = body.size_hint();
    if declared.lower() > limit_bytes {
        return Err(too_large(declared.lower()));
    }
    // Only what was declared and is small is taken at its word.
    let expected = declared.exact().map_or(0, |bytes| bytes.min(MAX_JSON_BYTES));
    let mut read = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| RequestError::Interrupted.reject())?;
        let Ok(data) = frame.into_data() else { continue };
        let length = (read.len() as u64).saturating_add(data.len() as u64);
        if length > limit_bytes {
            return Err(too_large(length));
        }
        read.extend_from_slice(&data);
    }
    Ok(read)
}

/// Whether a body is of the type that is asked for. Without a type, it is what the call takes.
fn media_type_is(headers: &HeaderMap, is_it: impl FnOnce(&str) -> bool) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    is_it(essence.trim().to_ascii_lowercase().as_str())
}

fn is_json(kind: &str) -> bool {
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}
