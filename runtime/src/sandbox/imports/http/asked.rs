//! What a plugin asks for: the head of a request, parsed strictly.

use std::str::FromStr;
use std::time::Duration;

use palisade_bundle::manifest::is_transfer_header;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde::Deserialize;

use super::HostCallError;

/// Longest head: the longest URL and headers, and room for JSON to escape them.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Longest URL: what every recipient should take (RFC 9110 §4.1).
const MAX_URL_BYTES: usize = 8_000;

/// Most headers of a request: servers take 100 (Apache, hyper), and the transport adds some.
const MAX_HEADERS: usize = 64;

/// Names and values of all headers together: servers refuse more than 8 to 32 KiB.
const MAX_HEADERS_BYTES: usize = 16 * 1024;

/// A request a plugin asks for; whether it may is not known yet.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// Without user info and without a fragment.
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) time: Option<Duration>,
    pub(super) redirects: bool,
    pub(super) credential: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    timeout_ms: Option<u64>,
    #[serde(default)]
    redirects: bool,
    credential: Option<String>,
}

impl Asked {
    pub(super) fn parse(head: &[u8]) -> Result<Self, HostCallError> {
        if head.len() > MAX_HEAD_BYTES {
            return Err(malformed("", format!("a head of at most {MAX_HEAD_BYTES} bytes")));
        }
        let head: Head = serde_json::from_slice(head).map_err(|error| {
            let expected = "an object {method, url, headers?, timeout_ms?, redirects?, credential?}";
            HostCallError::argument(format!("the head of the request is malformed: {error}"))
                .with("pointer", "")
                .with("expected", expected)
        })?;
        let method = Method::from_str(&head.method).map_err(|_| malformed("/method", "a method such as GET"))?;
        if head.timeout_ms == Some(0) {
            return Err(malformed("/timeout_ms", "at least 1"));
        }
        Ok(Self {
            method,
            url: url(&head.url)?,
            headers: headers(&head.headers)?,
            time: head.timeout_ms.map(Duration::from_millis),
            redirects: head.redirects,
            credential: head.credential,
        })
    }
}

fn url(text: &str) -> Result<Url, HostCallError> {
    let expected = "an absolute http or https URL of at most 8000 bytes";
    // The parser leaves out tabs and line breaks (WHATWG URL), of which nobody who means well sends any.
    if text.len() > MAX_URL_BYTES || text.chars().any(char::is_control) {
        return Err(malformed("/url", expected));
    }
    let mut url = Url::parse(text).map_err(|_| malformed("/url", expected))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(malformed("/url", expected));
    }
    check_user_info(&url)?;
    url.set_fragment(None);
    Ok(url)
}

/// A name or a password in a URL is sent as `authorization`, and often there to make one host look like another.
pub(super) fn check_user_info(url: &Url) -> Result<(), HostCallError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(());
    }
    Err(malformed("/url", "a URL without user name and password"))
}

fn headers(pairs: &[(String, String)]) -> Result<HeaderMap, HostCallError> {
    let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    if pairs.len() > MAX_HEADERS || bytes > MAX_HEADERS_BYTES {
        let expected = format!("at most {MAX_HEADERS} headers of {MAX_HEADERS_BYTES} bytes together");
        return Err(malformed("/headers", expected));
    }
    let mut headers = HeaderMap::new();
    for (index, (name, value)) in pairs.iter().enumerate() {
        let name = HeaderName::from_str(name)
            .map_err(|_| malformed(&format!("/headers/{index}/0"), "the name of a header (RFC 9110 §5.1)"))?;
        if is_transfer_header(name.as_str()) {
            let expected = "a header that does not frame the request, which is up to the host";
            return Err(malformed(&format!("/headers/{index}/0"), expected));
        }
        let value = header_value(value)
            .ok_or_else(|| malformed(&format!("/headers/{index}/1"), "visible ASCII, spaces and tabs"))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// Visible ASCII, spaces and tabs. What is beyond means different things to different servers (RFC 9110 §5.5).
pub(super) fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok().filter(|value| value.to_str().is_ok())
}

pub(super) fn malformed(pointer: &str, expected: impl Into<String>) -> HostCallError {
    let expected = expected.into();
    HostCallError::argument(format!("the request is malformed at `{pointer}`: expected {expected}"))
        .with("pointer", pointer)
        .with("expected", expected)
}
