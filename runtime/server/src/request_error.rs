//! What can be wrong with a request before anything is asked of a plugin.

use axum::http::StatusCode;
use palisade::{Blame, Code, Coded};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::rejection::Rejection;

/// A request that cannot be understood.
#[derive(Debug, Error)]
pub(crate) enum RequestError {
    /// It does not say which plugin. The words are those of the first version of this API.
    #[error("Plugin name is required")]
    NoPlugin,
    /// A configuration that is no JSON object. The words are those of the first version of this API.
    #[error("Invalid JSON configuration")]
    NotAConfiguration,
    /// A parameter that has to be there.
    #[error("the parameter `{name}` is required")]
    Missing { name: &'static str },
    /// A parameter that this call does not have.
    #[error("there is no parameter `{name}`{}", did_you_mean(suggestion.as_deref()))]
    UnknownParameter { name: String, suggestion: Option<String> },
    /// A parameter that is there twice.
    #[error("the parameter `{name}` is there twice")]
    Twice { name: String },
    /// A parameter that is not what it should be.
    #[error("the parameter `{name}` is not {expected}")]
    Parameter { name: &'static str, expected: &'static str },
    /// A header that is not what it should be.
    #[error("the header `{name}` is not {expected}")]
    Header { name: &'static str, expected: &'static str },
    /// A body that is not JSON, or not of the form that the call has.
    #[error("the body does not fit: {reason}")]
    Body { reason: String },
    /// A body of another type.
    #[error("the body has to be {expected}")]
    MediaType { expected: &'static str },
    /// A body over its limit.
    #[error("the body is larger than {limit_bytes} bytes")]
    TooLarge {
        code: Code,
        actual_bytes: u64,
        limit_bytes: u64,
    },
    /// A body that ended in the middle.
    #[error("the body did not arrive")]
    Interrupted,
    /// Something was changed since the request's author looked at it.
    #[error("it was changed since; look at it again")]
    Stale,
    /// The key of a request that was another one.
    #[error("the `Idempotency-Key` was used for another request")]
    KeyReused,
    /// The request that had the same key is not over.
    #[error("the request with the same `Idempotency-Key` is still running")]
    KeyInUse,
    /// There is nothing at this path.
    #[error("there is nothing at this path")]
    NoRoute,
    /// This path answers other methods.
    #[error("this path answers other methods")]
    Method,
    /// This server has no such thing to show.
    #[error("this server keeps no {what}")]
    NotKept { what: &'static str },
    /// A handler panicked.
    #[error("the call died of a bug")]
    Panicked,
    /// A command that its sender did not want to wait for any longer.
    #[error("the command did not end in {limit_ms} ms")]
    TimedOut { limit_ms: u64 },
    /// A plugin keeps no state record.
    #[error("the plugin keeps no state")]
    NoState,
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

impl RequestError {
    /// The rejection, with the status that HTTP has for the case.
    pub(crate) fn reject(self) -> Rejection {
        match self.status() {
            Some(status) => Rejection::with_status(self, status),
            None => self.into(),
        }
    }

    fn status(&self) -> Option<StatusCode> {
        match self {
            Self::MediaType { .. } => Some(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::Stale => Some(StatusCode::PRECONDITION_FAILED),
            Self::KeyReused => Some(StatusCode::UNPROCESSABLE_ENTITY),
            Self::NoPlugin
            | Self::NotAConfiguration
            | Self::Missing { .. }
            | Self::UnknownParameter { .. }
            | Self::Twice { .. }
            | Self::Parameter { .. }
            | Self::Header { .. }
            | Self::Body { .. }
            | Self::TooLarge { .. }
            | Self::Interrupted
            | Self::KeyInUse
            | Self::NoRoute
            | Self::Method
            | Self::NotKept { .. }
            | Self::Panicked
            | Self::TimedOut { .. }
            | Self::NoState => None,
        }
    }
}

impl Coded for RequestError {
    fn code(&self) -> Code {
        match self {
            Self::NoPlugin
            | Self::NotAConfiguration
            | Self::Missing { .. }
            | Self::UnknownParameter { .. }
            | Self::Twice { .. }
            | Self::Parameter { .. }
            | Self::Header { .. }
            | Self::Body { .. }
            | Self::MediaType { .. }
            | Self::KeyReused
            | Self::Interrupted => Code::InvalidArgument,
            Self::TooLarge { code, .. } => *code,
            Self::Stale => Code::InvalidState,
            Self::KeyInUse => Code::OperationInProgress,
            Self::NoRoute | Self::NotKept { .. } | Self::NoState => Code::NotFound,
            Self::Method => Code::MethodNotAllowed,
            Self::Panicked => Code::InternalError,
            Self::TimedOut { .. } => Code::ExecutionTimeout,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NoPlugin
            | Self::NotAConfiguration
            | Self::Missing { .. }
            | Self::UnknownParameter { .. }
            | Self::Twice { .. }
            | Self::Parameter { .. }
            | Self::Header { .. }
            | Self::Body { .. }
            | Self::MediaType { .. }
            | Self::TooLarge { .. }
            | Self::Interrupted
            | Self::KeyReused
            | Self::Method => Blame::Request,
            Self::TimedOut { .. } => Blame::Plugin,
            Self::Stale | Self::KeyInUse => Blame::Conflict,
            Self::NoRoute | Self::NotKept { .. } | Self::NoState => Blame::Missing,
            Self::Panicked => Blame::Host,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let details = match self {
            Self::NoPlugin => json!({"pointer": "plugin", "expected": "the id of a plugin"}),
            Self::NotAConfiguration => json!({"pointer": "", "expected": "a JSON object"}),
            Self::Missing { name } => json!({"pointer": name}),
            Self::UnknownParameter { name, suggestion } => json!({"pointer": name, "suggestion": suggestion}),
            Self::Twice { name } => json!({"pointer": name, "expected": "once"}),
            Self::Parameter { name, expected } | Self::Header { name, expected } => {
                json!({"pointer": name, "expected": expected})
            }
            Self::MediaType { expected } => json!({"pointer": "Content-Type", "expected": expected}),
            Self::TooLarge {
                actual_bytes,
                limit_bytes,
                ..
            } => {
                json!({"actual_bytes": actual_bytes, "limit_bytes": limit_bytes})
            }
            Self::NoRoute => json!({"kind": "path"}),
            Self::NotKept { what } => json!({"kind": what}),
            Self::NoState => json!({"kind": "state"}),
            Self::TimedOut { limit_ms } => json!({"resource": "time", "limit_ms": limit_ms}),
            Self::Body { .. }
            | Self::Interrupted
            | Self::Stale
            | Self::KeyReused
            | Self::KeyInUse
            | Self::Method
            | Self::Panicked => return Map::new(),
        };
        match details {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }
}
