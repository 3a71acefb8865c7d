//! HTTP requests: [`Http`], [`HttpRequest`], [`HttpResponse`].

use std::time::Duration;

use palisade_abi::{HttpRequestHead, HttpResponseHead};
use serde::{Deserialize, Serialize};

use crate::calls::{Calls, HostCalls, read_json, write_json};
use crate::host::HostError;

/// Requests to the hosts that the manifest names.
///
/// Needs `network:https`, for `http:` URLs `network:http`, and a section `network` in the manifest: hosts, methods, ports.
/// Made by [`Host::http`](super::Host::http).
///
/// # Examples
///
/// ```
/// use palisade_sdk::fake::Response;
/// use palisade_sdk::{Host, json};
///
/// let url = "https://api.example.com/orders";
/// let host = Host::fake()
///     .with_permissions(["network:https"])
///     .with_http("POST", url, Response::new(201).with_json(json!({"id": 7})));
///
/// let response = host
///     .http()
///     .post(url)
///     .credential("shop") // By name: the host adds the header, the plugin never sees the secret.
///     .json(&json!({"item": "tea"}))
///     .send()?
///     .error_for_status()?;
///
/// assert_eq!(response.json::<serde_json::Value>()?["id"], 7);
/// assert_eq!(host.requests()[0].credential.as_deref(), Some("shop"));
/// # Ok::<(), palisade_sdk::HostError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Http<'host> {
    pub(super) calls: &'host Calls,
}

impl<'host> Http<'host> {
    /// A GET request.
    pub fn get(&self, url: impl Into<String>) -> HttpRequest<'host> {
        self.request("GET", url)
    }

    /// A POST request.
    pub fn post(&self, url: impl Into<String>) -> HttpRequest<'host> {
        self.request("POST", url)
    }

    /// A request with any method that the manifest names, such as `PUT`.
    pub fn request(&self, method: &str, url: impl Into<String>) -> HttpRequest<'host> {
        HttpRequest {
            calls: self.calls,
            head: HttpRequestHead {
                method: method.to_ascii_uppercase(),
                url: url.into(),
                ..HttpRequestHead::default()
            },
            body: Ok(Vec::new()),
        }
    }
}

/// A request that is not sent yet; made by [`Http`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens until it is sent"]
pub struct HttpRequest<'host> {
    calls: &'host Calls,
    head: HttpRequestHead,
    /// An error of the body waits for `send`, so that the chain of calls has one `?`.
    body: Result<Vec<u8>, HostError>,
}

impl HttpRequest<'_> {
    /// Adds a header. The host writes those of the connection, such as `host` and `content-length`, itself.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.head.headers.push((name.into(), value.into()));
        self
    }

    /// Sends a value as JSON, with the content type of JSON.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        self.body = write_json(value);
        self.header("content-type", "application/json")
    }

    /// Sends bytes.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Ok(bytes.into());
        self
    }

    /// How long everything may take. The plugin's limit holds when it is less, or when nothing is said.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.head.timeout_ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Follows redirects: at most five, each within the plugin's grant.
    pub fn follow_redirects(mut self) -> Self {
        self.head.redirects = true;
        self
    }

    /// Has the host add a credential that the operator set, by its name. The plugin never sees it.
    pub fn credential(mut self, name: impl Into<String>) -> Self {
        self.head.credential = Some(name.into());
        self
    }

    /// Sends it and waits for the answer, of whatever status.
    ///
    /// # Errors
    ///
    /// `PERMISSION_DENIED` when scheme, host, port, method or address are outside the plugin's grant, `RATE_LIMIT_EXCEEDED`,
    /// `NETWORK_TIMEOUT`, `PAYLOAD_TOO_LARGE`, `PLUGIN_UNAVAILABLE` when no server answers, and `INVALID_ARGUMENT` when the
    /// request is none.
    pub fn send(self) -> Result<HttpResponse, HostError> {
        let body = self.body?;
        let answer = self.calls.http_request(&write_json(&self.head)?, &body)?;
        HttpResponse::from_wire(answer.bytes)
    }
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    head: HttpResponseHead,
    /// As it came, so that a large body is not copied.
    wire: Vec<u8>,
    body_start: usize,
}

impl HttpResponse {
    /// Takes apart what `http_request` answers: the length of the head as four bytes, least significant first, the head, the
    /// body.
    fn from_wire(wire: Vec<u8>) -> Result<Self, HostError> {
        let cut = || HostError::new(HostError::UNEXPECTED_DATA, "the answer of the host is cut off");
        let (head_len, rest) = wire.split_first_chunk::<4>().ok_or_else(cut)?;
        let head_len = usize::try_from(u32::from_le_bytes(*head_len)).map_err(|_| cut())?;
        let (head, body) = rest.split_at_checked(head_len).ok_or_else(cut)?;
        Ok(Self {
            head: read_json(head, "head of the response")?,
            body_start: wire.len() - body.len(),
            wire,
        })
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// Whether the status is 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status())
    }

    /// The first header of this name, whatever the case of its letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers();
        headers
            .find(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Names, lower case, and values in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Where the answer came from, after redirects.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.head.url
    }

