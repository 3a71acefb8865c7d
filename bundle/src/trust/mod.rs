//! The trust store: whose word counts for which plugin.

mod declaration;
mod development;
mod document;
mod error;
mod listing;
mod pattern;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

pub use self::declaration::{
    KeyStatus, PublisherDeclaration, PublisherKey, Revocations, RevokedKey, Root, RootKey, TrustDeclaration,
};
pub use self::development::DEVELOPMENT_KEYS;
pub use self::document::{TrustDocument, TrustRecord};
pub use self::error::{TrustError, VerifyError};
pub use self::listing::ListedKey;
pub use self::pattern::{IdPattern, InvalidPattern};

use self::document::Lifetime;
use self::verify::Purpose;
use crate::bundle::Bundle;
use crate::digest::Digest;
use crate::key::{KeyId, PublicKey};
use crate::permission::Permission;
use crate::steps::{Check, Trace};
use crate::verified::VerifiedBundle;

/// Whose word counts for which plugin. Cheap to clone.
///
/// A store of bare keys and a store made from a signed document are the same thing: a bare key is a publisher of its
/// own that may sign for every plugin.
#[derive(Clone, Debug)]
pub struct TrustStore {
    roll: Arc<Roll>,
    required: usize,
    unsigned: Unsigned,
    development: Development,
}

/// Everyone a store knows.
#[derive(Debug, Default)]
struct Roll {
    publishers: Vec<Publisher>,
    keys: BTreeMap<KeyId, TrustedKey>,
    revoked_keys: BTreeMap<KeyId, RevokedKey>,
    revoked_bundles: BTreeSet<Digest>,
    root_keys: Vec<KeyId>,
    lifetime: Option<Lifetime>,
}

#[derive(Debug)]
struct Publisher {
    name: Arc<str>,
    epoch: u64,
    threshold: usize,
    id_patterns: Vec<IdPattern>,
    permission_ceiling: Option<Arc<[Permission]>>,
}

#[derive(Debug)]
struct TrustedKey {
    key: PublisherKey,
    /// Index into the publishers.
    publisher: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unsigned {
    Refused,
    Allowed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Development {
    Refused,
    Allowed,
}

impl TrustStore {
    /// A store of bare keys: each may sign for every plugin, one signature is enough, there is no ceiling.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        let mut roll = Roll::default();
        for public in keys {
            let key_id = public.id();
            if roll.keys.contains_key(&key_id) {
                continue;
            }
            let publisher = Publisher {
                name: key_id.to_string().into(),
                epoch: 0,
                threshold: 1,
                id_patterns: vec![IdPattern::Any],
                permission_ceiling: None,
            };
            roll.add(publisher, [PublisherKey::from(public)]);
        }
        Self::of(roll)
    }

    /// A store that trusts nobody: nothing verifies.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(Roll::default())
    }

    /// A store that believes a signed document.
    #[must_use]
    pub fn from_document(document: &TrustDocument) -> Self {
        let declaration = document.declaration();
        let mut roll = Roll {
            revoked_keys: declaration
                .revoked
                .keys
                .iter()
                .map(|key| (key.keyid, key.clone()))
                .collect(),
            revoked_bundles: declaration.revoked.bundles.iter().copied().collect(),
            root_keys: declaration.root.keys.iter().map(|key| key.keyid).collect(),
            lifetime: Some(Lifetime {
                created: declaration.created,
                expires: declaration.expires,
            }),
            ..Roll::default()
        };
        for (name, publisher) in &declaration.publishers {
            let ceiling = publisher.permission_ceiling.as_deref();
            let keys = publisher.keys.iter().cloned();
            let publisher = Publisher {
                name: name.as_str().into(),
                epoch: publisher.epoch,
                threshold: publisher.threshold,
                id_patterns: publisher.id_patterns.clone(),
                permission_ceiling: ceiling.map(Arc::from),
            };
            roll.add(publisher, keys);
        }
        Self::of(roll)
    }

    fn of(roll: Roll) -> Self {
        Self {
            roll: Arc::new(roll),
            required: 1,
            unsigned: Unsigned::Refused,
            development: Development::Refused,
        }
    }

    /// Whether bundles without any signature pass. For development only: anyone can make them.
    #[must_use]
    pub fn allow_unsigned(mut self, allow: bool) -> Self {
        self.unsigned = if allow { Unsigned::Allowed } else { Unsigned::Refused };
        self
    }

    /// Whether the published [`DEVELOPMENT_KEYS`] count when the store lists them. For development only: anyone can
    /// sign with them.
    #[must_use]
    pub fn development_keys(mut self, allow: bool) -> Self {
        self.development = if allow {
            Development::Allowed
        } else {
            Development::Refused
        };
        self
    }

    /// How many different keys that may sign for a plugin must have signed. Raises what a publisher's own threshold
    /// asks for, never lowers it.
    #[must_use]
    pub fn require(mut self, signatures: usize) -> Self {
        self.required = signatures;
        self
    }

    /// Whether the store lets unsigned bundles pass.
    #[must_use]
    pub fn allows_unsigned(&self) -> bool {
        self.unsigned == Unsigned::Allowed
    }

    /// The ids of the keys the store knows, revoked and expired ones among them.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        self.roll.keys.keys().copied()
    }

    /// Finds out whether someone this store trusts vouches for the bundle, and whether it is what they vouch for.
    ///
    /// The steps run in the order of [`Step::ALL`](crate::Step::ALL); nothing after a failing step runs. Before a
    /// signature by a trusted key has been checked, no byte of the container and of the statement is looked at.
    ///
    /// # Errors
    ///
    /// [`VerifyError`]: one variant for every way to fail.
    pub fn verify(&self, bundle: Bundle, now: SystemTime) -> Result<VerifiedBundle, VerifyError> {
        self.verify_traced(bundle, now, &mut Vec::new())
    }

    /// As [`TrustStore::verify`], and leaves in `checks` which steps ran, in order; the last one failed if any did.
    ///
    /// # Errors
    ///
    /// As [`TrustStore::verify`].
    pub fn verify_traced(
        &self,
        bundle: Bundle,
        now: SystemTime,
        checks: &mut Vec<Check>,
    ) -> Result<VerifiedBundle, VerifyError> {
        let mut trace = Trace::default();
        let verdict = self.judge(&bundle, now, Purpose::Install, &mut trace);
        *checks = trace.checks();
        verdict
    }

    /// As [`TrustStore::verify`], for a bundle that is installed already: what only forbids new installs (a retired or
    /// expired key, an expired trust document) is let pass.
    ///
    /// # Errors
    ///
    /// As [`TrustStore::verify`].
    pub fn verify_installed(&self, bundle: Bundle, now: SystemTime) -> Result<VerifiedBundle, VerifyError> {
        self.judge(&bundle, now, Purpose::Run, &mut Trace::default())
    }
}

impl Roll {
    fn add(&mut self, publisher: Publisher, keys: impl IntoIterator<Item = PublisherKey>) {
        let index = self.publishers.len();
        self.publishers.push(publisher);
        self.keys.extend(
            keys.into_iter()
                .map(|key| (key.keyid, TrustedKey { key, publisher: index })),
        );
    }
}
