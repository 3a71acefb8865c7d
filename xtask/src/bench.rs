//! `cargo xtask bench`: ratios of one run, written where they are read.

use anyhow::Result;

use crate::process;

/// Runs the harness in release; it replaces the table between the markers of the page.
pub(crate) fn run() -> Result<()> {
    let harness = [
        "run",
        "--release",
        "--package",
        "palisade-benches",
        "--",
        "--write",
        "docs/performance.md",
    ];
    process::run(&mut process::cargo(harness))
}
