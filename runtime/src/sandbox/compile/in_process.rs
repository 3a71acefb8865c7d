//! The compiler in this process: [`InProcessCompiler`].

use std::io;

use wasmtime::{Engine, OutOfMemory};

use super::{Artifact, CheckedModule, CompileError, CompileJob, Compiler, MAX_ARTIFACT_BYTES, Refusal};
use crate::sandbox::EngineError;
use crate::sandbox::engine::config;
use crate::sandbox::threads::{ThreadError, on_thread};
use crate::services::ServiceFuture;

/// Compiles on a thread of this process: nothing to set up, and nothing to stop it with.
///
/// A module within the static limits can still keep the compiler busy for minutes and fill gigabytes. A host that loads
/// what strangers made uses a [`CompileWorker`](super::CompileWorker).
#[derive(Clone, Copy, Debug, Default)]
pub struct InProcessCompiler;

impl Compiler for InProcessCompiler {
    fn compile(&self, job: CompileJob) -> ServiceFuture<'_, Result<Artifact, CompileError>> {
        let compiled = on_thread("palisade-job", move || {
            let compiled = compile(job.module());
            drop(job);
            compiled
        });
        Box::pin(async move {
            match compiled.await {
                Ok(compiled) => compiled,
                Err(ThreadError::Panicked) => Err(CompileError::Crashed { signal: None }),
                Err(error @ ThreadError::NotStarted(_)) => Err(CompileError::Engine(EngineError(error.into()))),
            }
        })
    }
}

/// Compiles under the settings that every engine of this program has.
pub(super) fn compile(module: &CheckedModule) -> Result<Artifact, CompileError> {
    let engine = Engine::new(&config()).map_err(EngineError)?;
    match engine.precompile_module(module.wasm()) {
        Ok(code) if u64::try_from(code.len()).is_ok_and(|bytes| bytes <= MAX_ARTIFACT_BYTES) => {
            Ok(Artifact::from_compiler(code))
        }
        Ok(_) => Err(CompileError::TooLarge {
            limit_bytes: MAX_ARTIFACT_BYTES,
        }),
        Err(error) if is_out_of_memory(&error) => Err(CompileError::OutOfMemory { limit_bytes: None }),
        Err(error) => Err(CompileError::Refused(Refusal::new(error))),
    }
}

fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        cause.is::<OutOfMemory>() || io.is_some_and(|error| error.kind() == io::ErrorKind::OutOfMemory)
    })
}
