//! What a Palisade host and its guests agree on: names, packing, status, wire types.
//!
//! Guest ABI 1 is a core WebAssembly module (a WASI preview 1 reactor) with the exports of [`EXPORTS`] and no imports
//! but those of [`IMPORTS`] and WASI's. Host and SDK are written against this crate, and `docs/abi.md` is generated
//! from it, so the three cannot drift apart.

mod call;
mod host;
mod reply;
mod surface;

pub use crate::call::MAX_INIT_STATE_BYTES;
pub use crate::call::{CommandDescription, Description, Encoding, GuestError, InitInput, InitLimits};
pub use crate::call::{Level, UnknownLevel};
pub use crate::host::{Delivery, DeliveryKind, HttpRequestHead, HttpResponseHead, KeyPage, SystemInfo};
pub use crate::reply::{HostReply, Reply, pack};
pub use crate::surface::{EXPORTS, Export, IMPORTS, Import, Signature, ValueType, export, import};

/// The ABI's major number; a module of another major number is refused.
pub const VERSION_MAJOR: u32 = 1;

/// The ABI's minor number; a module may ask for at most the host's.
pub const VERSION_MINOR: u32 = 0;

/// The export whose presence says which ABI a module speaks, readable without running it.
pub const MARKER_EXPORT: &str = export::MARKER;

/// The module every import of ABI 1 comes from.
pub const IMPORT_MODULE: &str = "palisade_v1";
