//! What a trust store holds, for whoever wants to look at it.

use std::sync::Arc;

use super::development::is_development_key;
use super::{IdPattern, KeyStatus, RevokedKey, TrustStore};
use crate::digest::Digest;
use crate::key::KeyId;
use crate::permission::Permission;
use crate::time::Timestamp;

/// A key that a trust store knows, and what its word is good for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ListedKey {
    /// Which key.
    pub key_id: KeyId,
    /// Whose key it is; its own id for a bare key.
    pub publisher: Arc<str>,
    /// The plugins that its publisher may sign for.
    pub id_patterns: Vec<IdPattern>,
    /// How many keys of the publisher have to sign.
    pub threshold: usize,
    /// What plugins of the publisher may be granted at all; `None` for anything.
    pub permission_ceiling: Option<Arc<[Permission]>>,
    /// The first second in which the key is good.
    pub not_before: Option<Timestamp>,
    /// The last second in which the key is good.
    pub not_after: Option<Timestamp>,
    /// What its publisher says of it.
    pub status: KeyStatus,
    /// Since when and why it is revoked.
    pub revoked: Option<RevokedKey>,
    /// Whether everybody has its private half.
    pub is_development_key: bool,
}

impl TrustStore {
    /// The keys the store knows, revoked and expired ones among them, by publisher and id.
    #[must_use]
    pub fn keys(&self) -> Vec<ListedKey> {
        let known = self.roll.keys.iter().filter_map(|(key_id, trusted)| {
            let publisher = self.roll.publishers.get(trusted.publisher)?;
            Some(ListedKey {
                key_id: *key_id,
                publisher: Arc::clone(&publisher.name),
                id_patterns: publisher.id_patterns.clone(),
                threshold: publisher.threshold.max(self.required),
                permission_ceiling: publisher.permission_ceiling.clone(),
                not_before: trusted.key.not_before,
                not_after: trusted.key.not_after,
                status: trusted.key.status,
                revoked: self.roll.revoked_keys.get(key_id).cloned(),
                is_development_key: is_development_key(*key_id),
            })
        });
        let mut keys: Vec<_> = known.collect();
        keys.sort_by(|one, other| one.publisher.cmp(&other.publisher));
        keys
    }

    /// The keys that are revoked, those the store knows nothing else of among them.
    pub fn revoked_keys(&self) -> impl Iterator<Item = &RevokedKey> {
        self.roll.revoked_keys.values()
    }

    /// The bundles that are revoked.
    pub fn revoked_bundles(&self) -> impl Iterator<Item = Digest> {
        self.roll.revoked_bundles.iter().copied()
    }

    /// Until when the document is good that the store believes; `None` for a store of bare keys.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.roll.lifetime.map(|lifetime| lifetime.expires)
    }

    /// Whether the published development keys count.
    #[must_use]
    pub fn allows_development_keys(&self) -> bool {
        self.development == super::Development::Allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;

    #[test]
    fn a_bare_key_is_listed_as_what_it_is_good_for() {
        let key = SigningKey::from_seed(&[7; 32]).public();
        let store = TrustStore::new([key.clone()]).require(2);
        let [listed] = &store.keys()[..] else { panic!("one key") };
        assert_eq!((listed.key_id, listed.threshold), (key.id(), 2));
        assert_eq!(listed.id_patterns, [IdPattern::Any]);
        assert_eq!(
            (listed.status, &listed.revoked, listed.is_development_key),
            (KeyStatus::Active, &None, false)
        );
        assert_eq!((store.expires(), store.revoked_bundles().count()), (None, 0));
    }
}
