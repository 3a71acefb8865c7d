//! The attributes of `palisade-sdk`: `#[plugin]` and `#[data]`. Use them through that crate.

mod block;
mod command;
mod data;
mod emit;
mod method;
mod shape;

use proc_macro::TokenStream;

/// Makes a plugin of a type: marks the one `impl` block whose methods are its commands.
///
/// | method marked | receiver | arguments after it | result | called |
/// |---|---|---|---|---|
/// | `#[command]` | `&self`, `&mut self` or none | `host: &Host`?, `input: T`? | any of below | by name |
/// | `#[init]` | none | `host: &Host`? | `Self`, `Result<Self, E>` | once, to make the instance |
/// | `#[init]` | `&mut self` | `host: &Host`? | nothing, `Result<(), E>` | once, after `Default` |
/// | `#[cleanup]` | `&self`, `&mut self` | `host: &Host`? | nothing, `Result<(), E>` | once, before the end |
/// | `#[health]` | `&self`, `&mut self` | `host: &Host`? | any of below | when the host wants to know |
/// | `#[on_event]` | `&self`, `&mut self` | `host: &Host`?, `event: Delivery`? | nothing, `Result<(), E>` | for each event |
///
/// `T` is any type that implements `Deserialize`, or a reference to one, or bytes: `&[u8]`, `Vec<u8>`. A result is
/// nothing, any type that implements `Serialize`, bytes (`Vec<u8>`, or `&[u8]` of the plugin or the input, which costs no
/// copy), or a `Result` of these with an error that is `Into<Reject>`. Without `#[init]` the type must implement
/// `Default`. A command without input takes whatever comes; arguments of no bytes at all count as `null`.
///
/// An event comes as a `Delivery`, whose data is any JSON, or as a `Delivery<T>` when all that the plugin receives is of one
/// type. An event that is no `Delivery<T>` never enters the method.
///
/// The doc comment of a command is its description. `#[command(name = "word-count")]` gives it another name than the
/// method's; `#[command(idempotent)]` says that doing it twice is the same as doing it once.
///
/// Methods without a mark are left alone, but one named `init`, `cleanup`, `health` or `on_event` needs its mark or
/// another name. One `#[plugin]` a module: the exports it writes (for WebAssembly only) have fixed names.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    block::expand(arguments.into(), item.into()).into()
}

/// Makes a type that commands take and give: `Serialize`, `Deserialize`, and a JSON Schema in the manifest.
///
/// Stands for the derives of `serde` (with its attributes, such as `#[serde(default)]`) without a dependency on it. Doc
/// comments of type and fields become the schema's descriptions. Types with derives of their own work too; without
/// `schemars::JsonSchema` they only have no schema.
#[proc_macro_attribute]
pub fn data(arguments: TokenStream, item: TokenStream) -> TokenStream {
    data::expand(&arguments.into(), item.into()).into()
}
