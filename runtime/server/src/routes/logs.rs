//! What a plugin said.

use std::path::Path;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use palisade::{JournalReader, Level, LogLine, PluginId, Timestamp};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::api::Api;
use crate::caller::Caller;
use crate::caller::scope::Read;
use crate::endpoint::{Endpoint, Schema};
use crate::params::Params;
use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::service::Service;
use crate::stream::{self, Source};

/// How often a log that is followed is looked at: as fast as a person reads.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Which lines.
struct Wanted {
    since: Option<Timestamp>,
    level: Option<Level>,
}

pub(super) fn add(api: Api) -> Api {
    let summary = "What a plugin said, as JSON Lines; with `Accept: text/event-stream` also what it will say";
    let logs = Endpoint::get("logs", "/plugins/logs", summary)
        .needs::<Read>()
        .about_plugin()
        .takes(
            "since",
            json!({"type": "string", "format": "date-time"}),
            "Only what came after",
        )
        .takes(
            "level",
            json!({"enum": Level::ALL.map(Level::as_str)}),
            "Only this level and those above it",
        )
        .answers_with(200, "application/jsonl", Schema::bytes())
        .answers_with(200, "text/event-stream", Schema::bytes());
    api.call(logs, logs_of)
}

async fn logs_of(
    State(service): State<Service>,
    caller: Caller<Read>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let id = params.plugin()?;
    let wanted = Wanted {
        since: params.parsed("since", "a time as RFC 3339")?,
        level: params.text("level")?.map(|level| level_of(&level)).transpose()?,
    };
    params.end(&["plugin", "since", "level"])?;
    let id = caller.supervisor().status(&id)?.manifest.id.clone();
    let folder = service
        .journal()
        .ok_or_else(|| RequestError::NotKept { what: "logs" }.reject())?;
    let reader = Reading::of(folder, &id, wanted);
    if headers
        .get(ACCEPT)
        .is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"))
    {
        let following = Following {
            idle: Some(reader),
            running: None,
            is_new: true,
        };
        return Ok(stream::answer(following, service.ending()));
    }
    let (lines, _) = reader.begin().await.map_err(|_| RequestError::Panicked.reject())??;
    let body: String = lines
        .iter()
        .filter_map(|line| Some(serde_json::to_string(line).ok()? + "\n"))
        .collect();
    Ok(([(CONTENT_TYPE, "application/jsonl")], body).into_response())
}

fn level_of(word: &str) -> Result<Level, Rejection> {
    let expected = "a level of the log";
    let found = Level::ALL.iter().find(|level| level.as_str() == word);
    found.copied().ok_or_else(|| {
        RequestError::Parameter {
            name: "level",
            expected,
        }
        .reject()
    })
}

/// What one look found, and what looks again.
type Look = Result<(Vec<LogLine>, Reading), Rejection>;

struct Reading {
    reader: JournalReader<LogLine>,
    wanted: Wanted,
}

/// A log that is followed. What is being read is kept here, so that nothing is lost when nobody waits for it any more.
struct Following {
    /// `None` while it is read.
    idle: Option<Reading>,
    running: Option<JoinHandle<Look>>,
    is_new: bool,
}

impl Reading {
    fn of(folder: &Path, id: &PluginId, wanted: Wanted) -> Self {
        Self {
            reader: JournalReader::logs(folder, id),
            wanted,
        }
    }

    fn lines(&mut self) -> Result<Vec<LogLine>, Rejection> {
        let mut lines = Vec::new();
        self.reader.read(|line: LogLine| {
            if self.wanted.holds(&line) {
                lines.push(line);
            }
        })?;
        Ok(lines)
    }

    /// Reads the lines that were written since where that holds up nobody.
    fn begin(mut self) -> JoinHandle<Look> {
        tokio::task::spawn_blocking(move || self.lines().map(|lines| (lines, self)))
    }
}

impl Wanted {
    fn holds(&self, line: &LogLine) -> bool {
        let time: Option<Timestamp> = line.time.parse().ok();
        let is_after = self.since.is_none_or(|since| time.is_none_or(|time| time >= since));
        is_after && self.level.is_none_or(|least| line.level >= least)
    }
}

impl Source for Following {
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(reading) = self.idle.take_if(|_| self.is_new) {
                self.running = Some(reading.begin());
                self.is_new = false;
            } else if self.running.is_none() {
                sleep(LOOK_EVERY).await;
                self.running = Some(self.idle.take()?.begin());
            }
            let (lines, reading) = self.running.as_mut()?.await.ok()?.ok()?;
            self.running = None;
            self.idle = Some(reading);
            let sent: Vec<u8> = lines
                .iter()
                .filter_map(|line| Some(stream::event(None, "log", &serde_json::to_string(line).ok()?)))
                .flatten()
                .collect();
            if !sent.is_empty() {
                return Some(sent);
            }
        }
    }
}
