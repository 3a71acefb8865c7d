//! What a host counts: exact numbers that are taken where things happen and cost nothing but that, for whoever draws or
//! collects them.
//!
//! `histogram` and `tally` count; `guest` is what is counted of one plugin while it runs, and the types in here are what
//! is told of it all.

mod guest;
mod histogram;
mod tally;

use std::collections::BTreeMap;
use std::sync::Arc;

use palisade_bundle::Digest;

pub(crate) use self::guest::{CommandTimes, Counted, Ending, GuestMeasures};
pub(crate) use self::histogram::Histogram;
pub use self::histogram::{BUCKETS_US, Timings};
pub(crate) use self::tally::Tally;
use crate::lifecycle::{Health, State};

/// Numbers by a stable word.
pub type Counts = BTreeMap<&'static str, u64>;

/// What a host has counted since it was opened.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct HostMeasures {
    /// Of each plugin, by id.
    pub plugins: Vec<PluginMeasures>,
    /// How long running commands were waited for.
    pub drains: Timings,
    /// How long modules were compiled.
    pub compiles: Timings,
    /// Looks into the cache of compiled code: `hit`, `miss`.
    pub module_cache: Counts,
    /// Bundles that were verified: `ok`, or the code of what was wrong.
    pub verifications: Counts,
    /// Events that were gone before a subscriber took them.
    pub events_dropped: u64,
}

/// What a host has counted of one plugin. Counters go on through reloads, and are those of its publisher's plugin under
/// this id.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PluginMeasures {
    /// Which plugin.
    pub id: String,
    /// Its active version.
    pub version: String,
    /// The identity of its bundle.
    pub digest: Digest,
    /// Where it is in its life.
    pub state: State,
    /// Whether it is well.
    pub health: Health,
    /// Commands that are running or wait for their turn.
    pub active_requests: usize,
    /// Linear memory of all its instances, in bytes.
    pub memory_bytes: u64,
    /// What one instance may have, while it runs.
    pub memory_limit_bytes: Option<u64>,
    /// Fuel used so far.
    pub fuel: u64,
    /// What one command may use, while it runs.
    pub fuel_limit: Option<u64>,
    /// Keys and values it keeps, in bytes; `None` when its storage cannot be asked.
    pub storage_bytes: Option<u64>,
    /// Commands that were entered, by name and outcome. A command that its manifest does not name is `other`.
    pub calls: Vec<CallTimings>,
    /// Calls it made to the host, by name.
    pub host_calls: Vec<(&'static str, Timings)>,
    /// Commands that were not entered, by the code of the refusal.
    pub rejected: Counts,
    /// Traps, by kind.
    pub traps: Counts,
    /// Limits it was stopped or refused by: `fuel`, `memory`, `time`, `storage`, `rate`, `in_flight`.
    pub violations: Counts,
    /// Replacements: `success`, `rolled_back`, `failed`, `refused`.
    pub reloads: Counts,
    /// Replacements that were taken back by the code of why, and `operator` for versions that somebody brought back.
    pub rollbacks: Counts,
}

/// How long commands of one name took that ended in one way.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CallTimings {
    /// Which command.
    pub command: Arc<str>,
    /// `ok`, `error` for an error of the plugin's own, `trap`, `limit`, `timeout`, `failed` when the host is at fault.
    pub outcome: &'static str,
    /// How often, and how long.
    pub timings: Timings,
}
