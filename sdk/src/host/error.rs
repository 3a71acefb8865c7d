//! "No", said by the host: [`HostError`].

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::reject::Reject;

/// Why the host did not do what it was asked.
///
/// The code is one of the host's stable words, which `docs/errors.md` lists. `?` in a command hands the error to the
/// caller as a [`Reject`] with the same code, message and details.
///
/// # Examples
///
/// ```
/// use palisade_sdk::{Host, Reject};
///
/// fn greeting(host: &Host) -> Result<String, Reject> {
///     match host.storage().get_json("greeting") {
///         Ok(stored) => Ok(stored.unwrap_or_else(|| "Hello".to_owned())),
///         Err(error) if error.is_permission_denied() => Ok("Hello".to_owned()),
///         Err(error) => Err(error.into()),
///     }
/// }
///
/// assert_eq!(greeting(&Host::fake()).unwrap(), "Hello");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct HostError {
    code: String,
    message: String,
    details: Map<String, Value>,
}

impl HostError {
    /// The code when what came is not of the type that the plugin reads it as.
    pub const UNEXPECTED_DATA: &'static str = "UNEXPECTED_DATA";

    /// Makes one of a code and a message, such as a test has its fake host answer with.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            details: Map::new(),
        }
    }

    /// Adds a fact to the details. A value that is no JSON is left out.
    #[must_use]
    pub fn with_detail(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        if let Ok(value) = serde_json::to_value(value) {
            self.details.insert(name.into(), value);
        }
        self
    }

    /// The stable word for programs, such as `PERMISSION_DENIED`.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// One sentence for a person.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Facts for programs.
    #[must_use]
    pub fn details(&self) -> &Map<String, Value> {
        &self.details
    }

    /// Whether the plugin lacks the permission, or the host, method or address is outside its grant.
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        self.code == "PERMISSION_DENIED"
    }

    /// Whether the plugin's storage is full.
    #[must_use]
    pub fn is_quota_exceeded(&self) -> bool {
        self.code == "STORAGE_QUOTA_EXCEEDED"
    }

    /// Whether it was too much in too short a time; [`retry_after`](Self::retry_after) says for how long.
    #[must_use]
    pub fn is_rate_limited(&self) -> bool {
        self.code == "RATE_LIMIT_EXCEEDED"
    }

    /// Whether a server did not answer in time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.code == "NETWORK_TIMEOUT"
    }

    /// Whether the server or the plugin that was asked is not there at the moment.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.code == "PLUGIN_UNAVAILABLE"
    }

    /// When to try again, if the host knows.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let retry_after_ms = self.details.get("retry_after_ms")?.as_u64()?;
        Some(Duration::from_millis(retry_after_ms))
    }

    /// The error a host call answered with. A host writes JSON; anything else is the message itself.
    #[cfg(any(target_family = "wasm", test))]
    #[cold]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        match serde_json::from_slice(bytes) {
            Ok(palisade_abi::GuestError { code, message, details }) => Self { code, message, details },
            Err(_) => Self::new("INTERNAL_ERROR", String::from_utf8_lossy(bytes)),
        }
    }

    /// JSON that does not fit, as the reader explains it.
    #[cold]
    pub(crate) fn from_misfit(Reject { code, message, details }: Reject) -> Self {
        Self { code, message, details }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for HostError {}

impl From<HostError> for Reject {
    fn from(HostError { code, message, details }: HostError) -> Self {
        Self { code, message, details }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_of_a_command_sees_what_the_host_said() {
        let error = HostError::new("RATE_LIMIT_EXCEEDED", "slow down").with_detail("retry_after_ms", 1_500);
        assert!(error.is_rate_limited() && !error.is_permission_denied());
        assert_eq!(error.retry_after(), Some(Duration::from_millis(1_500)));
        assert_eq!(error.to_string(), "RATE_LIMIT_EXCEEDED: slow down");
        let expected = Reject::new("RATE_LIMIT_EXCEEDED", "slow down").with_detail("retry_after_ms", 1_500);
        assert_eq!(Reject::from(error), expected);
    }

    #[test]
    fn what_is_no_json_is_the_message_itself() {
        let said = br#"{"code": "NOT_FOUND", "message": "no", "details": {"name": "a"}}"#;
        let expected = HostError::new("NOT_FOUND", "no").with_detail("name", "a");
        assert_eq!(HostError::from_bytes(said), expected);
        for odd in [&b""[..], b"no", b"{}", b"\xff", br#"{"code": 5, "message": ""}"#] {
            let error = HostError::from_bytes(odd);
            assert_eq!(
                (error.code(), error.message()),
                ("INTERNAL_ERROR", &*String::from_utf8_lossy(odd))
            );
        }
    }

    #[test]
    fn a_waiting_time_that_is_no_number_is_none() {
        for value in [Value::Null, Value::from(-1), Value::from("1")] {
            let error = HostError::new("RATE_LIMIT_EXCEEDED", "").with_detail("retry_after_ms", value);
            assert_eq!(error.retry_after(), None);
        }
        assert_eq!(HostError::new("RATE_LIMIT_EXCEEDED", "").retry_after(), None);
    }
}
