//! What an operation answers: the plugin as it is now, and what came of it.

use std::io::{self, Write};

use palisade::{PluginStatus, State};
use palisade_signer::{Answer, style};
use serde::Serialize;

/// A plugin in one row.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) version: String,
    pub(super) state: State,
    pub(super) health: &'static str,
    pub(super) active_requests: usize,
}

impl Row {
    pub(super) fn of(status: &PluginStatus) -> Self {
        Self {
            id: status.id.clone(),
            version: status.version.clone(),
            state: status.state,
            health: status.health.as_str(),
            active_requests: status.active_requests,
        }
    }
}

/// What an operation came to. `E` are its own members beside those of the plugin.
#[derive(Serialize)]
pub(super) struct Changed<E = ()> {
    #[serde(flatten)]
    row: Row,
    #[serde(flatten)]
    more: E,
    /// For people.
    #[serde(skip)]
    done: String,
}

impl Changed {
    /// `done` is the verb in the past.
    pub(super) fn new(done: &str, status: &PluginStatus) -> Self {
        Self::with(done, status, ())
    }
}

impl<E> Changed<E> {
    pub(super) fn with(done: &str, status: &PluginStatus, more: E) -> Self {
        Self {
            done: format!("{done} {} {}", status.id, status.version),
            row: Row::of(status),
            more,
        }
    }
}

impl<E: Serialize> Answer for Changed<E> {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", style::good(&self.done))?;
        writeln!(out, "  state  {}", self.row.state)
    }
}
