//! `cargo xtask codegen`: runs the program that writes the pages of `docs/` which say what the code says.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{prepare, process, repository};

/// Writes the pages, or only tells which ones are not current.
pub(crate) fn run(check: bool) -> Result<()> {
    if !check {
        return process::run(&mut program(&[])?);
    }
    let stale = stale()?;
    if !stale.is_empty() {
        bail!(
            "not what the code makes now: {}; `cargo xtask codegen` writes them",
            stale.join(", ")
        );
    }
    Ok(())
}

/// The pages that differ from what the code makes.
pub(crate) fn stale() -> Result<Vec<String>> {
    let mut command = program(&["--check"])?;
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start codegen")?;
    if !output.status.success() {
        bail!("`{}` ended with {}", process::shown(&command), output.status);
    }
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

fn program(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(prepare::program("codegen")?);
    command.args(arguments).arg(repository::root());
    Ok(command)
}
