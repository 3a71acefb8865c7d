//! From a module to machine code: [`CheckedModule`], [`Compiler`], and where a cache of compiled code comes in.

mod error;
mod in_process;
mod job;
mod protocol;
mod worker;
mod worker_side;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use palisade_bundle::{ModuleError, ModuleOutline};
use wasmtime::Module;

pub use error::{CompileError, Refusal, WorkerFailure};
pub use in_process::InProcessCompiler;
pub(super) use job::Jobs;
pub use job::{CompileJob, CompileJobs};
pub use worker::{CompileLimits, CompileWorker};
pub use worker_side::{WorkerLimits, compile_worker};

use super::EngineError;
use super::cache::{Artifact, CacheKey, CompiledCache};
use super::engine::Runtime;
use crate::services::ServiceFuture;

/// Most bytes of compiled code. Ten times its module is usual; sixteen times the largest module leaves no honest one
/// out, and a host can hold a few.
pub(super) const MAX_ARTIFACT_BYTES: u64 = 256 * 1024 * 1024;

/// A module whose static limits were checked, and the proof of it: there is no other way to make one, and no
/// [`Compiler`] takes anything else.
#[derive(Clone)]
pub struct CheckedModule {
    wasm: Bytes,
    outline: Arc<ModuleOutline>,
}

impl CheckedModule {
    /// Checks a module as [`ModuleOutline::parse`] does.
    ///
    /// # Errors
    ///
    /// [`ModuleError`], when the bytes are no core module, pass a limit, or are not valid.
    pub fn check(wasm: impl Into<Bytes>) -> Result<Self, ModuleError> {
        let wasm = wasm.into();
        let outline = Arc::new(ModuleOutline::parse(&wasm)?);
        Ok(Self { wasm, outline })
    }

    /// The bytes that were checked.
    #[must_use]
    pub fn wasm(&self) -> &[u8] {
        &self.wasm
    }

    /// What was found.
    #[must_use]
    pub fn outline(&self) -> &ModuleOutline {
        &self.outline
    }
}

impl fmt::Debug for CheckedModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedModule")
            .field("wasm_bytes", &self.wasm.len())
            .finish_non_exhaustive()
    }
}

/// Turns modules into machine code: in this process ([`InProcessCompiler`]), or in one that can be ended
/// ([`CompileWorker`]).
///
/// Only these two can make an [`Artifact`]; another implementation can choose between them, count, or refuse.
pub trait Compiler: fmt::Debug + Send + Sync {
    /// Compiles the module of a job, without blocking the thread that polls.
    ///
    /// The job counts among those at work until it is dropped, which is when its work has ended and not earlier.
    ///
    /// # Errors
    ///
    /// [`CompileError`].
    fn compile(&self, job: CompileJob) -> ServiceFuture<'_, Result<Artifact, CompileError>>;
}

impl Runtime {
    /// Loads a module's compiled code from the cache, or compiles it and keeps the result there.
    pub(super) async fn code_of(&self, module: CheckedModule) -> Result<Module, CompileError> {
        let kept = match &self.shared().cache {
            None => None,
            Some(cache) => match self.find(cache.clone(), module.clone()).await? {
                (_, Some(code)) => {
                    self.shared().compiling.cache.add("hit");
                    return Ok(code);
                }
                (key, None) => {
                    self.shared().compiling.cache.add("miss");
                    Some((cache.clone(), key))
                }
            },
        };
        let job = self.shared().jobs.enter(module).await?;
        let (clock, start) = (&self.shared().services.clock, self.shared().services.clock.now());
        let artifact = self.shared().compiler.compile(job).await?;
        self.shared().compiling.times.add(clock.now().duration_since(start));
        let engine = self.shared().engine.clone();
        let load = move || {
            let code = artifact.load(&engine).map_err(Refusal::new);
            let code = code.map_err(CompileError::Unusable)?;
            if let Some((cache, key)) = kept {
                cache.keep(&key, &artifact);
            }
            Ok(code)
        };
        self.on_thread("palisade-load", load).await?
    }

    /// The name of a module in the cache, and its code when it is there.
    async fn find(
        &self,
        cache: CompiledCache,
        module: CheckedModule,
    ) -> Result<(CacheKey, Option<Module>), CompileError> {
        let engine = self.shared().engine.clone();
        let find = move || {
            let key = CacheKey::of(&engine, module.wasm());
            (key, cache.load(&engine, &key))
        };
        self.on_thread("palisade-load", find).await
    }

    async fn on_thread<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CompileError> {
        let done = self.shared().threads.run(name, work).await;
        done.map_err(|error| CompileError::Engine(EngineError(error.into())))
    }
}
