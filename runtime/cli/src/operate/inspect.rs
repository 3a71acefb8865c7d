//! `inspect`, of a bundle or of an installed plugin.

use clap::Args;
use palisade_signer::command::inspect::Inspect;
use palisade_signer::{Conclusion, Failure, Surroundings, Terminal};

use super::house::House;
use super::reference::Reference;
use crate::data_dir::DataDirOption;

/// `inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectPlugin {
    #[command(flatten)]
    inspect: Inspect,

    #[command(flatten)]
    data: DataDirOption,
}

impl InspectPlugin {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let Reference::Installed(installed) = Reference::of(self.inspect.bundle()) else {
            return self.inspect.run(terminal);
        };
        let written = self.inspect.written();
        let house = House::to_read(&self.data, written, surroundings, terminal)?;
        let bytes = house.run(terminal, async |supervisor, _| {
            installed.check(&supervisor.status(&installed.id)?)?;
            Ok(supervisor.bundle(&installed.id).await?)
        })?;
        self.inspect.of(bytes, terminal)
    }
}
