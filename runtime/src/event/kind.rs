//! What can happen to a plugin.

use std::sync::Arc;

use palisade_bundle::{Coded, Permission};
use serde::Serialize;
use serde_json::{Map, Value};

use super::Json;
use crate::lifecycle::{Health, State};
use crate::sandbox::ResourceMetrics;
use crate::services::DeadLetter;

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all_fields = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// An install has begun: the bundle is vouched for, and its name is taken.
    #[serde(rename = "plugin:installing")]
    Installing,
    /// It is installed.
    #[serde(rename = "plugin:installed")]
    Installed,
    /// It is being started.
    #[serde(rename = "plugin:enabling")]
    Enabling,
    /// It takes commands.
    #[serde(rename = "plugin:enabled")]
    Enabled,
    /// It is being stopped.
    #[serde(rename = "plugin:disabling")]
    Disabling,
    /// It was stopped.
    #[serde(rename = "plugin:disabled")]
    Disabled,
    /// It is being removed.
    #[serde(rename = "plugin:uninstalling")]
    Uninstalling,
    /// It is gone.
    #[serde(rename = "plugin:uninstalled")]
    Uninstalled,
    /// A replacement is being prepared.
    #[serde(rename = "plugin:reloading")]
    Reloading,
    /// The replacement has taken over.
    #[serde(rename = "plugin:reloaded")]
    Reloaded {
        /// The generation that serves from now on.
        generation: u64,
    },
    /// The replacement did not start, and the old generation serves on.
    #[serde(rename = "plugin:rollback")]
    Rollback {
        /// Why.
        cause: Failing,
    },
    /// Commands are still running and are waited for.
    #[serde(rename = "plugin:draining")]
    Draining {
        /// How many.
        active_requests: usize,
        /// How long they may go on.
        timeout_ms: u64,
    },
    /// No command is running any more.
    #[serde(rename = "plugin:drained")]
    Drained {
        /// How many had to be interrupted.
        interrupted: usize,
    },
    /// It has another configuration. Only the keys are told: values may be secret.
    #[serde(rename = "plugin:config:updated")]
    ConfigUpdated {
        /// The keys that are new, gone or have another value.
        keys: Vec<String>,
    },
    /// It went from one state to another.
    #[serde(rename = "plugin:state:changed")]
    StateChanged {
        /// From where.
        from: State,
        /// To where.
        to: State,
        /// Which operation, or what happened.
        reason: &'static str,
    },
    /// What was asked for did not succeed; once per operation.
    #[serde(rename = "plugin:error")]
    Error {
        /// Why.
        error: Failing,
    },
    /// What was asked for succeeded, but not all of it.
    #[serde(rename = "plugin:warning")]
    Warning {
        /// The stable word.
        code: &'static str,
        /// For a person.
        message: String,
    },
    /// A command has ended.
    #[serde(rename = "plugin:executed")]
    Executed {
        /// Which one.
        command: String,
        /// `ok`, or the stable word of its failure.
        status: &'static str,
        /// How long it ran; `null` when it did not come to an answer.
        duration_ms: Option<u64>,
        /// The fuel it used; `null` when it did not come to an answer.
        fuel: Option<u64>,
    },
    /// It crashed a while ago, and a fresh instance is being started, so that the next command finds one.
    #[serde(rename = "plugin:restarting")]
    Restarting {
        /// Which crash in a row it is that led to this.
        attempt: u32,
    },
    /// The fresh instance is there.
    #[serde(rename = "plugin:restarted")]
    Restarted {
        /// Which crash in a row it is that led to this.
        attempt: u32,
    },
    /// It crashed too often, and is locked away.
    #[serde(rename = "plugin:quarantined")]
    Quarantined {
        /// How often within the time that counts.
        crashes: usize,
    },
    /// It was granted something, or something was taken from it.
    #[serde(rename = "plugin:permission:changed")]
    PermissionChanged {
        /// What it was granted.
        granted: Vec<Permission>,
        /// What was taken from it.
        revoked: Vec<Permission>,
    },
    /// The plugin made a host call that it has no permission for. Once per permission and command.
    #[serde(rename = "plugin:permission:denied")]
    PermissionDenied {
        /// What it lacks.
        permission: Permission,
        /// What it called.
        call: &'static str,
    },
    /// The plugin tried something no plugin may do.
    #[serde(rename = "plugin:security:violation")]
    SecurityViolation {
        /// In one word, such as `reentrant_call`.
        kind: &'static str,
    },
    /// It is more or less well than before, while it takes commands.
    #[serde(rename = "plugin:health:changed")]
    HealthChanged {
        /// From what.
        from: Health,
        /// To what.
        to: Health,
    },
    /// What it uses; told with a health check when it is not what it was.
    #[serde(rename = "plugin:resource:usage")]
    ResourceUsage {
        /// How much.
        metrics: ResourceMetrics,
    },
    /// Four fifths of a limit are used; once per crossing.
    #[serde(rename = "plugin:resource:threshold")]
    ResourceThreshold {
        /// Which limit: `fuel`, `memory` or `storage`.
        resource: &'static str,
        /// What is used.
        used: u64,
        /// The limit.
        limit: u64,
    },
    /// A limit was reached. Once per limit and command.
    #[serde(rename = "plugin:resource:exceeded")]
    ResourceExceeded {
        /// Which limit.
        resource: &'static str,
        /// The limit.
        limit: u64,
    },
    /// What another plugin published or sent could not be delivered to this one.
    #[serde(rename = "plugin:warning")]
    Undelivered {
        /// Who published or sent it.
        #[serde(serialize_with = "super::as_text")]
        from: Arc<str>,
        /// The topic, unless it was a message.
        #[serde(skip_serializing_if = "Option::is_none")]
        topic: Option<String>,
        /// Why, the stable word of the failure.
        code: &'static str,
        /// Why, for a person.
        message: String,
    },
    /// Something the plugin itself told. Always under its own name, so that a plugin cannot forge a host's event.
    #[serde(rename = "plugin:custom")]
    Custom {
        /// The plugin's own word for it.
        topic: String,
        /// The plugin's own data.
        data: Json,
    },
}

impl EventKind {
    /// Tells of something that was not delivered.
    pub(crate) fn undelivered(letter: &DeadLetter) -> Self {
        Self::Undelivered {
            from: Arc::from(letter.from.as_str()),
            topic: letter.topic.clone(),
            code: letter.code,
            message: letter.message.clone(),
        }
    }
}

/// A failure as an event tells it: the stable word, the sentence, the facts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failing {
    /// The stable word.
    pub code: &'static str,
    /// For a person.
    pub message: String,
    /// For a program.
    pub details: Map<String, Value>,
}

impl<E: Coded + ?Sized> From<&E> for Failing {
    fn from(error: &E) -> Self {
        Self {
            code: error.code().as_str(),
            message: error.to_string(),
            details: error.details(),
        }
    }
}
