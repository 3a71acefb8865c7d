//! How plugins reach each other.

use std::fmt;
use std::sync::Arc;

use palisade_abi::GuestError;
use palisade_bundle::manifest::TopicPattern;
use palisade_bundle::{Blame, Code, Coded, Timestamp};
use semver::{Version, VersionReq};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use thiserror::Error;

use super::ServiceFuture;
use crate::event::Json;

/// Most plugins that one call, message or event may pass through: a loop through several is seen by none of them.
pub const MAX_HOPS: usize = 8;

/// The plugins a call or an event has come through, the first one first. Made by the host alone, so its last one is the
/// sender, whatever the sender says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail(Arc<[Arc<str>]>);

impl Trail {
    /// A trail that starts at a plugin.
    #[must_use]
    pub fn of(plugin_id: &Arc<str>) -> Self {
        Self(Arc::from([Arc::clone(plugin_id)]))
    }

    /// The trail with one more plugin at its end.
    #[must_use]
    pub fn then(&self, plugin_id: &Arc<str>) -> Self {
        Self(self.0.iter().chain([plugin_id]).cloned().collect())
    }

    /// Who sends.
    #[must_use]
    pub fn sender(&self) -> &str {
        self.0.last().map_or("", |last| last)
    }

    /// Whether a plugin is on it.
    #[must_use]
    pub fn holds(&self, plugin_id: &str) -> bool {
        self.0.iter().any(|passed| &**passed == plugin_id)
    }

    /// Whether one more plugin would be one too many.
    #[must_use]
    pub fn is_at_its_end(&self) -> bool {
        self.0.len() >= MAX_HOPS
    }
}

/// A plugin that another one calls.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its id.
    pub plugin_id: String,
    /// The versions the caller was made for.
    pub version: VersionReq,
}

impl Peer {
    /// Refuses a version that the caller was not made for.
    ///
    /// # Errors
    ///
    /// [`BusError::WrongVersion`].
    pub fn check(&self, actual: &Version) -> Result<(), BusError> {
        match self.version.matches(actual) {
            true => Ok(()),
            false => Err(BusError::WrongVersion {
                plugin_id: self.plugin_id.clone(),
                required: self.version.to_string(),
                actual: actual.to_string(),
            }),
        }
    }
}

/// A plugin as a bus knows it: what it takes, and who hands it over.
#[derive(Clone, Debug)]
pub struct Address {
    /// Its id.
    pub plugin_id: Arc<str>,
    /// The topics it receives; none without the permission.
    pub topics: Vec<TopicPattern>,
    /// Whether it takes messages, which needs a permission too.
    pub takes_messages: bool,
    /// Who hands it over.
    pub receiver: Arc<dyn Receiver>,
}

/// The way into one plugin: of a [`Plugin`](crate::Plugin) by itself, or of whichever generation of it a
/// [`Supervisor`](crate::Supervisor) lets serve. Keeps no plugin alive.
pub trait Receiver: fmt::Debug + Send + Sync {
    /// Whether anything can be handed over at all.
    fn is_there(&self) -> bool;

    /// Runs a command, if the version that serves it is one that the caller was made for.
    fn call<'a>(
        &'a self,
        trail: &'a Trail,
        peer: &'a Peer,
        command: &'a str,
        args: &'a [u8],
    ) -> ServiceFuture<'a, Result<Vec<u8>, BusError>>;

    /// Hands over an event, as the JSON of a [`Delivery`](crate::Delivery).
    fn deliver<'a>(&'a self, trail: &'a Trail, event: Arc<[u8]>) -> ServiceFuture<'a, Result<(), DeliveryError>>;

    /// Tells, under the name of the plugin, that something did not reach it.
    fn tell_undelivered(&self, letter: &DeadLetter);
}

/// An event did not reach a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeliveryError {
    /// It was interrupted, or the plugin crashed on it. Another try may go well.
    #[error("{message}")]
    Interrupted {
        /// The stable word.
        code: Code,
        /// For a person.
        message: String,
    },
    /// The plugin does not take it. Another try would end alike.
    #[error("{message}")]
    Refused {
        /// The stable word.
        code: Code,
        /// For a person.
        message: String,
    },
}

/// Something that could not be delivered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeadLetter {
    /// When it was given up; `None` when the clock was out of range.
    pub at: Option<Timestamp>,
    /// Who published or sent it.
    pub from: String,
    /// Whom it did not reach.
    pub to: String,
    /// The topic; `None` for a message.
    pub topic: Option<String>,
    /// What was published or sent.
    pub data: Json,
    /// How often it was tried.
    pub tries: u32,
    /// Why, the stable word of the failure.
    pub code: &'static str,
    /// Why, for a person.
    pub message: String,
}

/// What connects the plugins of a host. Whether the sender may is decided before it is asked; whether the receiver may,
/// it decides.
pub trait Bus: fmt::Debug + Send + Sync {
    /// Hands JSON to everyone who subscribed to a topic, and says to how many.
    ///
    /// # Errors
    ///
    /// [`BusError::TooManyHops`].
    fn publish(&self, trail: &Trail, topic: &str, data: &RawValue) -> Result<usize, BusError>;

