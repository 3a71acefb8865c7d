//! What a plugin has used so far, all its instances and loads together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

use super::engine::Runtime;
use super::plugin::Plugin;
use crate::measures::{Counts, GuestMeasures, Histogram, Tally, Timings};
use crate::services::Namespace;

/// What a plugin uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ResourceMetrics {
    /// Linear memory of its instances now, in bytes.
    pub memory: u64,
    /// Milliseconds its entries have taken so far, those in which it waited included.
    pub cpu: u64,
    /// Keys and values it keeps now, in bytes.
    pub storage: u64,
    /// Bytes its requests have moved so far.
    pub network: u64,
    /// Fuel it has used so far.
    pub fuel: u64,
}

/// The counters behind the metrics. Each is exact; read together they may be an entry apart.
#[derive(Debug, Default)]
pub(super) struct Usage {
    memory_bytes: AtomicU64,
    busy_us: AtomicU64,
    network_bytes: AtomicU64,
    fuel: AtomicU64,
}

impl Usage {
    /// Counts an entry that has ended.
    pub(super) fn add(&self, fuel: u64, busy: Duration, network_bytes: u64) {
        let busy_us = u64::try_from(busy.as_micros()).unwrap_or(u64::MAX);
        self.fuel.fetch_add(fuel, Ordering::Relaxed);
        self.busy_us.fetch_add(busy_us, Ordering::Relaxed);
        // Most entries send nothing.
        if network_bytes > 0 {
            self.network_bytes.fetch_add(network_bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn take_memory(&self, bytes: u64) {
        self.memory_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn give_back_memory(&self, bytes: u64) {
        self.memory_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Plugin {
    /// What it uses; `None` when its storage cannot be asked.
    pub(crate) async fn usage(&self) -> Option<ResourceMetrics> {
        let powers = self.powers();
        let storage = powers.services.storage.usage(&powers.namespace).await.ok()?.bytes;
        let usage = &powers.shares.usage;
        Some(ResourceMetrics {
            memory: usage.memory_bytes.load(Ordering::Relaxed),
            cpu: usage.busy_us.load(Ordering::Relaxed) / 1_000,
            storage,
            network: usage.network_bytes.load(Ordering::Relaxed),
            fuel: usage.fuel.load(Ordering::Relaxed),
        })
    }

    /// Whether four fifths of a limit were used, when that was looked at last.
    pub(crate) fn is_near_a_limit(&self) -> bool {
        self.powers().shares.is_near_a_limit()
    }
}

impl Runtime {
    /// What was counted of a plugin, whether anything of it runs or not.
    pub(crate) fn guest_measures(&self, of: &Namespace) -> GuestMeasures {
        let shares = self.shared().shares.of(of);
        GuestMeasures {
            memory_bytes: shares.usage.memory_bytes.load(Ordering::Relaxed),
            fuel: shares.usage.fuel.load(Ordering::Relaxed),
            ..shares.counted.measures()
        }
    }

    /// How long modules were compiled, and what became of looks into the cache.
    pub(crate) fn compiling(&self) -> (Timings, Counts) {
        let compiling = &self.shared().compiling;
        (compiling.times.timings(), compiling.cache.counts())
    }
}

/// What is counted of compiling.
#[derive(Debug, Default)]
pub(super) struct Compiling {
    pub(super) times: Histogram,
    /// `hit`, `miss`.
    pub(super) cache: Tally,
}
