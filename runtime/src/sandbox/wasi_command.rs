//! For conformance suites: a WASI preview 1 command module in the sandbox that plugins get, plus what is granted here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use palisade_bundle::{Blame, Code, Coded};
use thiserror::Error;
use wasmtime::{Linker, Module, Store};
use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_async};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

use super::EngineError;
use super::engine::Runtime;
use super::limiter::Limiter;
use super::load::CompileError;
use super::meter::{SLICE, Slices};
use super::preempt::Preempted;
use super::wasi;
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
    wasi: WasiP1Ctx,
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
        let module = Module::from_binary(&shared.engine, &command.wasm);
        let module = module.map_err(|error| WasiCommandError::Compile(CompileError::new(error)))?;
        let mut linker = Linker::new(&shared.engine);
        link(&mut linker, command.allow_links).map_err(EngineError)?;
        let clock = Arc::clone(&shared.services.clock);
        let host = CommandHost {
            wasi: context(command, &clock)?,
            limiter: Limiter::new(Limits::DEFAULT.memory_bytes),
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
                None => Err(WasiCommandError::Failed(CompileError::new(error))),
            },
        }
    }
}

fn link(linker: &mut Linker<CommandHost>, allow_links: bool) -> wasmtime::Result<()> {
    add_to_linker_async(linker, |host: &mut CommandHost| &mut host.wasi)?;
    if !allow_links {
        linker.allow_shadowing(true);
        wasi::refuse_links(linker, |_host| ())?;
    }
    Ok(())
}

fn context(command: &WasiCommand, clock: &Arc<dyn Clock>) -> Result<WasiP1Ctx, WasiCommandError> {
    let clocks = wasi::Clocks::new(clock);
    let mut builder = WasiCtxBuilder::new();
    builder.inherit_stdio().args(&command.args).envs(&command.env);
    builder.wall_clock(clocks.clone()).monotonic_clock(clocks);
    for directory in &command.directories {
        builder
            .preopened_dir(&directory.host, &directory.guest, FsPerms::ReadWrite)
            .map_err(|_| WasiCommandError::Directory {
                guest: directory.guest.clone(),
            })?;
    }
    Ok(builder.build_p1())
}

/// A command module did not run to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WasiCommandError {
    /// It is no module, or the compiler refused it.
    #[error("the module does not compile: {0}")]
    Compile(CompileError),
    /// It could not be linked, or it trapped.
    #[error("the module failed: {0}")]
    Failed(CompileError),
    /// Still running or waiting at the deadline.
    #[error("the module was still busy after {} ms", limit.as_millis())]
    DeadlinePassed {
        /// How long it may take.
        limit: Duration,
    },
    /// A directory could not be opened.
    #[error("the directory for `{guest}` cannot be opened")]
    Directory {
        /// Path the guest would have seen.
        guest: String,
    },
    /// The engine itself failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Coded for WasiCommandError {
    fn code(&self) -> Code {
        match self {
            Self::Compile(_) => Code::CorruptedData,
            Self::Failed(_) => Code::GuestTrap,
            Self::DeadlinePassed { .. } => Code::ExecutionTimeout,
            Self::Directory { .. } => Code::NotFound,
            Self::Engine(_) => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Compile(_) => Blame::Bundle,
            Self::Failed(_) | Self::DeadlinePassed { .. } => Blame::Plugin,
            Self::Directory { .. } => Blame::Missing,
            Self::Engine(_) => Blame::Host,
        }
    }
}
