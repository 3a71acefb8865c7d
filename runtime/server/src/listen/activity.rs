//! What a connection is doing, and until when it may.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ListenSettings;

/// How long a client that was answered before it had sent everything is still listened to, so that it reads the answer
/// instead of a broken connection. It has to stop by itself.
const LINGER: Duration = Duration::from_secs(2);

/// Shared by the parts of one connection, and by whoever looks for one that could leave.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    /// Asks it to leave: at once while it waits for a request, else after the answer.
    pub(super) leave: CancellationToken,
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// Since when the client takes nothing of what it is sent.
    blocked: Option<Instant>,
    /// Whether a request was answered before it was there as a whole.
    left_unread: bool,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It was made, and the head of its first request is not there yet.
    Opened,
    /// It was answered, and has sent nothing since.
    Idle,
    /// A part of the head of a request has come.
    Head,
    /// A request is being answered.
    Request,
    /// It was answered, and what it still sends is thrown away.
    Lingering,
}

impl Activity {
    pub(super) fn new(leave: CancellationToken, now: Instant) -> Self {
        let state = State {
            phase: Phase::Opened,
            since: now,
            blocked: None,
            left_unread: false,
        };
        Self {
            state: Mutex::new(state),
            leave,
        }
    }

    /// Since when it waits for a whole request; `None` while one is being answered.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.phase != Phase::Request).then_some(state.since)
    }

    /// Until when it may go on like this.
    pub(super) fn deadline(&self, settings: &ListenSettings) -> Option<Instant> {
        let state = *self.state();
        let time = match state.phase {
            Phase::Opened | Phase::Head => Some(settings.header_time),
            Phase::Idle => Some(settings.idle_time),
            // The body has a time of its own, and whoever answers has one for that.
            Phase::Request => None,
            Phase::Lingering => Some(LINGER),
        };
        let phase = time.map(|time| state.since + time);
        let blocked = state.blocked.map(|since| since + settings.write_time);
        phase.into_iter().chain(blocked).min()
    }

    pub(super) fn enter(&self, phase: Phase, now: Instant) {
        let mut state = self.state();
        (state.phase, state.since) = (phase, now);
    }

    /// Bytes have come.
    pub(super) fn has_read(&self, now: Instant) {
        let mut state = self.state();
        if state.phase == Phase::Idle {
            (state.phase, state.since) = (Phase::Head, now);
        }
    }

    /// The client took something, or did not.
    pub(super) fn has_written(&self, took: Took, now: Instant) {
        let mut state = self.state();
        match took {
            Took::Something => state.blocked = None,
            Took::Nothing => _ = state.blocked.get_or_insert(now),
        }
    }

    pub(super) fn leaves_unread(&self) {
        self.state().left_unread = true;
    }

    pub(super) fn has_left_unread(&self) -> bool {
        self.state().left_unread
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of an attempt to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Took {
    Something,
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn new(now: Instant) -> Activity {
        Activity::new(CancellationToken::new(), now)
    }

    #[test]
    fn the_first_head_is_due_from_the_connection_on_and_a_later_one_from_its_first_byte() {
        let (start, settings) = (Instant::now(), ListenSettings::default());
        let activity = new(start);
        activity.has_read(start + SECOND);
        assert_eq!(activity.deadline(&settings), Some(start + settings.header_time));
        activity.enter(Phase::Request, start + SECOND);
        assert_eq!(activity.deadline(&settings), None);
        activity.enter(Phase::Idle, start + SECOND);
        assert_eq!(activity.deadline(&settings), Some(start + SECOND + settings.idle_time));
        activity.has_read(start + 2 * SECOND);
        activity.has_read(start + 3 * SECOND);
        assert_eq!(
            activity.deadline(&settings),
            Some(start + 2 * SECOND + settings.header_time)
        );
    }

    #[test]
    fn whoever_takes_nothing_of_an_answer_has_a_deadline_until_it_takes_something() {
        let (start, settings) = (Instant::now(), ListenSettings::default());
        let activity = new(start);
        activity.enter(Phase::Request, start);
        activity.has_written(Took::Nothing, start + SECOND);
        activity.has_written(Took::Nothing, start + 2 * SECOND);
        assert_eq!(activity.deadline(&settings), Some(start + SECOND + settings.write_time));
        activity.has_written(Took::Something, start + 3 * SECOND);
        assert_eq!(activity.deadline(&settings), None);
    }
}
