//! What a command cost: [`Receipt`].

use std::time::Duration;

use palisade_bundle::Digest;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// The bill of one command. The same input on a fresh instance costs the same `fuel`, always.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Receipt {
    /// Fuel consumed by guest code and by the host calls it made.
    pub fuel: u64,
    /// Largest linear memory of the instance so far, in bytes; memory never shrinks.
    pub peak_memory_bytes: u64,
    /// Wall clock from entering the guest to its reply.
    #[serde(rename = "duration_ms", serialize_with = "as_ms")]
    pub duration: Duration,
    /// Size of the arguments.
    pub bytes_in: u64,
    /// Size of the reply.
    pub bytes_out: u64,
    /// Host calls by name.
    pub host_calls: HostCalls,
    /// Which load of the plugin answered; 1 is the first.
    pub generation: u64,
    /// Identity of the bundle that answered.
    pub digest: Digest,
}

/// How often each host call was made, in the order of `docs/abi.md`; calls that were not made are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCalls {
    counts: [u32; HostCall::ALL.len()],
}

impl HostCalls {
    /// Counts one call.
    pub(crate) fn count(&mut self, call: HostCall) {
        if let Some(count) = self.counts.get_mut(call.index()) {
            *count = count.saturating_add(1);
        }
    }

    /// The calls that were made, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u32)> {
        HostCall::ALL
            .iter()
            .zip(self.counts)
            .filter(|(_, count)| *count > 0)
            .map(|(call, count)| (call.name(), count))
    }
}

impl Serialize for HostCalls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, count) in self.iter() {
            map.serialize_entry(name, &count)?;
        }
        map.end()
    }
}

/// A function the host offers and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostCall {
    /// `palisade_v1.log`
    Log,
    /// Any function of `wasi_snapshot_preview1`.
    Wasi,
}

impl HostCall {
    const ALL: [Self; 2] = [Self::Log, Self::Wasi];

    fn index(self) -> usize {
        match self {
            Self::Log => 0,
            Self::Wasi => 1,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Wasi => "wasi",
        }
    }
}

/// Milliseconds with three decimals: most commands take less than one.
fn as_ms<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((time.as_secs_f64() * 1e6).round() / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_only_the_calls_that_were_made() {
        let mut calls = HostCalls::default();
        calls.count(HostCall::Log);
        calls.count(HostCall::Log);
        assert_eq!(serde_json::to_string(&calls).unwrap(), r#"{"log":2}"#);
    }
}
