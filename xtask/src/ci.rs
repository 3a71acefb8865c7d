//! `cargo xtask ci` and its single steps, which are the jobs of the workflow.

use anyhow::Result;

use crate::{demo, process, test, tidy};

/// Cheapest first, so that a slip is told before the long steps.
pub(crate) fn run() -> Result<()> {
    format()?;
    tidy::run()?;
    lint()?;
    docs()?;
    test::run(&[])?;
    demo::run(false)
}

pub(crate) fn format() -> Result<()> {
    process::run(&mut process::cargo(["fmt", "--all", "--check"]))
}

pub(crate) fn lint() -> Result<()> {
    process::run(&mut process::cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        // Needs an engine to run, and no more than this to be known to compile.
        "--features",
        "palisade/containers",
        "--",
        "-D",
        "warnings",
    ]))
}

pub(crate) fn docs() -> Result<()> {
    let mut command = process::cargo(["doc", "--no-deps", "--workspace"]);
    process::run(command.env("RUSTDOCFLAGS", "-D warnings"))
}
