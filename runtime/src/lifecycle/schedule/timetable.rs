//! Which scheduled command begins when: a function of what is live, what was, and the time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use palisade_bundle::PluginId;
use palisade_bundle::manifest::ScheduledCommand;
use tokio::sync::Notify;

use super::calendar::Calendar;
use crate::lifecycle::disk::ScheduleRow;

/// All entries that were ever live since the host was opened, with those that the registry knows.
#[derive(Debug)]
pub(crate) struct Timetable {
    calendar: Calendar,
    courses: Mutex<BTreeMap<Key, Course>>,
    /// Told when something else may be due next.
    pub(crate) changed: Arc<Notify>,
}

/// Plugin and name of an entry.
pub(super) type Key = (PluginId, String);

/// An entry of a plugin that runs and may have it run.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) plugin: PluginId,
    pub(super) entry: ScheduledCommand,
}

/// How an entry fares.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Course {
    /// What `due` was reckoned from; another recurrence makes it void.
    recurrence: String,
    pub(super) due: Option<Timestamp>,
    pub(super) is_paused: bool,
    pub(super) is_running: bool,
    pub(super) last: Option<(Timestamp, &'static str)>,
}

/// What follows from a look at the timetable.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// What begins now. Each has to be ended.
    pub(super) begun: Vec<Live>,
    /// What the registry has to know before it does.
    pub(super) rows: Vec<ScheduleRow>,
    /// When to look again.
    pub(super) next: Option<Timestamp>,
}

impl Timetable {
    pub(crate) fn new(calendar: Calendar, rows: Vec<ScheduleRow>) -> Self {
        let course = |row: ScheduleRow| {
            let course = Course {
                recurrence: row.recurrence,
                due: row.due,
                is_paused: row.is_paused,
                ..Course::default()
            };
            ((row.plugin, row.name), course)
        };
        Self {
            calendar,
            courses: Mutex::new(rows.into_iter().map(course).collect()),
            changed: Arc::default(),
        }
    }

    /// Begins what is due. However many times have passed, an entry begins once, and not while it runs.
    pub(super) fn look(&self, live: &[Live], now: Timestamp) -> Look {
        let mut courses = self.courses();
        let mut look = Look::default();
        for it in live {
            let course = courses.entry(it.key()).or_default();
            let before = course.clone();
            course.reckon(it, &self.calendar, now);
            if course.is_due(now) {
                course.begin(it, &self.calendar, now);
                look.begun.push(it.clone());
            }
            if (&before.recurrence, before.due) != (&course.recurrence, course.due) {
                look.rows.push(course.row(it.key()));
            }
            // One that runs is looked at when it ends.
            let due = course.due.filter(|_| !course.is_paused && !course.is_running);
            look.next = look.next.into_iter().chain(due).min();
        }
        look
    }

    /// Begins an entry out of its turn, unless it runs.
    pub(super) fn begin(&self, it: &Live, now: Timestamp) -> Option<ScheduleRow> {
        let mut courses = self.courses();
        let course = courses.entry(it.key()).or_default();
        if course.is_running {
            return None;
        }
        course.begin(it, &self.calendar, now);
        Some(course.row(it.key()))
    }

    /// Notes that an entry's command has ended.
    pub(super) fn end(&self, key: &Key, at: Timestamp, status: &'static str) {
        if let Some(course) = self.courses().get_mut(key) {
            course.is_running = false;
            course.last = Some((at, status));
        }
        self.changed.notify_one();
    }

    /// Keeps an entry from beginning, or lets it again from its next time on.
    pub(super) fn pause(&self, it: &Live, is_paused: bool, now: Timestamp) -> ScheduleRow {
        let mut courses = self.courses();
        let course = courses.entry(it.key()).or_default();
        course.is_paused = is_paused;
        course.recurrence = recurrence(&it.entry);
        course.due = self.calendar.next(&it.plugin, &it.entry, now).filter(|_| !is_paused);
        self.changed.notify_one();
        course.row(it.key())
    }

    /// How an entry fares.
    pub(super) fn course(&self, key: &Key) -> Course {
        self.courses().get(key).cloned().unwrap_or_default()
    }

    /// Forgets a plugin that is gone.
    pub(crate) fn forget(&self, plugin: &PluginId) {
        self.courses().retain(|(of, _), _| of != plugin);
    }

    fn courses(&self) -> MutexGuard<'_, BTreeMap<Key, Course>> {
        self.courses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Timetable {
    /// Wakes whoever looks at it, who finds it gone.
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}

impl Live {
    pub(super) fn key(&self) -> Key {
        (self.plugin.clone(), self.entry.name.clone())
    }
}

impl Course {
    /// Finds out when it is due, where nobody has or the recurrence is another one now.
    fn reckon(&mut self, it: &Live, calendar: &Calendar, now: Timestamp) {
        let recurrence = recurrence(&it.entry);
        if self.due.is_none() || self.recurrence != recurrence {
            self.due = calendar.next(&it.plugin, &it.entry, now).filter(|_| !self.is_paused);
            self.recurrence = recurrence;
        }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        !self.is_paused && !self.is_running && self.due.is_some_and(|due| due <= now)
    }

    fn begin(&mut self, it: &Live, calendar: &Calendar, now: Timestamp) {
        self.is_running = true;
        self.recurrence = recurrence(&it.entry);
        self.due = calendar.next(&it.plugin, &it.entry, now).filter(|_| !self.is_paused);
    }

    fn row(&self, (plugin, name): Key) -> ScheduleRow {
        ScheduleRow {
            plugin,
            name,
            recurrence: self.recurrence.clone(),
            is_paused: self.is_paused,
            due: self.due,
        }
    }
}

/// A recurrence as text, to tell one from another.
pub(super) fn recurrence(entry: &ScheduledCommand) -> String {
    serde_json::to_string(&entry.when).unwrap_or_default()
}
