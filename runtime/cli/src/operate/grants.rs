//! `grant` and `revoke`, and what an installed plugin asks for.

use clap::Args;
use palisade::Manifest;
use palisade_signer::{Conclusion, Failure, Surroundings, Terminal};

use super::answer::Changed;
use super::house::{First, House, HouseOptions};
use super::reference::Installed;
use crate::data_dir::DataDirOption;

/// `grant`.
#[derive(Args, Debug)]
pub(crate) struct Grant {
    /// The plugin
    #[arg(value_name = "ID")]
    id: String,

    /// A permission, or a family of them; `palisade help permissions` lists them
    #[arg(value_name = "PERM")]
    permission: String,

    #[command(flatten)]
    house: HouseOptions,
}

/// `revoke`.
#[derive(Args, Debug)]
pub(crate) struct Revoke {
    /// The plugin
    #[arg(value_name = "ID")]
    id: String,

    /// A permission, or a family of them; one that every plugin has is withheld from this one
    #[arg(value_name = "PERM")]
    permission: String,

    #[command(flatten)]
    house: HouseOptions,
}

impl Grant {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let (id, host) = (&self.id, (surroundings, &mut *terminal));
        let status = self
            .house
            .run_on(id, First::TryToStart, host, async |supervisor, terminal| {
                let _progress = terminal.progress("reloading");
                Ok(supervisor.grant(id, &self.permission).await?)
            })?;
        let done = format!("granted {} to", self.permission);
        terminal.answer(&Changed::new(&done, &status))?;
        Ok(Conclusion::Done)
    }
}

impl Revoke {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let (id, host) = (&self.id, (surroundings, &mut *terminal));
        let status = self
            .house
            .run_on(id, First::TryToStart, host, async |supervisor, terminal| {
                let _progress = terminal.progress("reloading");
                Ok(supervisor.revoke(id, &self.permission).await?)
            })?;
        let done = format!("revoked {} from", self.permission);
        terminal.answer(&Changed::new(&done, &status))?;
        Ok(Conclusion::Done)
    }
}

/// What an installed plugin says of itself.
pub(crate) fn installed_manifest(
    installed: &Installed,
    data: &DataDirOption,
    surroundings: &Surroundings,
    terminal: &mut Terminal,
) -> Result<Manifest, Failure> {
    let house = House::to_read(data, None, surroundings, terminal)?;
    house.run(terminal, async |supervisor, _| {
        let status = supervisor.status(&installed.id)?;
        installed.check(&status)?;
        Ok(Manifest::clone(&status.manifest))
    })
}
