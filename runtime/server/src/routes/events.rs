//! What happened to plugins.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use palisade::{Event, EventId, EventLine, Replay, Subscription, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::caller::Caller;
use crate::caller::scope::Read;
use crate::endpoint::{Endpoint, Schema};
use crate::params::Params;
use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::service::Service;
use crate::stream::{self, Source};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

#[derive(Serialize, JsonSchema)]
struct Events {
    /// Oldest first.
    #[schemars(with = "Vec<Map<String, Value>>")]
    events: Vec<Box<RawValue>>,
}

/// From where on.
#[derive(Clone, Copy)]
enum Since {
    Beginning,
    Event(EventId),
    Time(SystemTime),
}

/// Which events.
struct Wanted {
    kind: Option<String>,
    since: Since,
}

pub(super) fn add(api: Api) -> Api {
    let summary = "What happened to plugins, as far as it is kept; with `Accept: text/event-stream` also what will";
    let text = || json!({"type": "string"});
    let events = Endpoint::get("events", "/plugins/events", summary)
        .needs::<Read>()
        .fails(&[404])
        .takes(
            "since",
            text(),
            "The id of an event, or a time as RFC 3339: only what came after",
        )
        .takes("plugin", text(), "Only of this plugin")
        .takes("type", text(), "Only of this type, such as `plugin:reloaded`")
        .answers::<Events>(200)
        .answers_with(200, "text/event-stream", Schema::bytes());
    api.call(events, events_of)
}

async fn events_of(
    State(service): State<Service>,
    caller: Caller<Read>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let (since, plugin, kind) = (params.text("since")?, params.text("plugin")?, params.text("type")?);
    params.end(&["since", "plugin", "type"])?;
    let is_stream = headers
        .get(ACCEPT)
        .is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
    let last = headers
        .get(LAST_EVENT_ID)
        .and_then(|id| id.to_str().ok())
        .map(str::to_owned);
    let since = match last.or(since) {
        None => Since::Beginning,
        Some(text) => parse(&text)?,
    };
    let replay = match since {
        Since::Event(id) => Replay::AfterEvent(id),
        Since::Beginning if is_stream => Replay::Nothing,
        Since::Beginning | Since::Time(_) => Replay::Kept,
    };
    let subscription = caller.supervisor().subscribe(plugin.as_deref(), replay);
    let wanted = Wanted { kind, since };
    if is_stream {
        let source = Following {
            subscription,
            wanted,
            told_dropped: 0,
        };
        return Ok(stream::answer(source, service.ending()));
    }
    Ok(Json(Events {
        events: kept(subscription, &wanted),
    })
    .into_response())
}

fn parse(text: &str) -> Result<Since, Rejection> {
    if let Ok(id) = text.parse() {
        return Ok(Since::Event(id));
    }
    let expected = "the id of an event, or a time as RFC 3339";
    let time: Result<Timestamp, _> = text.parse();
    let time = time.map_err(|_| {
        RequestError::Parameter {
            name: "since",
            expected,
        }
        .reject()
    })?;
    let seconds = u64::try_from(time.unix_seconds()).unwrap_or(0);
    Ok(Since::Time(
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds),
    ))
}

fn kept(mut subscription: Subscription, wanted: &Wanted) -> Vec<Box<RawValue>> {
    let events = std::iter::from_fn(|| subscription.try_next());
    events
        .filter_map(|event| wanted.as_json(&event))
        .map(|(_, json)| json)
        .collect()
}

impl Wanted {
    /// The event with its type, if it is wanted.
    fn as_json(&self, event: &Arc<Event>) -> Option<(String, Box<RawValue>)> {
        if matches!(self.since, Since::Time(since) if event.timestamp < since) {
            return None;
        }
        let line = EventLine::of(event)?;
        let is_wanted = self.kind.as_deref().is_none_or(|wanted| wanted == line.event);
        is_wanted.then_some((line.event, line.json))
    }
}

/// Events as they happen.
struct Following {
    subscription: Subscription,
    wanted: Wanted,
    told_dropped: u64,
}

impl Source for Following {
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let event = self.subscription.next().await;
            let dropped = self.subscription.dropped();
            let mut sent = Vec::new();
            if dropped > self.told_dropped {
                let gap = json!({"dropped": dropped - self.told_dropped});
                sent = stream::event(None, "stream:dropped", &gap.to_string());
                self.told_dropped = dropped;
            }
            if let Some((kind, json)) = self.wanted.as_json(&event) {
                let id = event.event_id.to_string();
                sent.extend(stream::event(Some(&id), &kind, json.get()));
            }
            if !sent.is_empty() {
                return Some(sent);
            }
        }
    }
}
