//! The circuit breaker of one plugin: once too many commands in a row came to no answer, the next ones are refused at
//! once, until one that is let through as a trial is answered.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::services::Clock;

/// Above the five crashes that a restart policy forgives by default, so that a plugin that crashes fast is quarantined;
/// one that does so slowly is not, and comes here.
const FAILURES: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// As between two health checks: long enough for what the plugin depends on to come back, and noticed by nobody.
const PAUSE: Duration = Duration::from_secs(30);

/// When commands are refused because too many came to no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Commands in a row that came to no answer: the plugin crashed, or did not start. 10.
    pub failures: NonZeroU32,
    /// How long commands are refused then, before one is let through as a trial. 30 s.
    pub pause: Duration,
}

impl Default for BreakerSettings {
    /// Ten failures in a row; 30 s.
    fn default() -> Self {
        Self {
            failures: FAILURES,
            pause: PAUSE,
        }
    }
}

/// What a command says of its plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It answered, if only with an error of its own.
    Given,
    /// It could not answer.
    None,
    /// Nothing: the command was refused before it was entered, or abandoned.
    Unknown,
}

/// Where the breaker is. A pure function of what happens and when.
#[derive(Clone, Copy, Debug)]
struct Circuit {
    position: Position,
    /// Goes up with each change of position: what was let in before says nothing of what is now.
    epoch: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Commands are let in. So many in a row came to no answer.
    Closed { failures: u32 },
    /// None is let in until then; `None` is now.
    Open { until: Option<Instant> },
    /// One is in. If nothing is heard of it until then, it is taken for lost.
    Trial { until: Instant },
}

impl Circuit {
    fn new() -> Self {
        Self {
            position: Position::Closed { failures: 0 },
            epoch: 0,
        }
    }

    /// Lets a command in, or says in how long another may try.
    fn admit(&mut self, now: impl FnOnce() -> Instant, pause: Duration) -> Result<u64, Duration> {
        let until = match self.position {
            // Most commands come this way, and read no clock.
            Position::Closed { .. } => return Ok(self.epoch),
            Position::Open { until } => until,
            Position::Trial { until } => Some(until),
        };
        let now = now();
        match until.filter(|until| now < *until) {
            Some(until) => Err(until - now),
            None => {
                self.go_to(Position::Trial { until: now + pause });
                Ok(self.epoch)
            }
        }
    }

    /// Takes note of what became of a command that was let in during `epoch`.
    fn settle(&mut self, epoch: u64, answer: Answer, now: impl FnOnce() -> Instant, settings: &BreakerSettings) {
        if epoch != self.epoch {
            return;
        }
        match (&mut self.position, answer) {
            (Position::Closed { failures }, Answer::Given) => *failures = 0,
            (Position::Closed { failures }, Answer::None) => {
                *failures = failures.saturating_add(1);
                if *failures >= settings.failures.get() {
                    self.open(now() + settings.pause);
                }
            }
            (Position::Trial { .. }, Answer::Given) => self.go_to(Position::Closed { failures: 0 }),
            (Position::Trial { .. }, Answer::None) => self.open(now() + settings.pause),
            // The next one is the trial.
            (Position::Trial { .. }, Answer::Unknown) => self.go_to(Position::Open { until: None }),
            (Position::Closed { .. }, Answer::Unknown) | (Position::Open { .. }, _) => {}
        }
    }

    fn open(&mut self, until: Instant) {
        self.go_to(Position::Open { until: Some(until) });
    }

    fn go_to(&mut self, position: Position) {
        self.position = position;
        self.epoch += 1;
    }

    fn is_closed(&self) -> bool {
        matches!(self.position, Position::Closed { .. })
    }
}

/// The breaker of one plugin.
pub(super) struct Breaker {
    settings: BreakerSettings,
    clock: Arc<dyn Clock>,
    circuit: Mutex<Circuit>,
    /// It has opened or closed since somebody looked.
    has_news: AtomicBool,
}

