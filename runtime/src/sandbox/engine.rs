//! One engine for the whole host: its settings, and what every plugin is linked against.

use std::sync::{Arc, OnceLock};

use wasmtime::{
    Config, Enabled, Engine, Func, FuncType, InstanceAllocationStrategy, OperatorCost, PoolingAllocationConfig,
    VariableOperatorCost,
};

use super::cache::CompiledCache;
use super::compile::{CompileJobs, Compiler, InProcessCompiler, Jobs};
use super::host::{Host, PluginLinker};
use super::load::Offer;
use super::meter::Slices;
use super::powers::Powers;
use super::shares::{AllShares, MemoryBudget};
use super::tape::Tape;
use super::threads::Threads;
use super::usage::Compiling;
use super::{imports, wasi};
use crate::event::{Event, EventId, EventKind, EventRing};
use crate::limits::Limits;
use crate::services::{HostServices, Namespace, StorageError};

/// Stack of WebAssembly frames (sandbox.md, "Limits"); deeper recursion is `GUEST_TRAP stack_overflow`.
const WASM_STACK_BYTES: usize = 512 * 1024;

/// Stack of a fiber: the guest's part, and as much again for the host functions it calls.
const FIBER_STACK_BYTES: usize = 2 * WASM_STACK_BYTES;

/// How many instances live at once unless told otherwise. A slot costs address space, not memory: 16,000 slots of
/// 4 GiB reserve fine in 47 bits, 30,000 do not.
const DEFAULT_INSTANCES: u32 = 1_000;

/// Linear memory of all guests together unless told otherwise: no limit of one plugin is near it, and a machine that
/// hosts plugins has it.
const DEFAULT_MEMORY_BYTES: u64 = 4 << 30;

/// Part of a dropped instance's memory that is reset in place instead of being given back to the kernel. A small
/// guest touches less than this, so the next instance in its slot takes no page fault.
const KEEP_RESIDENT_BYTES: usize = 512 * 1024;

/// Tables a module may declare, and elements in each (sandbox.md, "Limits").
pub(super) const TABLES: u32 = 4;
pub(super) const TABLE_ELEMENTS: usize = 20_000;

/// Fuel per page of `memory.grow`: the most the engine can charge. Growing to 100 MiB costs 408,000 units.
const FUEL_PER_GROWN_PAGE: u8 = u8::MAX;

/// One sandbox engine with its services. Cheap to clone; every plugin of a host shares one.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) linker: PluginLinker,
    pub(super) services: HostServices,
    /// What `services.events` goes through.
    pub(super) events: Arc<EventRing>,
    pub(super) ceiling: Limits,
    /// What `linker` holds, for checking a module's imports before it is compiled.
    pub(super) offer: Offer,
    /// What outlives the load of a plugin.
    pub(super) shares: AllShares,
    /// Memory of all guests together.
    pub(super) memory: Arc<MemoryBudget>,
    /// What the folders hold that plugins may write.
    pub(super) accounts: wasi::Accounts,
    pub(super) compiler: Arc<dyn Compiler>,
    pub(super) jobs: Jobs,
    pub(super) cache: Option<CompiledCache>,
    pub(super) compiling: Compiling,
    /// For what would hold up an executor.
    pub(super) threads: Threads,
    timers: OnceLock<Timers>,
}

impl Runtime {
    /// A runtime with default settings: system clock, discarded logs, [`Limits::CEILING`], compiling in this process.
    ///
    /// # Errors
    ///
    /// The machine has no compiler back end for this processor.
    pub fn new() -> Result<Self, EngineError> {
        Self::builder().build()
    }

