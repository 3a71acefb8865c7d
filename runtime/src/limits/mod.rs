//! What a plugin may use: [`Limits`], each default with its reason, and how three opinions become one.
//!
//! Effective limit = min(host ceiling, operator's setting, manifest's wish). Where the manifest is silent the
//! operator's setting stands, and where both are silent the default.

mod table;

use std::time::Duration;

use palisade_bundle::Manifest;
use serde::Serialize;

pub use self::table::{LimitRow, Reached};
use crate::services::MAX_KEYS;

const MIB: u64 = 1024 * 1024;

/// Every bound a plugin runs under. All of them hold in every phase: start function, `_initialize`, init, commands,
/// cleanup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Limits {
    /// Fuel per command; roughly one unit per WebAssembly instruction, one per byte of bulk memory work.
    pub fuel: u64,
    /// Fuel for everything up to and including `plugin_init`, and again for `plugin_cleanup`.
    pub lifecycle_fuel: u64,
    /// Linear memory in bytes, the initial size and every memory counted.
    pub memory_bytes: u64,
    /// Wall clock per command.
    #[serde(rename = "execution_time_ms", serialize_with = "as_ms")]
    pub execution_time: Duration,
    /// Wall clock for all phases of a load together, and again for cleanup.
    #[serde(rename = "initialization_time_ms", serialize_with = "as_ms")]
    pub initialization_time: Duration,
    /// Size of the arguments of a command.
    pub args_bytes: u64,
    /// Size of the reply to a command.
    pub output_bytes: u64,
    /// Log text a command may write before the rest is dropped and counted.
    pub log_bytes: u64,
    /// Keys and values in the plugin's storage together.
    pub storage_bytes: u64,
    /// Keys in the plugin's storage.
    pub storage_keys: u64,
    /// HTTP requests in a minute.
    pub requests_per_minute: u32,
    /// Body of one HTTP request.
    pub request_bytes: u64,
    /// Body of one HTTP response, as transferred and as decompressed.
    pub response_bytes: u64,
    /// Wall clock of one HTTP request, redirects included.
    #[serde(rename = "request_time_ms", serialize_with = "as_ms")]
    pub request_time: Duration,
    /// HTTP requests of one plugin at once.
    pub requests_in_flight: u32,
    /// Host calls of one plugin at once, over all its instances.
    pub host_calls_in_flight: u32,
    /// Files and folders one instance may hold open.
    pub open_files: u32,
}

impl Limits {
    /// What a plugin gets when neither its manifest nor the operator says otherwise (sandbox.md, "Limits").
    pub const DEFAULT: Self = Self {
        // Enough for small work on small input; 40 to 160 µs of it. More has to be asked for.
        fuel: 1_000_000,
        // A start is rarer than a command and builds tables; ten times a default command.
        lifecycle_fuel: 10_000_000,
        memory_bytes: 100 * MIB,
        execution_time: Duration::from_secs(30),
        initialization_time: Duration::from_secs(30),
        args_bytes: MIB,
        output_bytes: 10 * MIB,
        log_bytes: MIB,
        storage_bytes: 10 * MIB,
        storage_keys: MAX_KEYS,
        // A burst of all of them, then one every 600 ms: what an API's free tier bears.
        requests_per_minute: 100,
        request_bytes: 10 * MIB,
        response_bytes: 10 * MIB,
        request_time: Duration::from_secs(30),
        requests_in_flight: 10,
        // A session makes one at a time; this bounds what a pool of instances can have under way.
        host_calls_in_flight: 16,
        open_files: 256,
    };

    /// What a manifest or an operator can ask for at most unless the embedding host raises it.
    pub const CEILING: Self = Self {
        // About 0.1 s of a core: long enough to hash 10 MB, short enough not to starve a neighbour.
        fuel: 1_000_000_000,
        args_bytes: 10 * MIB,
        storage_bytes: 100 * MIB,
        requests_per_minute: 6_000,
        requests_in_flight: 100,
        host_calls_in_flight: 1_000,
        ..Self::DEFAULT
    };

