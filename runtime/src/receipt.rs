//! What a command cost: [`Receipt`].

use std::time::Duration;

use palisade_abi::import;
use palisade_bundle::Digest;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

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
    #[serde(flatten)]
    pub host_calls: HostCalls,
    /// Which load of the plugin answered; 1 is the first.
    pub generation: u64,
    /// Identity of the bundle that answered.
    pub digest: Digest,
}

/// How often each host call was made and what it moved, in the order of `docs/abi.md`; calls that were not made are left
/// out. As JSON the members `host_calls` and `host_bytes`, each by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostCalls(
    /// Made with the first call, because most commands make none.
    Option<Box<[Moved; HostCall::ALL.len()]>>,
);

/// What one host call came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Moved {
    count: u32,
    bytes: u64,
}

impl HostCalls {
    /// Counts one call with `bytes` of arguments.
    pub(crate) fn count(&mut self, call: HostCall, bytes: u64) {
        if let Some(moved) = self.of(call) {
            moved.count = moved.count.saturating_add(1);
            moved.bytes = moved.bytes.saturating_add(bytes);
        }
    }

    /// Counts bytes of its answer.
    pub(crate) fn count_bytes(&mut self, call: HostCall, bytes: u64) {
        if let Some(moved) = self.of(call) {
            moved.bytes = moved.bytes.saturating_add(bytes);
        }
    }

    /// The bytes that calls of one kind moved in and out together.
    pub(crate) fn moved_bytes(&self, call: HostCall) -> u64 {
        let moved = self.0.as_ref().and_then(|moved| moved.get(call.index()));
        moved.map_or(0, |moved| moved.bytes)
    }

    fn of(&mut self, call: HostCall) -> Option<&mut Moved> {
        self.0.get_or_insert_default().get_mut(call.index())
    }

    /// The calls that were made, by name, with how often.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u32)> {
        self.made().map(|(name, moved)| (name, moved.count))
    }

    /// The bytes they moved in and out together, by name.
    pub fn bytes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.made().map(|(name, moved)| (name, moved.bytes))
    }

    fn made(&self) -> impl Iterator<Item = (&'static str, Moved)> {
        let moved = self.0.iter().flat_map(|moved| moved.iter().copied());
        let named = HostCall::ALL.iter().map(|call| call.name()).zip(moved);
        named.filter(|(_, moved)| moved.count > 0)
    }
}

impl Serialize for HostCalls {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut calls = serializer.serialize_struct("HostCalls", 2)?;
        calls.serialize_field("host_calls", &self.iter().collect::<ByName<_>>())?;
        calls.serialize_field("host_bytes", &self.bytes().collect::<ByName<_>>())?;
        calls.end()
    }
}

/// Numbers by name, in the order they came in.
struct ByName<T>(Vec<(&'static str, T)>);

impl<T> FromIterator<(&'static str, T)> for ByName<T> {
    fn from_iter<I: IntoIterator<Item = (&'static str, T)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl<T: Serialize> Serialize for ByName<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, number)| (name, number)))
    }
}

/// One row a function that the host offers and counts: variant, name.
macro_rules! host_calls {
    ($($variant:ident $name:expr;)*) => {
        /// A function the host offers and counts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum HostCall {
            $($variant,)*
        }

        impl HostCall {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name it is imported by.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

host_calls! {
    Log import::LOG;
    StateGet import::STATE_GET;
    StateSet import::STATE_SET;
    StorageGet import::STORAGE_GET;
    StoragePut import::STORAGE_PUT;
    StorageDelete import::STORAGE_DELETE;
    StorageCas import::STORAGE_CAS;
    StorageList import::STORAGE_LIST;
    HttpRequest import::HTTP_REQUEST;
    AssetGet import::ASSET_GET;
    Publish import::PUBLISH;
    MessageSend import::MESSAGE_SEND;
    PluginCall import::PLUGIN_CALL;
    Emit import::EMIT;
    SystemInfo import::SYSTEM_INFO;
    Function import::HOST_CALL;
    Wasi "wasi";
}

impl HostCall {
    pub(crate) fn index(self) -> usize {
        self as usize
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
        calls.count(HostCall::Log, 3);
        calls.count(HostCall::Log, 4);
        assert_eq!(
            serde_json::to_string(&calls).unwrap(),
            r#"{"host_calls":{"log":2},"host_bytes":{"log":7}}"#
        );
    }
}
