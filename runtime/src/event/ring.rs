//! The last events of a host, for whoever listens now or missed some.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Serialize, Serializer};
use thiserror::Error;
use tokio::sync::watch;

use super::{Event, EventSink};

/// Events kept for replay: minutes of ordinary life. The largest a plugin can make is 64 KiB, a common one 200 bytes.
const CAPACITY: usize = 4_096;

/// Which event of a host. Written as the random number of the run and the number within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    run: u64,
    number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.run, self.number)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for EventId {
    type Err = NoEventId;

    fn from_str(text: &str) -> Result<Self, NoEventId> {
        let (run, number) = text.split_once('-').ok_or(NoEventId)?;
        Ok(Self {
            run: u64::from_str_radix(run, 16).map_err(|_| NoEventId)?,
            number: number.parse().map_err(|_| NoEventId)?,
        })
    }
}

/// The text is not the id of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not the id of an event")]
pub struct NoEventId;

/// What a new subscription starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// With what happens from now on.
    Nothing,
    /// With everything that is still kept.
    Kept,
    /// With what is still kept and has a higher `seq`; meant for the events of one plugin.
    After(u64),
    /// With what came after this event, of whichever plugin; with everything that is kept if it was of another run of
    /// the host. What is not kept any more counts as dropped.
    AfterEvent(EventId),
}

/// Keeps the last events and passes every one on.
#[derive(Debug)]
pub(crate) struct EventRing {
    run: u64,
    kept: Mutex<Kept>,
    /// The number of the next event, for those who wait for it.
    news: watch::Sender<u64>,
    sink: Arc<dyn EventSink>,
    /// Events that were gone before some subscriber took them.
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Arc<Event>>,
    /// The number of the next event; the kept ones are those before it.
    next: u64,
}

impl EventRing {
    /// An empty ring in front of `sink`.
    pub(crate) fn new(sink: Arc<dyn EventSink>) -> Result<Self, getrandom::Error> {
        Ok(Self {
            run: getrandom::u64()?,
            kept: Mutex::default(),
            news: watch::Sender::new(0),
            sink,
            dropped: AtomicU64::new(0),
        })
    }

    /// Listens to one plugin, or to all of them.
    pub(crate) fn subscribe(self: &Arc<Self>, plugin_id: Option<&str>, replay: Replay) -> Subscription {
        let kept = self.kept();
        let (next, after_seq) = match replay {
            Replay::Nothing => (kept.next, 0),
            Replay::Kept => (kept.oldest(), 0),
            Replay::After(seq) => (kept.oldest(), seq),
            Replay::AfterEvent(id) if id.run == self.run => (id.number.saturating_add(1).min(kept.next), 0),
            Replay::AfterEvent(_) => (kept.oldest(), 0),
        };
        Subscription {
            ring: Arc::clone(self),
            news: self.news.subscribe(),
            plugin_id: plugin_id.map(Arc::from),
            after_seq,
            next,
            dropped: 0,
        }
    }

    /// How many events were gone before they could be handed out, to all subscribers together.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventSink for EventRing {
    fn emit(&self, mut event: Event) {
        let next = {
            let mut kept = self.kept();
            event.event_id = EventId {
                run: self.run,
                number: kept.next,
            };
            if kept.events.len() >= CAPACITY {
                kept.events.pop_front();
            }
            kept.events.push_back(Arc::new(event.clone()));
            kept.next += 1;
            kept.next
        };
        // Two emitters may come here in the other order; who listens looks at the ring, not at this number.
        self.news.send_replace(next);
        self.sink.emit(event);
    }
}

impl Kept {
    fn oldest(&self) -> u64 {
        self.next
            .saturating_sub(u64::try_from(self.events.len()).unwrap_or(u64::MAX))
    }

    /// The event of this number, if it is kept.
    fn at(&self, number: u64) -> Option<Arc<Event>> {
        let index = usize::try_from(number.checked_sub(self.oldest())?).ok()?;
        self.events.get(index).cloned()
    }
}

/// The events of a host, one after another. A subscriber that is slow misses some, and holds up nobody.
#[derive(Debug)]
pub struct Subscription {
    ring: Arc<EventRing>,
    news: watch::Receiver<u64>,
    plugin_id: Option<Arc<str>>,
    after_seq: u64,
    next: u64,
    dropped: u64,
}

