//! Plugins on the bus: other plugins reach them through the same gate as everybody.

use std::fmt;
use std::sync::{Arc, Weak};

use palisade_abi::GuestError;
use palisade_bundle::{Code, Coded};
use serde_json::Map;

use super::call::{Command, CommandError};
use super::error::NotFound;
use super::gate::Closed;
use super::host::Host;
use super::managed::Managed;
use super::ongoing::Ongoing;
use super::supervisor::Supervisor;
use crate::bus::{as_answer, taken, undelivered};
use crate::event::EventKind;
use crate::sandbox::Plugin;
use crate::services::{Address, BusError, DeadLetter, DeliveryError, Peer, Receiver, ServiceFuture, Trail};

impl Supervisor {
    /// What other plugins published or sent and did not reach a plugin lately, the oldest first. Empty where the host
    /// has no bus.
    ///
    /// # Errors
    ///
    /// [`NotFound`] with the nearest name there is.
    pub fn dead_letters(&self, id: &str) -> Result<Vec<DeadLetter>, NotFound> {
        let managed = self.host.find(id)?;
        Ok(self.host.runtime.services().bus.dead_letters(managed.id.as_str()))
    }
}

impl Ongoing {
    /// Lets a generation serve: commands from outside, and other plugins through the bus.
    pub(super) fn open(&self, plugin: Plugin) {
        let address = Address {
            receiver: Arc::new(Served {
                host: Arc::downgrade(&self.host),
                managed: Arc::downgrade(&self.managed),
            }),
            ..plugin.address()
        };
        self.managed.gate.open(plugin);
        self.host.runtime.services().bus.attach(address);
    }

    /// Lets nobody in any more, from outside or from the bus.
    pub(super) fn shut(&self) {
        self.host.runtime.services().bus.detach(self.managed.id.as_str());
        self.managed.gate.close(Closed::Shut);
        self.managed.care.end();
    }
}

/// Whichever generation of a plugin serves. The bus is among the services that a plugin holds, so it holds none.
struct Served {
    host: Weak<Host>,
    managed: Weak<Managed>,
}

impl Served {
    fn upgrade(&self) -> Option<(Arc<Host>, Arc<Managed>)> {
        self.host.upgrade().zip(self.managed.upgrade())
    }
}

impl Receiver for Served {
    fn is_there(&self) -> bool {
        let managed = self.managed.upgrade();
        managed.is_some_and(|managed| managed.view().current.is_some())
    }

    fn call<'a>(
        &'a self,
        trail: &'a Trail,
        peer: &'a Peer,
        command: &'a str,
        args: &'a [u8],
    ) -> ServiceFuture<'a, Result<Vec<u8>, BusError>> {
        Box::pin(async move {
            let (host, managed) = self.upgrade().ok_or_else(|| BusError::NoSuchPlugin {
                plugin_id: peer.plugin_id.clone(),
            })?;
            let (peer, breaker) = (peer.clone(), Arc::clone(&managed.breaker));
            let command = Command {
                trail: Some(trail.clone()),
                record: host.record_of_commands(|| format!("plugin:{}", trail.sender())),
                name: command.to_owned(),
                args: args.to_vec(),
            };
            let entry = |plugin: Plugin| async move {
                // Only now: an upgrade may have come between.
                match peer.check(&plugin.manifest().version) {
                    Ok(()) => command.run(plugin, breaker).await.map(Ok),
                    Err(wrong) => Ok(Err(wrong)),
                }
            };
            match host.enter(&managed, entry).await {
                Ok(answered) => answered.map(|output| output.into_bytes()),
                Err(error) => Err(BusError::Failed(answer_of(error))),
            }
        })
    }

    fn deliver<'a>(&'a self, trail: &'a Trail, event: Arc<[u8]>) -> ServiceFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async move {
            let Some((host, managed)) = self.upgrade() else {
                return Err(DeliveryError::Refused {
                    code: Code::PluginUnavailable,
                    message: "the host has stopped".to_owned(),
                });
            };
            let trail = trail.clone();
            let entry = |plugin: Plugin| async move { Ok(plugin.deliver(&trail, &event).await?) };
            match host.enter(&managed, entry).await {
                Ok(is_taken) => taken(is_taken),
                Err(error) => Err(not_delivered(error)),
            }
        })
    }

    fn tell_undelivered(&self, letter: &DeadLetter) {
        let Some((host, managed)) = self.upgrade() else { return };
        let row = &managed.view().row;
        let version = Arc::from(row.active.version.as_str());
        host.runtime
            .tell_undelivered(&row.namespace(), &version, EventKind::undelivered(letter));
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let managed = self.managed.upgrade();
        f.debug_tuple("Served")
            .field(&managed.map(|managed| managed.id.to_string()))
            .finish()
    }
}

/// What another plugin gets to read when a command did not come to an answer.
fn answer_of(error: CommandError) -> GuestError {
    match error {
        CommandError::Call(error) => as_answer(error),
        error => GuestError {
            code: error.code().as_str().to_owned(),
            message: error.code().meaning().to_owned(),
            details: Map::new(),
        },
    }
}

fn not_delivered(error: CommandError) -> DeliveryError {
    let (code, message) = (error.code(), error.to_string());
    match error {
        CommandError::Call(error) => undelivered(error),
        CommandError::DrainCancelled | CommandError::Unavailable { .. } => DeliveryError::Interrupted { code, message },
        CommandError::NotFound(_)
        | CommandError::InvalidState(_)
        | CommandError::BreakerOpen { .. }
        | CommandError::Audit(_)
        | CommandError::Unwell(_) => DeliveryError::Refused { code, message },
    }
}
