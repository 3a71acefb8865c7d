//! The command line: exit codes, fixed answers, what people read. One file per group of commands.

#![cfg(test)]

mod answers;
mod author;
mod bench;
mod bundles;
mod calls;
mod compiling;
mod debug;
mod dev;
mod failures;
mod keys;
mod observe;
pub(crate) mod operate;
mod powers;
mod readable;
mod traces;
mod trust_store;

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use palisade_tests::Guest;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder in which commands run, away from the user's configuration.
pub(crate) struct Desk {
    folder: TempDir,
}

/// How a command ended.
pub(crate) struct Ended {
    line: String,
    code: Option<i32>,
    stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Desk {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A desk with the key pair `me`, the folder `echo` of a plugin, and `echo.zip`, signed by `me`.
    fn with_echo() -> Self {
        let desk = Self::new();
        desk.run(["key", "generate", "--out", "me"]).exits(0);
        desk.plugin("echo", &Guest::default());
        desk.run(["pack", "echo", "-o", "unsigned.zip"]).exits(0);
        desk.run(["sign", "unsigned.zip", "--key", "me.key", "-o", "echo.zip"])
            .exits(0);
        desk
    }

    /// Writes the folder of a plugin whose commands are open.
    fn plugin(&self, folder: &str, guest: &Guest) {
        let mut manifest = json!({
            "id": "com.acme.echo", "name": "Echo", "version": "1.2.3", "author": "Acme",
        });
        let members = guest.manifest.as_object().unwrap().clone();
        manifest.as_object_mut().unwrap().extend(members);
        self.write(&format!("{folder}/plugin.json"), manifest.to_string());
        self.write(&format!("{folder}/plugin.wasm"), guest.wasm());
    }

    /// Packs and signs a guest as `NAME.zip`.
    fn bundle(&self, name: &str, guest: &Guest) -> String {
        self.plugin(name, guest);
        let bundle = format!("{name}.zip");
        self.run(["pack", name, "-o", &bundle]).exits(0);
        self.run(["sign", &bundle, "--key", "me.key"]).exits(0);
        bundle
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(palisade_tests::palisade());
        command
            .current_dir(self.folder.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env_remove("PALISADE_DATA_DIR")
            .env_remove("PALISADE_CACHE_DIR")
            .env_remove("PALISADE_DATA_DIR")
            .env_remove("PALISADE_TRUST_STORE")
            .env_remove("CLICOLOR_FORCE")
            .env_remove("COLUMNS")
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .env_remove("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .env_remove("CI");
        command
    }

    fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ended {
        self.run_with(arguments, b"")
    }

    /// Runs a command that reads `input`.
    fn run_with<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>, input: &[u8]) -> Ended {
        let mut command = self.command();
        command.args(arguments);
        Ended::of(command, input)
    }
}

impl Ended {
    fn of(mut command: Command, input: &[u8]) -> Self {
        let words: Vec<_> = command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let line = format!("palisade {}", words.join(" "));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that does not read its input is free to close it.
        let _ = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        Self {
            line,
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "{}\nstdout: {}\nstderr: {}",
            self.line,
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        );
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The one JSON object on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let text = self.text();
        assert_eq!(text.lines().count(), 1, "{}: one object on one line: {text}", self.line);
        serde_json::from_str(&text).unwrap()
    }

    /// The one problem object on standard error, in the shape of errors.md.
    #[track_caller]
    fn problem(&self) -> Value {
        assert!(self.stdout.is_empty(), "{}: {}", self.line, self.text());
        assert_eq!(self.stderr.lines().count(), 1, "{}: {}", self.line, self.stderr);
        let problem: Value = serde_json::from_str(&self.stderr).unwrap();
        for member in ["code", "message", "operation", "operation_id", "timestamp", "severity"] {
            assert!(problem[member].is_string(), "{member} in {problem}");
        }
        assert!(problem["details"].is_object(), "{problem}");
        assert!(problem["recoverable"].is_boolean(), "{problem}");
        problem
    }

    /// What a person reads on standard error, with this desk's folder and times taken out.
    fn said(&self, desk: &Desk) -> String {
        self.stderr.replace(&*desk.folder.path().to_string_lossy(), "[desk]")
    }
}

/// The names of the members of an object.
fn members(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn exists(path: impl AsRef<Path>) -> bool {
    path.as_ref().exists()
}
