//! Style, scripts and icons, which are part of the program.

use std::fmt::Write as _;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::request_error::RequestError;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// Asked for again each time, and mostly answered with "as it was": another version of the program looks right at once.
const CACHING: &str = "no-cache";

/// Open without a session: there is nothing in it that is not in the program for everybody to see.
pub(super) async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    let Some(file) = Assets::get(&path) else {
        return RequestError::NoRoute.reject().into_response();
    };
    let mut tag = String::from("\"");
    for byte in file.metadata.sha256_hash() {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    if headers
        .get(IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == tag.as_bytes())
    {
        return (
            StatusCode::NOT_MODIFIED,
            [(ETAG, tag), (CACHE_CONTROL, CACHING.to_owned())],
        )
            .into_response();
    }
    let headers = [
        (CONTENT_TYPE, media_type(&path).to_owned()),
        (ETAG, tag),
        (CACHE_CONTROL, CACHING.to_owned()),
    ];
    (headers, file.data).into_response()
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}
