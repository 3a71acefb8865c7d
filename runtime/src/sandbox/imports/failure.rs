//! Why a host call was not carried out, as the guest gets to read it.

use palisade_abi::GuestError;
use palisade_bundle::{Code, Coded};
use serde_json::{Map, Value};

/// An error value for the guest. Holds no host path and no cause that only the operator may know.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sandbox) struct HostCallError {
    pub(in crate::sandbox) code: Code,
    /// A word that is not the host's: that of another plugin, or of the host application.
    pub(in crate::sandbox) foreign_code: Option<String>,
    pub(in crate::sandbox) message: String,
    pub(in crate::sandbox) details: Map<String, Value>,
    /// Where it comes from, for the operator alone, when the host itself failed.
    pub(in crate::sandbox) cause: Option<String>,
    /// In one word, what no plugin may do and this one tried.
    pub(in crate::sandbox) violation: Option<&'static str>,
}

impl HostCallError {
    pub(in crate::sandbox) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            foreign_code: None,
            message: message.into(),
            details: Map::new(),
            cause: None,
            violation: None,
        }
    }

    /// An argument that does not fit.
    pub(in crate::sandbox) fn argument(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    pub(in crate::sandbox) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// What somebody else answered with, under its own word.
    pub(in crate::sandbox) fn foreign(error: GuestError) -> Self {
        Self {
            code: Code::GuestError,
            foreign_code: Some(error.code),
            message: error.message,
            details: error.details,
            cause: None,
            violation: None,
        }
    }

    /// The word the guest reads.
    pub(in crate::sandbox) fn word(&self) -> &str {
        self.foreign_code.as_deref().unwrap_or(self.code.as_str())
    }

    /// The JSON the guest takes.
    pub(in crate::sandbox) fn to_json(&self) -> Vec<u8> {
        let error = GuestError {
            code: self.word().to_owned(),
            message: self.message.clone(),
            details: self.details.clone(),
        };
        serde_json::to_vec(&error).unwrap_or_default()
    }
}

impl<E: Coded> From<E> for HostCallError {
    fn from(error: E) -> Self {
        let code = error.code();
        Self {
            cause: (code == Code::InternalError).then(|| chain(&error)),
            code,
            foreign_code: None,
            message: error.to_string(),
            details: error.details(),
            violation: None,
        }
    }
}

/// An error and what it came from, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
