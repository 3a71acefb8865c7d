//! `call` with an installed plugin.

use std::num::NonZeroU32;

use palisade::{CommandError, NotFound, Output, Supervisor};
use palisade_signer::{Failure, Surroundings, Terminal};
use serde_json::Value;

use super::house::{First, House, Needs, about, begin};
use super::reference::Installed;
use crate::call::{FuelRange, logs_of};

/// A command of an installed plugin.
pub(crate) struct InstalledCall<'a> {
    pub(crate) installed: &'a Installed,
    pub(crate) command: &'a str,
    pub(crate) arguments: &'a [u8],
    pub(crate) repeat: NonZeroU32,
}

/// What came of it.
pub(crate) struct Called {
    pub(crate) output: Output,
    pub(crate) fuel: FuelRange,
    pub(crate) logs: Vec<Value>,
}

impl InstalledCall<'_> {
    /// Starts the plugin, runs the command as often as asked, and ends the plugin.
    pub(crate) fn run(
        &self,
        needs: Needs<'_>,
        surroundings: &Surroundings,
        terminal: &mut Terminal,
    ) -> Result<Called, Failure> {
        let id = &self.installed.id;
        // A mistyped file is no reason to make a data directory.
        if !needs.folder.exists() {
            let error = NotFound {
                name: id.clone(),
                suggestion: None,
            };
            return Err(unknown(error.into()));
        }
        let house = House::open(needs, surroundings, terminal)?;
        let kept = std::sync::Arc::clone(&house.kept);
        let ended = house.run(terminal, async |supervisor, terminal| {
            self.installed
                .check(&supervisor.status(id).map_err(|error| unknown(error.into()))?)?;
            begin(supervisor, id, First::Start, terminal).await?;
            Ok(self.repeated(supervisor).await?)
        });
        let (output, fuel) = ended.map_err(|failure| about(failure, id))?;
        Ok(Called {
            output,
            fuel,
            logs: logs_of(&kept),
        })
    }

    async fn repeated(&self, supervisor: &Supervisor) -> Result<(Output, FuelRange), CommandError> {
        let (id, mut fuel) = (&self.installed.id, FuelRange::default());
        let mut output = supervisor.call(id, self.command, self.arguments).await?;
        fuel.add(output.receipt());
        for _ in 1..self.repeat.get() {
            output = supervisor.call(id, self.command, self.arguments).await?;
            fuel.add(output.receipt());
        }
        Ok((output, fuel))
    }
}

/// What was meant may have been a file.
fn unknown(failure: Failure) -> Failure {
    failure.with_help("there is no bundle file of this name either")
}
