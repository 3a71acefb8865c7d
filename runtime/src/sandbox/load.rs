//! The verb `load`: from an admitted bundle to compiled, linked code with its first instance started.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use palisade_abi::{EXPORTS, InitInput, InitLimits, export, import};
use palisade_bundle::manifest::{AbiVersion, Command};
use palisade_bundle::module::{Import, ItemKind};
use palisade_bundle::{Digest, Manifest, ModuleOutline, Permission, Schema};
use serde_json::{Map, Value};
use tokio::runtime::Handle;
use wasmtime::{InstancePre, Module, ModuleExport};

use super::EngineError;
use super::call::CommandRule;
use super::compile::CheckedModule;
use super::engine::{Runtime, Shared};
use super::host::Host;
use super::load_error::LoadError;
use super::plugin::Plugin;
use super::powers::{self, Powers};
use super::prepared::Prepared;
use super::wasi::{self, Directories};
use crate::limits::Limits;
use crate::measures::CommandTimes;
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
    pub(super) digest: Digest,
    pub(super) generation: u64,
    pub(super) manifest: Manifest,
    pub(super) powers: Arc<Powers>,
    pub(super) commands: HashMap<String, CommandRule>,
    /// Where commands are counted that the manifest does not name.
    pub(super) other_times: Arc<CommandTimes>,
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
    pub(super) on_event: Option<ModuleExport>,
    pub(super) health: Option<ModuleExport>,
}

impl Loaded {
    pub(super) fn limits(&self) -> &Limits {
        &self.powers.limits
    }
}

impl Runtime {
    /// Compiles and links a plugin, and starts its first instance.
    ///
    /// Nothing of the guest runs before its module has been checked against the module limits and the ABI. Compiling
    /// happens on another thread or in another process ([`RuntimeBuilder::compiler`](super::RuntimeBuilder::compiler)).
    ///
    /// # Errors
    ///
    /// [`LoadError`] says whether the module, its ABI, its wishes or its start is at fault.
    pub async fn load(&self, bundle: AdmittedBundle) -> Result<Plugin, LoadError> {
        self.prepare(bundle).await?.start(1).await
    }

    /// [`load`](Self::load) without starting an instance, for [`Plugin::replay`], which starts its own: nothing of the
    /// guest runs before that, so nothing is reached.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), but for what a start can fail with.
    pub async fn load_for_replay(&self, bundle: AdmittedBundle) -> Result<Plugin, LoadError> {
        Ok(self.prepare(bundle).await?.unstarted())
    }

    /// Compiles and links a plugin, and runs nothing of it.
    pub(crate) async fn prepare(&self, bundle: AdmittedBundle) -> Result<Prepared, LoadError> {
        let manifest = bundle.bundle().manifest().clone();
        manifest.check_host(&host_version()?, HOST_ABI)?;
        let wasm = bundle.bundle().module()?.into_owned();
        let limits = self.shared().ceiling.effective(bundle.grant().limits(), &manifest);
        let directories = self.directories(&bundle).await?;
        let powers = self.powers(&bundle, limits)?.with_directories(directories);
        let limits = &powers.limits;
        let module = self.compile(wasm, limits).await?;
        let can_wait = module.can_wait || !powers.directories.is_empty();
        let loaded = Loaded {
            digest: bundle.bundle().digest(),
            generation: 0,
            commands: command_rules(&manifest, &powers)?,
            other_times: powers.shares.counted.other(),
            init_input: init_input(&powers)?,
            indexes: module.indexes()?,
            pre: self
                .shared()
                .linker
                .instantiate_pre(&module.code)
                .map_err(LoadError::compile)?,
            timers: can_wait.then(|| self.shared().timers()).transpose()?,
            manifest,
            powers: Arc::new(powers),
            shared: Arc::clone(self.shared()),
        };
        Ok(Prepared::new(loaded))
    }

