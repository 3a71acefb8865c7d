//! What a trust document says.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::error::TrustError;
use super::pattern::IdPattern;
use crate::canonical_json;
use crate::digest::Digest;
use crate::key::{KeyId, PublicKey};
use crate::permission::Permission;
use crate::statement::present;
use crate::text::printable;
use crate::time::Timestamp;

/// Thousands of publishers; read once a start.
pub(super) const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// Names appear in paths, tables and logs.
const MAX_PUBLISHER_NAME_BYTES: usize = 64;

/// Reasons appear in error messages.
const MAX_REASON_BYTES: usize = 200;

/// What a trust document says: who may publish what, and what was revoked. Plain data; nobody vouches for it until it
/// is a [`TrustDocument`](super::TrustDocument).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustDeclaration {
    /// When it was made; a host warns once 80 % of the time from here to `expires` have passed.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// From this second on nothing new is installed on the word of this document.
    pub expires: Timestamp,
    /// Who may publish, by name.
    pub publishers: BTreeMap<String, PublisherDeclaration>,
    /// What is no longer good.
    #[serde(default)]
    pub revoked: Revocations,
    /// Who may change this document.
    pub root: Root,
    /// Rises by one with every change; at least 1.
    pub version: u64,
}

/// The keys that sign trust documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// The keys.
    pub keys: Vec<RootKey>,
    /// How many of them must sign.
    pub threshold: usize,
}

/// A key of the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootKey {
    /// The name of `public`.
    pub keyid: KeyId,
    /// The key, as base64 of its 32 bytes.
    pub public: PublicKey,
}

impl From<PublicKey> for RootKey {
    fn from(public: PublicKey) -> Self {
        Self {
            keyid: public.id(),
            public,
        }
    }
}

/// Someone who publishes plugins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublisherDeclaration {
    /// Raised to outrank every sequence number that a stolen key has signed.
    pub epoch: u64,
    /// Which plugins they may sign.
    pub id_patterns: Vec<IdPattern>,
    /// Their keys.
    pub keys: Vec<PublisherKey>,
    /// The most their plugins may ever be granted; absent means no ceiling.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub permission_ceiling: Option<Vec<Permission>>,
    /// How many of their keys must sign.
    pub threshold: usize,
}

/// A key of a publisher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublisherKey {
    /// The name of `public`.
    pub keyid: KeyId,
    /// The last second in which the key is good.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// The first second in which the key is good.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The key, as base64 of its 32 bytes.
    pub public: PublicKey,
    /// Whether it is still good.
    pub status: KeyStatus,
}

impl From<PublicKey> for PublisherKey {
    /// An active key without bounds in time.
    fn from(public: PublicKey) -> Self {
        Self {
            keyid: public.id(),
            not_after: None,
            not_before: None,
            public,
            status: KeyStatus::Active,
        }
    }
}

/// Whether a key is still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// In use.
    Active,
    /// Replaced in good order: nothing new is installed on its word, what is installed goes on.
    Retired,
    /// In other hands: its word counts for nothing.
    Compromised,
}

/// What is no longer good.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocations {
    /// Bundles by the digest of their statement.
    #[serde(default)]
    pub bundles: Vec<Digest>,
    /// Keys, whoever lists them.
    #[serde(default)]
    pub keys: Vec<RevokedKey>,
}

/// A key that is no longer good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokedKey {
    /// Which key.
    pub keyid: KeyId,
    /// Why, for people: at most 200 bytes without control characters.
    pub reason: String,
    /// Since when, for people: a revoked key is refused whatever date its signatures claim.
    pub since: Timestamp,
}

impl TrustDeclaration {
    /// Reads the payload of a trust document.
    pub(super) fn parse(payload: &[u8]) -> Result<Self, TrustError> {
        let declaration: Self = canonical_json::parse(payload, MAX_DOCUMENT_BYTES)?;
        declaration.check()?;
        Ok(declaration)
    }

    /// Checks what the types do not say.
    ///
    /// # Errors
    ///
    /// [`TrustError::Declaration`] with the JSON pointer of the first rule that is broken.
    pub fn check(&self) -> Result<(), TrustError> {
        require(self.version > 0, "/version", "at least 1")?;
        let lives = self.created.is_none_or(|created| created < self.expires);
        require(lives, "/expires", "later than `created`")?;
        check_threshold("/root", self.root.threshold, self.root.keys.len())?;
        let mut keys = BTreeSet::new();
        for (index, key) in self.root.keys.iter().enumerate() {
            let pointer = format!("/root/keys/{index}");
            check_key(&pointer, key.keyid, &key.public)?;
            require(keys.insert(key.keyid), &pointer, "each key once")?;
        }
        let mut keys = BTreeSet::new();
        for (name, publisher) in &self.publishers {
            check_publisher(name, publisher, &mut keys)?;
        }
        for (index, revoked) in self.revoked.keys.iter().enumerate() {
            let is_prose = revoked.reason.len() <= MAX_REASON_BYTES && printable(&revoked.reason) == revoked.reason;
            let expected = "at most 200 bytes of text without control characters";
            require(is_prose, &format!("/revoked/keys/{index}/reason"), expected)?;
        }
        Ok(())
    }
}

fn check_publisher(name: &str, publisher: &PublisherDeclaration, keys: &mut BTreeSet<KeyId>) -> Result<(), TrustError> {
    // No colon, so that nobody here is mistaken for a key that stands for itself.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = (1..=MAX_PUBLISHER_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_plain);
    require(
        is_name,
        "/publishers",
        "names of 1 to 64 letters, digits, dots, hyphens and underscores",
    )?;
    let pointer = format!("/publishers/{name}");
    check_threshold(&pointer, publisher.threshold, publisher.keys.len())?;
    require(
        !publisher.id_patterns.is_empty(),
        &format!("{pointer}/id_patterns"),
        "at least one pattern",
    )?;
    for (index, key) in publisher.keys.iter().enumerate() {
        let pointer = format!("{pointer}/keys/{index}");
        check_key(&pointer, key.keyid, &key.public)?;
        require(keys.insert(key.keyid), &pointer, "each key once, with one publisher")?;
        let is_window = key.not_before.zip(key.not_after).is_none_or(|(from, to)| from <= to);
        require(
            is_window,
            &format!("{pointer}/not_after"),
            "not earlier than `not_before`",
        )?;
    }
    Ok(())
}

fn check_threshold(pointer: &str, threshold: usize, keys: usize) -> Result<(), TrustError> {
    require(
        (1..=keys).contains(&threshold),
        &format!("{pointer}/threshold"),
        "between 1 and the number of keys",
    )
}

fn check_key(pointer: &str, keyid: KeyId, public: &PublicKey) -> Result<(), TrustError> {
    require(public.id() == keyid, &format!("{pointer}/keyid"), "the id of `public`")
}

fn require(holds: bool, pointer: &str, expected: &'static str) -> Result<(), TrustError> {
    if holds {
        Ok(())
    } else {
        Err(TrustError::Declaration {
            pointer: pointer.to_owned(),
            expected,
        })
    }
}
