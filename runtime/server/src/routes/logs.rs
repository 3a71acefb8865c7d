//! What a plugin said.

use std::path::Path;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use palisade::{JournalReader, Level, LogLine, PluginId, Timestamp};
use serde_json::json;
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
        return Ok(stream::answer(reader, service.ending()));
    }
    let (lines, _) = read(reader).await?;
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

struct Reading {
    reader: Option<JournalReader<LogLine>>,
    wanted: Wanted,
    is_new: bool,
}

impl Reading {
    fn of(folder: &Path, id: &PluginId, wanted: Wanted) -> Self {
        Self {
            reader: Some(JournalReader::logs(folder, id)),
            wanted,
            is_new: true,
        }
    }

    fn lines(&mut self) -> Result<Vec<LogLine>, Rejection> {
        let Some(reader) = &mut self.reader else {
            return Ok(Vec::new());
        };
        let mut lines = Vec::new();
        reader.read(|line: LogLine| {
            if self.wanted.holds(&line) {
                lines.push(line);
            }
        })?;
        Ok(lines)
    }
}

/// The lines that were written since, read where it holds up nobody.
async fn read(mut reading: Reading) -> Result<(Vec<LogLine>, Reading), Rejection> {
    let read = tokio::task::spawn_blocking(move || reading.lines().map(|lines| (lines, reading)));
    read.await.map_err(|_| RequestError::Panicked.reject())?
}

impl Wanted {
    fn holds(&self, line: &LogLine) -> bool {
        let time: Option<Timestamp> = line.time.parse().ok();
        let is_after = self.since.is_none_or(|since| time.is_none_or(|time| time >= since));
        is_after && self.level.is_none_or(|least| line.level >= least)
    }
}

impl Source for Reading {
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if !std::mem::take(&mut self.is_new) {
                sleep(LOOK_EVERY).await;
            }
            let reading = Self {
                reader: self.reader.take(),
                wanted: Wanted { ..self.wanted },
                is_new: false,
            };
            let (lines, reading) = read(reading).await.ok()?;
            self.reader = reading.reader;
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
