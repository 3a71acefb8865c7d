//! What a fresh machine lacks: the guest target, the command line, the sample modules.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{process, repository};

/// What plugins are compiled for.
pub(crate) const GUEST_TARGET: &str = "wasm32-wasip1";

/// Three tries: a download fails now and then, and a fourth failure is no accident.
const DOWNLOAD_TRIES: u32 = 3;

/// Adds the standard library of the guest target when this toolchain lacks it.
pub(crate) fn guest_target() -> Result<()> {
    for attempt in 1..=DOWNLOAD_TRIES {
        if has_guest_target() {
            return Ok(());
        }
        let added = process::run(Command::new("rustup").args(["target", "add", GUEST_TARGET]));
        if added.is_err() && attempt < DOWNLOAD_TRIES {
            thread::sleep(Duration::from_secs(u64::from(attempt) * 2));
        }
    }
    if has_guest_target() {
        return Ok(());
    }
    bail!("the standard library for {GUEST_TARGET} is missing; `rustup target add {GUEST_TARGET}` installs it")
}

fn has_guest_target() -> bool {
    let folder = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", GUEST_TARGET])
        .current_dir(repository::root())
        .stderr(Stdio::null())
        .output();
    folder.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// Compiles every sample plugin, as `palisade build --release` does.
pub(crate) fn sample_modules() -> Result<()> {
    let names = repository::sample_plugins()?;
    let mut command = process::cargo(["build", "--release", "--target", GUEST_TARGET]);
    for name in &names {
        command.args(["--package", name]);
    }
    process::run(&mut command)
}

/// Fetches the two packages that the test in a browser is written with, as its lock file has them. A machine without `npm`
/// goes on: that test says what is missing.
pub(crate) fn browser_scripts() -> Result<()> {
    let folder = repository::root().join("tests/browser");
    let is_there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !is_there("npm") {
        return Ok(());
    }
    let fetched = std::fs::metadata(folder.join("node_modules/.package-lock.json")).and_then(|file| file.modified());
    let wanted = std::fs::metadata(folder.join("package-lock.json")).and_then(|file| file.modified());
    if fetched.is_ok_and(|fetched| wanted.is_ok_and(|wanted| wanted <= fetched)) {
        return Ok(());
    }
    let mut fetch = Command::new("npm");
    fetch.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
    process::run(fetch.current_dir(folder))
}

/// Builds the programs and answers where cargo put the one called `name`. All of them, whichever is asked for: another
/// selection of packages gives the engine other features, and builds it once more.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let mut command = process::cargo(["build"]);
    for package in ["palisade-cli", "palisade-signer", "codegen"] {
        command.args(["--package", package]);
    }
    built(&mut command, name)
}

/// Builds an example of a host and answers where cargo put it.
pub(crate) fn example(name: &str) -> Result<PathBuf> {
    built(&mut process::cargo(["build", "--workspace", "--example", name]), name)
}

/// Has cargo build, and answers where it put the program called `name`.
fn built(command: &mut Command, name: &str) -> Result<PathBuf> {
    eprintln!("$ {}", process::shown(command));
    let output = command
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the programs do not build");
    }
    executable(&String::from_utf8_lossy(&output.stdout), name)
        .with_context(|| format!("cargo built no program `{name}`"))
}

#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// The path of a program in cargo's messages, one JSON object a line.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .find(|message| {
            message.target.as_ref().is_some_and(|target| target.name == name) && message.executable.is_some()
        })
        .and_then(|message| message.executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_among_cargos_messages() {
        let messages = r#"
            {"reason":"compiler-artifact","target":{"name":"palisade"},"executable":null}
            {"reason":"compiler-artifact","target":{"name":"palisade"},"executable":"/t/debug/palisade"}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(
            executable(messages, "palisade"),
            Some(PathBuf::from("/t/debug/palisade"))
        );
        assert_eq!(executable(messages, "other"), None);
    }
}
