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
    /// The permissions that open it, each for a part of what it does; none when everybody may call it, or when its
    /// arguments decide.
    pub permissions: &'static [&'static str],
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
         `limits`, and `state` when an earlier instance left some of at most 64 KiB.";
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

/// One row an import: constant, name, parameters with their types, result, permission, meaning.
macro_rules! imports {
    ($($constant:ident $name:literal ($($parameter:ident: $kind:ident),*) $result:expr, $permissions:expr, $meaning:literal;)*) => {
        /// The names of [`IMPORTS`].
        pub mod import {
            $(#[doc = $meaning] pub const $constant: &str = $name;)*
        }

        /// Everything a guest may import beside WASI preview 1, in the order of `docs/abi.md`.
        pub const IMPORTS: &[Import] = &[$(Import {
            name: import::$constant,
            signature: Signature { parameters: &[$((stringify!($parameter), $kind)),*], result: $result },
            permissions: &$permissions,
            meaning: $meaning,
        }),*];
    };
}

imports! {
    LOG "log" (level: I32, ptr: I32, len: I32) None, ["log:write"],
        "Writes one line of UTF-8 into the plugin's log. `level`: 0 trace, 1 debug, 2 info, 3 warn, 4 error, 5 fatal; \
         another number counts as error. 5 is for last words before a trap: the last such line of an entry that ends in \
         a trap becomes the message of `GUEST_TRAP`.";
    RESULT_TAKE "result_take" (ptr: I32, cap: I32) Some(I32), [],
        "Copies at most `cap` bytes of the last host call's result or error to `ptr`, and says how many. A result can be \
         taken once, and only until the next host call.";
    STATE_GET "state_get" () Some(I64), ["state:read"],
        "The plugin's state record, JSON. Yes: there is one.";
    STATE_SET "state_set" (ptr: I32, len: I32) Some(I64), ["state:write"],
        "Replaces the state record by this JSON, at most 1 MiB; no bytes at all remove it.";
    STORAGE_GET "storage_get" (key: I32, key_len: I32) Some(I64), ["storage:read"],
        "The value under a key. Yes: the key is there.";
    STORAGE_PUT "storage_put" (key: I32, key_len: I32, value: I32, value_len: I32, ttl_ms: I64) Some(I64), ["storage:write"],
        "Puts a value under a key. `ttl_ms`: after how many milliseconds it is gone, 0 for never. Yes: the key was there before.";
    STORAGE_DELETE "storage_delete" (key: I32, key_len: I32) Some(I64), ["storage:delete"],
        "Deletes a key. Yes: the key was there.";
    STORAGE_CAS "storage_cas" (key: I32, key_len: I32, expected: I32, expected_len: I32, value: I32, value_len: I32, ttl_ms: I64)
        Some(I64), ["storage:write"],
        "Puts a value under a key if its value is `expected`; `expected_len` −1: if the key is absent. Yes: it was put.";
    STORAGE_LIST "storage_list" (prefix: I32, prefix_len: I32, after: I32, after_len: I32, limit: I32)
        Some(I64), ["storage:read"],
        "Keys that start with `prefix` and come after `after`, ascending, at most `limit` and at most 1,000: JSON \
         `{keys: [], more}`.";
    HTTP_REQUEST "http_request" (head: I32, head_len: I32, body: I32, body_len: I32) Some(I64), ["network:http", "network:https"],
        "Sends one HTTP request; the scheme of the URL decides which permission it takes. The head is JSON `{method, url, headers?: [[name, value]], \
         timeout_ms?, redirects?, credential?}`. The result is the length of the head as 4 bytes, least significant first, \
         the head as JSON `{status, url, headers}`, and the body.";
    ASSET_GET "asset_get" (path: I32, path_len: I32) Some(I64), [],
        "A file of the plugin's own bundle, by its path there. Yes: there is one.";
    PUBLISH "publish" (topic: I32, topic_len: I32, data: I32, data_len: I32) Some(I64), ["events:publish"],
        "Publishes JSON to a topic that the manifest names. Yes: somebody receives it.";
    MESSAGE_SEND "message_send" (to: I32, to_len: I32, data: I32, data_len: I32) Some(I64), ["message:send"],
        "Sends JSON to one plugin, by its id.";
    PLUGIN_CALL "plugin_call" (plugin: I32, plugin_len: I32, command: I32, command_len: I32, args: I32, args_len: I32)
        Some(I64), ["plugin:call"],
        "Runs a command of a plugin that the manifest names as a dependency. The result is that command's.";
    EMIT "emit" (name: I32, name_len: I32, data: I32, data_len: I32) Some(I64), [],
        "Tells the host's event log something, under the plugin's own name; the data is JSON.";
    SYSTEM_INFO "system_info" () Some(I64), ["system:info"],
        "JSON `{host_version, abi_version, os, arch}`.";
    HOST_CALL "host_call" (name: I32, name_len: I32, input: I32, input_len: I32) Some(I64), [],
        "Calls a function that the host application registered, `area:action`; takes `custom:<area>:<action>`. Input and result are JSON.";
}
