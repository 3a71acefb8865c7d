//! Why an admitted bundle is not a running plugin.

use palisade_bundle::manifest::UnsupportedVersion;
use palisade_bundle::{Blame, Code, Coded, ModuleError, Permission, ReadError, SchemaError};
use serde_json::{Map, Value};
use thiserror::Error;

use super::EngineError;
use super::compile::{CompileError, Refusal};
use super::imports::MalformedSecret;
use super::start::StartError;
use super::wasi::DirectoryError;

/// An admitted bundle could not be made a running plugin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The plugin was made for another version of the host or the ABI.
    #[error(transparent)]
    UnsupportedVersion(#[from] UnsupportedVersion),
    /// The module could not be read from the bundle.
    #[error(transparent)]
    Bundle(#[from] ReadError),
    /// The module is malformed, breaks a module limit, or is something else altogether.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// The module lacks an export of the ABI.
    #[error("the module does not export `{name}`")]
    MissingExport {
        /// What is missing.
        name: &'static str,
    },
    /// An export of the ABI has another type.
    #[error("the module exports `{name}` as {actual}, and it must be {expected}")]
    WrongExport {
        /// Which export.
        name: &'static str,
        /// What it is.
        actual: String,
        /// What it must be.
        expected: String,
    },
    /// The module imports something the host does not offer, or with another type.
    #[error("the module imports `{module}.{name}` as {actual}, {}", offer(expected.as_deref()))]
    UnknownImport {
        /// Module part of the import.
        module: String,
        /// Name part of the import.
        name: String,
        /// The type it is imported with.
        actual: String,
        /// The type it is offered with, if it is offered at all.
        expected: Option<String>,
        /// Everything the host offers, as `module.name`.
        offered: Vec<String>,
    },
    /// The plugin needs a function that the host application does not have.
    #[error("the plugin needs `{permission}`, and this host has no such function")]
    UnknownFunction {
        /// The permission it asks for.
        permission: Permission,
        /// The permissions there are functions for.
        offered: Vec<String>,
    },
    /// A credential has a value that cannot be sent.
    #[error(transparent)]
    Secret(#[from] MalformedSecret),
    /// The module was not made machine code.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The module declares more memory than it may have.
    #[error("the module starts with {used_bytes} bytes of memory and may have {limit_bytes}")]
    MemoryLimitExceeded {
        /// What it declares.
        used_bytes: u64,
        /// What it may have.
        limit_bytes: u64,
    },
    /// A folder that is mapped for the plugin cannot be used.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A command's schema cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The first instance did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The engine itself failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

fn offer(expected: Option<&str>) -> String {
    match expected {
        Some(expected) => format!("and the host offers it as {expected}"),
        None => "which the host does not offer".to_owned(),
    }
}

impl LoadError {
    pub(super) fn compile(error: wasmtime::Error) -> Self {
        Self::Compile(CompileError::Refused(Refusal::new(error)))
    }
}

impl Coded for LoadError {
    fn code(&self) -> Code {
        match self {
            Self::UnsupportedVersion(error) => error.code(),
            Self::Bundle(error) => error.code(),
            Self::Module(error) => error.code(),
            Self::MissingExport { .. }
            | Self::WrongExport { .. }
            | Self::UnknownImport { .. }
            | Self::UnknownFunction { .. } => Code::AbiViolation,
            Self::Compile(error) => error.code(),
            Self::Secret(error) => error.code(),
            Self::MemoryLimitExceeded { .. } => Code::MemoryLimitExceeded,
            Self::Directory(error) => error.code(),
            Self::Schema(error) => error.code(),
            Self::Start(error) => error.code(),
            Self::Engine(_) => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::UnsupportedVersion(error) => error.blame(),
            Self::Bundle(error) => error.blame(),
            Self::Module(error) => error.blame(),
            Self::MissingExport { .. }
            | Self::WrongExport { .. }
            | Self::UnknownImport { .. }
            | Self::UnknownFunction { .. } => Blame::Bundle,
            Self::Compile(error) => error.blame(),
            Self::Secret(error) => error.blame(),
            Self::MemoryLimitExceeded { .. } => Blame::Plugin,
            Self::Directory(error) => error.blame(),
            Self::Schema(error) => error.blame(),
            Self::Start(error) => error.blame(),
            Self::Engine(_) => Blame::Host,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let details = match self {
            Self::UnsupportedVersion(error) => return error.details(),
            Self::Bundle(error) => return error.details(),
            Self::Module(error) => return error.details(),
            Self::Directory(error) => return error.details(),
            Self::Compile(error) => return error.details(),
            Self::Secret(error) => return error.details(),
            Self::Schema(error) => return error.details(),
            Self::Start(error) => return error.details(),
            Self::MissingExport { name } => serde_json::json!({"export": name, "reason": "missing"}),
            Self::WrongExport { name, actual, expected } => {
                serde_json::json!({"export": name, "reason": "wrong type", "actual": actual, "expected": expected})
            }
            Self::UnknownImport {
                module, name, offered, ..
            } => serde_json::json!({
                "import": format!("{module}.{name}"),
                "reason": "not offered",
                "offered": offered,
            }),
            Self::UnknownFunction { permission, offered } => serde_json::json!({
                "permission": permission,
                "reason": "no such function",
                "offered": offered,
            }),
            Self::MemoryLimitExceeded {
                used_bytes,
                limit_bytes,
            } => serde_json::json!({"resource": "memory", "used": used_bytes, "limit": limit_bytes}),
            Self::Engine(_) => return Map::new(),
        };
        match details {
            Value::Object(details) => details,
            _ => Map::new(),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::UnsupportedVersion(error) => error.help(),
            Self::Bundle(error) => error.help(),
            Self::Module(error) => error.help(),
            Self::Directory(error) => error.help(),
            Self::Compile(error) => error.help(),
            Self::Secret(error) => error.help(),
            Self::Schema(error) => error.help(),
            Self::Start(error) => error.help(),
            Self::MissingExport { .. } | Self::WrongExport { .. } => {
                vec!["the plugin ABI is described in docs/abi.md; palisade-sdk and palisade.h implement it".to_owned()]
            }
            Self::UnknownImport { offered, .. } => vec![format!("the host offers: {}", offered.join(", "))],
            Self::UnknownFunction { offered, .. } if offered.is_empty() => {
                vec!["this host registers no functions of its own".to_owned()]
            }
            Self::UnknownFunction { offered, .. } => vec![format!("this host has: {}", offered.join(", "))],
            Self::MemoryLimitExceeded { .. } | Self::Engine(_) => Vec::new(),
        }
    }
}