    /// Starts from the defaults and lets the embedding host change them.
    #[must_use]
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder {
            services: HostServices::default(),
            ceiling: Limits::CEILING,
            instances: DEFAULT_INSTANCES,
            memory_bytes: DEFAULT_MEMORY_BYTES,
            compiler: Arc::new(InProcessCompiler),
            compile_jobs: CompileJobs::default(),
            cache: None,
        }
    }

    /// The most any plugin of this host can be given.
    #[must_use]
    pub fn ceiling(&self) -> &Limits {
        &self.shared.ceiling
    }

    /// What the host lends to plugins.
    pub(crate) fn services(&self) -> &HostServices {
        &self.shared.services
    }

    /// Replaces a plugin's state record from outside of it; the next instance is told.
    pub(crate) async fn set_state(&self, of: &Namespace, record: Option<Vec<u8>>) -> Result<(), StorageError> {
        let shares = self.shared.shares.of(of);
        shares.state.note();
        let set = self.shared.services.storage.set_state(of, record).await;
        shares.state.note();
        set
    }

    /// The last events of all plugins.
    pub(crate) fn events(&self) -> &Arc<EventRing> {
        &self.shared.events
    }

    /// Tells that something did not reach a plugin, of which nothing may be running; not more often than the plugin itself
    /// may tell things.
    pub(crate) fn tell_undelivered(&self, of: &Namespace, version: &Arc<str>, kind: EventKind) {
        let shares = self.shared.shares.of(of);
        if shares.event_rate.is_on_time(self.shared.services.clock.now()) {
            self.emit(of, version, None, kind);
        }
    }

    /// Tells what the host does to a plugin, counted with what the plugin itself does.
    pub(crate) fn tell(&self, of: &Namespace, version: &Arc<str>, operation_id: &Arc<str>, kind: EventKind) {
        self.emit(of, version, Some(Arc::clone(operation_id)), kind);
    }

    fn emit(&self, of: &Namespace, version: &Arc<str>, operation_id: Option<Arc<str>>, kind: EventKind) {
        self.shared.services.events.emit(Event {
            event_id: EventId::default(),
            seq: self.shared.shares.of(of).next_event(),
            plugin_id: Arc::clone(&of.plugin_id),
            version: Arc::clone(version),
            timestamp: self.shared.services.clock.wall(),
            operation_id,
            kind,
        });
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime")
            .field("services", &self.shared.services)
            .finish_non_exhaustive()
    }
}

/// The settings of a [`Runtime`] before it is built.
#[derive(Debug)]
pub struct RuntimeBuilder {
    services: HostServices,
    ceiling: Limits,
    instances: u32,
    memory_bytes: u64,
    compiler: Arc<dyn Compiler>,
    compile_jobs: CompileJobs,
    cache: Option<CompiledCache>,
}

impl RuntimeBuilder {
    /// What the host lends to plugins.
    #[must_use]
    pub fn services(mut self, services: HostServices) -> Self {
        self.services = services;
        self
    }

    /// The most any plugin of this host can be given.
    #[must_use]
    pub fn ceiling(mut self, ceiling: Limits) -> Self {
        self.ceiling = ceiling;
        self
    }

    /// How many instances can live at once; one more is `RESOURCE_EXHAUSTED`.
    #[must_use]
    pub fn instances(mut self, instances: u32) -> Self {
        self.instances = instances;
        self
    }

    /// How much linear memory all guests may have together; growth past it is `RESOURCE_EXHAUSTED`. 4 GiB unless set.
    #[must_use]
    pub fn memory_bytes(mut self, bytes: u64) -> Self {
        self.memory_bytes = bytes;
        self
    }

    /// What makes machine code of modules, instead of [`InProcessCompiler`].
    #[must_use]
    pub fn compiler(mut self, compiler: Arc<dyn Compiler>) -> Self {
        self.compiler = compiler;
        self
    }

    /// How many modules are compiled at once, and how many wait for it.
    #[must_use]
    pub fn compile_jobs(mut self, jobs: CompileJobs) -> Self {
        self.compile_jobs = jobs;
        self
    }

