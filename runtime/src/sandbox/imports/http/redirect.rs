//! One hop of a request, and where the answer to it leads.

use bytes::Bytes;
use palisade_bundle::Code;
use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, COOKIE, HeaderMap, LOCATION,
};
use reqwest::{Method, Url};

use super::HostCallError;
use super::asked::malformed;
use super::credential::Credential;
use crate::services::{HttpError, HttpResponse};

/// Redirects that are followed (sandbox.md, "Network calls").
pub(super) const MAX_REDIRECTS: u32 = 5;

/// A request to one server.
#[derive(Debug)]
pub(super) struct Hop {
    pub(super) method: Method,
    pub(super) url: Url,
    /// As the plugin wrote them.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) credential: Option<Credential>,
}

impl Hop {
    /// Refuses what contradicts itself: a secret and a header of the plugin's own in its place, or a body where none is
    /// expected, which some servers take for the next request.
    pub(super) fn check(&self) -> Result<(), HostCallError> {
        if let Some(credential) = &self.credential
            && self.headers.contains_key(&credential.header)
        {
            let expected = format!("no `{}` beside a credential that sets it", credential.header);
            return Err(malformed("/headers", expected));
        }
        if !self.body.is_empty() && matches!(self.method, Method::GET | Method::HEAD) {
            return Err(malformed("/method", "a method that takes a body"));
        }
        Ok(())
    }

    /// The headers with the secret, which is never put among the plugin's own.
    pub(super) fn sent_headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Some(credential) = &self.credential {
            headers.insert(credential.header.clone(), credential.value.clone());
        }
        headers
    }

    /// The next hop, when the answer is a redirect (RFC 9110 §15.4, as fetch does it). Whether the plugin may go there is
    /// not known yet.
    pub(super) fn next(&self, response: &HttpResponse) -> Result<Option<Self>, HostCallError> {
        if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some(location) = response.headers.get(LOCATION) else {
            return Ok(None);
        };
        let mut url = std::str::from_utf8(location.as_bytes())
            .ok()
            .and_then(|location| self.url.join(location).ok())
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or(HttpError::Failed { reason: "protocol" })?;
        url.set_fragment(None);
        if self.url.scheme() == "https" && url.scheme() == "http" {
            let message = "the server redirects from https to http";
            return Err(HostCallError::new(Code::PermissionDenied, message).with("permission", "network:https"));
        }
        Ok(Some(self.redirected(response.status, url)))
    }

    fn redirected(&self, status: u16, url: Url) -> Self {
        let mut next = Self {
            method: self.method.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            credential: self.credential.clone(),
            url,
        };
        let becomes_get = match status {
            301 | 302 => self.method == Method::POST,
            303 => !matches!(self.method, Method::GET | Method::HEAD),
            _ => false,
        };
        if becomes_get {
            next.method = Method::GET;
            next.body = Bytes::new();
            for header in [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE] {
                next.headers.remove(header);
            }
        }
        if self.url.origin() != next.url.origin() {
            next.credential = None;
            next.headers.remove(AUTHORIZATION);
            next.headers.remove(COOKIE);
        }
        next
    }
}
