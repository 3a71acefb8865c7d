//! `cargo xtask test`: every test, on a machine that has nothing but rustup.

use anyhow::Result;

use crate::{prepare, process};

/// Prepares, then runs unit, behaviour and interop tests, then the examples of the documentation.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    prepare::guest_target()?;
    prepare::sample_modules()?;
    prepare::program("palisade")?;
    prepare::browser_scripts()?;

    let runner: &[&str] = if has_nextest() {
        &["nextest", "run"]
    } else {
        &["test", "--all-targets"]
    };
    process::run(
        process::cargo(runner.iter().copied())
            .arg("--workspace")
            .args(arguments),
    )?;
    if arguments.is_empty() {
        process::run(&mut process::cargo(["test", "--doc", "--workspace"]))?;
    }
    Ok(())
}

fn has_nextest() -> bool {
    process::cargo(["nextest", "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
}
