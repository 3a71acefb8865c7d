//! A command inside the gate, which a drain can end without the help of whoever asked for it.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Boxed, Mutex, Permit, Refusal, lock};

/// Something that can be told to end.
pub(super) trait Interrupt: Send + Sync {
    /// Ends it: at once when nobody is at it, and otherwise as soon as whoever is lets go of it.
    fn interrupt(&self);
}

/// A command that runs. Polled by whoever asked for it, ended by them or by an interruption.
pub(super) struct Command<T, G> {
    slot: Arc<Slot<T, G>>,
}

struct Slot<T, G>(Mutex<Stage<T, G>>);

enum Stage<T, G> {
    /// Between two polls.
    Idle(Work<T, G>, Option<Waker>),
    /// Somebody has taken the work out to poll it.
    Polled,
    /// The work is gone, or has to go.
    Interrupted,
    Ended,
}

/// Dropped in this order: nothing of the command is left when its permit is released.
struct Work<T, G> {
    future: Boxed<T>,
    _permit: Permit<G>,
}

impl<T: Send + 'static, G: Send + 'static> Command<T, G> {
    pub(super) fn enter(permit: Permit<G>, future: Boxed<T>) -> Result<Self, Refusal> {
        let (door, ticket) = (Arc::clone(&permit.door), permit.ticket);
        let work = Work {
            future,
            _permit: permit,
        };
        let slot = Arc::new(Slot(Mutex::new(Stage::Idle(work, None))));
        let command: Arc<dyn Interrupt> = Arc::<Slot<T, G>>::clone(&slot);
        Permit::register(&door, ticket, Arc::downgrade(&command))?;
        Ok(Self { slot })
    }
}

impl<T, G> Slot<T, G> {
    fn replace(&self, stage: Stage<T, G>) -> Stage<T, G> {
        mem::replace(&mut *lock(&self.0), stage)
    }
}

impl<T: Send, G: Send> Interrupt for Slot<T, G> {
    fn interrupt(&self) {
        match self.replace(Stage::Interrupted) {
            Stage::Idle(work, waker) => {
                drop(work);
                waker.into_iter().for_each(Waker::wake);
            }
            // Who polls it finds out when the poll is over; who has its end keeps it.
            Stage::Polled | Stage::Interrupted | Stage::Ended => {}
        }
    }
}

impl<T, G> Future for Command<T, G> {
    type Output = Result<T, Refusal>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut work = {
            let mut stage = lock(&self.slot.0);
            match mem::replace(&mut *stage, Stage::Polled) {
                Stage::Idle(work, _) => work,
                Stage::Polled | Stage::Interrupted | Stage::Ended => {
                    *stage = Stage::Ended;
                    return Poll::Ready(Err(Refusal::Interrupted));
                }
            }
        };
        // Outside of the lock: a poll takes as long as the guest does. A panic drops the work on its way out.
        if let Poll::Ready(answer) = work.future.as_mut().poll(context) {
            self.slot.replace(Stage::Ended);
            return Poll::Ready(Ok(answer));
        }
        let mut stage = lock(&self.slot.0);
        match *stage {
            Stage::Interrupted => {
                *stage = Stage::Ended;
                drop(stage);
                Poll::Ready(Err(Refusal::Interrupted))
            }
            Stage::Idle(..) | Stage::Polled | Stage::Ended => {
                *stage = Stage::Idle(work, Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl<T, G> Drop for Command<T, G> {
    fn drop(&mut self) {
        let last = self.slot.replace(Stage::Ended);
        drop(last);
    }
}
