//! The way into a plugin of a host without a supervisor, and how what comes of an entry is told to the other end.

use std::fmt;
use std::sync::Arc;

use palisade_abi::GuestError;
use palisade_bundle::{Code, Coded, Permission};
use serde_json::Map;

use crate::event::EventKind;
use crate::sandbox::{CallError, Plugin, WeakPlugin};
use crate::services::{Address, BusError, DeadLetter, DeliveryError, Peer, Receiver, ServiceFuture, Trail};

impl Plugin {
    /// The plugin as a [`Bus`](crate::Bus) knows it. For hosts without a [`Supervisor`](crate::Supervisor), which does
    /// this by itself.
    #[must_use]
    pub fn address(&self) -> Address {
        let topics = match self.grant().allows(&Permission::EventsSubscribe) {
            true => self.manifest().events.subscribe.clone(),
            false => Vec::new(),
        };
        Address {
            plugin_id: Arc::clone(&self.namespace().plugin_id),
            topics,
            takes_messages: self.grant().allows(&Permission::MessageReceive),
            receiver: Arc::new(Alone(self.downgrade())),
        }
    }
}

/// A plugin by itself.
struct Alone(WeakPlugin);

impl Receiver for Alone {
    fn is_there(&self) -> bool {
        self.0.is_alive()
    }

    fn call<'a>(
        &'a self,
        trail: &'a Trail,
        peer: &'a Peer,
        command: &'a str,
        args: &'a [u8],
    ) -> ServiceFuture<'a, Result<Vec<u8>, BusError>> {
        Box::pin(async move {
            let plugin = self.0.upgrade().ok_or_else(|| BusError::NoSuchPlugin {
                plugin_id: peer.plugin_id.clone(),
            })?;
            peer.check(&plugin.manifest().version)?;
            match plugin.call_from(Some(trail), command, args).await {
                Ok(output) => Ok(output.into_bytes()),
                Err(error) => Err(BusError::Failed(as_answer(error))),
            }
        })
    }

    fn deliver<'a>(&'a self, trail: &'a Trail, event: Arc<[u8]>) -> ServiceFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async move {
            match self.0.upgrade() {
                Some(plugin) => match plugin.deliver(trail, &event).await {
                    Ok(is_taken) => taken(is_taken),
                    Err(error) => Err(undelivered(error)),
                },
                None => Err(DeliveryError::Refused {
                    code: Code::PluginUnavailable,
                    message: "the plugin is gone".to_owned(),
                }),
            }
        })
    }

    fn tell_undelivered(&self, letter: &DeadLetter) {
        if let Some(plugin) = self.0.upgrade() {
            plugin.tell_undelivered(EventKind::undelivered(letter));
        }
    }
}

impl fmt::Debug for Alone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Alone").field(&self.0.upgrade()).finish()
    }
}

/// What another plugin gets to read of a failed command: the plugin's own error, or the host's word for it. Nothing of
/// the other's insides: no last words, no names of functions.
pub(crate) fn as_answer(error: CallError) -> GuestError {
    match error {
        CallError::Guest { error, .. } => error,
        error => GuestError {
            code: error.code().as_str().to_owned(),
            message: error.code().meaning().to_owned(),
            details: Map::new(),
        },
    }
}

/// Whether the plugin takes events at all.
pub(crate) fn taken(is_taken: bool) -> Result<(), DeliveryError> {
    match is_taken {
        true => Ok(()),
        false => Err(DeliveryError::Refused {
            code: Code::AbiViolation,
            message: "the plugin exports no `plugin_on_event`".to_owned(),
        }),
    }
}

/// Why the plugin did not take an event.
pub(crate) fn undelivered(error: CallError) -> DeliveryError {
    let (code, message) = (error.code(), error.to_string());
    match error {
        CallError::Stopped(_) | CallError::Start(_) | CallError::Closed => DeliveryError::Interrupted { code, message },
        // It was there to say no.
        CallError::Guest { .. }
        | CallError::InvalidCommand { .. }
        | CallError::InvalidArgument { .. }
        | CallError::ArgsTooLarge { .. } => DeliveryError::Refused { code, message },
    }
}
