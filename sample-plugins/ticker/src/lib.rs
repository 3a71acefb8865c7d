//! Schedule: the host runs its commands by the clock, as its manifest says.

use palisade_sdk::{Host, Reject, data, plugin};

/// Ticks.
#[derive(Default)]
pub struct Ticker;

/// What every command answers.
#[data]
#[derive(Debug, PartialEq)]
pub struct Ticks {
    /// How often it has ticked since it was installed.
    pub ticks: u64,
}

#[plugin]
impl Ticker {
    /// Ticks once. The manifest has the host do so every second.
    #[command]
    pub fn tick(&self, host: &Host) -> Result<Ticks, Reject> {
        let Ticks { ticks } = self.report(host)?;
        // Kept in the state record, so that a restart of plugin or host does not begin at nothing.
        host.state().set(&(ticks + 1))?;
        Ok(Ticks { ticks: ticks + 1 })
    }

    /// Says in the log how often it has ticked, and answers with it.
    #[command]
    pub fn report(&self, host: &Host) -> Result<Ticks, Reject> {
        let ticks = host.state().get()?.unwrap_or(0);
        host.info(format_args!("{ticks} ticks"));
        Ok(Ticks { ticks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_counted_from_one_instance_to_the_next() {
        let host = Host::fake();
        assert_eq!(Ticker.tick(&host).unwrap(), Ticks { ticks: 1 });
        assert_eq!(Ticker.tick(&host).unwrap(), Ticks { ticks: 2 });
        assert_eq!(Ticker.report(&host).unwrap(), Ticks { ticks: 2 });
    }
}
