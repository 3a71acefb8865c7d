//! Every connection there is, and who leaves when there is no room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::activity::Activity;

/// One of so many connections is asked to leave at a time, so that looking for them costs each newcomer little.
const PORTION: usize = 16;

pub(super) struct Crowd {
    members: Arc<Mutex<HashMap<u64, Arc<Activity>>>>,
    places: usize,
    next: u64,
    ending: CancellationToken,
}

impl Crowd {
    /// At most `places`, all of which are asked to leave by `ending`.
    pub(super) fn new(places: usize, ending: CancellationToken) -> Self {
        Self {
            members: Arc::default(),
            places,
            next: 0,
            ending,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.members().len() >= self.places
    }

    /// Takes a place for a new connection.
    pub(super) fn enter(&mut self) -> Place {
        let activity = Arc::new(Activity::new(self.ending.child_token(), Instant::now()));
        self.next += 1;
        self.members().insert(self.next, Arc::clone(&activity));
        Place {
            activity,
            number: self.next,
            members: Arc::clone(&self.members),
        }
    }

    /// Asks those to leave that have waited longest for a request, unless those asked before are still about to.
    pub(super) fn make_room(&self) {
        let mut waiting: Vec<_> = {
            let members = self.members();
            let waiting = members
                .values()
                .filter_map(|activity| Some((activity.waiting_since()?, activity)));
            waiting.map(|(since, activity)| (since, Arc::clone(activity))).collect()
        };
        let before = waiting.len();
        waiting.retain(|(_, activity)| !activity.leave.is_cancelled());
        if waiting.len() < before {
            return;
        }
        waiting.sort_unstable_by_key(|(since, _)| *since);
        for (_, activity) in waiting.into_iter().take(self.places.div_ceil(PORTION)) {
            activity.leave.cancel();
        }
    }

    fn members(&self) -> MutexGuard<'_, HashMap<u64, Arc<Activity>>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection, free again when it is dropped.
pub(super) struct Place {
    pub(super) activity: Arc<Activity>,
    number: u64,
    members: Arc<Mutex<HashMap<u64, Arc<Activity>>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::super::activity::Phase;
    use super::*;

    #[test]
    fn whoever_waits_longest_leaves_first_and_nobody_whose_request_is_being_answered() {
        let mut crowd = Crowd::new(3, CancellationToken::new());
        let [busy, idle, new] = [crowd.enter(), crowd.enter(), crowd.enter()];
        busy.activity.enter(Phase::Request, Instant::now());
        assert!(crowd.is_full());
        crowd.make_room();
        let asked = [&busy, &idle, &new].map(|place| place.activity.leave.is_cancelled());
        assert_eq!(asked, [false, true, false]);
        drop(idle);
        assert!(!crowd.is_full());
    }

    #[test]
    fn nobody_is_left_out_at_the_end() {
        let ending = CancellationToken::new();
        let mut crowd = Crowd::new(3, ending.clone());
        let place = crowd.enter();
        ending.cancel();
        assert!(place.activity.leave.is_cancelled() && crowd.enter().activity.leave.is_cancelled());
    }
}
