//! Pairs of measurements: ours and the baseline in turn, in one process, compared pair by pair.

use std::time::{Duration, Instant};

/// Rounds of each comparison; odd, so that the median is one of them.
const ROUNDS: usize = 31;

/// One row of the table.
pub(crate) struct Comparison {
    pub(crate) what: &'static str,
    pub(crate) baseline: &'static str,
    pub(crate) goal: f64,
    pub(crate) ours: Duration,
    pub(crate) theirs: Duration,
    /// Median of the ratios ours / theirs, pair by pair.
    pub(crate) ratio: f64,
}

impl Comparison {
    pub(crate) fn met(&self) -> bool {
        self.ratio <= self.goal
    }
}

/// Runs `ours` and `theirs` in turn, `times` times a round.
pub(crate) fn compare(
    (what, baseline, goal): (&'static str, &'static str, f64),
    times: u32,
    mut ours: impl FnMut(),
    mut theirs: impl FnMut(),
) -> Comparison {
    let mut pairs = Vec::with_capacity(ROUNDS);
    time(times, &mut ours);
    time(times, &mut theirs);
    for _ in 0..ROUNDS {
        pairs.push((time(times, &mut ours), time(times, &mut theirs)));
    }
    Comparison {
        what,
        baseline,
        goal,
        ours: median(pairs.iter().map(|(ours, _)| *ours).collect()),
        theirs: median(pairs.iter().map(|(_, theirs)| *theirs).collect()),
        ratio: median_ratio(&pairs),
    }
}

/// Time of one call, averaged over `times`.
fn time(times: u32, run: &mut impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        run();
    }
    start.elapsed() / times
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn median_ratio(pairs: &[(Duration, Duration)]) -> f64 {
    let mut ratios: Vec<_> = pairs
        .iter()
        .map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64())
        .collect();
    ratios.sort_unstable_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}
