//! The compiler in a process of its own, seen from inside it.

use std::io::{self, Read, Write};
use std::panic::catch_unwind;

use palisade_bundle::module::MAX_MODULE_BYTES;

use super::in_process::compile;
use super::protocol::Answer;
use super::{Artifact, CheckedModule, CompileError, Refusal};

/// Half the turn of everything else. With 10, a tenth, an honest plugin misses the deadline on a busy machine.
#[cfg(unix)]
const NICE: i32 = 3;

/// Files a worker has open: three streams, and what a C library opens for itself.
#[cfg(unix)]
const OPEN_FILES: u64 = 16;

/// What a worker allows itself, told by the host that started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerLimits {
    /// Address space.
    pub memory_bytes: u64,
    /// Time on a processor, all threads together.
    pub cpu_seconds: u64,
}

/// Does the work of a [`CompileWorker`](super::CompileWorker): limits this process, reads a module to the end of
/// `input`, checks it, compiles it, and writes the answer to `output`.
///
/// **For good:** the limits stay on the process. It belongs into a process that does nothing else.
///
/// # Errors
///
/// When the process cannot be limited, its streams fail, or there is no compiler for this machine; there is no answer
/// then.
pub fn compile_worker(limits: WorkerLimits, input: impl Read, mut output: impl Write) -> io::Result<()> {
    confine(limits)?;
    let mut wasm = Vec::new();
    // One byte more than a module may have, so that the check notices.
    input.take(MAX_MODULE_BYTES.saturating_add(1)).read_to_end(&mut wasm)?;
    let compiled = catch_unwind(|| compiled(wasm)).unwrap_or_else(|_panic| Err(CompileError::Crashed { signal: None }));
    Answer::to(compiled).map_err(io::Error::other)?.write(&mut output)
}

/// The host has checked the module, and this process does not rely on it.
fn compiled(wasm: Vec<u8>) -> Result<Artifact, CompileError> {
    let module = CheckedModule::check(wasm);
    compile(&module.map_err(|error| CompileError::Refused(Refusal::from_text(error.to_string())))?)
}

#[cfg(unix)]
fn confine(limits: WorkerLimits) -> io::Result<()> {
    use rlimit::Resource;

    // A host that ended cannot end its workers.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // Politeness is no safety: going on without it is better than not to go on.
    let _ = rustix::process::nice(NICE);
    limit(Resource::CORE, 0)?;
    limit(Resource::FSIZE, 0)?;
    limit(Resource::NOFILE, OPEN_FILES)?;
    limit(Resource::AS, limits.memory_bytes)?;
    limit(Resource::CPU, limits.cpu_seconds)
}

/// Lowers a limit. The second the hard limit has more is that of the signal which says what ended the process.
#[cfg(unix)]
fn limit(resource: rlimit::Resource, most: u64) -> io::Result<()> {
    let (soft, hard) = resource.get()?;
    resource.set(soft.min(most), hard.min(most.saturating_add(1)))
}

/// Elsewhere the host's deadline is the only bound.
#[cfg(not(unix))]
fn confine(_limits: WorkerLimits) -> io::Result<()> {
    Ok(())
}
