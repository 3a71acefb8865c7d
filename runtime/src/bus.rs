//! Connects the plugins of one process: [`LocalBus`].

mod dead_letters;
mod queue;
mod receiver;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use palisade_bundle::Code;
use palisade_bundle::manifest::TopicPattern;
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use self::dead_letters::DeadLetters;
use self::queue::{Current, Queued, deliver_all};
pub(crate) use self::receiver::{as_answer, taken, undelivered};
use crate::services::{Address, Bus, BusError, Clock, DeadLetter, Peer, Receiver, ServiceFuture, Trail};

/// Deliveries that wait for one plugin; one more is undeliverable. With 64 KiB each at most 16 MiB a plugin.
const QUEUE: usize = 256;

/// The bus of one process.
///
/// A plugin is on it from [`attach`](Bus::attach) until it is detached or dropped: the bus keeps none alive. What is
/// published or sent to a plugin waits in a bounded queue under its id, and is delivered one after another to
/// `plugin_on_event` of whatever is attached under that id then, so that nothing is lost when a plugin is replaced.
///
/// What is interrupted, or crashes its receiver, is tried again, three times in all: a receiver may see it twice, and
/// never not at all while it is there. What cannot be delivered is told as an event, and kept as a [`DeadLetter`].
pub struct LocalBus {
    executor: Handle,
    attached: Mutex<BTreeMap<Arc<str>, Attached>>,
    dead_letters: Arc<DeadLetters>,
}

struct Attached {
    current: Current,
    topics: Vec<TopicPattern>,
    takes_messages: bool,
    queue: mpsc::Sender<Queued>,
}

impl LocalBus {
    /// A bus whose deliveries run on `executor`; `clock` says when one was given up.
    #[must_use]
    pub fn new(executor: Handle, clock: Arc<dyn Clock>) -> Self {
        Self {
            executor,
            attached: Mutex::default(),
            dead_letters: Arc::new(DeadLetters::new(clock)),
        }
    }

    /// Starts what hands deliveries over; it ends when the last sender is gone.
    fn worker(&self, plugin_id: &Arc<str>, current: &Current) -> mpsc::Sender<Queued> {
        let (queue, deliveries) = mpsc::channel(QUEUE);
        let (current, dead_letters) = (current.clone(), Arc::clone(&self.dead_letters));
        self.executor
            .spawn(deliver_all(Arc::clone(plugin_id), current, deliveries, dead_letters));
        queue
    }

    fn attached(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Attached>> {
        self.attached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, trail: &Trail, peer: &Peer) -> Result<Arc<dyn Receiver>, BusError> {
        if trail.holds(&peer.plugin_id) {
            return Err(BusError::Reentrant {
                plugin_id: peer.plugin_id.clone(),
            });
        }
        if trail.is_at_its_end() {
            return Err(BusError::TooManyHops);
        }
        let attached = self.attached();
        let receiver = attached.get(&*peer.plugin_id).map(|it| it.current.receiver());
        receiver
            .filter(|receiver| receiver.is_there())
            .ok_or_else(|| no_such(&peer.plugin_id))
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
        for (plugin_id, attached) in self.attached().iter() {
            let subscribed = attached.topics.iter().any(|pattern| pattern.matches(topic));
            if !subscribed || !attached.current.receiver().is_there() {
                continue;
            }
            match attached.queue.try_send(queued.clone()) {
                Ok(()) => receivers += 1,
                Err(_full) => overrun.push((Arc::clone(plugin_id), attached.current.receiver())),
            }
        }
        for (plugin_id, receiver) in overrun {
            let message = format!("{QUEUE} deliveries wait already");
            let letter = queued.dead(&plugin_id, 0, Code::PluginUnavailable, message);
            self.dead_letters.keep(letter, &*receiver);
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
            .filter(|it| it.takes_messages && it.current.receiver().is_there());
        let receiver = receiver.ok_or_else(|| no_such(to))?;
        let sent = receiver.queue.try_send(Queued::new(trail, None, data));
        // Its sender knows that it did not get through, so it is no dead letter.
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
            let receiver = self.find(trail, peer)?;
            receiver.call(trail, peer, command, args).await
        })
    }

    /// What waits for the plugin that had the id is delivered to this one.
    fn attach(&self, address: Address) {
        let Address {
            plugin_id,
            topics,
            takes_messages,
            receiver,
        } = address;
        let mut all = self.attached();
        all.retain(|other, it| *other == plugin_id || it.current.receiver().is_there());
        let known = all.get(&plugin_id).filter(|it| !it.queue.is_closed());
        let (current, queue) = match known {
            Some(known) => {
                known.current.becomes(receiver);
                (known.current.clone(), known.queue.clone())
            }
            None => {
                let current = Current::new(receiver);
                let queue = self.worker(&plugin_id, &current);
                (current, queue)
            }
        };
        let attached = Attached {
            current,
            topics,
            takes_messages,
            queue,
        };
        all.insert(plugin_id, attached);
    }

    /// What waits for it is still delivered, as long as it is there.
    fn detach(&self, plugin_id: &str) {
        let _detached = self.attached().remove(plugin_id);
    }

    fn dead_letters(&self, plugin_id: &str) -> Vec<DeadLetter> {
        self.dead_letters.of(plugin_id)
    }

    fn forget(&self, plugin_id: &str) {
        self.detach(plugin_id);
        self.dead_letters.forget(plugin_id);
    }
}

impl fmt::Debug for LocalBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.attached().keys()).finish()
    }
}

fn no_such(plugin_id: &str) -> BusError {
    BusError::NoSuchPlugin {
        plugin_id: plugin_id.to_owned(),
    }
}
