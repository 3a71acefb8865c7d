//! Sends HTTP requests for plugins: one hop each, to an address that was checked.

mod address;
mod body;
mod client;
mod connections;
mod exchange;
mod resolve;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use palisade_bundle::{Blame, Code, Coded};
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{Namespace, ServiceFuture};

pub(crate) use address::is_globally_reachable;
pub use client::{HttpClient, HttpClientBuilder};
pub use resolve::{Resolver, SystemResolver};

/// One request to one server.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Where to; the scheme is `http` or `https`.
    pub url: Url,
    /// Headers, beside those the transport itself writes.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// What bounds one request.
#[derive(Clone, Copy, Debug)]
pub struct HttpBounds {
    /// How long everything may take: resolving, connecting, sending, and the last byte of the answer.
    pub time: Duration,
    /// Bytes of body that may be received, and that they may be after decompressing.
    pub response_bytes: u64,
    /// Whether addresses that are not globally reachable may be dialled.
    pub private_network: bool,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The headers, without those of the transfer.
    pub headers: HeaderMap,
    /// The body, decompressed when it was the transport that asked for compression.
    pub body: Vec<u8>,
    /// Bytes of body as they were transferred.
    pub received_bytes: u64,
}

/// Something that sends HTTP requests. Follows no redirects, keeps no cookies, reads no proxies from the environment.
pub trait HttpTransport: fmt::Debug + Send + Sync {
    /// Sends one request on a connection that no other namespace uses. Dropping the future ends the request.
    fn send<'a>(
        &'a self,
        by: &'a Namespace,
        request: HttpRequest,
        bounds: HttpBounds,
    ) -> ServiceFuture<'a, Result<HttpResponse, HttpError>>;
}

/// A host that sends no requests for plugins.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHttp;

impl HttpTransport for NoHttp {
    fn send<'a>(
        &'a self,
        _by: &'a Namespace,
        _request: HttpRequest,
        _bounds: HttpBounds,
    ) -> ServiceFuture<'a, Result<HttpResponse, HttpError>> {
        let reason = "this host sends no requests for plugins";
        Box::pin(std::future::ready(Err(HttpError::Failed { reason })))
    }
}

/// A request got no answer that could be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The host is, or resolves to, an address that is not globally reachable.
    #[error("the address of this host is not a public one")]
    AddressRefused,
    /// Not done in time.
    #[error("the request was not done after {} ms", limit.as_millis())]
    TimedOut {
        /// How long it may take.
        limit: Duration,
    },
    /// The answer is larger than allowed, as transferred or decompressed.
    #[error("the response is larger than {limit_bytes} bytes")]
    ResponseTooLarge {
        /// What is allowed.
        limit_bytes: u64,
    },
    /// No connection, or one that broke.
    #[error("no answer from the server: {reason}")]
    Failed {
        /// In a few words, without addresses: `cannot resolve`, `cannot connect`, `TLS`, `protocol`, `encoding`.
        reason: &'static str,
    },
    /// The process has no cryptography for TLS.
    #[error("this host has no TLS, so it sends no requests")]
    NoCryptoProvider,
    /// The transport itself cannot work.
    #[error("the HTTP client failed")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Coded for HttpError {
    fn code(&self) -> Code {
        match self {
            Self::AddressRefused => Code::PermissionDenied,
            Self::TimedOut { .. } => Code::NetworkTimeout,
            Self::ResponseTooLarge { .. } => Code::PayloadTooLarge,
            Self::Failed { .. } => Code::PluginUnavailable,
            Self::NoCryptoProvider | Self::Client(_) => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::AddressRefused => Blame::Policy,
            Self::TimedOut { .. } | Self::Failed { .. } => Blame::Connection,
            Self::ResponseTooLarge { .. } => Blame::Plugin,
            Self::NoCryptoProvider | Self::Client(_) => Blame::Host,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let details = match self {
            Self::TimedOut { limit } => {
                let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                serde_json::json!({"resource": "time", "limit_ms": limit_ms})
            }
            Self::ResponseTooLarge { limit_bytes } => serde_json::json!({"limit_bytes": limit_bytes}),
            Self::Failed { reason } => serde_json::json!({"reason": reason}),
            Self::AddressRefused | Self::NoCryptoProvider | Self::Client(_) => return Map::new(),
        };
        match details {
            Value::Object(details) => details,
            _ => Map::new(),
        }
    }
}
