//! Commands that the host runs by the clock: who keeps the timetable, and what an operator may do to it.

mod calendar;
#[cfg(test)]
mod tests;
mod timetable;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use palisade_bundle::manifest::ScheduledCommand;
use palisade_bundle::{Blame, Code, Coded, Permission, PluginId, closest};
use serde::Serialize;
use serde_json::{Map, Value, json};
use thiserror::Error;

pub(super) use self::calendar::Calendar;
pub(super) use self::timetable::Timetable;
use self::timetable::{Key, Live, Look, recurrence};
use super::audit_sink::AuditFailed;
use super::call::CommandError;
use super::disk::{ScheduleRow, StoreError};
use super::error::{NotFound, members};
use super::host::Host;
use super::managed::Managed;
use super::supervisor::Supervisor;
use crate::audit::{AuditAction, AuditEntry, AuditOutcome};
use crate::event::EventKind;
use crate::output::Output;

/// The longest time between two looks at the timetable while something is on it. Timers do not count the time a machine
/// sleeps, and a clock may be set: what is due is noticed this late at most.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Who acts when nobody asked.
const ACTOR: &str = "schedule";

/// One entry of a plugin's schedule.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ScheduleStatus {
    /// Its name in the manifest.
    pub name: String,
    /// Which command it runs.
    pub command: String,
    /// When, as in the manifest.
    pub when: Value,
    /// Whether the plugin was granted `schedule:run`; without, nothing begins.
    pub allowed: bool,
    /// Whether an operator paused it.
    pub paused: bool,
    /// Whether its command runs now.
    pub running: bool,
    /// When it begins next, as long as the plugin runs.
    pub next: Option<palisade_bundle::Timestamp>,
    /// When its last command ended since the host was opened.
    pub last_end: Option<palisade_bundle::Timestamp>,
    /// What came of it: `ok`, or the stable word of its failure.
    pub last_status: Option<&'static str>,
}

impl Supervisor {
    /// The schedule of a plugin, in the order of its manifest.
    ///
    /// # Errors
    ///
    /// [`NotFound`] with the nearest name there is.
    pub fn schedule(&self, id: &str) -> Result<Vec<ScheduleStatus>, NotFound> {
        let managed = self.host.find(id)?;
        let view = managed.view();
        let entries = view.row.active.manifest.schedule.iter();
        Ok(entries
            .map(|entry| self.host.schedule_status(&managed, entry))
            .collect())
    }

    /// Keeps an entry of a schedule from beginning. What runs goes on.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`]; nothing was changed.
    pub async fn pause_schedule(&self, id: &str, name: &str) -> Result<ScheduleStatus, ScheduleError> {
        self.set_paused(id, name, true).await
    }

    /// Lets an entry begin again, from its next time on: what was missed meanwhile stays missed.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`]; nothing was changed.
    pub async fn resume_schedule(&self, id: &str, name: &str) -> Result<ScheduleStatus, ScheduleError> {
        self.set_paused(id, name, false).await
    }

    /// Runs the command of an entry now, paused or not. Its next time is reckoned from now.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`]: there is no such entry, it runs, or its command failed.
    pub async fn run_schedule(&self, id: &str, name: &str) -> Result<Output, ScheduleError> {
        let (_, live) = self.entry(id, name)?;
        let now = self.host.timestamp();
        let row = self.host.timetable.begin(&live, now).ok_or(ScheduleError::Running)?;
        let _ = self.host.on_disk(move |disk| disk.save_schedules(&[row])).await;
        Ok(self.run_entry(live).await?)
    }

    async fn set_paused(&self, id: &str, name: &str, is_paused: bool) -> Result<ScheduleStatus, ScheduleError> {
        let (managed, live) = self.entry(id, name)?;
        let entry = AuditEntry {
            actor: self.actor().to_string(),
            plugin_id: Some(id.to_owned()),
            action: AuditAction::ConfigUpdate,
            resource: format!("schedule:{name}"),
            outcome: AuditOutcome::Succeeded,
            details: members(json!({"paused": is_paused})),
        };
        self.host.record(entry).await?;
        let row = self.host.timetable.pause(&live, is_paused, self.host.timestamp());
        self.host.on_disk(move |disk| disk.save_schedules(&[row])).await?;
        Ok(self.host.schedule_status(&managed, &live.entry))
    }

