//! The names and types of every export and import: [`EXPORTS`], [`IMPORTS`].

use std::fmt;

use ValueType::{I32, I64};

/// A WebAssembly number type; the ABI uses no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// 32-bit integer: an address, a length or a level.
    I32,
    /// 64-bit integer: a packed [`Reply`](crate::Reply).
    I64,
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            I32 => "i32",
            I64 => "i64",
        })
    }
}

/// The type of a function. `{}` shows the types, `{:#}` the names of the parameters too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Name and type of every parameter.
    pub parameters: &'static [(&'static str, ValueType)],
    /// The result, if any.
    pub result: Option<ValueType>,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (index, (name, value)) in self.parameters.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            if f.alternate() {
                write!(f, "{name}: ")?;
            }
            write!(f, "{value}")?;
        }
        match self.result {
            Some(result) => write!(f, ") -> {result}"),
            None => f.write_str(") -> ()"),
        }
    }
}

/// Something a guest exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Export {
    /// The export's name.
    pub name: &'static str,
    /// The function's type; `None` for the linear memory.
    pub signature: Option<Signature>,
    /// Whether a module without it is refused.
    pub required: bool,
    /// What it is for.
    pub meaning: &'static str,
}

/// A function a guest may import from [`IMPORT_MODULE`](crate::IMPORT_MODULE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Import {
    /// The function's name.
    pub name: &'static str,
    /// The function's type.
    pub signature: Signature,
    /// The permission it needs beyond those everyone has.
    pub permission: Option<&'static str>,
    /// What it does.
    pub meaning: &'static str,
}

/// One row an export: constant, name, whether it must be there, type unless it is the memory, meaning.
macro_rules! exports {
    ($($constant:ident $name:literal $required:literal $(($($parameter:ident)*) $result:expr)?, $meaning:literal;)*) => {
        /// The names of [`EXPORTS`].
        pub mod export {
            $(#[doc = $meaning] pub const $constant: &str = $name;)*
        }

        /// Everything a host looks for in a module, in the order of `docs/abi.md`. Other exports are ignored.
        pub const EXPORTS: &[Export] = &[$(Export {
            name: export::$constant,
            signature: signature!($(($($parameter)*) $result)?),
            required: $required,
            meaning: $meaning,
        }),*];
    };
}

macro_rules! signature {
    () => { None };
    (($($parameter:ident)*) $result:expr) => {
        Some(Signature { parameters: &[$((stringify!($parameter), I32)),*], result: $result })
    };
}

exports! {
    MEMORY "memory" true,
        "The linear memory every address refers to.";
    MARKER "palisade_abi_v1" true () None,
        "Marker: this module speaks ABI 1. Never called.";
    PLUGIN_BUFFER "plugin_buffer" true (len) Some(I32),
        "Address of an input buffer of at least `len` bytes, valid until the next `plugin_buffer`; 0 when there is no \
         memory. The host asks only when the buffer it knows is too small.";
    PLUGIN_INIT "plugin_init" true (ptr len) Some(I64),
        "Once per instance, before any command. The input is JSON: `plugin_id`, `version`, `config`, `permissions`, \
         `limits`, and `state` when an earlier instance left some.";
    PLUGIN_COMMAND "plugin_command" true (name_ptr name_len args_ptr args_len) Some(I64),
        "One command. Name and arguments lie in the input buffer.";
    PLUGIN_CLEANUP "plugin_cleanup" true () Some(I64),
        "Once, before the instance is dropped in an orderly way. Not called after a trap or a limit.";
    PLUGIN_HEALTH "plugin_health" false () Some(I64),
        "Whether the plugin is well: ok, with any bytes as explanation, or an error.";
    PLUGIN_ON_EVENT "plugin_on_event" false (ptr len) Some(I64),
        "One event the plugin subscribed to, as JSON.";
    INITIALIZE "_initialize" false () None,
        "WASI's constructor of a reactor: called once per instance, before anything else.";
    PALISADE_DESCRIBE "palisade_describe" false () Some(I64),
        "Build time only, after `_initialize` and without `plugin_init`: JSON `{commands: [{name, description, \
         input_schema?, output_schema?, idempotent, encoding}]}`.";
}

/// The names of [`IMPORTS`].
pub mod import {
    /// Writes one line into the log.
    pub const LOG: &str = "log";
}

/// Everything a guest may import beside WASI preview 1, in the order of `docs/abi.md`.
pub const IMPORTS: &[Import] = &[Import {
    name: import::LOG,
    signature: Signature {
        parameters: &[("level", I32), ("ptr", I32), ("len", I32)],
        result: None,
    },
    permission: None,
    meaning: "Writes one line of UTF-8 into the plugin's log. `level`: 0 trace, 1 debug, 2 info, 3 warn, 4 error, \
              5 fatal; another number counts as error. 5 is for last words before a trap: the last such line of an \
              entry that ends in a trap becomes the message of `GUEST_TRAP`.",
}];
