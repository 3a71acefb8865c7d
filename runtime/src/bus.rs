//! Connects the plugins of one process: [`LocalBus`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use palisade_abi::{Delivery, DeliveryKind, GuestError};
use palisade_bundle::manifest::TopicPattern;
use palisade_bundle::{Code, Coded, Permission};
use serde_json::Map;
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::event::EventKind;
use crate::sandbox::{CallError, Plugin, WeakPlugin};
use crate::services::{Bus, BusError, Peer, ServiceFuture, Trail};

/// Deliveries that wait for one plugin; one more is undeliverable. With 64 KiB each at most 16 MiB a plugin.
const QUEUE: usize = 256;

/// The bus of one process.
///
/// A plugin is on it from [`attach`](Self::attach) until it is detached or dropped: the bus keeps none alive. What is
/// published or sent to a plugin waits in a bounded queue under its id, and is delivered one after another to
/// `plugin_on_event` of whatever is attached under that id then, so that nothing is lost when a plugin is replaced. What
/// cannot be delivered is told as an event.
pub struct LocalBus {
    executor: Handle,
    attached: Mutex<BTreeMap<Arc<str>, Attached>>,
}

struct Attached {
    receiver: Receiver,
    /// The topics it receives, none without the permission.
    topics: Vec<TopicPattern>,
    takes_messages: bool,
    queue: mpsc::Sender<Queued>,
}

/// Who receives under an id now; its worker looks here for each delivery.
#[derive(Clone)]
struct Receiver(Arc<Mutex<WeakPlugin>>);

impl Receiver {
    fn plugin(&self) -> Option<Plugin> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    fn becomes(&self, plugin: &Plugin) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = plugin.downgrade();
    }

    fn is_alive(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_alive()
    }
}

/// Something on its way. Its JSON is made once, however many receive it.
#[derive(Clone)]
struct Queued {
    trail: Trail,
    topic: Option<Arc<str>>,
    json: Arc<[u8]>,
}

impl LocalBus {
    /// A bus whose deliveries run on `executor`.
    #[must_use]
    pub fn new(executor: Handle) -> Self {
        Self {
            executor,
            attached: Mutex::default(),
        }
    }

    /// Puts a plugin on the bus, in place of one with the same id, for which what waits is delivered to it.
    pub fn attach(&self, plugin: &Plugin) {
        let id = Arc::clone(&plugin.namespace().plugin_id);
        let mut all = self.attached();
        all.retain(|other, it| *other == id || it.receiver.is_alive());
        let known = all.get(&id).filter(|it| !it.queue.is_closed());
        let (receiver, queue) = match known {
            Some(known) => (known.receiver.clone(), known.queue.clone()),
            None => self.worker(plugin),
        };
        receiver.becomes(plugin);
        let topics = match plugin.grant().allows(&Permission::EventsSubscribe) {
            true => plugin.manifest().events.subscribe.clone(),
            false => Vec::new(),
        };
        let attached = Attached {
            receiver,
            topics,
            takes_messages: plugin.grant().allows(&Permission::MessageReceive),
            queue,
        };
        all.insert(id, attached);
    }

    /// Takes a plugin off the bus. What waits for it is still delivered, as long as it is there.
    pub fn detach(&self, plugin_id: &str) {
        let _detached = self.attached().remove(plugin_id);
    }

    /// Starts what hands deliveries over; it ends when the last sender is gone.
    fn worker(&self, plugin: &Plugin) -> (Receiver, mpsc::Sender<Queued>) {
        let receiver = Receiver(Arc::new(Mutex::new(plugin.downgrade())));
        let (queue, deliveries) = mpsc::channel(QUEUE);
        self.executor.spawn(deliver_all(receiver.clone(), deliveries));
        (receiver, queue)
    }

