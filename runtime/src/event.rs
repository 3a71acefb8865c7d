//! What a host tells about its plugins: [`Event`] and [`EventSink`].

mod kind;
mod ring;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::value::RawValue;

pub use self::kind::{EventKind, Failing};
pub(crate) use self::ring::EventRing;
pub use self::ring::{EventId, NoEventId, Replay, Subscription};

/// Something that happened to a plugin, or that a plugin did.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// Which event of the host this is; no two have the same.
    pub event_id: EventId,
    /// Counts the events of one plugin id on this host, from 1; no number is used twice, so a gap shows a loss.
    pub seq: u64,
    /// Which plugin.
    #[serde(serialize_with = "as_text")]
    pub plugin_id: Arc<str>,
    /// Which version of it.
    #[serde(serialize_with = "as_text")]
    pub version: Arc<str>,
    /// When, by the host's clock.
    #[serde(serialize_with = "as_rfc3339")]
    pub timestamp: SystemTime,
    /// What an operator asked for, unless the plugin did it of itself.
    #[serde(serialize_with = "as_optional_text")]
    pub operation_id: Option<Arc<str>>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

fn as_optional_text<S: serde::Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(serializer)
}

/// JSON as its text: what a plugin sent is kept in the memory it takes as text, and not parsed by the host.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Json(pub Box<RawValue>);

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

fn as_text<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn as_rfc3339<S: serde::Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let timestamp = palisade_bundle::Timestamp::try_from(*time).map_err(serde::ser::Error::custom)?;
    serializer.collect_str(&timestamp)
}

/// A place for events. Called on the plugin's own task, so it must not block for long.
pub trait EventSink: fmt::Debug + Send + Sync {
    /// Takes one event.
    fn emit(&self, event: Event);
}

/// Events that nobody reads.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiscardEvents;

impl EventSink for DiscardEvents {
    fn emit(&self, _event: Event) {}
}

/// The last events, kept in memory. Bounded: when it is full, the oldest are dropped and counted.
#[derive(Debug)]
pub struct MemoryEvents {
    kept: Mutex<Kept>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Kept {
    events: std::collections::VecDeque<Event>,
    dropped: u64,
}

impl MemoryEvents {
    /// Keeps at most `capacity` events.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            kept: Mutex::default(),
            capacity,
        }
    }

    /// The events since the last call, oldest first.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.kept().events).into()
    }

    /// How many events were dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.kept().dropped
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventSink for MemoryEvents {
    fn emit(&self, event: Event) {
        let mut kept = self.kept();
        if kept.events.len() >= self.capacity {
            kept.events.pop_front();
            kept.dropped = kept.dropped.saturating_add(1);
        }
        kept.events.push_back(event);
    }
}

#[cfg(test)]
mod tests {
    use palisade_bundle::Permission;

    use super::*;

    fn event(seq: u64) -> Event {
        Event {
            event_id: EventId::default(),
            seq,
            plugin_id: Arc::from("com.acme.greeter"),
            version: Arc::from("1.2.0"),
            timestamp: SystemTime::UNIX_EPOCH,
            operation_id: None,
            kind: EventKind::PermissionDenied {
                permission: Permission::StorageRead,
                call: "storage_get",
            },
        }
    }

    #[test]
    fn an_event_is_one_flat_object() {
        assert_eq!(
            serde_json::to_string(&event(3)).unwrap(),
            r#"{"event_id":"0000000000000000-0","seq":3,"plugin_id":"com.acme.greeter","version":"1.2.0","timestamp":"1970-01-01T00:00:00Z","operation_id":null,"event":"plugin:permission:denied","permission":"storage:read","call":"storage_get"}"#
        );
    }

    #[test]
    fn the_oldest_are_dropped_and_counted() {
        let sink = MemoryEvents::new(2);
        for seq in 1..=3 {
            sink.emit(event(seq));
        }
        assert_eq!(sink.dropped(), 1);
        assert_eq!(sink.take().iter().map(|event| event.seq).collect::<Vec<_>>(), [2, 3]);
    }
}
