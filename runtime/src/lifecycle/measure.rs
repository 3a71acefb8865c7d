//! The verb `measures`: what was counted, told without waiting for anything but the storage.

use palisade_bundle::Coded as _;

use super::call::CommandError;
use super::managed::Managed;
use super::supervisor::Supervisor;
use crate::measures::{HostMeasures, PluginMeasures, Tally};
use crate::sandbox::{CallError, Stopped};

/// What is counted of a plugin's life, as long as it is installed.
#[derive(Debug, Default)]
pub(super) struct CountedLife {
    /// Commands that were not entered, by the code of the refusal.
    pub(super) rejected: Tally,
    /// Replacements, by what came of them.
    pub(super) reloads: Tally,
    /// Replacements that were taken back, by why.
    pub(super) rollbacks: Tally,
}

impl CountedLife {
    /// Counts a command that was not entered.
    pub(super) fn refused(&self, error: &CommandError) {
        let was_entered = match error {
            CommandError::Call(CallError::Stopped(stopped)) => !matches!(stopped, Stopped::ResourceExhausted { .. }),
            CommandError::Call(CallError::Guest { .. }) | CommandError::Unwell(_) => true,
            CommandError::Call(_)
            | CommandError::NotFound(_)
            | CommandError::InvalidState(_)
            | CommandError::Unavailable { .. }
            | CommandError::BreakerOpen { .. }
            | CommandError::DrainCancelled
            | CommandError::Audit(_) => false,
        };
        if !was_entered {
            self.rejected.add(error.code().as_str());
        }
    }
}

impl Supervisor {
    /// What this host has counted since it was opened.
    pub async fn measures(&self) -> HostMeasures {
        let host = &self.host;
        let mut plugins = Vec::new();
        for managed in host.all() {
            plugins.push(self.of_plugin(&managed).await);
        }
        let (compiles, module_cache) = host.runtime.compiling();
        HostMeasures {
            plugins,
            drains: host.drains.timings(),
            compiles,
            module_cache,
            verifications: host.verifications.counts(),
            events_dropped: host.runtime.events().dropped(),
        }
    }

    async fn of_plugin(&self, managed: &Managed) -> PluginMeasures {
        let (status, view) = (managed.status(), managed.view());
        let namespace = view.row.namespace();
        let guest = self.host.runtime.guest_measures(&namespace);
        let storage = self.host.runtime.services().storage.usage(&namespace).await;
        PluginMeasures {
            memory_bytes: guest.memory_bytes,
            memory_limit_bytes: status.limits.as_ref().map(|limits| limits.memory_bytes),
            fuel: guest.fuel,
            fuel_limit: status.limits.as_ref().map(|limits| limits.fuel),
            storage_bytes: storage.ok().map(|usage| usage.bytes),
            calls: guest.calls,
            host_calls: guest.host_calls,
            rejected: managed.counted.rejected.counts(),
            traps: guest.traps,
            violations: guest.violations,
            reloads: managed.counted.reloads.counts(),
            rollbacks: managed.counted.rollbacks.counts(),
            id: status.id,
            version: status.version,
            digest: status.digest,
            state: status.state,
            health: status.health,
            active_requests: status.active_requests,
        }
    }
}
