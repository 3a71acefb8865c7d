//! `palisade-signer`: the TRUST commands for build servers; links no WASM engine.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use palisade_signer::command::TrustCommands;
use palisade_signer::command::inspect::Inspect;
use palisade_signer::{CommonOptions, Conclusion, Failure, Program, Surroundings, Terminal, program, style};

/// Keys, signatures and trust for Palisade bundles
#[derive(Debug, Parser)]
#[command(name = "palisade-signer", version, styles = style::of_help(), max_term_width = 100, arg_required_else_help = true)]
struct Signer {
    #[command(subcommand)]
    command: SignerCommand,

    #[command(flatten)]
    common: CommonOptions,
}

#[derive(Debug, Subcommand)]
enum SignerCommand {
    #[command(flatten)]
    Trust(TrustCommands),
    /// Show what a bundle holds and asks for; trusts nothing
    Inspect(Inspect),
}

impl Program for Signer {
    fn common(&self) -> &CommonOptions {
        &self.common
    }

    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        match self.command {
            SignerCommand::Trust(command) => command.run(surroundings, terminal),
            SignerCommand::Inspect(command) => command.run(terminal),
        }
    }
}

fn main() -> ExitCode {
    program::run::<Signer>(std::env::args_os())
}
