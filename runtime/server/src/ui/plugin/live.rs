//! What the graphs of a plugin show: one sample a second, and at first those of the last minutes.
//!
//! Where the numbers come from is known to [`Measures`] alone.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use palisade::{Event, EventKind, PluginMeasures, PluginStatus, Replay, Subscription, Supervisor, Timestamp};
use serde::Serialize;
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::caller::scope::Read;
use crate::rejection::Rejection;
use crate::service::Service;
use crate::stream::{self, Source};
use crate::ui::visitor::Visitor;
use crate::ui::words;

/// How often there is a sample: what a person can follow.
const EVERY: Duration = Duration::from_secs(1);

/// What the graphs show: three minutes, a sample a second, is a pixel or two each.
const SHOWN_SECONDS: i64 = 180;

/// What happened in one second.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Second {
    /// Seconds since 1970.
    t: i64,
    /// Commands that ended.
    calls: u32,
    /// Of those, how many failed.
    failed: u32,
    /// Of the commands that came to an answer, the one that took longest.
    slowest_ms: Option<u64>,
    /// How long they took in the mean, by the host's own count; only of seconds that were looked at as they passed.
    mean_ms: Option<f64>,
    /// And the one that used most fuel.
    most_fuel: Option<u64>,
    /// Linear memory, as it was measured last.
    memory: Option<u64>,
}

/// Something to mark in the graphs.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Mark {
    t: i64,
    label: String,
}

/// What is known of a plugin's commands, made of its events.
#[derive(Default)]
struct Measures {
    seconds: BTreeMap<i64, Second>,
    memory: Option<u64>,
    marks: Vec<Mark>,
    /// Commands so far, and how long they took together.
    so_far: Option<(u64, Duration)>,
    mean_ms: Option<f64>,
}

impl Measures {
    fn take(&mut self, event: &Event) {
        if let Some(t) = unix_seconds(event.timestamp) {
            self.take_at(t, &event.kind);
        }
    }

    fn take_at(&mut self, t: i64, kind: &EventKind) {
        let mark = |label: String| Mark { t, label };
        match kind {
            EventKind::Executed {
                status,
                duration_ms,
                fuel,
                ..
            } => {
                let second = self.seconds.entry(t).or_default();
                second.calls = second.calls.saturating_add(1);
                if *status != "ok" {
                    second.failed = second.failed.saturating_add(1);
                }
                second.slowest_ms = second.slowest_ms.max(*duration_ms);
                second.most_fuel = second.most_fuel.max(*fuel);
            }
            EventKind::ResourceUsage { metrics } => {
                self.memory = Some(metrics.memory);
                self.seconds.entry(t).or_default().memory = Some(metrics.memory);
            }
            EventKind::Reloaded { generation } => self.marks.push(mark(format!("generation {generation}"))),
            EventKind::Rollback { .. } => self.marks.push(mark("taken back".to_owned())),
            EventKind::Restarted { .. } => self.marks.push(mark("fresh instance".to_owned())),
            _ => {}
        }
    }

    /// Takes what the host counts: exact where events tell whole milliseconds, and memory only now and then.
    fn look(&mut self, counted: &PluginMeasures) {
        self.memory = Some(counted.memory_bytes);
        let calls: u64 = counted.calls.iter().map(|call| call.timings.count()).sum();
        let spent: Duration = counted.calls.iter().map(|call| call.timings.sum).sum();
        let (calls_before, spent_before) = self.so_far.replace((calls, spent)).unwrap_or((calls, spent));
        let new = u32::try_from(calls.saturating_sub(calls_before)).unwrap_or(u32::MAX);
        let mean = spent.saturating_sub(spent_before).checked_div(new);
        self.mean_ms = mean.map(|mean| mean.as_secs_f64() * 1_000.0).or(self.mean_ms);
    }

    /// The seconds from `from` to before `to`, those without commands included; they are forgotten.
    fn drain(&mut self, from: i64, to: i64) -> Vec<Second> {
        let mut seconds = Vec::new();
        for t in from..to {
            let mut second = self.seconds.remove(&t).unwrap_or_default();
            second.t = t;
            second.memory = second.memory.or(self.memory);
            seconds.push(second);
        }
        self.seconds.retain(|t, _| *t >= to);
        // What was counted a moment before its event was told waits for that.
        if let Some(last) = seconds.iter_mut().rev().find(|second| second.calls > 0) {
            last.mean_ms = self.mean_ms.take();
        }
        seconds
    }

    fn marks(&mut self, from: i64) -> Vec<Mark> {
        let mut marks = std::mem::take(&mut self.marks);
        marks.retain(|mark| mark.t >= from);
        marks
    }
}

