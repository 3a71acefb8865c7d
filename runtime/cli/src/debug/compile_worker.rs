//! `debug compile-worker`: what this program starts itself as, once for each module it compiles.

use std::io;

use clap::Args;
use palisade::{WorkerLimits, compile_worker};
use palisade_signer::{Conclusion, Failure, HostError};

/// `debug compile-worker`.
#[derive(Args, Debug)]
pub(crate) struct CompileWorker {
    /// Address space it may have
    #[arg(long, value_name = "N")]
    memory_bytes: u64,

    /// Time on a processor it may have
    #[arg(long, value_name = "N")]
    cpu_seconds: u64,
}

impl CompileWorker {
    pub(super) fn run(self) -> Result<Conclusion, Failure> {
        let limits = WorkerLimits {
            memory_bytes: self.memory_bytes,
            cpu_seconds: self.cpu_seconds,
        };
        compile_worker(limits, io::stdin().lock(), io::stdout().lock()).map_err(HostError::CompileWorker)?;
        Ok(Conclusion::Done)
    }
}
