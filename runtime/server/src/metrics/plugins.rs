//! The metrics of each plugin.

use std::fmt::Result;

use palisade::{PluginMeasures, State};
use prometheus_client::encoding::DescriptorEncoder;

use super::family::Family;

type Encoder<'a> = DescriptorEncoder<'a>;

pub(super) fn encode(plugins: &[PluginMeasures], encoder: &mut Encoder<'_>) -> Result {
    identity(plugins, encoder)?;
    calls(plugins, encoder)?;
    resources(plugins, encoder)?;
    failures(plugins, encoder)?;
    changes(plugins, encoder)
}

/// Which plugins there are, and whether they serve.
fn identity(plugins: &[PluginMeasures], encoder: &mut Encoder<'_>) -> Result {
    let about = (
        "palisade_plugin_up",
        "Whether a plugin carries out commands: 1 while it is active or being replaced",
    );
    let mut up = Family::gauge(encoder, about)?;
    for plugin in plugins {
        let is_up = matches!(plugin.state, State::Active | State::Reloading);
        up.value(&[("plugin", &*plugin.id)], is_up.into())?;
    }
    let about = (
        "palisade_plugin_info",
        "The active version of a plugin, and its bundle; always 1",
    );
    let mut info = Family::gauge(encoder, about)?;
    for plugin in plugins {
        let digest = plugin.digest.to_string();
        let labels = [
            ("plugin", &*plugin.id),
            ("version", &plugin.version),
            ("digest", &digest),
        ];
        info.value(&labels, 1)?;
    }
    let mut states = Family::gauge(encoder, ("palisade_plugins", "Plugins by state"))?;
    for state in State::ALL {
        let inside = plugins.iter().filter(|plugin| plugin.state == state).count();
        states.value(&[("state", state.as_str())], u64::try_from(inside).unwrap_or(u64::MAX))?;
    }
    Ok(())
}

/// What is asked of plugins, and of the host by them.
fn calls(plugins: &[PluginMeasures], encoder: &mut Encoder<'_>) -> Result {
    let about = (
        "palisade_call_duration_seconds",
        "How long commands took from entering the guest to its reply",
    );
    let mut calls = Family::histogram(encoder, about)?;
    for plugin in plugins {
        for call in &plugin.calls {
            let labels = [
                ("plugin", &*plugin.id),
                ("command", &*call.command),
                ("outcome", call.outcome),
            ];
            calls.timings(&labels, &call.timings)?;
        }
    }
    let about = (
        "palisade_active_requests",
        "Commands that are running or wait for their turn",
    );
    let mut active = Family::gauge(encoder, about)?;
    for plugin in plugins {
        let requests = u64::try_from(plugin.active_requests).unwrap_or(u64::MAX);
        active.value(&[("plugin", &*plugin.id)], requests)?;
    }
    let about = (
        "palisade_calls_rejected_total",
        "Commands that the guest was not entered for",
    );
    let mut rejected = Family::counter(encoder, about)?;
    for plugin in plugins {
        rejected.counts_of(&plugin.id, "reason", &plugin.rejected)?;
    }
    let about = (
        "palisade_host_call_duration_seconds",
        "How long the host worked on a call of a guest",
    );
    let mut host_calls = Family::histogram(encoder, about)?;
    for plugin in plugins {
        for (function, timings) in &plugin.host_calls {
            host_calls.timings(&[("plugin", &*plugin.id), ("function", function)], timings)?;
        }
    }
    Ok(())
}

/// What plugins use.
fn resources(plugins: &[PluginMeasures], encoder: &mut Encoder<'_>) -> Result {
    let about = (
        "palisade_fuel_consumed_total",
        "Fuel used by guest code and its host calls",
    );
    let mut fuel = Family::counter(encoder, about)?;
    for plugin in plugins {
        fuel.value(&[("plugin", &*plugin.id)], plugin.fuel)?;
    }
    let about = ("palisade_memory_bytes", "Linear memory of all instances of a plugin");
    let mut memory = Family::gauge(encoder, about)?;
    for plugin in plugins {
        memory.value(&[("plugin", &*plugin.id)], plugin.memory_bytes)?;
    }
    let about = (
        "palisade_memory_limit_bytes",
        "Linear memory that one instance of a plugin may have, while it runs",
    );
    let mut limits = Family::gauge(encoder, about)?;
    for plugin in plugins {
        if let Some(limit) = plugin.memory_limit_bytes {
            limits.value(&[("plugin", &*plugin.id)], limit)?;
        }
    }
    let about = ("palisade_storage_bytes", "Keys and values that a plugin keeps");
    let mut storage = Family::gauge(encoder, about)?;
    for plugin in plugins {
        if let Some(bytes) = plugin.storage_bytes {
            storage.value(&[("plugin", &*plugin.id)], bytes)?;
        }
    }
    Ok(())
}

/// What stopped guests.
fn failures(plugins: &[PluginMeasures], encoder: &mut Encoder<'_>) -> Result {
    let about = (
        "palisade_traps_total",
        "Guests that were stopped by a trap or a breach of the ABI",
    );
    let mut traps = Family::counter(encoder, about)?;
    for plugin in plugins {
        traps.counts_of(&plugin.id, "reason", &plugin.traps)?;
    }
    let about = (
        "palisade_resource_violations_total",
        "Limits that a plugin was stopped or refused by",
    );
    let mut violations = Family::counter(encoder, about)?;
    for plugin in plugins {
        violations.counts_of(&plugin.id, "resource", &plugin.violations)?;
    }
    Ok(())
}

/// How generations followed each other.
fn changes(plugins: &[PluginMeasures], encoder: &mut Encoder<'_>) -> Result {
    let about = (
        "palisade_reloads_total",
        "Replacements of a running plugin, by what came of them",
    );
    let mut reloads = Family::counter(encoder, about)?;
    for plugin in plugins {
        reloads.counts_of(&plugin.id, "result", &plugin.reloads)?;
    }
    let about = ("palisade_rollbacks_total", "Returns to what ran before, by why");
    let mut rollbacks = Family::counter(encoder, about)?;
    for plugin in plugins {
        rollbacks.counts_of(&plugin.id, "reason", &plugin.rollbacks)?;
    }
    Ok(())
}