fn unix_seconds(time: SystemTime) -> Option<i64> {
    Timestamp::try_from(time).ok().map(Timestamp::unix_seconds)
}

/// The state of a plugin as the page shows it.
fn state_of(status: &PluginStatus, now: Timestamp) -> serde_json::Value {
    let badge = words::badge_of(status);
    let draining = status.draining.as_ref().map(|draining| {
        let timeout = i64::try_from(draining.timeout.as_secs()).unwrap_or(i64::MAX);
        let since = draining.since.unwrap_or(now).unix_seconds();
        let left = timeout
            .saturating_sub(now.unix_seconds().saturating_sub(since))
            .clamp(0, timeout);
        json!({"left": left, "timeout": timeout})
    });
    json!({
        "word": badge.word,
        "tone": badge.tone,
        "health": status.health.as_str(),
        "generation": status.generation,
        "version": status.version,
        "active": status.active_requests,
        "operation": status.operation.as_ref().map(|running| running.operation.replace('_', " ")),
        "draining": draining,
        "fuel_limit": status.limits.as_ref().map(|limits| limits.fuel),
        "memory_limit": status.limits.as_ref().map(|limits| limits.memory_bytes),
    })
}

pub(super) async fn samples(
    State(service): State<Service>,
    visitor: Visitor,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let reader = visitor.caller::<Read>()?;
    let supervisor = reader.supervisor().clone();
    supervisor.status(&id)?;
    let subscription = supervisor.subscribe(Some(&id), Replay::Kept);
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let source = Samples {
        measures: Measures::default(),
        told: None,
        supervisor,
        subscription,
        tick,
        id,
    };
    Ok(crate::ui::stream::answer(&service, visitor, &headers, source))
}

struct Samples {
    supervisor: Supervisor,
    subscription: Subscription,
    measures: Measures,
    tick: Interval,
    /// Up to where seconds were told.
    told: Option<i64>,
    id: String,
}

impl Source for Samples {
    async fn next(&mut self) -> Option<Vec<u8>> {
        self.tick.tick().await;
        while let Some(event) = self.subscription.try_next() {
            self.measures.take(&event);
        }
        if let Ok(counted) = self.supervisor.measures_of(&self.id).await {
            self.measures.look(&counted);
        }
        let status = match self.supervisor.status(&self.id) {
            Ok(status) => status,
            // The page says so, and does not ask again.
            Err(_gone) => return Some(stream::event(None, "gone", "{}")),
        };
        let wall = self.supervisor.clock().wall();
        let now = Timestamp::try_from(wall).unwrap_or(Timestamp::EPOCH);
        let to = now.unix_seconds();
        let from = self.told.unwrap_or_else(|| to.saturating_sub(SHOWN_SECONDS)).min(to);
        self.told = Some(to);
        let sample = json!({
            "seconds": self.measures.drain(from, to),
            "marks": self.measures.marks(from),
            "state": state_of(&status, now),
        });
        Some(stream::event(None, "sample", &sample.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measures(kinds: impl IntoIterator<Item = (i64, EventKind)>) -> Measures {
        let mut measures = Measures::default();
        for (t, kind) in kinds {
            measures.take_at(t, &kind);
        }
        measures
    }

    fn executed(status: &'static str, duration_ms: Option<u64>, fuel: Option<u64>) -> EventKind {
        let command = "greet".to_owned();
        EventKind::Executed {
            command,
            status,
            duration_ms,
            fuel,
        }
    }

    #[test]
    fn a_second_tells_the_slowest_and_the_hungriest_of_its_commands() {
        let mut measures = measures([
            (10, executed("ok", Some(3), Some(200))),
            (10, executed("GUEST_ERROR", Some(9), Some(100))),
            (10, executed("FUEL_EXHAUSTED", None, None)),
            (12, executed("ok", Some(1), Some(50))),
        ]);
        let seconds = measures.drain(10, 12);
        assert_eq!(seconds.len(), 2);
        assert_eq!((seconds[0].calls, seconds[0].failed), (3, 2));
        assert_eq!((seconds[0].slowest_ms, seconds[0].most_fuel), (Some(9), Some(200)));
        assert_eq!((seconds[1].calls, seconds[1].slowest_ms), (0, None));
        assert_eq!(measures.drain(12, 13)[0].calls, 1);
    }

    #[test]
    fn reloads_are_marked_once() {
        let mut measures = measures([
            (5, EventKind::Reloaded { generation: 2 }),
            (1, EventKind::Reloaded { generation: 1 }),
        ]);
        let label = "generation 2".to_owned();
        assert_eq!(measures.marks(3), [Mark { t: 5, label }]);
        assert_eq!(measures.marks(0), []);
    }
}
