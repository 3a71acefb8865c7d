//! `debug`: parts of the whole, alone, for conformance suites. Hidden from help.

mod compile_worker;
mod ed25519;
mod wasi_run;
mod zip;

use clap::Subcommand;
use palisade_signer::{Conclusion, Failure, Surroundings, Terminal};

/// For conformance suites.
#[derive(Debug, Subcommand)]
pub(crate) enum DebugCommand {
    /// Check the structure of any ZIP
    Zip(zip::Zip),
    /// Verify a signature as bundles do
    VerifyEd25519(ed25519::VerifyEd25519),
    /// Run a WASI command module in the sandbox that plugins get
    WasiRun(wasi_run::WasiRun),
    /// Compile one module from standard input, in limits; this program starts itself so
    CompileWorker(compile_worker::CompileWorker),
}

impl DebugCommand {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        match self {
            Self::Zip(command) => command.run(terminal),
            Self::VerifyEd25519(command) => command.run(terminal),
            Self::WasiRun(command) => command.run(surroundings),
            Self::CompileWorker(command) => command.run(),
        }
    }
}
