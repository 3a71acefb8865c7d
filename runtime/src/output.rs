//! What a plugin answers: [`Output`].

use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::receipt::Receipt;

/// The reply to a command, copied out of the guest, with its bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    bytes: Vec<u8>,
    receipt: Receipt,
}

impl Output {
    pub(crate) fn new(bytes: Vec<u8>, receipt: Receipt) -> Self {
        Self { bytes, receipt }
    }

    /// The reply as the plugin gave it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The reply as text.
    ///
    /// # Errors
    ///
    /// [`OutputError::NotText`] when it is not UTF-8.
    pub fn text(&self) -> Result<&str, OutputError> {
        std::str::from_utf8(&self.bytes).map_err(OutputError::NotText)
    }

    /// The reply as JSON of type `T`.
    ///
    /// # Errors
    ///
    /// [`OutputError::NotJson`] when it is not JSON or not of this type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, OutputError> {
        serde_json::from_slice(&self.bytes).map_err(OutputError::NotJson)
    }

    /// The reply, without the bill.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What the command cost.
    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }
}

/// A reply is not what the caller took it for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OutputError {
    /// Not UTF-8.
    #[error("the reply is not text")]
    NotText(#[source] std::str::Utf8Error),
    /// Not JSON, or not of the type asked for.
    #[error("the reply is not the JSON that was expected")]
    NotJson(#[source] serde_json::Error),
}
