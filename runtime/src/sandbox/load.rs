//! The verb `load`: from an admitted bundle to compiled, linked code with its first instance started.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use palisade_abi::{EXPORTS, InitInput, InitLimits, export};
use palisade_bundle::manifest::{AbiVersion, Command, UnsupportedVersion};
use palisade_bundle::module::ItemKind;
use palisade_bundle::{
    Blame, Code, Coded, Digest, Manifest, ModuleError, ModuleOutline, ReadError, Schema, SchemaError,
};
use serde_json::{Map, Value};
use thiserror::Error;
use tokio::runtime::Handle;
use wasmtime::{InstancePre, Module, ModuleExport};

use super::EngineError;
use super::call::CommandRule;
use super::engine::{Runtime, Shared};
use super::host::Host;
use super::plugin::Plugin;
use super::start::StartError;
use super::wasi;
use crate::limits::Limits;
use crate::policy::AdmittedBundle;

/// Size of a WebAssembly page.
const PAGE_BYTES: u64 = 64 * 1024;

/// The ABI this host speaks.
const HOST_ABI: AbiVersion = AbiVersion {
    major: palisade_abi::VERSION_MAJOR,
    minor: palisade_abi::VERSION_MINOR,
};

/// Everything about a plugin that all its instances share.
pub(super) struct Loaded {
    pub(super) shared: Arc<Shared>,
    pub(super) plugin_id: Arc<str>,
    pub(super) digest: Digest,
    pub(super) generation: u64,
    pub(super) manifest: Manifest,
    pub(super) limits: Limits,
    pub(super) commands: HashMap<String, CommandRule>,
    pub(super) pre: InstancePre<Host>,
    pub(super) indexes: ExportIndexes,
    /// The JSON every instance is initialised with.
    pub(super) init_input: Vec<u8>,
    /// Present when the module can wait in a host call.
    pub(super) timers: Option<Handle>,
}

/// Where a module keeps the exports of the ABI, so that an instance needs no look-up by name.
pub(super) struct ExportIndexes {
    pub(super) memory: ModuleExport,
    pub(super) buffer: ModuleExport,
    pub(super) init: ModuleExport,
    pub(super) command: ModuleExport,
    pub(super) cleanup: ModuleExport,
    pub(super) initialize: Option<ModuleExport>,
}

impl Runtime {
    /// Compiles and links a plugin, and starts its first instance.
    ///
    /// Nothing of the guest runs before its module has been checked against the module limits and the ABI. Compiling
    /// happens on a blocking thread when called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`LoadError`] says whether the module, its ABI, its wishes or its start is at fault.
    pub async fn load(&self, bundle: AdmittedBundle) -> Result<Plugin, LoadError> {
        let manifest = bundle.bundle().manifest().clone();
        manifest.check_host(&host_version()?, HOST_ABI)?;
        let wasm = bundle.bundle().module()?.into_owned();
        let limits = self
            .shared()
            .ceiling
            .effective(bundle.grant().limits(), &manifest.resource_limits);
        let module = self.compile(wasm, &limits).await?;
        let loaded = Loaded {
            plugin_id: Arc::from(manifest.id.as_str()),
            digest: bundle.bundle().digest(),
            generation: 1,
            commands: command_rules(&manifest)?,
            init_input: init_input(&bundle, &limits)?,
            limits,
            indexes: module.indexes()?,
            pre: self
                .shared()
                .linker
                .instantiate_pre(&module.code)
                .map_err(LoadError::compile)?,
            timers: module.can_wait.then(|| self.shared().timers()).transpose()?,
            manifest,
            shared: Arc::clone(self.shared()),
        };
        Plugin::start(Arc::new(loaded)).await
    }

    /// Checks a module and compiles it.
    pub(super) async fn compile(&self, wasm: Vec<u8>, limits: &Limits) -> Result<CompiledModule, LoadError> {
        let outline = ModuleOutline::parse(&wasm)?;
        check_exports(&outline)?;
        self.shared().check_imports(&outline)?;
        check_memory(&outline, limits)?;
        let can_wait = outline
            .imports
            .iter()
            .any(|import| import.module == wasi::MODULE && import.name == "poll_oneoff");
        let engine = self.shared().engine.clone();
        let compile = move || Module::from_binary(&engine, &wasm);
        let code = match Handle::try_current() {
            Ok(tokio) => tokio
                .spawn_blocking(compile)
                .await
                .map_err(|error| EngineError(error.into()))?,
            Err(_outside_of_tokio) => compile(),
        };
        Ok(CompiledModule {
            code: code.map_err(LoadError::compile)?,
            can_wait,
        })
    }
}

/// A module that may be linked.
pub(super) struct CompiledModule {
    pub(super) code: Module,
    pub(super) can_wait: bool,
}

impl CompiledModule {
    fn indexes(&self) -> Result<ExportIndexes, LoadError> {
        let index = |name: &'static str| {
            self.code
                .get_export_index(name)
                .ok_or(LoadError::MissingExport { name })
        };
        Ok(ExportIndexes {
            memory: index(export::MEMORY)?,
            buffer: index(export::PLUGIN_BUFFER)?,
            init: index(export::PLUGIN_INIT)?,
            command: index(export::PLUGIN_COMMAND)?,
            cleanup: index(export::PLUGIN_CLEANUP)?,
            initialize: self.code.get_export_index(export::INITIALIZE),
        })
    }
}

/// What the host offers for import: signature by module and name.
pub(super) type Offer = BTreeMap<(String, String), String>;