    fn attached(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Attached>> {
        self.attached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, trail: &Trail, peer: &Peer) -> Result<Plugin, BusError> {
        if trail.holds(&peer.plugin_id) {
            return Err(BusError::Reentrant {
                plugin_id: peer.plugin_id.clone(),
            });
        }
        if trail.is_at_its_end() {
            return Err(BusError::TooManyHops);
        }
        let found = self
            .attached()
            .get(&*peer.plugin_id)
            .and_then(|it| it.receiver.plugin());
        let plugin = found.ok_or_else(|| no_such(&peer.plugin_id))?;
        let actual = &plugin.manifest().version;
        if !peer.version.matches(actual) {
            return Err(BusError::WrongVersion {
                plugin_id: peer.plugin_id.clone(),
                required: peer.version.to_string(),
                actual: actual.to_string(),
            });
        }
        Ok(plugin)
    }
}

impl Bus for LocalBus {
    fn publish(&self, trail: &Trail, topic: &str, data: &RawValue) -> Result<usize, BusError> {
        if trail.is_at_its_end() {
            return Err(BusError::TooManyHops);
        }
        let queued = Queued::new(trail, Some(topic), data);
        let mut receivers = 0;
        let mut overrun = Vec::new();
        for attached in self.attached().values() {
            let subscribed = attached.topics.iter().any(|pattern| pattern.matches(topic));
            if !subscribed || !attached.receiver.is_alive() {
                continue;
            }
            match attached.queue.try_send(queued.clone()) {
                Ok(()) => receivers += 1,
                Err(_full) => overrun.push(attached.receiver.clone()),
            }
        }
        for receiver in overrun {
            let message = format!("{QUEUE} deliveries wait already");
            queued.tell_undelivered(&receiver, Code::PluginUnavailable, message);
        }
        Ok(receivers)
    }

    fn send(&self, trail: &Trail, to: &str, data: &RawValue) -> Result<(), BusError> {
        if trail.is_at_its_end() {
            return Err(BusError::TooManyHops);
        }
        let attached = self.attached();
        let receiver = attached
            .get(to)
            .filter(|it| it.takes_messages && it.receiver.is_alive());
        let receiver = receiver.ok_or_else(|| no_such(to))?;
        let sent = receiver.queue.try_send(Queued::new(trail, None, data));
        sent.map_err(|_full| BusError::QueueFull {
            plugin_id: to.to_owned(),
        })
    }

    fn call<'a>(
        &'a self,
        trail: &'a Trail,
        peer: &'a Peer,
        command: &'a str,
        args: &'a [u8],
    ) -> ServiceFuture<'a, Result<Vec<u8>, BusError>> {
        Box::pin(async move {
            let plugin = self.find(trail, peer)?;
            match plugin.call_from(Some(trail), command, args).await {
                Ok(output) => Ok(output.into_bytes()),
                Err(error) => Err(BusError::Failed(as_answer(error))),
            }
        })
    }
}

impl fmt::Debug for LocalBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.attached().keys()).finish()
    }
}

impl Queued {
    fn new(trail: &Trail, topic: Option<&str>, data: &RawValue) -> Self {
        let delivery = Delivery {
            kind: match topic {
                Some(_) => DeliveryKind::Topic,
                None => DeliveryKind::Message,
            },
            topic: topic.map(str::to_owned),
            from: trail.sender().to_owned(),
            data,
        };
        Self {
            trail: trail.clone(),
            topic: topic.map(Arc::from),
            json: serde_json::to_vec(&delivery).unwrap_or_default().into(),
        }
    }

    fn tell_undelivered(&self, receiver: &Receiver, code: Code, message: String) {
        if let Some(plugin) = receiver.plugin() {
            plugin.tell_undelivered(EventKind::Undelivered {
                from: Arc::from(self.trail.sender()),
                topic: self.topic.as_deref().map(str::to_owned),
                code: code.as_str(),
                message,
            });
        }
    }
}

/// Hands over what comes for one id, until the bus lets go of it.
async fn deliver_all(receiver: Receiver, mut deliveries: mpsc::Receiver<Queued>) {
    while let Some(queued) = deliveries.recv().await {
        // Nobody is there to take it, or to be told of.
        let Some(plugin) = receiver.plugin() else { continue };
        match plugin.deliver(&queued.trail, &queued.json).await {
            Ok(true) => {}
            Ok(false) => {
                let message = "the plugin exports no `plugin_on_event`".to_owned();
                queued.tell_undelivered(&receiver, Code::AbiViolation, message);
            }
            Err(error) => queued.tell_undelivered(&receiver, error.code(), error.to_string()),
        }
    }
}

/// What another plugin gets to read of a failed command: the plugin's own error, or the host's word for it. Nothing of
/// the other's insides: no last words, no names of functions.
fn as_answer(error: CallError) -> GuestError {
    match error {
        CallError::Guest { error, .. } => error,
        error => GuestError {
            code: error.code().as_str().to_owned(),
            message: error.code().meaning().to_owned(),
            details: Map::new(),
        },
    }
}

fn no_such(plugin_id: &str) -> BusError {
    BusError::NoSuchPlugin {
        plugin_id: plugin_id.to_owned(),
    }
}
