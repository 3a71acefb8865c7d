//! What a plugin said, and says.

use std::collections::VecDeque;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use palisade::{JournalReader, Level, LogLine, PluginStatus};
use serde::Deserialize;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Head;
use crate::caller::scope::Read;
use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::service::Service;
use crate::stream::Source;
use crate::ui::shell::{Section, Shell, shown};
use crate::ui::stream;
use crate::ui::visitor::Visitor;

/// Lines of the page, the newest: ten screens. `palisade logs` has the rest.
const SHOWN: usize = 500;

/// How often the log is looked at: as fast as a person reads.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    level: String,
}

#[derive(Template)]
#[template(path = "log_row.html")]
struct LogRow {
    time: String,
    level: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "logs.html")]
struct LogsPage {
    shell: Shell,
    head: Head,
    wanted: Wanted,
    is_kept: bool,
    rows: VecDeque<LogRow>,
}

impl LogsPage {
    fn levels(&self) -> impl Iterator<Item = &'static str> {
        Level::ALL.into_iter().map(Level::as_str)
    }
}

impl LogRow {
    fn of(line: LogLine) -> Self {
        Self {
            time: line.time,
            level: line.level.as_str(),
            text: line.text,
        }
    }
}

impl Wanted {
    fn least(&self) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.as_str() == self.level)
    }
}

pub(super) async fn page(
    State(service): State<Service>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Rejection> {
    let status = visitor.caller::<Read>()?.supervisor().status(&id)?;
    let rows = match Reading::of(&service, &status, wanted.least()) {
        Some(reading) => ended(&mut reading.read_aside()).await?.0,
        None => VecDeque::new(),
    };
    shown(&LogsPage {
        shell: visitor.shell(Section::Plugins, format!("Log of {}", status.manifest.name)),
        head: Head::of(&visitor, &status, "logs"),
        is_kept: service.journal().is_some(),
        wanted,
        rows,
    })
}

/// Lines as they are written.
pub(super) async fn live(
    State(service): State<Service>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Rejection> {
    let status = visitor.caller::<Read>()?.supervisor().status(&id)?;
    let reading = Reading::of(&service, &status, wanted.least());
    let reading = reading.ok_or_else(|| RequestError::NotKept { what: "logs" }.reject())?;
    // What is there is on the page already.
    let (_, reading) = ended(&mut reading.read_aside()).await?;
    let source = Following {
        reading: Some(reading),
        look: None,
    };
    Ok(stream::answer(&service, visitor, &headers, source))
}

struct Reading {
    reader: JournalReader<LogLine>,
    least: Option<Level>,
}

impl Reading {
    fn of(service: &Service, status: &PluginStatus, least: Option<Level>) -> Option<Self> {
        let reader = JournalReader::logs(service.journal()?, &status.manifest.id);
        Some(Self { reader, least })
    }

    /// The newest lines since the last look.
    fn read(mut self) -> Result<(VecDeque<LogRow>, Self), Rejection> {
        let (mut rows, least) = (VecDeque::new(), self.least);
        self.reader.read(|line: LogLine| {
            if least.is_none_or(|least| line.level >= least) {
                if rows.len() == SHOWN {
                    rows.pop_front();
                }
                rows.push_back(LogRow::of(line));
            }
        })?;
        Ok((rows, self))
    }

    /// The same, read where it holds up nobody.
    fn read_aside(self) -> Look {
        tokio::task::spawn_blocking(move || self.read())
    }
}

/// A look at the log that is under way.
type Look = JoinHandle<Result<(VecDeque<LogRow>, Reading), Rejection>>;

async fn ended(look: &mut Look) -> Result<(VecDeque<LogRow>, Reading), Rejection> {
    look.await.map_err(|_| RequestError::Panicked.reject())?
}

/// Between two looks, or during one: whoever stops waiting for a look finds it here.
struct Following {
    reading: Option<Reading>,
    look: Option<Look>,
}

impl Source for Following {
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if self.look.is_none() {
                sleep(LOOK_EVERY).await;
                self.look = self.reading.take().map(Reading::read_aside);
            }
            let looked = ended(self.look.as_mut()?).await;
            self.look = None;
            let (rows, reading) = looked.ok()?;
            self.reading = Some(reading);
            let sent: Vec<u8> = rows
                .iter()
                .filter_map(|row| stream::part("row", row))
                .flatten()
                .collect();
            if !sent.is_empty() {
                return Some(sent);
            }
        }
    }
}
