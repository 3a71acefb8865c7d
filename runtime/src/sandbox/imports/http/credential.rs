//! Secrets that the host adds to requests.

use palisade_bundle::manifest::{HostPattern, NetworkCredential};
use palisade_bundle::{Blame, Code, Coded};
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};
use thiserror::Error;

use super::asked::header_value;

/// A secret with the header that carries it and the hosts it may be sent to. Printed without its value.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Credential {
    pub(super) header: HeaderName,
    /// Marked as sensitive, so that neither `Debug` nor a trace shows it.
    pub(super) value: HeaderValue,
    pub(super) hosts: Vec<HostPattern>,
}

impl Credential {
    /// What a manifest declares, with the value an operator gives.
    ///
    /// # Errors
    ///
    /// [`MalformedSecret`] when the value cannot stand in a header.
    pub(in crate::sandbox) fn new(declared: &NetworkCredential, secret: &str) -> Result<Self, MalformedSecret> {
        let malformed = || MalformedSecret {
            name: declared.name.clone(),
        };
        let header = HeaderName::from_bytes(declared.header.as_str().as_bytes()).map_err(|_| malformed())?;
        let mut value = header_value(secret).ok_or_else(malformed)?;
        value.set_sensitive(true);
        Ok(Self {
            header,
            value,
            hosts: declared.hosts.clone(),
        })
    }
}

/// A secret that no header can carry.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the value of the credential `{name}` is not visible ASCII")]
#[non_exhaustive]
pub struct MalformedSecret {
    /// Which one.
    pub name: String,
}

impl Coded for MalformedSecret {
    fn code(&self) -> Code {
        Code::ConfigInvalid
    }

    fn blame(&self) -> Blame {
        Blame::Policy
    }

    fn details(&self) -> Map<String, Value> {
        Map::from_iter([("credential".to_owned(), self.name.as_str().into())])
    }
}
