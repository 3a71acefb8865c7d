//! For conformance suites: a WASI preview 1 command module in the sandbox that plugins get, plus what is granted here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use palisade_bundle::{Blame, Code, Coded, ModuleError};
use thiserror::Error;
use wasmtime::{Linker, Store};
use wasmtime_wasi::{I32Exit, WasiCtxBuilder};

use super::EngineError;
use super::compile::{CheckedModule, CompileError, Refusal};
use super::engine::Runtime;
use super::limiter::Limiter;
use super::meter::{SLICE, Slices};
use super::preempt::Preempted;
use super::wasi::{self, Directories, DirectoryError, Wasi};
use crate::limits::Limits;
use crate::services::Clock;

/// A command module and what it is given. Nothing beyond that: no inherited environment, no other directory.
#[derive(Clone, Debug, Default)]
pub struct WasiCommand {
    /// The module, in binary form.
    pub wasm: Vec<u8>,
    /// Its arguments; the first is its own name.
    pub args: Vec<String>,
    /// Its environment.
    pub env: Vec<(String, String)>,
    /// The directories it may use.
    pub directories: Vec<WasiDirectory>,
    /// Whether it may make links and rename files.
    pub allow_links: bool,
    /// How long it may run; 30 s when `None`.
    pub timeout: Option<Duration>,
}

/// A directory of the host under the name the guest knows it by; read and write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WasiDirectory {
    /// Path on the host.
    pub host: PathBuf,
    /// Path the guest sees.
    pub guest: String,
}

/// The data of a command's store.
struct CommandHost {
    wasi: Wasi,
    limiter: Limiter,
}

impl Runtime {
    /// Runs `_start` of a command module with the process's own standard streams, and returns its exit status.
    ///
    /// Fuel is not limited, time and memory are. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`WasiCommandError`]; a status other than 0 is no error.
    pub async fn run_wasi(&self, command: &WasiCommand) -> Result<i32, WasiCommandError> {
        let shared = self.shared();
        let module = self.code_of(CheckedModule::check(command.wasm.clone())?).await?;
        let mut linker = Linker::new(&shared.engine);
        wasi::link_any(&mut linker, |host: &mut CommandHost| &mut host.wasi).map_err(EngineError)?;
        let clock = Arc::clone(&shared.services.clock);
        let host = CommandHost {
            wasi: wasi_of(command, &clock)?,
            limiter: Limiter::new(Limits::DEFAULT.memory_bytes, Arc::clone(&shared.memory), Arc::default()),
        };
        let mut store = Store::new(&shared.engine, host);
        store.limiter(|host| &mut host.limiter);
        store.set_fuel(u64::MAX).map_err(EngineError)?;
        store.fuel_async_yield_interval(Some(SLICE)).map_err(EngineError)?;
        let timeout = command.timeout.unwrap_or(Limits::DEFAULT.execution_time);
        let slices = Slices::default();
        let timers = shared.timers()?;
        let run = async {
            let instance = linker.instantiate_async(&mut store, &module).await?;
            let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
            start.call_async(&mut store, ()).await
        };
        let run = Box::pin(run);
        let outcome = Preempted::new(run, &*clock, clock.now() + timeout, &slices, Some(&timers)).await;
        match outcome {
            Err(_passed) => Err(WasiCommandError::DeadlinePassed { limit: timeout }),
            Ok(Ok(())) => Ok(0),
            Ok(Err(error)) => match error.downcast_ref::<I32Exit>() {
                Some(I32Exit(status)) => Ok(*status),
                None => Err(WasiCommandError::Failed(Refusal::new(error))),
            },
        }
    }
}

fn wasi_of(command: &WasiCommand, clock: &Arc<dyn Clock>) -> Result<Wasi, DirectoryError> {
    let clocks = wasi::Clocks::coarse(clock);
    let mut builder = WasiCtxBuilder::new();
    builder.inherit_stdio().args(&command.args).envs(&command.env);
    builder.wall_clock(clocks.clone()).monotonic_clock(clocks);
    let folders = command
        .directories
        .iter()
        .map(|directory| (directory.host.as_path(), directory.guest.as_str()));
    let directories = Directories::uncounted(folders, command.allow_links)?;
    Ok(wasi::of_command(&mut builder, directories))
}

/// A command module did not run to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WasiCommandError {
    /// It is no module, or passes a limit.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// It was not made machine code.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It could not be linked, or it trapped.
    #[error("the module failed: {0}")]
    Failed(Refusal),
    /// Still running or waiting at the deadline.
    #[error("the module was still busy after {} ms", limit.as_millis())]
    DeadlinePassed {
        /// How long it may take.
        limit: Duration,
    },
    /// A directory could not be opened.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The engine itself failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Coded for WasiCommandError {
    fn code(&self) -> Code {
        match self {
            Self::Module(error) => error.code(),
            Self::Compile(error) => error.code(),
            Self::Failed(_) => Code::GuestTrap,
            Self::DeadlinePassed { .. } => Code::ExecutionTimeout,
            Self::Directory(error) => error.code(),
            Self::Engine(_) => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Module(error) => error.blame(),
            Self::Compile(error) => error.blame(),
            Self::Failed(_) | Self::DeadlinePassed { .. } => Blame::Plugin,
            Self::Directory(error) => error.blame(),
            Self::Engine(_) => Blame::Host,
        }
    }
}
