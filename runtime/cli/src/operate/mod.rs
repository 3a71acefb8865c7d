//! The OPERATE commands: what is done to the plugins of a data directory.
//!
//! Each opens a house, a host for the length of one command, and answers with what came of it.

mod answer;
mod audit;
mod call;
mod checkpoint_key;
mod config;
mod grants;
mod house;
mod inspect;
mod install;
mod life;
mod listing;
mod object;
mod reference;
mod schedule;
mod state;
mod table;
mod token;
mod upgrade;

use clap::Subcommand;
use palisade_signer::{Conclusion, Failure, Surroundings, Terminal};

pub(crate) use self::call::InstalledCall;
pub(crate) use self::grants::installed_manifest;
pub(crate) use self::house::{House, Needs, Stay, given, loosening, loosening_trust};
pub(crate) use self::inspect::InspectPlugin;
pub(crate) use self::reference::{Installed, Reference};

/// The OPERATE commands, in the order of `--help`.
#[derive(Debug, Subcommand)]
pub(crate) enum OperateCommands {
    /// Put a plugin into the data directory
    Install(install::Install),
    /// Replace a plugin by another version
    Upgrade(upgrade::Upgrade),
    /// Start a plugin afresh, in the version that it has
    Reload(life::Again),
    /// Bring back an earlier version of a plugin
    Rollback(life::Rollback),
    /// Start a plugin, now and whenever a host opens the data directory
    Enable(life::Enable),
    /// Stop a plugin; its configuration and data stay
    Disable(life::Disable),
    /// Stop and start a plugin
    Restart(life::Again),
    /// Remove a plugin
    Uninstall(life::Uninstall),
    /// List the plugins
    List(listing::List),
    /// Tell everything about a plugin, or about all of them
    Status(listing::Status),
    /// Tell whether a plugin is well, or all of them are
    Health(listing::CheckHealth),
    /// Look at the configuration of a plugin, or change it
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Let a plugin do more
    Grant(grants::Grant),
    /// Let a plugin do less
    Revoke(grants::Revoke),
    /// Look at what a plugin keeps, or change it
    #[command(subcommand)]
    State(state::StateCommand),
    /// Tell what a plugin does by the clock, and pause it or run it now
    Schedule(schedule::Schedule),
    /// Show, verify or export what was done to plugins and what they tried
    Audit(audit::Audit),
    /// Decide who may use the API of the data directory
    #[command(subcommand)]
    Token(token::TokenCommand),
}

impl OperateCommands {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        match self {
            Self::Install(command) => command.run(surroundings, terminal),
            Self::Upgrade(command) => command.run(surroundings, terminal),
            Self::Reload(command) => command.reload(surroundings, terminal),
            Self::Rollback(command) => command.run(surroundings, terminal),
            Self::Enable(command) => command.run(surroundings, terminal),
            Self::Disable(command) => command.run(surroundings, terminal),
            Self::Restart(command) => command.restart(surroundings, terminal),
            Self::Uninstall(command) => command.run(surroundings, terminal),
            Self::List(command) => command.run(surroundings, terminal),
            Self::Status(command) => command.run(surroundings, terminal),
            Self::Health(command) => command.run(surroundings, terminal),
            Self::Config(command) => command.run(surroundings, terminal),
            Self::Grant(command) => command.run(surroundings, terminal),
            Self::Revoke(command) => command.run(surroundings, terminal),
            Self::State(command) => command.run(surroundings, terminal),
            Self::Schedule(command) => command.run(surroundings, terminal),
            Self::Audit(command) => command.run(surroundings, terminal),
            Self::Token(command) => command.run(surroundings, terminal),
        }
    }
}