    /// The body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.wire.get(self.body_start..).unwrap_or_default()
    }

    /// The body, to keep.
    #[must_use]
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.wire.drain(..self.body_start.min(self.wire.len()));
        self.wire
    }

    /// The body as UTF-8.
    ///
    /// # Errors
    ///
    /// `UNEXPECTED_DATA` when it is not.
    pub fn text(&self) -> Result<&str, HostError> {
        std::str::from_utf8(self.bytes())
            .map_err(|error| HostError::new(HostError::UNEXPECTED_DATA, format!("the response is no text: {error}")))
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// `UNEXPECTED_DATA` with a JSON pointer when it is no `T`.
    pub fn json<'response, T: Deserialize<'response>>(&'response self) -> Result<T, HostError> {
        read_json(self.bytes(), "response")
    }

    /// The response itself, unless its status is 400 or above.
    ///
    /// # Errors
    ///
    /// `HTTP_STATUS` with the details `status` and `url`.
    pub fn error_for_status(self) -> Result<Self, HostError> {
        if self.status() < 400 {
            return Ok(self);
        }
        let message = format!("{} answered with status {}", self.url(), self.status());
        Err(HostError::new("HTTP_STATUS", message)
            .with_detail("status", self.status())
            .with_detail("url", self.url()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Response;
    use crate::{Host, json};

    const URL: &str = "https://api.example.com/a";

    fn host(response: Response) -> Host {
        Host::fake()
            .with_permissions(["network:https"])
            .with_http("GET", URL, response)
    }

    #[test]
    fn a_response_is_read_in_every_way() {
        let response = Response::new(200)
            .with_header("ETag", "a")
            .with_header("etag", "b")
            .with_body("{\"word\": \"tea\"}");
        let response = host(response).http().request("get", URL).send().unwrap();
        assert_eq!(
            (response.status(), response.is_success(), response.url()),
            (200, true, URL)
        );
        assert_eq!((response.header("eTag"), response.header("age")), (Some("a"), None));
        assert_eq!(response.headers().collect::<Vec<_>>(), [("etag", "a"), ("etag", "b")]);
        assert_eq!(response.text(), Ok("{\"word\": \"tea\"}"));
        let borrowed: std::collections::BTreeMap<&str, &str> = response.json().unwrap();
        assert_eq!(borrowed["word"], "tea");
        assert_eq!(response.into_bytes(), b"{\"word\": \"tea\"}");
    }

    #[test]
    fn a_body_that_does_not_fit_is_an_error() {
        let response = host(Response::new(200).with_body(b"\xff"))
            .http()
            .get(URL)
            .send()
            .unwrap();
        assert_eq!(response.text().unwrap_err().code(), HostError::UNEXPECTED_DATA);
        assert_eq!(response.json::<u8>().unwrap_err().code(), HostError::UNEXPECTED_DATA);
    }

    #[test]
    fn a_status_is_an_error_only_when_asked() {
        for (status, is_error) in [(199, false), (304, false), (399, false), (400, true), (503, true)] {
            let response = host(Response::new(status)).http().get(URL).send().unwrap();
            assert_eq!(response.status(), status);
            assert_eq!(response.error_for_status().is_err(), is_error, "{status}");
        }
        let refused = host(Response::new(404))
            .http()
            .get(URL)
            .send()
            .unwrap()
            .error_for_status();
        let error = refused.unwrap_err();
        assert_eq!((error.code(), &error.details()["status"]), ("HTTP_STATUS", &json!(404)));
    }

    #[test]
    fn everything_said_about_a_request_reaches_the_host() {
        let host = Host::fake()
            .with_permissions(["network:https"])
            .with_http("PUT", URL, Response::new(204));
        host.http()
            .request("put", URL)
            .header("accept", "text/plain")
            .json(&json!({"a": 1}))
            .timeout(Duration::from_millis(250))
            .follow_redirects()
            .credential("shop")
            .send()
            .unwrap();
        let sent = &host.requests()[0];
        assert_eq!((sent.method.as_str(), sent.url.as_str()), ("PUT", URL));
        assert_eq!(sent.header("Content-Type"), Some("application/json"));
        assert_eq!(
            (sent.header("accept"), sent.body.as_slice()),
            (Some("text/plain"), &b"{\"a\":1}"[..])
        );
        assert_eq!(
            (sent.timeout, sent.follows_redirects),
            (Some(Duration::from_millis(250)), true)
        );
        assert_eq!(sent.credential.as_deref(), Some("shop"));
    }

    #[test]
    fn a_body_that_is_no_json_is_never_sent() {
        let host = host(Response::new(200));
        let odd = std::collections::BTreeMap::from([((1, 2), 3)]);
        assert_eq!(
            host.http().get(URL).json(&odd).send().unwrap_err().code(),
            "INVALID_ARGUMENT"
        );
        assert!(host.requests().is_empty());
    }

    #[test]
    fn an_answer_that_is_cut_off_is_an_error_and_not_a_panic() {
        let head = br#"{"status":200,"url":"u","headers":[]}"#;
        let whole = [&u32::try_from(head.len()).unwrap().to_le_bytes()[..], head, b"ab"].concat();
        assert_eq!(HttpResponse::from_wire(whole.clone()).unwrap().bytes(), b"ab");
        for len in 0..4 + head.len() {
            let error = HttpResponse::from_wire(whole[..len].to_vec()).unwrap_err();
            assert_eq!(error.code(), HostError::UNEXPECTED_DATA, "{len}");
        }
        let endless = [&u32::MAX.to_le_bytes()[..], head].concat();
        assert_eq!(
            HttpResponse::from_wire(endless).unwrap_err().code(),
            HostError::UNEXPECTED_DATA
        );
    }
}
