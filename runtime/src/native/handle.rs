//! What a started service is known by: [`ServiceHandle`], and how it is: [`HealthStatus`].

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use serde::{Serialize, Serializer};

use super::error::ServiceFault;

/// A random UUID (RFC 9562, version 4), written in the usual way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(u128);

impl ServiceId {
    /// An id that nobody else has.
    pub(super) fn random() -> Result<Self, ServiceFault> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| ServiceFault::NoRandomness(io::Error::from(error)))?;
        Ok(Self::of(bytes))
    }

    fn of(bytes: [u8; 16]) -> Self {
        // RFC 9562, 5.4: four bits say version 4, two bits say which layout.
        const FIXED: u128 = 0x0000_0000_0000_f000_c000_0000_0000_0000;
        const VERSION_AND_VARIANT: u128 = 0x0000_0000_0000_4000_8000_0000_0000_0000;
        Self(u128::from_be_bytes(bytes) & !FIXED | VERSION_AND_VARIANT)
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            id >> 96,
            id >> 80 & 0xffff,
            id >> 64 & 0xffff,
            id >> 48 & 0xffff,
            id & 0xffff_ffff_ffff
        )
    }
}

impl fmt::Debug for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ServiceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A service that was started: one handle for each start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServiceHandle {
    /// Which start this is.
    pub id: ServiceId,
    /// The name of the service.
    pub service_name: String,
    /// What there is to know of it, such as its ports.
    pub metadata: BTreeMap<String, String>,
}

impl ServiceHandle {
    /// A handle with an id of its own.
    ///
    /// # Errors
    ///
    /// [`ServiceFault::NoRandomness`] when the system gives no random numbers.
    pub fn new(service_name: impl Into<String>, metadata: BTreeMap<String, String>) -> Result<Self, ServiceFault> {
        Ok(Self {
            id: ServiceId::random()?,
            service_name: service_name.into(),
            metadata,
        })
    }
}

/// How a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// It answers as it should.
    Healthy,
    /// It does not.
    Unhealthy,
    /// Nobody could say.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_of_version_4() {
        assert_eq!(
            ServiceId::of([0xff; 16]).to_string(),
            "ffffffff-ffff-4fff-bfff-ffffffffffff"
        );
        assert_eq!(
            ServiceId::of([0; 16]).to_string(),
            "00000000-0000-4000-8000-000000000000"
        );
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        assert_eq!(ServiceId::of(bytes).to_string(), "01020304-0506-4708-890a-0b0c0d0e0f10");
    }

    #[test]
    fn two_handles_of_a_service_are_different() {
        let handle = || ServiceHandle::new("cache", BTreeMap::new()).unwrap();
        assert_ne!(handle().id, handle().id);
    }
}