    fn entry(&self, id: &str, name: &str) -> Result<(Arc<Managed>, Live), ScheduleError> {
        let managed = self.host.find(id)?;
        let manifest = Arc::clone(&managed.view().row.active.manifest);
        let entry = manifest.schedule.iter().find(|entry| entry.name == name);
        let entry = entry.cloned().ok_or_else(|| ScheduleError::NoSuchEntry {
            name: name.to_owned(),
            suggestion: closest(name, manifest.schedule.iter().map(|entry| &*entry.name)).map(str::to_owned),
        })?;
        let plugin = managed.id.clone();
        Ok((managed, Live { plugin, entry }))
    }

    /// Runs the command of an entry that was begun, and ends the entry.
    async fn run_entry(&self, live: Live) -> Result<Output, CommandError> {
        let mut ends = Ends {
            host: &self.host,
            key: live.key(),
            status: "abandoned",
        };
        let result = self
            .call(live.plugin.as_str(), &live.entry.command, self.arguments(&live))
            .await;
        ends.status = result.as_ref().map_or_else(|error| error.code().as_str(), |_| "ok");
        result
    }

    /// What a scheduled command is called with: nothing, as an object where it wants JSON.
    fn arguments(&self, live: &Live) -> &'static [u8] {
        let managed = self.host.find(live.plugin.as_str()).ok();
        let manifest = managed.map(|managed| Arc::clone(&managed.view().row.active.manifest));
        let takes_json = manifest.is_some_and(|manifest| {
            let mut commands = manifest.commands.iter();
            commands.any(|command| command.name == live.entry.command && command.input_schema.is_some())
        });
        if takes_json { b"{}" } else { b"" }
    }
}

/// Ends an entry, whatever becomes of its command.
struct Ends<'a> {
    host: &'a Host,
    key: Key,
    status: &'static str,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.host.timetable.end(&self.key, self.host.timestamp(), self.status);
    }
}

impl Host {
    /// Starts whoever keeps the timetable, until the host is closed or gone.
    pub(super) fn keep_time(self: &Arc<Self>) {
        let (host, changed) = (Arc::downgrade(self), Arc::clone(&self.timetable.changed));
        self.settings.executor.spawn(async move {
            while let Some(next) = begin_what_is_due(&host).await {
                // Whether something changed or the time has come: look again.
                let _ = tokio::time::timeout(next, changed.notified()).await;
            }
        });
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp::try_from(self.runtime.services().clock.wall()).unwrap_or_default()
    }

    /// The entries of plugins that run and may have it run.
    fn live(&self) -> Vec<Live> {
        let mut live = Vec::new();
        for managed in self.all() {
            let view = managed.view();
            let Some(current) = &view.current else { continue };
            if current.grant().allows(&Permission::ScheduleRun) {
                live.extend(current.manifest().schedule.iter().map(|entry| Live {
                    plugin: managed.id.clone(),
                    entry: entry.clone(),
                }));
            }
        }
        live
    }

    fn schedule_status(&self, managed: &Managed, entry: &ScheduledCommand) -> ScheduleStatus {
        let course = self.timetable.course(&(managed.id.clone(), entry.name.clone()));
        let view = managed.view();
        let seconds = |time: Timestamp| palisade_bundle::Timestamp::from_unix_seconds(time.as_second()).ok();
        ScheduleStatus {
            name: entry.name.clone(),
            command: entry.command.clone(),
            when: serde_json::from_str(&recurrence(entry)).unwrap_or_default(),
            allowed: view.row.grants.granted.contains(&Permission::ScheduleRun),
            paused: course.is_paused,
            running: course.is_running,
            next: course.due.filter(|_| view.current.is_some()).and_then(seconds),
            last_end: course.last.and_then(|(at, _)| seconds(at)),
            last_status: course.last.map(|(_, status)| status),
        }
    }

