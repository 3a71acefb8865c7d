//! HTTP as a test plays it: [`Response`] beforehand, [`Request`] afterwards.

use std::time::Duration;

use palisade_abi::{HttpRequestHead, HttpResponseHead};
use serde::Serialize;

use crate::calls::{HostAnswer, HostResult};
use crate::fake::in_test;
use crate::host::HostError;

/// What a server answers; see [`Host::with_http`](crate::Host::with_http).
#[derive(Clone, Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Instead of everything else.
    error: Option<HostError>,
}

impl Response {
    /// An answer with this status, without headers and body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            error: None,
        }
    }

    /// No answer, but an error, such as `NETWORK_TIMEOUT`.
    #[must_use]
    pub fn error(error: HostError) -> Self {
        Self {
            error: Some(error),
            ..Self::new(0)
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Answers with these bytes.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Answers with JSON, with the content type of JSON.
    ///
    /// # Panics
    ///
    /// When `value` is no JSON: a mistake in the test.
    #[must_use]
    pub fn with_json(self, value: impl Serialize) -> Self {
        let body = in_test(&value);
        self.with_body(body).with_header("content-type", "application/json")
    }

    /// As `http_request` answers.
    pub(super) fn into_result(self, url: String) -> HostResult {
        if let Some(error) = self.error {
            return Err(error);
        }
        let head = in_test(&HttpResponseHead {
            status: self.status,
            url,
            headers: self.headers,
        });
        let head_len = u32::try_from(head.len()).unwrap_or(u32::MAX);
        let bytes = [&head_len.to_le_bytes(), head.as_slice(), self.body.as_slice()].concat();
        Ok(HostAnswer { bytes, yes: false })
    }
}

/// A request that a plugin sent; see [`Host::requests`](crate::Host::requests).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method, upper case.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Names and values in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long it may take, if the plugin says so.
    pub timeout: Option<Duration>,
    /// Whether redirects are followed.
    pub follows_redirects: bool,
    /// The name of the credential that the host adds.
    pub credential: Option<String>,
}

impl Request {
    /// The first header of this name, whatever the case of its letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let header = headers.find(|(header, _)| header.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }

    pub(super) fn new(head: HttpRequestHead, body: &[u8]) -> Self {
        Self {
            method: head.method,
            url: head.url,
            headers: head.headers,
            body: body.to_vec(),
            timeout: head.timeout_ms.map(Duration::from_millis),
            follows_redirects: head.redirects,
            credential: head.credential,
        }
    }
}

/// The permission that a URL needs.
pub(super) fn permission(url: &str) -> Result<&'static str, HostError> {
    if url.starts_with("https://") {
        Ok("network:https")
    } else if url.starts_with("http://") {
        Ok("network:http")
    } else {
        let message = format!("`{url}` is no URL that starts with `https://` or `http://`");
        Err(HostError::new("INVALID_ARGUMENT", message))
    }
}

/// A request, as a script knows it.
pub(super) fn place(method: &str, url: &str) -> String {
    format!("{method} {url}")
}
