//! The gate of one plugin: who is inside, who waits outside, and whether the door is open.
//!
//! Everything the gate knows is behind one lock, so admitting a command and closing the gate cannot overlap: after
//! [`Gate::close`] nobody gets in, and everybody who is in is counted. No lock is held while a command runs, while one
//! is dropped, or while anybody is woken.

mod command;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use self::command::{Command, Interrupt};
use super::sync::{Mutex, MutexGuard, PoisonError};

/// Where commands enter a plugin. `G` is the generation they are served by.
pub(super) struct Gate<G> {
    door: Arc<Mutex<Door<G>>>,
    /// How many commands may wait while the gate is parking.
    places: usize,
}

struct Door<G> {
    mode: Mode<G>,
    /// Everybody inside by ticket, with the way to interrupt the command once it runs.
    inside: BTreeMap<u64, Option<Weak<dyn Interrupt>>>,
    next_ticket: u64,
    /// Whoever holds a lower ticket has to leave.
    interrupted_below: u64,
    /// Everybody outside by place, first come first.
    outside: BTreeMap<u64, Waker>,
    next_place: u64,
    drains: Vec<Waker>,
}

enum Mode<G> {
    Open(G),
    Parking,
    Shut,
}

/// How a gate is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// New commands wait outside until the gate opens again.
    Parking,
    /// New commands, and those that wait, are sent away.
    Shut,
}

/// A command did not run to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The gate is shut.
    Shut,
    /// The gate is closed, and no place is free outside.
    Full,
    /// The gate stayed closed for longer than the command could wait.
    Impatient,
    /// The command was interrupted by the end of a drain.
    Interrupted,
}

/// Who is where, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Occupancy {
    pub(super) inside: usize,
    pub(super) is_open: bool,
}

impl<G> Gate<G> {
    /// A gate that is shut, with so many places for commands to wait.
    pub(super) fn shut(places: usize) -> Self {
        let door = Door {
            mode: Mode::Shut,
            inside: BTreeMap::new(),
            next_ticket: 0,
            interrupted_below: 0,
            outside: BTreeMap::new(),
            next_place: 0,
            drains: Vec::new(),
        };
        Self {
            door: Arc::new(Mutex::new(door)),
            places,
        }
    }

    /// Lets commands in, those that waited first; `generation` serves them.
    pub(super) fn open(&self, generation: G) {
        let previous = self.set(Mode::Open(generation));
        self.wake_outside();
        drop(previous);
    }

    /// Lets nobody in any more. Who is inside stays, and is waited for by [`drain`](Self::drain).
    pub(super) fn close(&self, how: Closed) -> Occupancy {
        let previous = self.set(match how {
            Closed::Parking => Mode::Parking,
            Closed::Shut => Mode::Shut,
        });
        drop(previous);
        if how == Closed::Shut {
            self.wake_outside();
        }
        self.occupancy()
    }

