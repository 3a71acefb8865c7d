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
//! # What a plugin can ask
//!
//! | what | how | permission |
//! |---|---|---|
//! | log, configuration, limits | [`Host::info`], [`Host::config`], [`Host::limits`] | none |
//! | one JSON record that outlives the instance | [`Host::state`] | none |
//! | keys and values | [`Host::storage`] | `storage:read`, `storage:write`, `storage:delete` |
//! | HTTP, with credentials by name | [`Host::http`] | `network:https`, `network:http` |
//! | files of its own bundle | [`Host::assets`] | none |
//! | topics: publish and receive | [`Host::publish`], `#[on_event]` | `events:publish`, `events:subscribe` |
//! | messages to one plugin | [`Host::send`], `#[on_event]` | `message:send`, `message:receive` |
//! | commands of other plugins | [`Host::call`] | `plugin:call` |
//! | the host's event log | [`Host::emit`] | none |
//! | the host and its machine | [`Host::system`] | `system:info` |
//! | functions of the host application | [`Host::function`] | `custom:<area>:<action>` |
//! | files of the operator, time, random numbers | `std::fs`, `std::time`, WASI | `filesystem:read`, `filesystem:write`, none |
//!
//! Permissions stand in `plugin.json`, each with a reason for the person who grants it. What the host refuses is a
//! [`HostError`], which `?` hands on to the caller. A module imports what its plugin calls and nothing else.
//!
//! Reading an order from storage, telling a server about it, and hearing of others:
//!
//! ```
//! use palisade_sdk::fake::Response;
//! use palisade_sdk::{Delivery, Host, Reject, data, json, plugin};
//!
//! #[derive(Default)]
//! pub struct Shop;
//!
//! #[data]
//! #[derive(Debug, PartialEq)]
//! pub struct Order {
//!     pub item: String,
//! }
//!
//! #[plugin]
//! impl Shop {
//!     /// Sends an order that was kept earlier.
//!     #[command]
//!     pub fn send(&self, host: &Host, id: String) -> Result<u16, Reject> {
//!         let order: Option<Order> = host.storage().get_json(&format!("order/{id}"))?;
//!         let order = order.ok_or("there is no such order")?;
//!         let request = host.http().post("https://shop.example/orders").credential("shop");
//!         let status = request.json(&order).send()?.error_for_status()?.status();
//!         host.publish("orders.sent", &order)?;
//!         Ok(status)
//!     }
//!
//!     /// Keeps an order that another plugin published. With many topics, take `Delivery` and look at `topic` first.
//!     #[on_event]
//!     pub fn on_event(&mut self, host: &Host, event: Delivery<Order>) -> Result<(), Reject> {
//!         host.storage().put_json("order/last", &event.data)?;
//!         host.state().set(&json!({"from": event.from}))?;
//!         Ok(())
//!     }
//! }
//!
//! // In a `#[test]`: what the fake host grants and answers, then what it was asked.
//! let host = Host::fake()
//!     .with_permissions(["storage:read", "storage:write", "network:https", "events:publish"])
//!     .with_http("POST", "https://shop.example/orders", Response::new(201));
//!
//! let event = Delivery::published("orders.created", "dev.web", Order { item: "tea".into() });
//! Shop.on_event(&host, event).unwrap();
//! assert_eq!(Shop.send(&host, "last".into()), Ok(201));
//!
//! assert_eq!(host.requests()[0].body, br#"{"item":"tea"}"#);
//! assert_eq!(host.published()[0], ("orders.sent".to_owned(), json!({"item": "tea"})));
//! assert_eq!(host.state().get()?, Some(json!({"from": "dev.web"})));
//! # Ok::<(), palisade_sdk::HostError>(())
//! ```
//!
//! # What a plugin promises
//!
//! - Arguments that do not fit become a [`Reject`] with the code `INVALID_ARGUMENT`, a JSON pointer and what was expected.
//!   The command is not entered.
//! - A panic ends the instance: its message is the last line of the log and the message of the host's `GUEST_TRAP`.
//!   Answer bad input with a `Reject`, not with a panic.
//! - The plugin's fields live as long as its instance, which ends with a panic, a limit or an update. What has to outlive it
//!   belongs into [`Host::state`] or [`Host::storage`].
//! - The crate of a plugin needs no `unsafe` of its own; `unsafe_code = "deny"` and `"forbid"` both hold.
//!
//! # Cargo features
//!
//! `describe`: exports `palisade_describe`, which lists the commands with their JSON Schemas. `palisade build` turns it on
//! for a build that it throws away, so what is shipped holds no schemas. No plugin depends on it.

mod calls;
mod describe;
#[cfg(not(target_family = "wasm"))]
pub mod fake;
mod ffi;
mod guest;
pub mod host;
mod json;
mod plugin;
mod reject;

pub use palisade_sdk_macros::{data, plugin};
pub use serde;
pub use serde_json::{self, json};

pub use palisade_abi::{Delivery, DeliveryKind, InitLimits, Level};

pub use crate::host::{Host, HostError};
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
