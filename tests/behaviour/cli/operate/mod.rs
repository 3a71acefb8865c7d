//! The OPERATE commands against a data directory.

mod audit;
mod data;
mod guide;
mod life;
mod refusals;
mod samples;

use palisade_tests::Guest;
use serde_json::{Value, json};

use super::{Desk, Ended};

/// The plugin these tests are about.
pub(crate) const ID: &str = "com.acme.echo";

/// A desk that trusts `me`, with a way to make versions.
pub(crate) struct Workshop {
    pub(crate) desk: Desk,
}

impl Workshop {
    pub(crate) fn new() -> Self {
        let desk = Desk::new();
        desk.run(["key", "generate", "--out", "me"]).exits(0);
        desk.run(["trust", "add", "me.pub", "--ids", "com.acme.*"]).exits(0);
        Self { desk }
    }

    /// A workshop with version 1.0.0 installed and enabled.
    pub(crate) fn with_echo() -> Self {
        let workshop = Self::new();
        let bundle = workshop.version("1.0.0", 1, json!({}));
        workshop.run(&["install", &bundle, "--enable"]).exits(0);
        workshop
    }

    /// Signs a version of the plugin; what is signed later has a higher `sequence`.
    pub(crate) fn version(&self, version: &str, sequence: u64, manifest: Value) -> String {
        self.guest(version, sequence, manifest, Guest::default())
    }

    pub(crate) fn guest(&self, version: &str, sequence: u64, mut manifest: Value, guest: Guest) -> String {
        manifest["version"] = version.into();
        let (folder, bundle) = (format!("v{sequence}"), format!("echo-{version}-{sequence}.zip"));
        self.desk.plugin(&folder, &Guest { manifest, ..guest });
        self.run(&["pack", &folder, "-o", &bundle]).exits(0);
        let sequence = sequence.to_string();
        self.run(&["sign", &bundle, "--key", "me.key", "--sequence", &sequence])
            .exits(0);
        bundle
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        self.desk.run(words)
    }

    /// The answer of a command that succeeds, as JSON.
    #[track_caller]
    pub(crate) fn answer(&self, words: &[&str]) -> Value {
        self.run(&[words, &["--json"]].concat()).exits(0).json()
    }

    /// The stable word of a command that fails.
    #[track_caller]
    pub(crate) fn code(&self, words: &[&str], exit: i32) -> String {
        let problem = self.run(&[words, &["--json"]].concat()).exits(exit).problem();
        problem["code"].as_str().unwrap().to_owned()
    }

    /// Version and state, as `list` tells them.
    #[track_caller]
    fn listed(&self) -> Vec<(String, String)> {
        let answer = self.answer(&["list"]);
        let plugins = answer["plugins"].as_array().unwrap().iter();
        let word = |plugin: &Value, name: &str| plugin[name].as_str().unwrap().to_owned();
        plugins
            .map(|plugin| (word(plugin, "version"), word(plugin, "state")))
            .collect()
    }

    #[track_caller]
    fn is(&self, version: &str, state: &str) {
        assert_eq!(self.listed(), [(version.to_owned(), state.to_owned())]);
    }
}