    /// Waits until nobody is inside. When `deadline` comes first, interrupts who is left and waits for their end all
    /// the same; returns how many that were.
    ///
    /// The gate has to be closed, or there may be no end of it.
    pub(super) async fn drain(&self, deadline: impl Future<Output = ()>) -> usize {
        let (mut empty, mut deadline) = (pin!(self.empty()), pin!(deadline));
        let in_time = poll_fn(|context| match empty.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => deadline.as_mut().poll(context).map(|()| false),
        });
        if in_time.await {
            return 0;
        }
        let interrupted = self.interrupt();
        empty.await;
        interrupted
    }

    /// Runs a command once the gate is open, waiting outside while it is parking and `patience` lasts. `command` is
    /// made of the generation that serves it.
    ///
    /// Dropping the future leaves the gate, whether the command runs or waits; so does a panic in it. An interrupted
    /// command ends even if nobody polls this future any more.
    pub(super) async fn run<T, C, P>(
        &self,
        patience: impl FnOnce() -> P,
        command: impl FnOnce(&G) -> C,
    ) -> Result<T, Refusal>
    where
        G: Clone + Send + 'static,
        T: Send + 'static,
        C: Future<Output = T> + Send + 'static,
        P: Future<Output = ()>,
    {
        let mut admission = Admission {
            gate: self,
            place: None,
        };
        let admitted = match poll_fn(|context| Poll::Ready(admission.poll(context))).await {
            Poll::Ready(admitted) => admitted,
            Poll::Pending => {
                let mut patience = pin!(patience());
                poll_fn(|context| match admission.poll(context) {
                    Poll::Ready(admitted) => Poll::Ready(admitted),
                    Poll::Pending => patience.as_mut().poll(context).map(|()| Err(Refusal::Impatient)),
                })
                .await
            }
        };
        drop(admission);
        let (permit, generation) = admitted?;
        Command::enter(permit, Box::pin(command(&generation)))?.await
    }

    /// Who is where now.
    pub(super) fn occupancy(&self) -> Occupancy {
        let door = self.door();
        Occupancy {
            inside: door.inside.len(),
            is_open: matches!(door.mode, Mode::Open(_)),
        }
    }

    /// Waits until nobody is inside.
    async fn empty(&self) {
        poll_fn(|context| {
            let mut door = self.door();
            if door.inside.is_empty() {
                return Poll::Ready(());
            }
            if !door.drains.iter().any(|waker| waker.will_wake(context.waker())) {
                door.drains.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Interrupts everybody who is inside.
    fn interrupt(&self) -> usize {
        let inside: Vec<_> = {
            let mut door = self.door();
            // Who has a ticket and no command yet finds this when it starts one.
            door.interrupted_below = door.next_ticket;
            door.inside.values().cloned().collect()
        };
        for command in inside.iter().flatten() {
            if let Some(command) = command.upgrade() {
                command.interrupt();
            }
        }
        inside.len()
    }

    fn set(&self, mode: Mode<G>) -> Mode<G> {
        std::mem::replace(&mut self.door().mode, mode)
    }

    /// Has everybody outside look at the gate again. They keep their places until they do.
    fn wake_outside(&self) {
        let outside: Vec<_> = self.door().outside.values().cloned().collect();
        outside.into_iter().for_each(Waker::wake);
    }

    fn door(&self) -> MutexGuard<'_, Door<G>> {
        lock(&self.door)
    }
}

/// A command on its way in.
struct Admission<'a, G> {
    gate: &'a Gate<G>,
    /// Its place outside, once it waits.
    place: Option<u64>,
}

impl<G: Clone> Admission<'_, G> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(Permit<G>, G), Refusal>> {
        let mut door = self.gate.door();
        match &door.mode {
            Mode::Open(generation) => {
                let generation = generation.clone();
                let ticket = door.next_ticket;
                door.next_ticket += 1;
                door.inside.insert(ticket, None);
                let door = Arc::clone(&self.gate.door);
                Poll::Ready(Ok((Permit { door, ticket }, generation)))
            }
            Mode::Shut => Poll::Ready(Err(Refusal::Shut)),
            Mode::Parking => {
                if self.place.is_none() && door.outside.len() >= self.gate.places {
                    return Poll::Ready(Err(Refusal::Full));
                }
                let place = *self.place.get_or_insert(door.next_place);
                door.next_place = door.next_place.max(place + 1);
                door.outside.insert(place, context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<G> Drop for Admission<'_, G> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = self.gate.door().outside.remove(&place);
            drop(waker);
        }
    }
}

/// The right to be inside. Counted from admission until it is dropped, whatever the reason.
struct Permit<G> {
    door: Arc<Mutex<Door<G>>>,
    ticket: u64,
}

impl<G> Permit<G> {
    /// Makes the command known to drains; refuses when the interruption came first.
    fn register(door: &Mutex<Door<G>>, ticket: u64, command: Weak<dyn Interrupt>) -> Result<(), Refusal> {
        let mut door = lock(door);
        if ticket < door.interrupted_below {
            return Err(Refusal::Interrupted);
        }
        door.inside.insert(ticket, Some(command));
        Ok(())
    }
}

impl<G> Drop for Permit<G> {
    fn drop(&mut self) {
        let drains = {
            let mut door = lock(&self.door);
            door.inside.remove(&self.ticket);
            match door.inside.is_empty() {
                true => std::mem::take(&mut door.drains),
                false => Vec::new(),
            }
        };
        drains.into_iter().for_each(Waker::wake);
    }
}

/// What a panicking command left behind is as good as ever: no change of the door stops half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A command's future, once it can be moved around.
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