    /// Writes down what was decided. What cannot be written down is said, and done all the same: it is done once more
    /// after a crash at worst.
    async fn save_schedules(&self, rows: Vec<ScheduleRow>) {
        let plugins: Vec<PluginId> = rows.iter().map(|row| row.plugin.clone()).collect();
        if let Err(error) = self.on_disk(move |disk| disk.save_schedules(&rows)).await {
            for managed in plugins.iter().filter_map(|id| self.find(id.as_str()).ok()) {
                let row = managed.view().row.clone();
                let version = Arc::from(row.active.version.as_str());
                let warning = EventKind::Warning {
                    code: error.code().as_str(),
                    message: error.to_string(),
                };
                self.runtime
                    .tell(&row.namespace(), &version, &self.next_operation_id(), warning);
            }
        }
    }
}

/// Begins what is due, and says how long there is nothing to do; none when nobody is left to do anything for.
async fn begin_what_is_due(host: &Weak<Host>) -> Option<Duration> {
    let host = host.upgrade()?;
    if host.is_closed.load(Ordering::Acquire) {
        return None;
    }
    let (live, now) = (host.live(), host.timestamp());
    let Look { begun, rows, next } = host.timetable.look(&live, now);
    if !rows.is_empty() {
        host.save_schedules(rows).await;
    }
    for entry in begun {
        let supervisor = Supervisor::acting_for(&host, ACTOR);
        // What came of it is in the timetable and in the events.
        host.settings
            .executor
            .spawn(async move { supervisor.run_entry(entry).await.map(drop) });
    }
    let wait = next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
    Some(match wait {
        Some(wait) => wait.min(LONGEST_WAIT),
        None if live.is_empty() => Duration::MAX,
        None => LONGEST_WAIT,
    })
}

/// A schedule was not changed, or its command did not succeed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// There is no such plugin.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// The plugin's schedule has no such entry.
    #[error("the plugin's schedule has no entry `{name}`")]
    NoSuchEntry {
        /// What was asked for.
        name: String,
        /// What was probably meant.
        suggestion: Option<String>,
    },
    /// The entry's command runs already.
    #[error("the entry's command runs already")]
    Running,
    /// The command failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The audit trail could not be written. Nothing was changed.
    #[error(transparent)]
    Audit(#[from] AuditFailed),
    /// The registry could not be written; the change is forgotten when the host stops.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ScheduleError {
    /// The error that this one passes on.
    fn passed_on(&self) -> Option<&dyn Coded> {
        match self {
            Self::NotFound(error) => Some(error),
            Self::Command(error) => Some(error),
            Self::Audit(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::NoSuchEntry { .. } | Self::Running => None,
        }
    }
}

impl Coded for ScheduleError {
    fn code(&self) -> Code {
        match self {
            Self::NotFound(error) => error.code(),
            Self::NoSuchEntry { .. } => Code::NotFound,
            Self::Running => Code::OperationInProgress,
            Self::Command(error) => error.code(),
            Self::Audit(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NotFound(error) => error.blame(),
            Self::NoSuchEntry { .. } => Blame::Missing,
            Self::Running => Blame::Conflict,
            Self::Command(error) => error.blame(),
            Self::Audit(error) => error.blame(),
            Self::Store(error) => error.blame(),
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::NoSuchEntry { name, suggestion } => {
                members(json!({"kind": "schedule", "name": name, "suggestion": suggestion}))
            }
            _ => self.passed_on().map(Coded::details).unwrap_or_default(),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::NoSuchEntry { suggestion, .. } => {
                let meant = suggestion.iter();
                meant.map(|name| format!("did you mean `{name}`?")).collect()
            }
            _ => self.passed_on().map(Coded::help).unwrap_or_default(),
        }
    }
}
