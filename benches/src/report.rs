//! The table, and where it is kept.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::measure::Comparison;

const BEGIN: &str = "<!-- measured: begin -->";
const END: &str = "<!-- measured: end -->";

/// The comparisons as a Markdown table.
pub(crate) fn table(rows: &[Comparison]) -> String {
    let mut table = String::from("| what | ours | baseline | time | ratio | goal |\n|---|---|---|---|---|---|\n");
    for row in rows {
        let met = if row.met() { "≤" } else { "**missed** ≤" };
        let _infallible = writeln!(
            table,
            "| {} | {} | {} | {} | {:.2} × | {met} {:.1} × |",
            row.what,
            readable(row.ours),
            row.baseline,
            readable(row.theirs),
            row.ratio,
            row.goal,
        );
    }
    table
}

/// Replaces what stands between the markers of a file.
pub(crate) fn write(path: &str, table: &str) -> Result<()> {
    let page = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    let (before, rest) = page
        .split_once(BEGIN)
        .with_context(|| format!("{path} has no line {BEGIN}"))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("{path} has no line {END}"))?;
    let machine = format!(
        "{} cores, {}, wasmtime 48, medians of 31 pairs.",
        std::thread::available_parallelism().map_or(0, usize::from),
        std::env::consts::ARCH
    );
    let page = format!("{before}{BEGIN}\n\n{machine}\n\n{table}\n{END}{after}");
    std::fs::write(path, page).with_context(|| format!("writing {path}"))
}

pub(crate) fn readable(time: Duration) -> String {
    let nanoseconds = time.as_nanos();
    match nanoseconds {
        0..10_000 => format!("{nanoseconds} ns"),
        10_000..10_000_000 => format!("{:.1} µs", time.as_secs_f64() * 1e6),
        _ => format!("{:.1} ms", time.as_secs_f64() * 1e3),
    }
}
