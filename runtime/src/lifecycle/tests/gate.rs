//! The gate, hostile cases first. Futures are polled by hand, so that each test has one order of things.

use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::super::gate::{Closed, Gate, Occupancy, Refusal};

/// What a command answers with.
type Answer = Result<u32, Refusal>;

/// A gate that is open on generation 1, with two places outside.
fn gate() -> Gate<u32> {
    let gate = Gate::shut(2);
    gate.open(1);
    gate
}

/// A command that answers at once with the generation that served it.
fn quick(gate: &Gate<u32>) -> Pin<Box<dyn Future<Output = Answer> + '_>> {
    Box::pin(gate.run(pending::<()>, |generation| ready(*generation)))
}

/// A command that never ends by itself.
fn endless(gate: &Gate<u32>) -> Pin<Box<dyn Future<Output = Answer> + '_>> {
    Box::pin(gate.run(pending::<()>, |_| pending()))
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[track_caller]
fn check_inside(gate: &Gate<u32>, inside: usize) {
    assert_eq!(gate.occupancy().inside, inside);
}

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_command_that_got_in_before_the_gate_closed_is_waited_for() {
    let gate = gate();
    let mut command = endless(&gate);
    assert!(poll(&mut command).is_pending());
    assert_eq!(
        gate.close(Closed::Parking),
        Occupancy {
            inside: 1,
            is_open: false
        }
    );
    let mut drain = pin!(gate.drain(pending()));
    assert!(poll(&mut drain).is_pending());
    drop(command);
    assert_eq!(poll(&mut drain), Poll::Ready(0));
}

#[test]
fn a_command_that_came_between_close_and_drain_is_not_inside() {
    let gate = gate();
    gate.close(Closed::Parking);
    let mut late = quick(&gate);
    assert!(poll(&mut late).is_pending());
    check_inside(&gate, 0);
    assert_eq!(poll(&mut pin!(gate.drain(pending()))), Poll::Ready(0));
    gate.open(2);
    assert_eq!(poll(&mut late), Poll::Ready(Ok(2)));
    check_inside(&gate, 0);
}

#[test]
fn a_drain_that_ran_out_of_time_ends_what_is_left_without_the_help_of_its_caller() {
    let gate = gate();
    let mut forgotten = endless(&gate);
    assert!(poll(&mut forgotten).is_pending());
    gate.close(Closed::Shut);
    // Nobody polls the command again before the drain is over.
    assert_eq!(poll(&mut pin!(gate.drain(ready(())))), Poll::Ready(1));
    check_inside(&gate, 0);
    assert_eq!(poll(&mut forgotten), Poll::Ready(Err(Refusal::Interrupted)));
}

#[test]
fn an_interrupted_command_wakes_whoever_waits_for_it() {
    let (gate, bell) = (gate(), Arc::new(Bell::default()));
    let waker = Waker::from(Arc::clone(&bell));
    let mut command = endless(&gate);
    assert!(command.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    gate.close(Closed::Shut);
    let _ = poll(&mut pin!(gate.drain(ready(()))));
    assert_eq!(bell.0.load(Ordering::Relaxed), 1);
}

#[test]
fn a_panicking_command_leaves_the_gate() {
    let gate = gate();
    let mut command = Box::pin(gate.run(pending::<()>, |_| async { panic!("on purpose") }));
    let polled = catch_unwind(AssertUnwindSafe(|| {
        poll::<Pin<Box<dyn Future<Output = Answer>>>>(&mut unsized_box(&mut command))
    }));
    assert!(polled.is_err());
    check_inside(&gate, 0);
    assert_eq!(poll(&mut quick(&gate)), Poll::Ready(Ok(1)));
}

#[test]
fn a_command_that_panics_while_it_is_made_leaves_the_gate() {
    let gate = gate();
    let made = |_: &u32| -> std::future::Ready<u32> { panic!("on purpose") };
    let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut Box::pin(gate.run(pending::<()>, made)))));
    assert!(polled.is_err());
    check_inside(&gate, 0);
}

#[test]
fn an_abandoned_command_gives_its_place_outside_back() {
    let gate = gate();
    gate.close(Closed::Parking);
    let mut waiting = [quick(&gate), quick(&gate)];
    for command in &mut waiting {
        assert!(poll(command).is_pending());
    }
    assert_eq!(poll(&mut quick(&gate)), Poll::Ready(Err(Refusal::Full)));
    let [first, mut second] = waiting;
    drop(first);
    let mut third = quick(&gate);
    assert!(poll(&mut third).is_pending());
    gate.open(2);
    assert_eq!(poll(&mut third), Poll::Ready(Ok(2)));
    assert_eq!(poll(&mut second), Poll::Ready(Ok(2)));
}

#[test]
fn a_command_that_waits_is_not_counted_until_it_is_in() {
    let gate = gate();
    gate.close(Closed::Parking);
    let mut slow = quick(&gate);
    assert!(poll(&mut slow).is_pending());
    // Opened and closed again before the command was polled: it waits on, and the second drain is not held up.
    gate.open(2);
    gate.close(Closed::Parking);
    assert_eq!(poll(&mut pin!(gate.drain(pending()))), Poll::Ready(0));
    gate.open(3);
    assert_eq!(poll(&mut slow), Poll::Ready(Ok(3)));
}

#[test]
fn two_drains_end_together() {
    let gate = gate();
    let mut command = endless(&gate);
    assert!(poll(&mut command).is_pending());
    gate.close(Closed::Parking);
    let (mut first, mut second) = (pin!(gate.drain(pending())), pin!(gate.drain(pending())));
    assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
    drop(command);
    assert_eq!((poll(&mut first), poll(&mut second)), (Poll::Ready(0), Poll::Ready(0)));
}

#[test]
fn whoever_waits_outside_is_sent_away_when_the_gate_is_shut() {
    let (gate, bell) = (gate(), Arc::new(Bell::default()));
    gate.close(Closed::Parking);
    let waker = Waker::from(Arc::clone(&bell));
    let mut waiting = quick(&gate);
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    gate.close(Closed::Shut);
    assert_eq!(bell.0.load(Ordering::Relaxed), 1);
    assert_eq!(poll(&mut waiting), Poll::Ready(Err(Refusal::Shut)));
}

#[test]
fn patience_ends_before_the_gate_opens() {
    let gate = gate();
    gate.close(Closed::Parking);
    let mut impatient = Box::pin(gate.run(|| ready(()), |generation| ready(*generation)));
    assert_eq!(poll(&mut impatient), Poll::Ready(Err(Refusal::Impatient)));
    // A gate that is open is entered whatever the patience.
    gate.open(2);
    let mut served = Box::pin(gate.run(|| ready(()), |generation| ready(*generation)));
    assert_eq!(poll(&mut served), Poll::Ready(Ok(2)));
}

/// The panicking command as the type the other helpers poll.
fn unsized_box<'a, F>(command: &'a mut Pin<Box<F>>) -> Pin<Box<dyn Future<Output = Answer> + 'a>>
where
    F: Future<Output = Answer> + 'a,
{
    Box::pin(command.as_mut())
}