impl Subscription {
    /// The next event, waiting for it where there is none yet. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Arc<Event> {
        loop {
            self.news.mark_unchanged();
            if let Some(event) = self.try_next() {
                return event;
            }
            // The ring that sends lives as long as this does.
            let _ = self.news.changed().await;
        }
    }

    /// The next event, if there is one already.
    pub fn try_next(&mut self) -> Option<Arc<Event>> {
        loop {
            let event = {
                let kept = self.ring.kept();
                let oldest = kept.oldest();
                let missed = oldest.saturating_sub(self.next);
                if missed > 0 {
                    self.dropped += missed;
                    self.ring.dropped.fetch_add(missed, Ordering::Relaxed);
                }
                self.next = self.next.max(oldest);
                kept.at(self.next)?
            };
            self.next += 1;
            let wanted = self.plugin_id.as_ref().is_none_or(|id| *id == event.plugin_id);
            if wanted && event.seq > self.after_seq {
                return Some(event);
            }
        }
    }

    /// How many events, of any plugin, were gone before they could be handed out here.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::event::{DiscardEvents, EventKind};

    fn ring() -> Arc<EventRing> {
        Arc::new(EventRing::new(Arc::new(DiscardEvents)).unwrap())
    }

    fn emit(ring: &EventRing, plugin_id: &str, seq: u64) {
        ring.emit(Event {
            event_id: EventId::default(),
            seq,
            plugin_id: Arc::from(plugin_id),
            version: Arc::from("1.0.0"),
            timestamp: SystemTime::UNIX_EPOCH,
            operation_id: None,
            kind: EventKind::Enabled,
        });
    }

    fn rest(subscription: &mut Subscription) -> Vec<u64> {
        std::iter::from_fn(|| subscription.try_next())
            .map(|event| event.seq)
            .collect()
    }

    #[test]
    fn a_stream_resumes_after_the_last_number_it_saw() {
        let ring = ring();
        for seq in 1..=3 {
            emit(&ring, "a", seq);
            emit(&ring, "b", seq);
        }
        assert_eq!(rest(&mut ring.subscribe(Some("a"), Replay::After(1))), [2, 3]);
        assert_eq!(rest(&mut ring.subscribe(None, Replay::Kept)), [1, 1, 2, 2, 3, 3]);
        let mut from_now_on = ring.subscribe(None, Replay::Nothing);
        assert!(rest(&mut from_now_on).is_empty());
        emit(&ring, "b", 4);
        assert_eq!(pollster::block_on(from_now_on.next()).seq, 4);
    }

    #[test]
    fn a_slow_subscriber_hears_how_many_it_missed() {
        let ring = ring();
        let mut slow = ring.subscribe(None, Replay::Nothing);
        let sent = u64::try_from(CAPACITY).unwrap() + 3;
        for seq in 1..=sent {
            emit(&ring, "a", seq);
        }
        assert_eq!(rest(&mut slow).first(), Some(&4));
        assert_eq!(slow.dropped(), 3);
    }

    #[test]
    fn no_two_events_have_the_same_id() {
        let ring = ring();
        emit(&ring, "a", 1);
        emit(&ring, "b", 1);
        let mut all = ring.subscribe(None, Replay::Kept);
        let [first, second] = [all.try_next().unwrap(), all.try_next().unwrap()];
        assert!(first.event_id < second.event_id);
        assert_ne!(first.event_id.to_string(), second.event_id.to_string());
    }

    #[test]
    fn a_stream_goes_on_after_the_event_it_saw_last() {
        let ring = ring();
        (1..=5).for_each(|seq| emit(&ring, "a", seq));
        let mut first = ring.subscribe(None, Replay::Kept);
        let seen = (0..3).filter_map(|_| first.try_next()).last().unwrap();
        let id: EventId = seen.event_id.to_string().parse().unwrap();
        let mut resumed = ring.subscribe(None, Replay::AfterEvent(id));
        let seqs: Vec<_> = std::iter::from_fn(|| resumed.try_next())
            .map(|event| event.seq)
            .collect();
        assert_eq!(seqs, [4, 5]);
        let mut of_another_run = ring.subscribe(None, Replay::AfterEvent(EventId { run: !id.run, ..id }));
        assert_eq!(of_another_run.try_next().unwrap().seq, 1);
        assert!("nonsense".parse::<EventId>().is_err());
    }
}
