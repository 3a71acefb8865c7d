//! The sandbox: the only folder that names the WebAssembly engine.
//!
//! `engine` holds the settings every guest is compiled under, `load` goes from an admitted bundle to a [`Plugin`],
//! `session` is one live instance, `call` what is checked before it is entered. `memory` is the only guest-memory
//! access, `meter` and `limiter` bound what a guest uses, `preempt` when it must pause or stop, `trap` says why it was
//! stopped, and `imports/` is the only place a grant is checked.

mod call;
#[cfg(feature = "developer")]
mod developer;
mod engine;
mod entry;
mod host;
mod imports;
mod limiter;
mod load;
mod log;
mod memory;
mod meter;
mod plugin;
mod preempt;
mod session;
mod start;
mod trap;
mod wasi;
#[cfg(feature = "developer")]
mod wasi_command;

pub use call::{CallError, CallFailure};
#[cfg(feature = "developer")]
pub use developer::DescribeError;
pub use engine::{EngineError, Runtime, RuntimeBuilder};
pub use load::{CompileError, LoadError};
pub use plugin::Plugin;
pub use session::Session;
pub use start::{Phase, StartError, StartFailure};
pub use trap::{AbiBreach, GuestTrap, Stopped, TrapKind};
#[cfg(feature = "developer")]
pub use wasi_command::{WasiCommand, WasiCommandError, WasiDirectory};