    /// Where machine code is kept, so that a module is compiled once.
    #[must_use]
    pub fn cache(mut self, cache: CompiledCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Builds the engine: with pooled instance slots, or, where address space for them is short, with instances
    /// allocated one by one.
    ///
    /// # Errors
    ///
    /// The machine has no compiler back end for this processor.
    pub fn build(self) -> Result<Runtime, EngineError> {
        let pooled = pool(&self.ceiling, self.instances);
        let engine = Engine::new(config().allocation_strategy(InstanceAllocationStrategy::Pooling(pooled)))
            .or_else(|_short_of_address_space| Engine::new(&config()))
            .map_err(EngineError)?;
        let mut linker = PluginLinker::new(&engine);
        wasi::link(&mut linker).map_err(EngineError)?;
        imports::link(&mut linker).map_err(EngineError)?;
        let memory = Arc::new(MemoryBudget::new(self.memory_bytes));
        let events =
            Arc::new(EventRing::new(Arc::clone(&self.services.events)).map_err(|error| EngineError(error.into()))?);
        let services = HostServices {
            events: Arc::<EventRing>::clone(&events),
            ..self.services
        };
        let offer = offer(&engine, &linker, &services, &memory);
        Ok(Runtime {
            shared: Arc::new(Shared {
                offer,
                engine,
                linker,
                services,
                events,
                ceiling: self.ceiling,
                shares: AllShares::default(),
                compiling: Compiling::default(),
                memory,
                accounts: wasi::Accounts::default(),
                compiler: self.compiler,
                jobs: Jobs::new(self.compile_jobs),
                cache: self.cache,
                threads: Threads::new(),
                timers: OnceLock::new(),
            }),
        })
    }
}

impl Shared {
    /// The timers that waiting guests sleep on, started with the first plugin that can wait.
    pub(super) fn timers(&self) -> Result<tokio::runtime::Handle, EngineError> {
        if let Some(timers) = self.timers.get() {
            return Ok(timers.handle());
        }
        let timers = Timers::start().map_err(|error| EngineError(error.into()))?;
        Ok(self.timers.get_or_init(|| timers).handle())
    }
}

/// One background thread whose clock wakes waiting guests, so that a guest can wait under any executor or none.
struct Timers(Option<tokio::runtime::Runtime>);

impl Timers {
    fn start() -> std::io::Result<Self> {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("palisade-timer")
            .enable_time()
            .build()
            .map(|runtime| Self(Some(runtime)))
    }

    #[expect(clippy::expect_used, reason = "the runtime is taken out by drop alone")]
    fn handle(&self) -> tokio::runtime::Handle {
        self.0
            .as_ref()
            .expect("timers run until they are dropped")
            .handle()
            .clone()
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // An ordinary drop blocks, which is not allowed when the last handle goes away inside a task.
            runtime.shutdown_background();
        }
    }
}

/// The engine could not be built or could not do its work; not the plugin's fault.
#[derive(Debug)]
pub struct EngineError(pub(super) wasmtime::Error);

impl std::fmt::Display for EngineError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the sandbox engine failed: {}", self.0.root_cause())
    }
}

impl std::error::Error for EngineError {}

/// The settings every guest is compiled under, in this process or in a worker. Everything not named here as on is off.
pub(super) fn config() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .operator_cost(OperatorCost {
            variable: VariableOperatorCost {
                memory_grow_per_page: FUEL_PER_GROWN_PAGE,
                ..VariableOperatorCost::new()
            },
            ..OperatorCost::new()
        })
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        .concurrency_support(false)
        // The same bits on every machine, so that a receipt can be compared.
        .cranelift_nan_canonicalization(true)
        .memory_init_cow(true)
        .wasm_bulk_memory(true)
        .wasm_multi_value(true)
        .wasm_reference_types(true)
        .wasm_simd(true)
        .wasm_extended_const(true)
        .wasm_threads(false)
        .wasm_shared_everything_threads(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .wasm_stack_switching(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .gc_support(false);
    config
}

fn pool(ceiling: &Limits, instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(instances)
        .total_memories(instances)
        .total_tables(instances.saturating_mul(TABLES))
        .total_stacks(instances)
        .total_gc_heaps(0)
        .max_memories_per_module(1)
        .max_tables_per_module(TABLES)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(usize::try_from(ceiling.memory_bytes).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// The functions a linker holds, with their types as text.
fn offer(engine: &Engine, linker: &PluginLinker, services: &HostServices, memory: &Arc<MemoryBudget>) -> Offer {
    let nobody = Arc::new(Powers::none("", services, Arc::clone(memory)));
    let mut store = Host::store(engine, &nobody, &Slices::default(), Tape::default());
    let held: Vec<_> = linker
        .iter(&mut store)
        .filter_map(|(module, name, held)| Some((module.to_owned(), name.to_owned(), held.into_func()?)))
        .collect();
    let typed = |(module, name, function): (String, String, Func)| ((module, name), signature(&function.ty(&store)));
    held.into_iter().map(typed).collect()
}

/// A function type as `ModuleOutline` writes it.
fn signature(function: &FuncType) -> String {
    let list = |types: Vec<String>| types.join(", ");
    let params = list(function.params().map(|value| value.to_string()).collect());
    let results: Vec<_> = function.results().map(|value| value.to_string()).collect();
    match results.as_slice() {
        [one] => format!("({params}) -> {one}"),
        _ => format!("({params}) -> ({})", list(results)),
    }
}
