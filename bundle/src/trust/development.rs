//! The development keys that everyone has.

use crate::key::KeyId;

/// Ids of the keys in `keys/`, whose private halves are published. A trust store refuses them unless development is
/// asked for, so that a bundle signed for trying things out never runs where it matters.
///
/// The seed of key *n* is the SHA-256 digest of `palisade development key n`.
pub const DEVELOPMENT_KEYS: &[&str] = &["ed25519:8307fddc2ab904a6507d7654e82202d79acdd016616df1fdc3b942fe7b21c2d5"];

pub(super) fn is_development_key(key_id: KeyId) -> bool {
    DEVELOPMENT_KEYS.contains(&key_id.to_string().as_str())
}
