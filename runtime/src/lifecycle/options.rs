//! How an operation is carried out, where there is a choice.

use std::time::Duration;

use palisade_bundle::Downgrade;
use serde_json::{Map, Value};

/// How long running commands are waited for when a plugin is stopped, unless asked otherwise.
const DISABLE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a plugin is installed.
#[derive(Clone, Debug, Default)]
pub struct InstallOptions {
    /// What it is granted, by name or by the alias of a family.
    pub grants: Vec<String>,
    /// Its configuration, instead of its manifest's.
    pub config: Option<Map<String, Value>>,
}

/// How a plugin is replaced by another version.
#[derive(Clone, Copy, Debug)]
pub struct UpgradeOptions {
    /// Whether an operator has seen what the new version asks for beyond the old one.
    pub approval: Approval,
    /// Whether the other version may be an older one.
    pub downgrade: Downgrade,
}

impl Default for UpgradeOptions {
    /// Asks, and never goes back.
    fn default() -> Self {
        Self {
            approval: Approval::Ask,
            downgrade: Downgrade::Refuse,
        }
    }
}

/// Whether an operator has seen what a new version asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Not yet: a version that asks for more is refused with the difference.
    Ask,
    /// Yes: what it asks for is granted.
    Given,
}

/// How a plugin is stopped.
#[derive(Clone, Copy, Debug)]
pub struct DisableOptions {
    /// How long running commands are waited for.
    pub timeout: Duration,
    /// What becomes of what the cleanup writes into the state record.
    pub last_state: LastState,
}

impl Default for DisableOptions {
    /// Waits 5 s, and keeps what the cleanup writes.
    fn default() -> Self {
        Self {
            timeout: DISABLE_TIMEOUT,
            last_state: LastState::Keep,
        }
    }
}

/// What becomes of what `plugin_cleanup` writes into the state record. What commands wrote is kept in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastState {
    /// It is kept.
    #[default]
    Keep,
    /// It is refused, so that the record stays as the last command left it.
    Refuse,
}

/// What becomes of a plugin's data when it is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PluginData {
    /// It is written to a file in the data directory's `archives`, and deleted.
    #[default]
    Archive,
    /// It is left, for a later install under the same id by the same publisher.
    Preserve,
    /// It is deleted. What cannot be deleted does not stop the removal.
    Discard,
}

/// What a supervisor writes into its audit trail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audited {
    /// What is done to plugins, which cannot be switched off.
    #[default]
    Operations,
    /// And every command before it runs, with another line when it fails. A command that cannot be written down does not
    /// run; each takes as long as the disk takes to confirm a line.
    OperationsAndCommands,
}