impl Shared {
    fn check_imports(&self, outline: &ModuleOutline) -> Result<(), LoadError> {
        for import in &outline.imports {
            let offered = self.offer.get(&(import.module.clone(), import.name.clone()));
            if import.kind != ItemKind::Function || offered != Some(&import.signature) {
                return Err(LoadError::UnknownImport {
                    module: import.module.clone(),
                    name: import.name.clone(),
                    actual: import.signature.clone(),
                    expected: offered.cloned(),
                    offered: self
                        .offer
                        .keys()
                        .map(|(module, name)| format!("{module}.{name}"))
                        .collect(),
                });
            }
        }
        Ok(())
    }
}

fn check_exports(outline: &ModuleOutline) -> Result<(), LoadError> {
    for wanted in EXPORTS {
        let found = outline.exports.iter().find(|export| export.name == wanted.name);
        let expected = match wanted.signature {
            Some(signature) => signature.to_string(),
            None => "memory".to_owned(),
        };
        match found {
            None if wanted.required => return Err(LoadError::MissingExport { name: wanted.name }),
            None => {}
            Some(found) => {
                let actual = match found.kind {
                    ItemKind::Function => found.signature.as_str(),
                    other => other.as_str(),
                };
                if actual != expected {
                    return Err(LoadError::WrongExport {
                        name: wanted.name,
                        actual: actual.to_owned(),
                        expected,
                    });
                }
            }
        }
    }
    Ok(())
}

fn check_memory(outline: &ModuleOutline, limits: &Limits) -> Result<(), LoadError> {
    let pages: u64 = outline.memories.iter().map(|memory| memory.minimum_pages).sum();
    let used_bytes = pages.saturating_mul(PAGE_BYTES);
    if used_bytes > limits.memory_bytes {
        return Err(LoadError::MemoryLimitExceeded {
            used_bytes,
            limit_bytes: limits.memory_bytes,
        });
    }
    Ok(())
}

fn command_rules(manifest: &Manifest) -> Result<HashMap<String, CommandRule>, LoadError> {
    let rule = |command: &Command| {
        let rule = CommandRule {
            encoding: command.encoding,
            input: command.input_schema.as_ref().map(Schema::compile).transpose()?,
        };
        Ok((command.name.clone(), rule))
    };
    manifest.commands.iter().map(rule).collect()
}

/// The version that `min_core_version` and `max_core_version` are compared with.
fn host_version() -> Result<semver::Version, EngineError> {
    semver::Version::parse(env!("CARGO_PKG_VERSION")).map_err(|error| EngineError(error.into()))
}

fn init_input(bundle: &AdmittedBundle, limits: &Limits) -> Result<Vec<u8>, LoadError> {
    let manifest = bundle.bundle().manifest();
    let input = InitInput {
        plugin_id: manifest.id.to_string(),
        version: manifest.version.to_string(),
        config: Value::Object(bundle.grant().config().clone()),
        permissions: bundle.grant().permissions().map(ToString::to_string).collect(),
        limits: InitLimits {
            fuel: limits.fuel,
            memory_bytes: limits.memory_bytes,
            execution_time_ms: u64::try_from(limits.execution_time.as_millis()).unwrap_or(u64::MAX),
            output_bytes: limits.output_bytes,
        },
        state: None,
    };
    serde_json::to_vec(&input).map_err(|error| LoadError::Engine(EngineError(error.into())))
}

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
    /// The compiler refused the module.
    #[error("the module does not compile: {0}")]
    Compile(CompileError),
    /// The module declares more memory than it may have.
    #[error("the module starts with {used_bytes} bytes of memory and may have {limit_bytes}")]
    MemoryLimitExceeded {
        /// What it declares.
        used_bytes: u64,
        /// What it may have.
        limit_bytes: u64,
    },
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

/// Why the compiler refused a module.
#[derive(Debug)]
pub struct CompileError(wasmtime::Error);

impl CompileError {
    pub(super) fn new(error: wasmtime::Error) -> Self {
        Self(error)
    }
}

impl std::fmt::Display for CompileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

fn offer(expected: Option<&str>) -> String {
    match expected {
        Some(expected) => format!("and the host offers it as {expected}"),
        None => "which the host does not offer".to_owned(),
    }
}

impl LoadError {
    pub(super) fn compile(error: wasmtime::Error) -> Self {
        Self::Compile(CompileError::new(error))
    }
}

impl Coded for LoadError {
    fn code(&self) -> Code {
        match self {
            Self::UnsupportedVersion(error) => error.code(),
            Self::Bundle(error) => error.code(),
            Self::Module(error) => error.code(),
            Self::MissingExport { .. } | Self::WrongExport { .. } | Self::UnknownImport { .. } => Code::AbiViolation,
            Self::Compile(_) => Code::CorruptedData,
            Self::MemoryLimitExceeded { .. } => Code::MemoryLimitExceeded,
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
            Self::MissingExport { .. } | Self::WrongExport { .. } | Self::UnknownImport { .. } | Self::Compile(_) => {
                Blame::Bundle
            }
            Self::MemoryLimitExceeded { .. } => Blame::Plugin,
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
            Self::Compile(error) => serde_json::json!({"entry": "module", "reason": error.to_string()}),
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
            Self::Schema(error) => error.help(),
            Self::Start(error) => error.help(),
            Self::MissingExport { .. } | Self::WrongExport { .. } => {
                vec!["the plugin ABI is described in docs/abi.md; palisade-sdk and palisade.h implement it".to_owned()]
            }
            Self::UnknownImport { offered, .. } => vec![format!("the host offers: {}", offered.join(", "))],
            Self::Compile(_) | Self::MemoryLimitExceeded { .. } | Self::Engine(_) => Vec::new(),
        }
    }
}
