//! `http_request`: whether a plugin may send what it asks for, and where redirects lead. Knows nothing of the engine.

mod asked;
mod credential;
mod grant;
mod redirect;
mod shares;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use palisade_bundle::Code;
use reqwest::header::HeaderMap;
use serde::Serialize;

pub(in crate::sandbox) use credential::Credential;
pub use credential::MalformedSecret;
pub(in crate::sandbox) use grant::{NetworkGrant, RequestLimits};
pub(in crate::sandbox) use shares::NetworkShares;

use self::asked::Asked;
use self::redirect::Hop;
use super::HostCallError;
use crate::services::{Clock, HttpBounds, HttpError, HttpRequest, HttpResponse, HttpTransport, Namespace};

/// One plugin's way to the network.
#[derive(Debug)]
pub(in crate::sandbox) struct Network {
    /// Whose requests these are.
    pub(in crate::sandbox) namespace: Namespace,
    /// What it may send, and where.
    pub(in crate::sandbox) grant: NetworkGrant,
    /// How often; outlives this load of the plugin.
    pub(in crate::sandbox) shares: Arc<NetworkShares>,
    /// What carries requests.
    pub(in crate::sandbox) transport: Arc<dyn HttpTransport>,
    /// What the deadline is read from.
    pub(in crate::sandbox) clock: Arc<dyn Clock>,
}

impl Network {
    /// Sends the request that `head` describes, a JSON object `{method, url, headers?, timeout_ms?, redirects?,
    /// credential?}`, and answers with four bytes, the length of a head in little-endian order, that head, a JSON object
    /// `{status, url, headers}`, and the body.
    ///
    /// # Errors
    ///
    /// - `INVALID_ARGUMENT` for a head that is malformed.
    /// - `PERMISSION_DENIED` for a scheme, host, port, method or credential that was not granted, an address that is not
    ///   a public one, or a redirect to either; names what is missing.
    /// - `PAYLOAD_TOO_LARGE` for a body above the limit, in either direction.
    /// - `RATE_LIMIT_EXCEEDED` above the rate, `RESOURCE_EXHAUSTED` with too many requests in flight.
    /// - `NETWORK_TIMEOUT` when not all was done in time, `PLUGIN_UNAVAILABLE` when there was no answer.
    pub(in crate::sandbox) async fn request(&self, head: &[u8], body: Vec<u8>) -> Result<Vec<u8>, HostCallError> {
        let asked = Asked::parse(head)?;
        let follows = asked.redirects;
        let deadline = self.deadline(asked.time);
        let mut hop = self.first_hop(asked, body.into())?;
        let _in_flight = self.shares.enter()?;
        let mut redirects = 0;
        loop {
            self.shares.spend()?;
            let response = self.send(&hop, deadline).await?;
            let next = if follows { hop.next(&response)? } else { None };
            let Some(next) = next else {
                return encode(&hop, response);
            };
            redirects += 1;
            if redirects > redirect::MAX_REDIRECTS {
                let reason = "too many redirects";
                return Err(HttpError::Failed { reason }.into());
            }
            self.grant.check(&next.method, &next.url)?;
            hop = next;
        }
    }

    /// The request as the plugin asked for it, when it may send it.
    fn first_hop(&self, asked: Asked, body: Bytes) -> Result<Hop, HostCallError> {
        self.grant.check(&asked.method, &asked.url)?;
        let credential = match &asked.credential {
            Some(name) => Some(self.grant.credential(name, &asked.url)?.clone()),
            None => None,
        };
        let hop = Hop {
            method: asked.method,
            url: asked.url,
            headers: asked.headers,
            body,
            credential,
        };
        hop.check()?;
        self.grant.limits.check_body(&hop.body)?;
        Ok(hop)
    }

    async fn send(&self, hop: &Hop, deadline: Deadline) -> Result<HttpResponse, HostCallError> {
        let bounds = HttpBounds {
            time: deadline.left(&*self.clock)?,
            response_bytes: self.grant.limits.response_bytes,
            private_network: self.grant.private_network,
        };
        let request = HttpRequest {
            method: hop.method.clone(),
            url: hop.url.clone(),
            headers: hop.sent_headers(),
            body: hop.body.clone(),
        };
        let sent = self.transport.send(&self.namespace, request, bounds).await;
        sent.map_err(|error| match deadline.of_all_hops(error) {
            refused @ HttpError::AddressRefused => {
                let permission = grant::scheme_of(&hop.url);
                HostCallError::from(refused).with("permission", permission.as_str())
            }
            error => error.into(),
        })
    }

    fn deadline(&self, asked: Option<Duration>) -> Deadline {
        let granted = self.grant.limits.time;
        Deadline {
            started: self.clock.now(),
            limit: asked.map_or(granted, |asked| asked.min(granted)),
        }
    }
}

/// When a request has to be done, redirects included.
#[derive(Clone, Copy)]
struct Deadline {
    started: Instant,
    limit: Duration,
}

impl Deadline {
    fn left(self, clock: &dyn Clock) -> Result<Duration, HttpError> {
        let spent = clock.now().saturating_duration_since(self.started);
        match self.limit.saturating_sub(spent) {
            Duration::ZERO => Err(HttpError::TimedOut { limit: self.limit }),
            left => Ok(left),
        }
    }

    /// The transport knows what was left for the last hop only.
    fn of_all_hops(self, error: HttpError) -> HttpError {
        match error {
            HttpError::TimedOut { .. } => HttpError::TimedOut { limit: self.limit },
            other => other,
        }
    }
}

/// The head of an answer.
#[derive(Serialize)]
struct AnswerHead<'a> {
    status: u16,
    url: &'a str,
    headers: Vec<(&'a str, String)>,
}

fn encode(hop: &Hop, response: HttpResponse) -> Result<Vec<u8>, HostCallError> {
    let head = AnswerHead {
        status: response.status,
        url: hop.url.as_str(),
        headers: pairs(&response.headers),
    };
    let untold = || HostCallError::new(Code::InternalError, "the head of the response cannot be told");
    let head = serde_json::to_vec(&head).map_err(|_| untold())?;
    let length = u32::try_from(head.len()).map_err(|_| untold())?;
    let mut answer = Vec::with_capacity(size_of::<u32>() + head.len() + response.body.len());
    answer.extend_from_slice(&length.to_le_bytes());
    answer.extend_from_slice(&head);
    answer.extend_from_slice(&response.body);
    Ok(answer)
}

/// Headers as JSON holds them. A value is bytes (RFC 9110 §5.5); those that are no text are replaced.
fn pairs(headers: &HeaderMap) -> Vec<(&str, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    headers
        .iter()
        .map(|(name, value)| (name.as_str(), text(value.as_bytes())))
        .collect()
}
