//! Write [Palisade](https://docs.rs/palisade) plugins in Rust.
//!
//! A plugin is a type and an `impl` block marked [`#[plugin]`](macro@plugin). Every method marked `#[command]` is a
//! command: its doc comment is the description, its argument and result are any [`serde`] types, or bytes. The [`Host`]
//! is an argument, not a global, so a command is tested natively, without WebAssembly.
//!
//! ```
//! use palisade_sdk::{Host, Reject, data, plugin};
//!
//! /// Greets people.
//! #[derive(Default)]
//! pub struct Greeter {
//!     greeted: u32,
//! }
//!
//! #[data]
//! pub struct GreetInput {
//!     /// Whom to greet.
//!     pub name: String,
//! }
//!
//! #[data]
//! #[derive(Debug, PartialEq)]
//! pub struct Greeting {
//!     pub greeting: String,
//!     pub greeted: u32,
//! }
//!
//! #[plugin]
//! impl Greeter {
//!     /// Greets someone by name.
//!     #[command]
//!     pub fn greet(&mut self, host: &Host, input: GreetInput) -> Result<Greeting, Reject> {
//!         if input.name.is_empty() {
//!             return Err(Reject::new("NAME_EMPTY", "whom shall I greet?"));
//!         }
//!         self.greeted += 1;
//!         host.info(format_args!("greeting number {}", self.greeted));
//!         Ok(Greeting { greeting: format!("Hello, {}!", input.name), greeted: self.greeted })
//!     }
//! }
//!
//! // In `#[cfg(test)] mod tests`, as a `#[test]`:
//! let host = Host::fake();
//! let greeting = Greeter::default().greet(&host, GreetInput { name: "Ada".into() }).unwrap();
//! assert_eq!(greeting.greeting, "Hello, Ada!");
//! assert_eq!(host.logged()[0].message, "greeting number 1");
//! ```
//!
//! `palisade build` compiles it for `wasm32-wasip1`; `Cargo.toml` needs `crate-type = ["cdylib", "rlib"]`.
//!
//! # What a plugin promises
//!
//! - Arguments that do not fit become a [`Reject`] with the code `INVALID_ARGUMENT`, a JSON pointer and what was expected.
//!   The command is not entered.
//! - A panic ends the instance: its message is the last line of the log and the message of the host's `GUEST_TRAP`.
//!   Answer bad input with a `Reject`, not with a panic.
//! - State lives in the plugin's fields for as long as its instance lives.
//! - The crate of a plugin needs no `unsafe` of its own; `unsafe_code = "deny"` and `"forbid"` both hold.
//!
//! # Cargo features
//!
//! `describe`: exports `palisade_describe`, which lists the commands with their JSON Schemas. `palisade build` turns it on
//! for a build that it throws away, so what is shipped holds no schemas. No plugin depends on it.

mod describe;
mod ffi;
mod guest;
mod host;
mod json;
mod plugin;
mod reject;

pub use palisade_sdk_macros::{data, plugin};
pub use serde;
pub use serde_json::{self, json};

pub use palisade_abi::{InitLimits, Level};

pub use crate::host::{Host, LogLine};
pub use crate::reject::Reject;

#[cfg(feature = "describe")]
#[doc(hidden)]
pub use schemars;

/// What the macros write about; not an interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::guest::{Guest, Returned, Span};
    pub use crate::plugin::{Answer, Call, Plugin, no_such_command, rejecting};

    #[cfg(feature = "describe")]
    pub use crate::describe::{Probe, WithSchema, WithoutSchema};
    #[cfg(target_family = "wasm")]
    pub use crate::ffi::{bury, initialize, pack};
    #[cfg(feature = "describe")]
    pub use palisade_abi::{CommandDescription, Description, Encoding};
}
