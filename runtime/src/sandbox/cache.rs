//! Compiled code on disk, so that a module is compiled once: [`CompiledCache`], and the [`Artifact`] it keeps.
//!
//! **Invariant:** this file holds the only `unsafe` of the host. Machine code is loaded from an [`Artifact`] alone, and
//! the two functions that make one are below: one takes what the compiler wrote, the other what a file holds once its
//! MAC was verified.

mod entry;
mod evict;
mod key;
#[cfg_attr(not(unix), path = "cache/private_elsewhere.rs")]
mod private;
mod secret;
mod warning;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::{Engine, Module};

use entry::Kept;
pub(super) use key::CacheKey;
pub use secret::{CacheSecret, SecretError};
pub use warning::{CacheError, CacheWarning, Oddity};

/// Most bytes of all entries together. A few hundred ordinary plugins with some versions of each.
const DEFAULT_MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// Machine code as the engine's compiler writes it. Cannot be made from bytes but by this crate.
pub struct Artifact {
    bytes: Vec<u8>,
    /// Where the machine code begins; what is before it belongs to the file it came from.
    start: usize,
}

impl Artifact {
    /// What `Engine::precompile_module` returned, in this process or in a worker of it.
    pub(super) fn from_compiler(code: Vec<u8>) -> Self {
        Self { bytes: code, start: 0 }
    }

    /// What a file of the cache holds behind its MAC, which `Kept` is the proof of.
    fn from_cache(kept: Kept) -> Self {
        let (bytes, start) = kept.into_parts();
        Self { bytes, start }
    }

    /// Makes the code executable.
    #[expect(
        unsafe_code,
        reason = "the engine cannot check machine code; who wrote it is checked here instead"
    )]
    pub(super) fn load(&self, engine: &Engine) -> wasmtime::Result<Module> {
        // SAFETY: `deserialize` asks for bytes that came from `Engine::precompile_module` and are unchanged. `Artifact`
        // has private fields and is made by the two functions above. `from_compiler` is called with the engine's own
        // output, or with what a worker wrote, a program that the host named to be its compiler. `from_cache` takes
        // bytes under a MAC whose secret only this user can read, and `keep` puts only artifacts under one. The bytes
        // are in this process's memory, so that nobody changes them between the check and the load. That engine and
        // settings are the same is compared by `deserialize` itself.
        unsafe { Module::deserialize(engine, self.code()) }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn code(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

impl fmt::Debug for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artifact")
            .field("code_bytes", &self.code().len())
            .finish_non_exhaustive()
    }
}

/// A folder of compiled code. Cheap to clone; several processes can use one folder at once.
///
/// An entry is believed when its file is a regular one, owned by this user, closed to all others, with no second name,
/// and when its MAC holds for exactly this module and these engine settings. Otherwise it is removed, the module is
/// compiled again, and a [`CacheWarning`] says so.
#[derive(Clone)]
pub struct CompiledCache {
    folder: Arc<Folder>,
    max_bytes: u64,
}

struct Folder {
    path: PathBuf,
    secret: CacheSecret,
    warn: Box<dyn Fn(CacheWarning) + Send + Sync>,
}

impl CompiledCache {
    /// Opens a folder, or makes it; `warn` hears of everything odd about its files.
    ///
    /// `warn` is called on the thread that loads, and should be quick.
    ///
    /// # Errors
    ///
    /// [`CacheError`], when the folder cannot be made, is a link, belongs to somebody else, or is open to others.
    pub fn open(
        path: impl Into<PathBuf>,
        secret: CacheSecret,
        warn: impl Fn(CacheWarning) + Send + Sync + 'static,
    ) -> Result<Self, CacheError> {
        let path = path.into();
        private::open_folder(&path)?;
        let folder = Folder {
            path,
            secret,
            warn: Box::new(warn),
        };
        Ok(Self {
            folder: Arc::new(folder),
            max_bytes: DEFAULT_MAX_BYTES,
        })
    }

    /// How large all entries together may become, instead of 1 GiB; those not used for the longest time go first.
    #[must_use]
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// The code of a module, when it is there and nothing is odd about it.
    pub(super) fn load(&self, engine: &Engine, key: &CacheKey) -> Option<Module> {
        let path = self.entry(key);
        let found = match entry::read(&path, key, &self.folder.secret) {
            Ok(found) => Artifact::from_cache(found?).load(engine),
            Err(oddity) => return self.distrust(&path, key, oddity),
        };
        match found {
            Ok(code) => Some(code),
            Err(_misfit) => self.distrust(&path, key, Oddity::Unusable),
        }
    }

    /// Keeps the code of a module. What goes wrong is a warning: the code is there, and can be made again.
    pub(super) fn keep(&self, key: &CacheKey, artifact: &Artifact) {
        let folder = &self.folder;
        let kept = entry::write(&folder.path, &self.entry(key), key, &folder.secret, artifact.code());
        if let Err(error) = kept.and_then(|()| evict::down_to(&folder.path, self.max_bytes)) {
            (folder.warn)(CacheWarning::NotKept { error });
        }
    }

    fn entry(&self, key: &CacheKey) -> PathBuf {
        self.folder.path.join(key.file_name())
    }

    fn distrust<T>(&self, path: &Path, key: &CacheKey, oddity: Oddity) -> Option<T> {
        // The name alone: a link goes, what it leads to stays. What cannot be removed will be replaced.
        let _ = std::fs::remove_file(path);
        let entry = key.file_name();
        (self.folder.warn)(CacheWarning::Distrusted { entry, oddity });
        None
    }
}

impl fmt::Debug for CompiledCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledCache")
            .field("path", &self.folder.path)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}
