//! The gate under a scheduler that tries orders of its steps: the same source, compiled with the scheduler's locks.

mod sync {
    pub(super) use shuttle::sync::{Mutex, MutexGuard};
    pub(super) use std::sync::PoisonError;
}

#[path = "../gate/mod.rs"]
#[expect(
    clippy::duplicate_mod,
    reason = "the same source with other locks is what is checked"
)]
mod gate;

use std::future::{pending, ready};

use shuttle::future::{block_on, yield_now};
use shuttle::sync::Arc;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;

use self::gate::{Closed, Gate, Refusal};

/// Orders tried per scenario; all of them together take seconds.
const SCHEDULES: usize = 100_000;

const COMMANDS: usize = 3;

/// What the commands see of the plugin.
#[derive(Default)]
struct Plugin {
    /// Commands running on generation 1 and 2.
    running: [AtomicUsize; 3],
}

/// Counts a command as running for as long as it lives.
struct Running {
    plugin: Arc<Plugin>,
    generation: usize,
}

impl Running {
    fn on(plugin: &Arc<Plugin>, generation: usize) -> Self {
        plugin.running[generation].fetch_add(1, Ordering::SeqCst);
        Self {
            plugin: Arc::clone(plugin),
            generation,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.plugin.running[self.generation].fetch_sub(1, Ordering::SeqCst);
    }
}

type Gated = (Arc<Gate<usize>>, Arc<Plugin>);

fn opened() -> Gated {
    let gate = Arc::new(Gate::shut(COMMANDS));
    gate.open(1);
    (gate, Arc::default())
}

/// How long a command takes on the first generation; on the next one it answers after a yield.
#[derive(Clone, Copy)]
enum Takes {
    OneYield,
    ForEver,
}

/// Starts threads with one command each.
fn callers((gate, plugin): &Gated, takes: Takes) -> Vec<thread::JoinHandle<Result<usize, Refusal>>> {
    let caller = |_| {
        let (gate, plugin) = (Arc::clone(gate), Arc::clone(plugin));
        thread::spawn(move || {
            let command = |generation: &usize| {
                let (generation, plugin) = (*generation, Arc::clone(&plugin));
                async move {
                    let running = Running::on(&plugin, generation);
                    yield_now().await;
                    match (takes, generation) {
                        (Takes::ForEver, 1) => pending().await,
                        _ => running.generation,
                    }
                }
            };
            block_on(gate.run(pending::<()>, command))
        })
    };
    (0..COMMANDS).map(caller).collect()
}

fn running(plugin: &Plugin, generation: usize) -> usize {
    plugin.running[generation].load(Ordering::SeqCst)
}

fn answers(callers: Vec<thread::JoinHandle<Result<usize, Refusal>>>) -> Vec<Result<usize, Refusal>> {
    callers.into_iter().map(|caller| caller.join().unwrap()).collect()
}

#[test]
fn a_reload_loses_no_command_and_never_runs_two_generations_at_once() {
    shuttle::check_random(
        || {
            let gated = opened();
            let callers = callers(&gated, Takes::OneYield);
            let (gate, plugin) = &gated;
            gate.close(Closed::Parking);
            assert_eq!(block_on(gate.drain(pending())), 0);
            assert_eq!(running(plugin, 1), 0, "drained");
            gate.open(2);
            for answer in answers(callers) {
                assert!(matches!(answer, Ok(1 | 2)), "{answer:?}");
            }
            assert_eq!((running(plugin, 1), running(plugin, 2)), (0, 0));
            assert_eq!(gate.occupancy().inside, 0);
        },
        SCHEDULES,
    );
}

#[test]
fn a_drain_at_its_deadline_interrupts_and_waits_for_the_end() {
    shuttle::check_random(
        || {
            let gated = opened();
            let callers = callers(&gated, Takes::ForEver);
            let (gate, plugin) = &gated;
            gate.close(Closed::Parking);
            block_on(gate.drain(ready(())));
            assert_eq!(running(plugin, 1), 0, "interrupted commands have ended");
            gate.open(2);
            for answer in answers(callers) {
                assert!(matches!(answer, Ok(2) | Err(Refusal::Interrupted)), "{answer:?}");
            }
            assert_eq!(gate.occupancy().inside, 0);
        },
        SCHEDULES,
    );
}

#[test]
fn after_a_disable_or_uninstall_nothing_runs_and_nobody_waits() {
    shuttle::check_random(
        || {
            let gated = opened();
            let callers = callers(&gated, Takes::OneYield);
            let (gate, plugin) = &gated;
            gate.close(Closed::Parking);
            block_on(gate.drain(pending()));
            // A reload that failed altogether, or was followed by a disable.
            gate.close(Closed::Shut);
            block_on(gate.drain(ready(())));
            assert_eq!(running(plugin, 1), 0);
            for answer in answers(callers) {
                assert!(
                    matches!(answer, Ok(1) | Err(Refusal::Shut | Refusal::Interrupted)),
                    "{answer:?}"
                );
            }
        },
        SCHEDULES,
    );
}
