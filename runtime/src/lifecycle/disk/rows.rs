//! What the registry holds of a plugin.

use std::collections::BTreeSet;
use std::sync::Arc;

use palisade_bundle::{Digest, Manifest, Permission, PluginId};
use serde_json::{Map, Value};

use crate::lifecycle::state::State;
use crate::lifecycle::status::Failure;

/// A plugin as it is at rest.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::lifecycle) struct PluginRow {
    pub(in crate::lifecycle) id: PluginId,
    /// Whether it is to run whenever the host does.
    pub(in crate::lifecycle) enabled: bool,
    /// Whether it was ever started since its install.
    pub(in crate::lifecycle) was_started: bool,
    pub(in crate::lifecycle) failure: Option<Failure>,
    pub(in crate::lifecycle) grants: Grants,
    pub(in crate::lifecycle) active: VersionRow,
}

impl PluginRow {
    /// The configuration it runs with: the operator's, or its manifest's.
    pub(in crate::lifecycle) fn effective_config(&self) -> &Map<String, Value> {
        self.active.config.as_ref().unwrap_or(&self.active.manifest.config)
    }

    /// The state it has while nothing of it runs.
    pub(in crate::lifecycle) fn state_at_rest(&self) -> State {
        match (&self.failure, self.was_started) {
            (Some(_), _) => State::Failed,
            (None, true) => State::Disabled,
            (None, false) => State::Installed,
        }
    }
}

/// What the operator granted one plugin, and what it may not have although every plugin may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::lifecycle) struct Grants {
    pub(in crate::lifecycle) granted: BTreeSet<Permission>,
    pub(in crate::lifecycle) withheld: BTreeSet<Permission>,
}

/// A version of a plugin with its configuration.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::lifecycle) struct VersionRow {
    /// Counts the versions of a plugin, rolled back ones included.
    pub(in crate::lifecycle) ordinal: i64,
    pub(in crate::lifecycle) version: String,
    /// What it says of itself.
    pub(in crate::lifecycle) manifest: Arc<Manifest>,
    pub(in crate::lifecycle) publisher: Option<String>,
    /// The bundle's identity.
    pub(in crate::lifecycle) digest: Digest,
    /// The digest of its bytes, which is its name in the store.
    pub(in crate::lifecycle) file: Digest,
    /// The operator's configuration; `None` is the manifest's.
    pub(in crate::lifecycle) config: Option<Map<String, Value>>,
}