    /// Opens the folders an admitted plugin may use.
    async fn directories(&self, bundle: &AdmittedBundle) -> Result<Directories, LoadError> {
        let (grant, shared) = (bundle.grant().clone(), Arc::clone(self.shared()));
        let opened = on_blocking_thread(move || Directories::open(&grant, &shared.accounts)).await?;
        Ok(opened?)
    }

    /// What an admitted plugin may do here.
    fn powers(&self, bundle: &AdmittedBundle, limits: Limits) -> Result<Powers, LoadError> {
        let shared = self.shared();
        for request in &bundle.bundle().manifest().permissions {
            let is_custom = matches!(request.name, Permission::Custom(_));
            if is_custom && !request.optional && !shared.services.functions.holds(&request.name) {
                return Err(LoadError::UnknownFunction {
                    permission: request.name.clone(),
                    offered: shared.services.functions.names().map(str::to_owned).collect(),
                });
            }
        }
        let shares = shared.shares.of(&powers::namespace(bundle.bundle()));
        // Whoever else can write to the storage may have, since the last load.
        shares.state.note();
        Ok(Powers::of(
            bundle,
            limits,
            &shared.services,
            shares,
            Arc::clone(&shared.memory),
        )?)
    }

    /// Checks a module and compiles it, or takes what is left of it from before.
    pub(super) async fn compile(&self, wasm: Vec<u8>, limits: &Limits) -> Result<CompiledModule, LoadError> {
        let (shared, limits) = (Arc::clone(self.shared()), limits.clone());
        let check = move || {
            let module = CheckedModule::check(wasm)?;
            check_exports(module.outline())?;
            shared.check_imports(module.outline())?;
            check_memory(module.outline(), &limits)?;
            Ok::<_, LoadError>(module)
        };
        let checked = self.shared().threads.run("palisade-check", check).await;
        let module = checked.map_err(|error| EngineError(error.into()))??;
        let can_wait = module.outline().imports.iter().any(can_wait);
        Ok(CompiledModule {
            code: self.code_of(module).await?,
            can_wait,
        })
    }
}

/// Whether a guest may have to wait in a call of this import.
fn can_wait(import: &Import) -> bool {
    let never = [import::LOG, import::RESULT_TAKE];
    match import.module.as_str() {
        wasi::MODULE => import.name == "poll_oneoff",
        palisade_abi::IMPORT_MODULE => !never.contains(&import.name.as_str()),
        _ => false,
    }
}

/// Does work that takes long: on a thread for such things where there is one, here otherwise.
async fn on_blocking_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, EngineError> {
    match Handle::try_current() {
        Ok(tokio) => tokio
            .spawn_blocking(work)
            .await
            .map_err(|error| EngineError(error.into())),
        Err(_outside_of_tokio) => Ok(work()),
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
            on_event: self.code.get_export_index(export::PLUGIN_ON_EVENT),
            health: self.code.get_export_index(export::PLUGIN_HEALTH),
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

fn command_rules(manifest: &Manifest, powers: &Powers) -> Result<HashMap<String, CommandRule>, LoadError> {
    let names = manifest.commands.iter().map(|command| command.name.as_str());
    let times = powers.shares.counted.commands(names);
    let rule = |command: &Command| {
        let rule = CommandRule {
            times: times.get(command.name.as_str()).cloned().unwrap_or_default(),
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

/// The JSON every instance starts with; without `config:read` the configuration is empty.
fn init_input(powers: &Powers) -> Result<Vec<u8>, LoadError> {
    let (grant, limits) = (powers.grant(), &powers.limits);
    let config = match grant.allows(&Permission::ConfigRead) {
        true => grant.config().clone(),
        false => Map::new(),
    };
    let input = InitInput {
        plugin_id: powers.plugin_id().to_string(),
        version: powers.version.to_string(),
        config: Value::Object(config),
        permissions: grant.permissions().map(ToString::to_string).collect(),
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