    /// Hands JSON to one plugin.
    ///
    /// # Errors
    ///
    /// [`BusError`], the same one for a plugin that is not there and for one that takes no messages.
    fn send(&self, trail: &Trail, to: &str, data: &RawValue) -> Result<(), BusError>;

    /// Runs a command of another plugin. Dropping the future abandons it.
    fn call<'a>(
        &'a self,
        trail: &'a Trail,
        peer: &'a Peer,
        command: &'a str,
        args: &'a [u8],
    ) -> ServiceFuture<'a, Result<Vec<u8>, BusError>>;

    /// Puts a plugin on the bus, in place of one with the same id. A supervisor does so with every plugin it starts.
    fn attach(&self, address: Address);

    /// Takes a plugin off the bus.
    fn detach(&self, plugin_id: &str);

    /// What did not reach a plugin lately, the oldest first.
    fn dead_letters(&self, plugin_id: &str) -> Vec<DeadLetter>;

    /// Drops everything that is kept about a plugin, which is not to come back.
    fn forget(&self, plugin_id: &str);
}

/// A host whose plugins do not know of each other.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoBus;

impl Bus for NoBus {
    fn publish(&self, _trail: &Trail, _topic: &str, _data: &RawValue) -> Result<usize, BusError> {
        Ok(0)
    }

    fn send(&self, _trail: &Trail, to: &str, _data: &RawValue) -> Result<(), BusError> {
        Err(BusError::NoSuchPlugin {
            plugin_id: to.to_owned(),
        })
    }

    fn call<'a>(
        &'a self,
        _trail: &'a Trail,
        peer: &'a Peer,
        _command: &'a str,
        _args: &'a [u8],
    ) -> ServiceFuture<'a, Result<Vec<u8>, BusError>> {
        let plugin_id = peer.plugin_id.clone();
        Box::pin(std::future::ready(Err(BusError::NoSuchPlugin { plugin_id })))
    }

    fn attach(&self, _address: Address) {}

    fn detach(&self, _plugin_id: &str) {}

    fn dead_letters(&self, _plugin_id: &str) -> Vec<DeadLetter> {
        Vec::new()
    }

    fn forget(&self, _plugin_id: &str) {}
}

/// One plugin did not reach another.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BusError {
    /// It is not there, or takes no messages: the sender is not to learn which.
    #[error("there is no plugin `{plugin_id}` that takes this")]
    NoSuchPlugin {
        /// Who was asked for.
        plugin_id: String,
    },
    /// It is there in a version that the caller was not made for.
    #[error("`{plugin_id}` is there as {actual}, and {required} is needed")]
    WrongVersion {
        /// Who was asked for.
        plugin_id: String,
        /// What the caller needs.
        required: String,
        /// What is there.
        actual: String,
    },
    /// The call would come back to a plugin that waits for it.
    #[error("`{plugin_id}` waits for this very call")]
    Reentrant {
        /// Who was asked for.
        plugin_id: String,
    },
    /// It has come through too many plugins.
    #[error("it has come through {MAX_HOPS} plugins, and no more are allowed")]
    TooManyHops,
    /// The receiver does not keep up.
    #[error("`{plugin_id}` has too much to do")]
    QueueFull {
        /// Who was asked for.
        plugin_id: String,
    },
    /// The other plugin's command failed.
    #[error("{}: {}", .0.code, .0.message)]
    Failed(GuestError),
}

impl BusError {
    /// In one word, when no plugin may do this.
    pub(crate) fn violation(&self) -> Option<&'static str> {
        match self {
            Self::Reentrant { .. } => Some("reentrant_call"),
            Self::TooManyHops => Some("hop_limit"),
            _ => None,
        }
    }
}

impl Coded for BusError {
    fn code(&self) -> Code {
        match self {
            Self::NoSuchPlugin { .. } => Code::NotFound,
            Self::WrongVersion { .. } => Code::DependencyIncompatible,
            Self::Reentrant { .. } | Self::TooManyHops => Code::SecurityViolation,
            Self::QueueFull { .. } => Code::PluginUnavailable,
            Self::Failed(_) => Code::GuestError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NoSuchPlugin { .. } => Blame::Missing,
            Self::WrongVersion { .. } | Self::QueueFull { .. } => Blame::Conflict,
            Self::Reentrant { .. } | Self::TooManyHops => Blame::Plugin,
            Self::Failed(_) => Blame::Answer,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let details = match self {
            Self::NoSuchPlugin { plugin_id } => serde_json::json!({"kind": "plugin", "name": plugin_id}),
            Self::WrongVersion {
                plugin_id,
                required,
                actual,
            } => serde_json::json!({"dependency": plugin_id, "required": required, "actual": actual}),
            Self::Reentrant { .. } | Self::TooManyHops => serde_json::json!({"kind": self.violation()}),
            Self::QueueFull { plugin_id } => serde_json::json!({"name": plugin_id, "retry_after_ms": 100}),
            Self::Failed(error) => return error.details.clone(),
        };
        match details {
            Value::Object(details) => details,
            _ => Map::new(),
        }
    }
}
