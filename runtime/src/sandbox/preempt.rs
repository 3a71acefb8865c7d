//! Runs a guest slice by slice: between two slices others run, and the deadline is checked.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::time::Sleep;

use super::meter::Slices;
use crate::services::Clock;

/// The guest was still running or waiting at its deadline. It has been stopped and its instance must be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeadlinePassed;

pin_project! {
    /// A guest being run. A guest that neither pauses nor waits is done at the first poll: no timer, no clock reading.
    pub(super) struct Preempted<'a, F> {
        #[pin]
        guest: F,
        clock: &'a dyn Clock,
        deadline: Instant,
        slices: &'a Slices,
        // Present for guests that can wait in a host call, where no slice ends.
        timers: Option<&'a Handle>,
        alarm: Option<Pin<Box<Sleep>>>,
    }
}

impl<'a, F> Preempted<'a, F> {
    pub(super) fn new(
        guest: F,
        clock: &'a dyn Clock,
        deadline: Instant,
        slices: &'a Slices,
        timers: Option<&'a Handle>,
    ) -> Self {
        Self {
            guest,
            clock,
            deadline,
            slices,
            timers,
            alarm: None,
        }
    }
}

impl<F: Future> Future for Preempted<'_, F> {
    type Output = Result<F::Output, DeadlinePassed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.timers.is_some() {
            this.slices.outside().remember();
        }
        let _entered = this.timers.map(Handle::enter);
        this.slices.count();
        if let Poll::Ready(output) = this.guest.poll(context) {
            return Poll::Ready(Ok(output));
        }
        let now = this.clock.now();
        if now >= *this.deadline {
            return Poll::Ready(Err(DeadlinePassed));
        }
        if this.timers.is_some() {
            let left = *this.deadline - now;
            let alarm = this.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(left)));
            if alarm.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(DeadlinePassed));
            }
        }
        Poll::Pending
    }
}
