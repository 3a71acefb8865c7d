//! The sandbox: the only folder that names the WebAssembly engine.
//!
//! `engine` holds the settings every guest is compiled under, `compile` makes machine code, here or in a process of its
//! own, `cache` keeps it on disk, `load` goes from an admitted bundle to a [`Plugin`], `session` is one live instance, `call` what is checked before it is entered. `memory` is the only guest-memory
//! access, `meter` and `limiter` bound what a guest uses, `preempt` when it must pause or stop, `trap` says why it was
//! stopped, and `imports/` is the only place a grant is checked.

mod cache;
mod call;
mod compile;
#[cfg(feature = "developer")]
mod developer;
mod engine;
mod entry;
mod host;
mod imports;
mod limiter;
mod load;
mod load_error;
mod log;
mod memory;
mod meter;
mod network;
mod outside;
mod plugin;
mod powers;
mod preempt;
mod prepared;
mod session;
mod shares;
mod start;
mod tape;
mod threads;
mod trap;
mod usage;
mod wasi;
#[cfg(feature = "developer")]
mod wasi_command;

pub use cache::{Artifact, CacheError, CacheSecret, CacheWarning, CompiledCache, Oddity, SecretError};
pub use call::{CallError, CallFailure};
pub use compile::{
    CheckedModule, CompileError, CompileJob, CompileJobs, CompileLimits, CompileWorker, Compiler, InProcessCompiler,
    Refusal, WorkerFailure, WorkerLimits, compile_worker,
};
#[cfg(feature = "developer")]
pub use developer::DescribeError;
pub use engine::{EngineError, Runtime, RuntimeBuilder};
pub use imports::MalformedSecret;
pub use load_error::LoadError;
pub(crate) use log::{LINE_BYTES, readable};
pub(crate) use plugin::WeakPlugin;
pub use plugin::{Plugin, ReplayError};
pub(crate) use prepared::Prepared;
pub use session::Session;
pub use start::{Phase, StartError, StartFailure};
pub use tape::{Recording, RecordingError};
pub use trap::{AbiBreach, GuestTrap, Stopped, TrapKind};
pub use usage::ResourceMetrics;
pub use wasi::DirectoryError;
#[cfg(feature = "developer")]
pub use wasi_command::{WasiCommand, WasiCommandError, WasiDirectory};