    /// The limits a plugin runs under: the wish of its `manifest`, `setting` of the operator, `self` as the ceiling.
    #[must_use]
    pub fn effective(&self, setting: &LimitSettings, manifest: &Manifest) -> Self {
        let (default, wish) = (&Self::DEFAULT, &manifest.resource_limits);
        let requests_at_once = manifest.network.as_ref().and_then(|network| network.max_concurrent);
        Self {
            fuel: lowest(self.fuel, setting.fuel, wish.fuel, default.fuel),
            lifecycle_fuel: self.lifecycle_fuel,
            memory_bytes: lowest(
                self.memory_bytes,
                setting.memory_bytes,
                wish.memory.map(|size| size.as_bytes()),
                default.memory_bytes,
            ),
            execution_time: lowest(
                self.execution_time,
                setting.execution_time,
                wish.execution_time,
                default.execution_time,
            ),
            initialization_time: lowest(
                self.initialization_time,
                setting.initialization_time,
                None,
                default.initialization_time,
            ),
            args_bytes: lowest(self.args_bytes, setting.args_bytes, None, default.args_bytes),
            output_bytes: lowest(
                self.output_bytes,
                setting.output_bytes,
                wish.output.map(|size| size.as_bytes()),
                default.output_bytes,
            ),
            log_bytes: self.log_bytes,
            storage_bytes: lowest(
                self.storage_bytes,
                setting.storage_bytes,
                wish.storage.map(|size| size.as_bytes()),
                default.storage_bytes,
            ),
            storage_keys: self.storage_keys,
            requests_per_minute: lowest(
                self.requests_per_minute,
                setting.requests_per_minute,
                wish.network.requests_per_minute,
                default.requests_per_minute,
            ),
            request_bytes: lowest(
                self.request_bytes,
                None,
                wish.network.request_size.map(|size| size.as_bytes()),
                default.request_bytes,
            ),
            response_bytes: lowest(
                self.response_bytes,
                None,
                wish.network.response_size.map(|size| size.as_bytes()),
                default.response_bytes,
            ),
            request_time: lowest(self.request_time, None, wish.network.timeout, default.request_time),
            requests_in_flight: lowest(
                self.requests_in_flight,
                setting.requests_in_flight,
                requests_at_once,
                default.requests_in_flight,
            ),
            host_calls_in_flight: lowest(
                self.host_calls_in_flight,
                setting.host_calls_in_flight,
                None,
                default.host_calls_in_flight,
            ),
            open_files: self.open_files,
        }
    }
}

/// What an operator sets for one plugin; `None` leaves it to the manifest and the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitSettings {
    /// Fuel per command.
    pub fuel: Option<u64>,
    /// Linear memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Wall clock per command.
    pub execution_time: Option<Duration>,
    /// Wall clock for all phases of a load together.
    pub initialization_time: Option<Duration>,
    /// Size of the arguments of a command.
    pub args_bytes: Option<u64>,
    /// Size of the reply to a command.
    pub output_bytes: Option<u64>,
    /// Keys and values in the plugin's storage together.
    pub storage_bytes: Option<u64>,
    /// HTTP requests in a minute.
    pub requests_per_minute: Option<u32>,
    /// HTTP requests at once.
    pub requests_in_flight: Option<u32>,
    /// Host calls at once, over all instances of the plugin.
    pub host_calls_in_flight: Option<u32>,
}

fn lowest<T: Ord>(ceiling: T, setting: Option<T>, wish: Option<T>, default: T) -> T {
    let asked = match (setting, wish) {
        (Some(setting), Some(wish)) => setting.min(wish),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => default,
    };
    asked.min(ceiling)
}

fn as_ms<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(setting: Option<u64>, wish: Option<u64>, expected: u64) {
        let setting = LimitSettings {
            fuel: setting,
            ..LimitSettings::default()
        };
        let text = br#"{"id": "a.b", "name": "A", "version": "1.0.0", "author": "B"}"#;
        let mut manifest = Manifest::parse(text).unwrap();
        manifest.resource_limits.fuel = wish;
        assert_eq!(Limits::CEILING.effective(&setting, &manifest).fuel, expected);
    }

    #[test]
    fn the_lowest_opinion_wins() {
        check(None, None, 1_000_000);
        check(None, Some(5_000_000), 5_000_000);
        check(Some(7_000_000), None, 7_000_000);
        check(Some(7_000_000), Some(5_000_000), 5_000_000);
        check(Some(3_000_000), Some(5_000_000), 3_000_000);
    }

    #[test]
    fn nobody_gets_past_the_ceiling() {
        check(Some(1_000_000_000), Some(1_000_000_000), 1_000_000_000);
        check(Some(1_000_000_001), Some(1_000_000_001), 1_000_000_000);
        check(None, Some(u64::MAX), 1_000_000_000);
    }
}
