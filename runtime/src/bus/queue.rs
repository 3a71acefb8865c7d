//! What waits for one plugin, and whoever hands it over.

use std::sync::{Arc, Mutex, PoisonError};

use palisade_abi::Delivery;
use palisade_bundle::Code;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::dead_letters::DeadLetters;
use crate::event::Json;
use crate::services::{DeadLetter, DeliveryError, Receiver, Trail};

/// How often one delivery is tried. One interrupted by a reload goes well the second time; one that crashes its
/// receiver three times would do so for ever, and three of five forgiven crashes (`RestartPolicy`) leave it running.
const TRIES: u32 = 3;

/// Who receives under an id now; its worker looks here for each try.
#[derive(Clone)]
pub(super) struct Current(Arc<Mutex<Arc<dyn Receiver>>>);

impl Current {
    pub(super) fn new(receiver: Arc<dyn Receiver>) -> Self {
        Self(Arc::new(Mutex::new(receiver)))
    }

    pub(super) fn receiver(&self) -> Arc<dyn Receiver> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn becomes(&self, receiver: Arc<dyn Receiver>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = receiver;
    }
}

/// Something on its way; its data are kept once, however many receive it.
#[derive(Clone)]
pub(super) struct Queued {
    trail: Trail,
    topic: Option<Arc<str>>,
    data: Arc<RawValue>,
}

impl Queued {
    pub(super) fn new(trail: &Trail, topic: Option<&str>, data: &RawValue) -> Self {
        Self {
            trail: trail.clone(),
            topic: topic.map(Arc::from),
            data: Arc::from(data.to_owned()),
        }
    }

    /// It could not be delivered.
    pub(super) fn dead(&self, to: &str, tries: u32, code: Code, message: String) -> DeadLetter {
        DeadLetter {
            at: None,
            from: self.trail.sender().to_owned(),
            to: to.to_owned(),
            topic: self.topic.as_deref().map(str::to_owned),
            data: Json(RawValue::to_owned(&self.data)),
            tries,
            code: code.as_str(),
            message,
        }
    }

    /// What the plugin reads of it.
    fn json(&self) -> Arc<[u8]> {
        let sender = self.trail.sender();
        let delivery = match &self.topic {
            Some(topic) => Delivery::published(&**topic, sender, &*self.data),
            None => Delivery::sent(sender, &*self.data),
        };
        serde_json::to_vec(&delivery).unwrap_or_default().into()
    }
}

/// Hands over what comes for one id, until the bus lets go of it.
pub(super) async fn deliver_all(
    plugin_id: Arc<str>,
    current: Current,
    mut deliveries: mpsc::Receiver<Queued>,
    dead_letters: Arc<DeadLetters>,
) {
    while let Some(queued) = deliveries.recv().await {
        if let Err((tries, code, message)) = deliver(&queued, &current).await {
            let letter = queued.dead(&plugin_id, tries, code, message);
            dead_letters.keep(letter, &*current.receiver());
        }
    }
}

async fn deliver(queued: &Queued, current: &Current) -> Result<(), (u32, Code, String)> {
    let json = queued.json();
    let mut tries = 0;
    loop {
        tries += 1;
        let receiver = current.receiver();
        match receiver.deliver(&queued.trail, Arc::clone(&json)).await {
            Ok(()) => return Ok(()),
            Err(DeliveryError::Interrupted { .. }) if tries < TRIES => {}
            Err(DeliveryError::Interrupted { code, message } | DeliveryError::Refused { code, message }) => {
                return Err((tries, code, message));
            }
        }
    }
}