impl Breaker {
    pub(super) fn new(settings: BreakerSettings, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings,
            clock,
            circuit: Mutex::new(Circuit::new()),
            has_news: AtomicBool::new(false),
        }
    }

    /// Lets a command in, or says in how long another may try.
    pub(super) fn admit(self: &Arc<Self>) -> Result<Pass, Duration> {
        let epoch = self.circuit().admit(|| self.clock.now(), self.settings.pause)?;
        Ok(Pass {
            breaker: Arc::clone(self),
            epoch,
            answer: Answer::Unknown,
        })
    }

    /// Another generation has come, of which nothing is known.
    pub(super) fn reset(&self) {
        self.change(|circuit| circuit.go_to(Position::Closed { failures: 0 }));
    }

    pub(super) fn is_closed(&self) -> bool {
        self.circuit().is_closed()
    }

    /// Whether it has opened or closed since this was asked last.
    pub(super) fn take_news(&self) -> bool {
        // Most commands bring none, and a reading is cheaper than a swap.
        self.has_news.load(Ordering::Relaxed) && self.has_news.swap(false, Ordering::Relaxed)
    }

    fn change(&self, change: impl FnOnce(&mut Circuit)) {
        let mut circuit = self.circuit();
        let was_closed = circuit.is_closed();
        change(&mut circuit);
        if was_closed != circuit.is_closed() {
            self.has_news.store(true, Ordering::Relaxed);
        }
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A command that was let in. Dropped without an answer it says nothing of the plugin.
pub(super) struct Pass {
    breaker: Arc<Breaker>,
    epoch: u64,
    answer: Answer,
}

impl Pass {
    /// What became of the command.
    pub(super) fn settle(mut self, answer: Answer) {
        self.answer = answer;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let Self { breaker, epoch, answer } = self;
        let now = || breaker.clock.now();
        breaker.change(|circuit| circuit.settle(*epoch, *answer, now, &breaker.settings));
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Breaker").field(&*self.circuit()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: BreakerSettings = BreakerSettings {
        failures: NonZeroU32::new(3).unwrap(),
        pause: Duration::from_secs(30),
    };

    /// A circuit with a clock of its own.
    struct Bench {
        circuit: Circuit,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                circuit: Circuit::new(),
                now: Instant::now(),
            }
        }

        fn open() -> Self {
            let mut bench = Self::new();
            for _ in 0..3 {
                let epoch = bench.admit().unwrap();
                bench.settle(epoch, Answer::None);
            }
            bench
        }

        fn admit(&mut self) -> Result<u64, Duration> {
            self.circuit.admit(|| self.now, SETTINGS.pause)
        }

        fn settle(&mut self, epoch: u64, answer: Answer) {
            self.circuit.settle(epoch, answer, || self.now, &SETTINGS);
        }
    }

    #[test]
    fn it_opens_with_the_last_failure_in_a_row_and_not_with_the_one_before() {
        let mut bench = Bench::new();
        for answer in [
            Answer::None,
            Answer::None,
            Answer::Given,
            Answer::None,
            Answer::Unknown,
            Answer::None,
        ] {
            let epoch = bench.admit().unwrap();
            bench.settle(epoch, answer);
        }
        assert!(bench.circuit.is_closed());
        let epoch = bench.admit().unwrap();
        bench.settle(epoch, Answer::None);
        assert_eq!(bench.admit(), Err(SETTINGS.pause));
    }

    #[test]
    fn after_the_pause_one_is_let_in_and_its_answer_decides() {
        let mut bench = Bench::open();
        bench.now += SETTINGS.pause - Duration::from_millis(1);
        assert_eq!(bench.admit(), Err(Duration::from_millis(1)));
        bench.now += Duration::from_millis(1);
        let trial = bench.admit().unwrap();
        assert_eq!(bench.admit(), Err(SETTINGS.pause), "one at a time");
        bench.settle(trial, Answer::None);
        assert_eq!(bench.admit(), Err(SETTINGS.pause));
        bench.now += SETTINGS.pause;
        let trial = bench.admit().unwrap();
        bench.settle(trial, Answer::Given);
        assert!(bench.circuit.is_closed() && bench.admit().is_ok());
    }

    #[test]
    fn a_trial_that_is_abandoned_or_never_heard_of_is_followed_by_another() {
        let mut bench = Bench::open();
        bench.now += SETTINGS.pause;
        let abandoned = bench.admit().unwrap();
        bench.settle(abandoned, Answer::Unknown);
        let lost = bench.admit().unwrap();
        bench.now += SETTINGS.pause;
        let next = bench.admit().unwrap();
        // Too late to say anything.
        bench.settle(lost, Answer::Given);
        assert!(!bench.circuit.is_closed());
        bench.settle(next, Answer::Given);
        assert!(bench.circuit.is_closed());
    }

    #[test]
    fn what_was_let_in_before_it_opened_does_not_close_it() {
        let mut bench = Bench::new();
        let slow = bench.admit().unwrap();
        for _ in 0..3 {
            let epoch = bench.admit().unwrap();
            bench.settle(epoch, Answer::None);
        }
        bench.settle(slow, Answer::Given);
        assert!(!bench.circuit.is_closed());
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Admit,
        Settle(usize, Answer),
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let answer = prop_oneof![Just(Answer::Given), Just(Answer::None), Just(Answer::Unknown)];
        let step = prop_oneof![
            Just(Step::Admit),
            (0_usize..4, answer).prop_map(|(which, answer)| Step::Settle(which, answer)),
            (0_u64..40).prop_map(Step::Wait),
        ];
        proptest::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn it_is_never_stuck_and_lets_one_in_at_a_time_while_it_is_not_closed(steps in steps()) {
            let (mut bench, mut inside) = (Bench::new(), Vec::new());
            let mut last_trial: Option<Instant> = None;
            for step in steps {
                let was_closed = bench.circuit.is_closed();
                match step {
                    Step::Admit => match bench.admit() {
                        Ok(epoch) => {
                            if !was_closed {
                                let is_alone = !inside.contains(&epoch);
                                prop_assert!(is_alone, "two trials of one epoch");
                                last_trial = Some(bench.now);
                            }
                            inside.push(epoch);
                        }
                        Err(wait) => {
                            prop_assert!(!was_closed && wait <= SETTINGS.pause && !wait.is_zero());
                        }
                    },
                    Step::Settle(which, answer) if which < inside.len() => {
                        let epoch = inside.swap_remove(which);
                        bench.settle(epoch, answer);
                        // Only an answer closes it, and only an answer to a trial.
                        if !was_closed && bench.circuit.is_closed() {
                            prop_assert!(answer == Answer::Given && last_trial.is_some());
                        }
                        if was_closed && !bench.circuit.is_closed() {
                            prop_assert_eq!(answer, Answer::None);
                        }
                    }
                    Step::Settle(..) => {}
                    Step::Wait(seconds) => bench.now += Duration::from_secs(seconds),
                }
            }
            // Whatever was forgotten inside: after one pause somebody gets in, and an answer closes it.
            bench.now += SETTINGS.pause;
            let epoch = bench.admit().unwrap();
            bench.settle(epoch, Answer::Given);
            prop_assert!(bench.circuit.is_closed());
        }
    }
}
