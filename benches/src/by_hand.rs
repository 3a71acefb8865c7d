//! The same guest on wasmtime without Palisade, by hand: same limits, same pooling, nothing verified, logged or
//! audited.

use wasmtime::error::Context as _;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, InstancePre, Linker, Memory, Module, PoolingAllocationConfig,
    Result, Store, StoreLimits, StoreLimitsBuilder, TypedFunc,
};

const FUEL: u64 = 1_000_000;
const MEMORY_BYTES: usize = 100 << 20;

/// A module ready to be instantiated.
pub(crate) struct ByHand {
    engine: Engine,
    pre: InstancePre<StoreLimits>,
}

/// One instance.
pub(crate) struct Live {
    store: Store<StoreLimits>,
    memory: Memory,
    command: TypedFunc<(i32, i32, i32, i32), i64>,
    cleanup: TypedFunc<(), i64>,
    buffer: usize,
}

impl ByHand {
    pub(crate) fn new(wasm: &[u8]) -> Result<Self> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(1_000)
            .total_memories(1_000)
            .total_tables(4_000)
            .total_stacks(1_000)
            .total_gc_heaps(0)
            .max_memory_size(MEMORY_BYTES)
            .linear_memory_keep_resident(512 << 10)
            .table_keep_resident(512 << 10)
            .pagemap_scan(Enabled::Auto);
        let mut config = Config::new();
        config
            .consume_fuel(true)
            .cranelift_nan_canonicalization(true)
            .async_stack_size(1 << 20)
            .gc_support(false)
            .concurrency_support(false)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        let pre = Linker::new(&engine).instantiate_pre(&Module::from_binary(&engine, wasm)?)?;
        Ok(Self { engine, pre })
    }

    /// Instantiates and initialises.
    pub(crate) async fn start(&self) -> Result<Live> {
        let limits = StoreLimitsBuilder::new().memory_size(MEMORY_BYTES).instances(1).build();
        let mut store = Store::new(&self.engine, limits);
        store.limiter(|limits| limits);
        store.set_fuel(10 * FUEL)?;
        store.fuel_async_yield_interval(Some(FUEL))?;
        let instance = self.pre.instantiate_async(&mut store).await?;
        let memory = instance.get_memory(&mut store, "memory").context("memory")?;
        let init = instance.get_typed_func::<(i32, i32), i64>(&mut store, "plugin_init")?;
        let buffer = instance.get_typed_func::<i32, i32>(&mut store, "plugin_buffer")?;
        let command = instance.get_typed_func(&mut store, "plugin_command")?;
        let cleanup = instance.get_typed_func(&mut store, "plugin_cleanup")?;
        let address = buffer.call_async(&mut store, 4096).await?;
        let input = br#"{"plugin_id":"echo","version":"1.0.0","config":{}}"#;
        let buffer = usize::try_from(address)?;
        memory.write(&mut store, buffer, input)?;
        init.call_async(&mut store, (address, i32::try_from(input.len())?))
            .await?;
        Ok(Live {
            store,
            memory,
            command,
            cleanup,
            buffer,
        })
    }
}

impl Live {
    /// One command: refuel, copy in, enter, copy out.
    pub(crate) async fn call(&mut self, name: &str, args: &[u8]) -> Result<Vec<u8>> {
        self.store.set_fuel(FUEL)?;
        let args_at = self.buffer + name.len();
        self.memory.write(&mut self.store, self.buffer, name.as_bytes())?;
        self.memory.write(&mut self.store, args_at, args)?;
        let params = (
            i32::try_from(self.buffer)?,
            i32::try_from(name.len())?,
            i32::try_from(args_at)?,
            i32::try_from(args.len())?,
        );
        let packed = self.command.call_async(&mut self.store, params).await?.cast_unsigned();
        let address = usize::try_from(packed >> 32)?;
        let length = usize::try_from(packed & 0x7fff_ffff)?;
        let reply = self.memory.data(&self.store).get(address..address + length);
        Ok(reply.context("reply out of bounds")?.to_vec())
    }

    /// The orderly end of an instance.
    pub(crate) async fn cleanup(&mut self) -> Result<()> {
        self.cleanup.call_async(&mut self.store, ()).await?;
        Ok(())
    }
}
