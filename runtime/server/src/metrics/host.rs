//! The metrics of the host, whichever plugin they come from.

use std::fmt::Result;

use palisade::HostMeasures;
use prometheus_client::encoding::DescriptorEncoder;

use super::family::Family;

pub(super) fn encode(host: &HostMeasures, encoder: &mut DescriptorEncoder<'_>) -> Result {
    let about = (
        "palisade_drain_duration_seconds",
        "How long running commands were waited for",
    );
    Family::histogram(encoder, about)?.only_timings(&host.drains)?;
    let about = ("palisade_compile_duration_seconds", "How long modules were compiled");
    Family::histogram(encoder, about)?.only_timings(&host.compiles)?;
    let about = ("palisade_module_cache_total", "Looks into the cache of compiled code");
    Family::counter(encoder, about)?.counts("result", &host.module_cache)?;
    let about = (
        "palisade_verifications_total",
        "Bundles that were verified, by what was found",
    );
    Family::counter(encoder, about)?.counts("result", &host.verifications)?;
    let about = (
        "palisade_events_dropped_total",
        "Events that were gone before a subscriber took them",
    );
    Family::counter(encoder, about)?.only(host.events_dropped)
}
