//! How often a start is tried, and how long is waited in between.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::mpsc;
use std::time::Duration;

use super::thread::on_thread;
use crate::services::ServiceFuture;

/// The most tries of one start. The pause before the last of them is over four minutes; whoever wants more has a service
/// that is down.
const MAX_TRIES: u32 = 10;

/// How often a start is tried: 1 s after the first try, then 2 s, 4 s and so on, and only after failures that can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartRetries {
    tries: u32,
}

impl StartRetries {
    /// As many tries as that, the first included; at most ten.
    #[must_use]
    pub fn tries(tries: NonZeroU32) -> Self {
        Self {
            tries: tries.get().min(MAX_TRIES),
        }
    }

    /// The pause after try `number` (the first is 1); none after the last.
    #[must_use]
    pub fn pause_after(self, number: u32) -> Option<Duration> {
        let seconds = 1_u64.checked_shl(number.checked_sub(1)?)?;
        (number < self.tries).then(|| Duration::from_secs(seconds))
    }
}

impl Default for StartRetries {
    /// One try: a host knows best which of its services are worth more.
    fn default() -> Self {
        Self { tries: 1 }
    }
}

/// Something that lets time pass.
pub trait Pause: fmt::Debug + Send + Sync {
    /// Lets `time` pass.
    fn pause(&self, time: Duration) -> ServiceFuture<'_, ()>;
}

/// Waits on a thread, so that no runtime is needed.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadPause;

impl Pause for ThreadPause {
    fn pause(&self, time: Duration) -> ServiceFuture<'_, ()> {
        Box::pin(async move {
            // Dropped with this future, which wakes the thread.
            let (_waiting, abandoned) = mpsc::channel::<()>();
            let paused = on_thread("palisade-pause", move |_caller| {
                // Nothing is ever sent: either the time passes, or nobody waits any more.
                let _ = abandoned.recv_timeout(time);
            });
            // Without a thread there is no pause, and the next try comes at once; their number is bounded.
            let _ = paused.await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_one_second_and_there_is_none_after_the_last_try() {
        let retries = StartRetries::tries(NonZeroU32::new(4).unwrap());
        let pauses: Vec<_> = (0..6)
            .map(|number| retries.pause_after(number).map(|pause| pause.as_secs()))
            .collect();
        assert_eq!(pauses, [None, Some(1), Some(2), Some(4), None, None]);
        assert_eq!(StartRetries::default().pause_after(1), None);
        let most = StartRetries::tries(NonZeroU32::MAX);
        assert_eq!(most.pause_after(9), Some(Duration::from_secs(256)));
        assert_eq!(most.pause_after(10), None);
    }

    #[test]
    fn a_pause_needs_no_runtime_and_an_abandoned_one_ends() {
        pollster::block_on(ThreadPause.pause(Duration::ZERO));
        let mut abandoned = ThreadPause.pause(Duration::from_secs(3600));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(abandoned.as_mut().poll(&mut context).is_pending());
    }
}
