//! What is counted of one plugin while it runs.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use super::{CallTimings, Counts, Histogram, Tally, Timings};
use crate::receipt::HostCall;

/// What commands are counted under that the manifest does not name: whoever calls could else make any number of names.
const OTHER: &str = "other";

/// How a command ended that was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Ok,
    Error,
    Trap,
    Limit,
    Timeout,
    Failed,
}

impl Ending {
    const ALL: [Self; 6] = [
        Self::Ok,
        Self::Error,
        Self::Trap,
        Self::Limit,
        Self::Timeout,
        Self::Failed,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Trap => "trap",
            Self::Limit => "limit",
            Self::Timeout => "timeout",
            Self::Failed => "failed",
        }
    }
}

/// How long the commands of one name took, by how they ended.
#[derive(Debug, Default)]
pub(crate) struct CommandTimes([Histogram; Ending::ALL.len()]);

impl CommandTimes {
    pub(crate) fn add(&self, ending: Ending, time: Duration) {
        if let Some(histogram) = self.0.get(ending as usize) {
            histogram.add(time);
        }
    }

    fn timings(&self, command: &Arc<str>) -> impl Iterator<Item = CallTimings> {
        let all = Ending::ALL.into_iter().zip(&self.0);
        let timings = all.map(|(ending, histogram)| CallTimings {
            command: Arc::clone(command),
            outcome: ending.as_str(),
            timings: histogram.timings(),
        });
        timings.filter(|call| call.timings.count() > 0)
    }
}

/// Everything that is counted of one plugin in its sandbox, through all its loads.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    commands: RwLock<BTreeMap<Arc<str>, Arc<CommandTimes>>>,
    other: Arc<CommandTimes>,
    /// Made with the first one, because many plugins make none.
    host_calls: OnceLock<Box<[Histogram; HostCall::ALL.len()]>>,
    pub(crate) traps: Tally,
    pub(crate) violations: Tally,
}

/// What [`Counted`] tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct GuestMeasures {
    pub(crate) memory_bytes: u64,
    pub(crate) fuel: u64,
    pub(crate) calls: Vec<CallTimings>,
    pub(crate) host_calls: Vec<(&'static str, Timings)>,
    pub(crate) traps: Counts,
    pub(crate) violations: Counts,
}

impl Counted {
    /// Where commands of these names are counted from now on. Those of other names are forgotten: a plugin has as many
    /// as its manifest, whatever versions it had.
    pub(crate) fn commands<'a>(&self, names: impl Iterator<Item = &'a str>) -> BTreeMap<Arc<str>, Arc<CommandTimes>> {
        let mut commands = self.commands.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *commands);
        for name in names {
            let (name, times) = before
                .remove_entry(name)
                .unwrap_or_else(|| (Arc::from(name), Arc::default()));
            commands.insert(name, times);
        }
        commands.clone()
    }

    /// Where commands are counted that the manifest does not name.
    pub(crate) fn other(&self) -> Arc<CommandTimes> {
        Arc::clone(&self.other)
    }

    pub(crate) fn add_host_call(&self, call: HostCall, time: Duration) {
        let host_calls = self.host_calls.get_or_init(Box::default);
        if let Some(histogram) = host_calls.get(call.index()) {
            histogram.add(time);
        }
    }

    /// What was counted; what else is known of the plugin's use of things is left out.
    pub(crate) fn measures(&self) -> GuestMeasures {
        let commands = self.commands.read().unwrap_or_else(PoisonError::into_inner).clone();
        let named = commands.iter().flat_map(|(name, times)| times.timings(name));
        let other = Arc::from(OTHER);
        let calls = named.chain(self.other.timings(&other)).collect();
        let made = self.host_calls.get().into_iter().flat_map(|calls| calls.iter());
        let host_calls = HostCall::ALL
            .iter()
            .map(|call| call.name())
            .zip(made.map(Histogram::timings));
        GuestMeasures {
            calls,
            host_calls: host_calls.filter(|(_, timings)| timings.count() > 0).collect(),
            traps: self.traps.counts(),
            violations: self.violations.counts(),
            ..GuestMeasures::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_counted_on_through_loads_and_forgotten_with_its_name() {
        let counted = Counted::default();
        let first = counted.commands(["a", "b"].into_iter());
        first["a"].add(Ending::Ok, Duration::from_micros(1));
        first["b"].add(Ending::Trap, Duration::from_micros(1));
        let second = counted.commands(["a", "c"].into_iter());
        second["a"].add(Ending::Ok, Duration::from_micros(1));
        // What still runs of the first load counts nowhere.
        first["b"].add(Ending::Ok, Duration::from_micros(1));
        let calls = counted.measures().calls;
        let told: Vec<_> = calls
            .iter()
            .map(|call| (&*call.command, call.outcome, call.timings.count()))
            .collect();
        assert_eq!(told, [("a", "ok", 2)]);
    }
}
