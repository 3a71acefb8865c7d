//! Which code an entry is: [`CacheKey`].

use std::hash::{Hash, Hasher};

use palisade_bundle::Digest;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;

/// Version of the form of an entry, and of what this crate checks before it compiles. A change of either makes all
/// entries strangers.
const FORMAT_VERSION: u32 = 1;

/// Digest of a module, of the engine's version and settings, and of the form of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) struct CacheKey(Digest);

impl CacheKey {
    pub(in crate::sandbox) fn of(engine: &Engine, wasm: &[u8]) -> Self {
        let mut settings = Settings(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut settings);
        let settings: [u8; 32] = settings.0.finalize().into();
        // Three parts of fixed length, so that no two lists of parts are the same bytes.
        let mut key = Sha256::new();
        key.update(FORMAT_VERSION.to_le_bytes());
        key.update(settings);
        key.update(Digest::of(wasm).as_bytes());
        Self(Digest::from_bytes(key.finalize().into()))
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    pub(super) fn file_name(&self) -> String {
        self.0.to_string()
    }
}

/// Takes what the engine hashes as bytes, for a digest instead of a number.
struct Settings(Sha256);

impl Hasher for Settings {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Nobody asks for the number.
    fn finish(&self) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::InstanceAllocationStrategy;

    use super::*;
    use crate::sandbox::engine::config;

    #[test]
    fn a_key_changes_with_the_module_and_with_the_settings() {
        let engine = Engine::new(&config()).unwrap();
        let key = CacheKey::of(&engine, b"one");
        assert_eq!(key, CacheKey::of(&Engine::new(&config()).unwrap(), b"one"));
        assert_ne!(key, CacheKey::of(&engine, b"two"));
        let other = Engine::new(config().cranelift_nan_canonicalization(false)).unwrap();
        assert_ne!(key, CacheKey::of(&other, b"one"));
    }

    #[test]
    fn how_instances_are_allocated_makes_no_other_key() {
        let pooled = Engine::new(config().allocation_strategy(InstanceAllocationStrategy::pooling())).unwrap();
        let one_by_one = Engine::new(&config()).unwrap();
        assert_eq!(CacheKey::of(&pooled, b"one"), CacheKey::of(&one_by_one, b"one"));
    }
}
