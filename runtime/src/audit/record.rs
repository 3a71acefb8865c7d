//! What one record says, and how its hash is made.

use std::fmt;
use std::str::FromStr;

use palisade_bundle::canonical_json::{self, MAX_INTEGER};
use palisade_bundle::{Digest, JsonError, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

/// Most bytes of an entry in canonical JSON. The largest honest one lists the members of a configuration that changed;
/// a reader of an export has to hold one record in memory.
pub const MAX_AUDIT_ENTRY_BYTES: usize = 64 * 1024;

/// One member of a closed list of words that go into records.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $variant:ident $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$meaning])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in the record.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownAuditWord;

            fn from_str(word: &str) -> Result<Self, UnknownAuditWord> {
                let known = Self::ALL.iter().copied().find(|known| known.as_str() == word);
                known.ok_or(UnknownAuditWord)
            }
        }
    };
}

words! {
    /// What was done, or tried.
    AuditAction {
        /// A plugin was installed.
        Install "install",
        /// A plugin was started.
        Enable "enable",
        /// A plugin was stopped.
        Disable "disable",
        /// A plugin was removed.
        Uninstall "uninstall",
        /// A plugin was replaced by a fresh instance of the same version.
        Reload "reload",
        /// A plugin was replaced by another version.
        Upgrade "upgrade",
        /// An earlier version of a plugin was brought back.
        Rollback "rollback",
        /// The configuration of a plugin was changed.
        ConfigUpdate "config_update",
        /// A plugin was granted a power.
        Grant "grant",
        /// A power was taken from a plugin.
        Revoke "revoke",
        /// What a plugin keeps was replaced by an operator.
        StateChange "state_change",
        /// A plugin tried what it may not.
        SecurityViolation "security_violation",
        /// A plugin reached a limit.
        ResourceExhaustion "resource_exhaustion",
        /// Somebody was not who they said.
        AuthenticationFailure "authentication_failure",
        /// Keys, publishers or revocations were changed.
        TrustChange "trust_change",
        /// A command was run; only where the operator asks for it.
        Execution "execution",
        /// Events came faster than they could be recorded, or could not be written: the details say how many.
        RecordsLost "records_lost",
    }
}

words! {
    /// What came of it.
    AuditOutcome {
        /// It was done.
        Succeeded "succeeded",
        /// It was tried and did not work.
        Failed "failed",
        /// It was not allowed.
        Denied "denied",
    }
}

/// The word is not one of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no such word in an audit record")]
pub struct UnknownAuditWord;

/// What is to be recorded. The log adds number, time and hashes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditEntry {
    /// Who did it: a user, a token, `cli`, `plugin:<id>`, `host`.
    pub actor: String,
    /// Which plugin it was done to, or did it.
    pub plugin_id: Option<String>,
    /// What was done.
    pub action: AuditAction,
    /// What it was done to: a version, a permission, a limit, a key.
    pub resource: String,
    /// What came of it.
    pub outcome: AuditOutcome,
    /// Anything else. Numbers are integers between 0 and 2^53−1, and nothing is nested deeper than 14 levels.
    pub details: Map<String, Value>,
}

impl AuditEntry {
    /// Whether it can be written and read back: nothing that does can fail the records beside it.
    pub(super) fn check(&self) -> Result<(), JsonError> {
        let bytes = canonical_json::to_bytes(self)?;
        canonical_json::parse::<Value>(&bytes, MAX_AUDIT_ENTRY_BYTES).map(drop)
    }
}

/// A number for the details of a record: larger ones than JSON keeps exact become text.
pub(super) fn number(number: u64) -> Value {
    if number <= MAX_INTEGER {
        Value::from(number)
    } else {
        Value::from(number.to_string())
    }
}

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditRecord {
    /// Counts the records of this log, from 1, without a gap.
    pub seq: u64,
    /// When it was written, by the host's clock.
    pub timestamp: Timestamp,
    /// Who did it.
    pub actor: String,
    /// Which plugin it was done to, or did it.
    pub plugin_id: Option<String>,
    /// What was done.
    pub action: AuditAction,
    /// What it was done to.
    pub resource: String,
    /// What came of it.
    pub outcome: AuditOutcome,
    /// Anything else.
    pub details: Map<String, Value>,
    /// The hash of the record before; zeros in the first one.
    pub prev_hash: Digest,
    /// The SHA-256 of everything else in canonical JSON.
    pub hash: Digest,
}

/// A record as it is stored and exported: its words unread, so that a newer version's are verified too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredRecord {
    #[serde(flatten)]
    pub(super) content: Content,
    pub(super) hash: Digest,
}

/// What the hash is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) seq: u64,
    pub(super) timestamp: String,
    pub(super) actor: String,
    pub(super) plugin_id: Option<String>,
    pub(super) action: String,
    pub(super) resource: String,
    pub(super) outcome: String,
    pub(super) details: Map<String, Value>,
    pub(super) prev_hash: Digest,
}

impl Content {
    fn hash(&self) -> Result<Digest, JsonError> {
        Ok(Digest::of(&canonical_json::to_bytes(self)?))
    }
}

impl StoredRecord {
    /// The record that follows `head`.
    pub(super) fn following(head: Head, entry: &AuditEntry, timestamp: Timestamp) -> Result<Self, JsonError> {
        let content = Content {
            seq: head.seq.saturating_add(1),
            timestamp: timestamp.to_string(),
            actor: entry.actor.clone(),
            plugin_id: entry.plugin_id.clone(),
            action: entry.action.as_str().to_owned(),
            resource: entry.resource.clone(),
            outcome: entry.outcome.as_str().to_owned(),
            details: entry.details.clone(),
            prev_hash: head.hash,
        };
        let hash = content.hash()?;
        Ok(Self { content, hash })
    }

    /// Whether its hash is that of its content.
    pub(super) fn is_whole(&self) -> bool {
        self.content.hash().is_ok_and(|hash| hash == self.hash)
    }

    /// Whether its hash would be that of its content, had it this number.
    pub(super) fn was(&self, seq: u64) -> bool {
        let content = Content {
            seq,
            ..self.content.clone()
        };
        content.hash().is_ok_and(|hash| hash == self.hash)
    }

    pub(super) fn head(&self) -> Head {
        Head {
            seq: self.content.seq,
            hash: self.hash,
        }
    }

    /// With its words read; `None` when one of them is not of this version.
    pub(super) fn read(self) -> Option<AuditRecord> {
        let Self { content, hash } = self;
        Some(AuditRecord {
            seq: content.seq,
            timestamp: content.timestamp.parse().ok()?,
            actor: content.actor,
            plugin_id: content.plugin_id,
            action: content.action.parse().ok()?,
            resource: content.resource,
            outcome: content.outcome.parse().ok()?,
            details: content.details,
            prev_hash: content.prev_hash,
            hash,
        })
    }
}

/// Where a chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) seq: u64,
    pub(super) hash: Digest,
}

impl Head {
    /// Of a chain without records.
    pub(super) fn of_nothing() -> Self {
        Self {
            seq: 0,
            hash: Digest::from_bytes([0; 32]),
        }
    }
}
