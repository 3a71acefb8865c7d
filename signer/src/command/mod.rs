//! The commands: one file each, one struct of options each, one answer each.

pub mod inspect;
pub mod key;
pub mod pack;
pub mod sign;
pub mod trust;
pub mod verify;

use clap::Subcommand;

use crate::failure::{Conclusion, Failure};
use crate::surroundings::Surroundings;
use crate::terminal::Terminal;

/// The TRUST commands, in the order of `--help`.
#[derive(Debug, Subcommand)]
pub enum TrustCommands {
    /// Make a key pair, or show a key
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Sign a bundle
    Sign(sign::Sign),
    /// Check a bundle: signature, trust, structure, contents; lists every check it made
    Verify(verify::Verify),
    /// Decide whose bundles run on this machine
    #[command(subcommand)]
    Trust(trust::TrustCommand),
}

impl TrustCommands {
    /// Runs the one that was given.
    ///
    /// # Errors
    ///
    /// Whatever stopped it.
    pub fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        match self {
            Self::Key(command) => command.run(surroundings, terminal),
            Self::Sign(command) => command.run(surroundings, terminal),
            Self::Verify(command) => command.run(surroundings, terminal),
            Self::Trust(command) => command.run(surroundings, terminal),
        }
    }
}
