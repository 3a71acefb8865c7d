//! How this program compiles modules: each in a process of its own, and each but once.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use palisade::{
    CacheError, CacheSecret, CacheWarning, CompileWorker, CompiledCache, Runtime, RuntimeBuilder, SecretError,
};
use palisade_signer::{Surroundings, Terminal};
use thiserror::Error;

/// The folder of compiled code, in the cache folder of this program, and the file of its secret beside it.
const FOLDER: &str = "compiled";
const SECRET: &str = "compiled.secret";

/// The arguments that make this program a compile worker.
pub(crate) const WORKER: [&str; 2] = ["debug", "compile-worker"];

/// What the cache complained about and nobody was told yet.
pub(crate) struct CacheWarnings(Receiver<CacheWarning>);

impl CacheWarnings {
    pub(crate) fn tell(&self, terminal: &mut Terminal) {
        for warning in self.0.try_iter() {
            terminal.warn(warning);
        }
    }
}

/// A runtime that compiles in a process of its own; in this one, where the system does not say what this program is.
pub(crate) fn in_a_worker(surroundings: &Surroundings) -> RuntimeBuilder {
    match &surroundings.program {
        Some(program) => Runtime::builder().compiler(Arc::new(CompileWorker::new(program, WORKER))),
        None => Runtime::builder(),
    }
}

/// Adds the cache. A folder that cannot be used is a warning, and no cache.
pub(crate) fn with_cache(
    builder: RuntimeBuilder,
    surroundings: &Surroundings,
    terminal: &mut Terminal,
) -> (RuntimeBuilder, CacheWarnings) {
    let (tell, warnings) = mpsc::channel();
    let warn = move |warning| {
        // The command may have ended.
        let _ = tell.send(warning);
    };
    let folder = surroundings.default_cache_dir.as_deref();
    let builder = match folder.ok_or(NoCache::Homeless).and_then(|folder| cache(folder, warn)) {
        Ok(cache) => builder.cache(cache),
        Err(error) => {
            terminal.warn(format_args!("compiled code is not kept: {}", chain(&error)));
            builder
        }
    };
    (builder, CacheWarnings(warnings))
}

fn cache(folder: &Path, warn: impl Fn(CacheWarning) + Send + Sync + 'static) -> Result<CompiledCache, NoCache> {
    let secret = CacheSecret::load_or_create(&folder.join(SECRET))?;
    Ok(CompiledCache::open(folder.join(FOLDER), secret, warn)?)
}

/// Why there is no cache.
#[derive(Debug, Error)]
enum NoCache {
    #[error("this user has no home, and PALISADE_CACHE_DIR names no folder")]
    Homeless,
    #[error(transparent)]
    Folder(#[from] CacheError),
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// An error and what it came from, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
