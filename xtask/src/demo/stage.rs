//! Where the demo plays: a folder, the program, and an account of what is done with it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::process;

/// A folder of its own, in which the program runs and beside which it finds no configuration.
pub(super) struct Stage {
    folder: TempDir,
    palisade: PathBuf,
    /// Where the example host is.
    example: PathBuf,
    steps: u32,
}

impl Stage {
    pub(super) fn new(palisade: PathBuf, example: PathBuf) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("palisade-demo-")
            .tempdir()
            .context("cannot make a folder")?;
        Ok(Self {
            folder,
            palisade,
            example,
            steps: 0,
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Leaves the folder in place.
    pub(super) fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    /// Says what comes next.
    pub(super) fn step(&mut self, what: &str) {
        self.steps += 1;
        println!("\n{}. {what}\n", self.steps);
    }

    /// Runs `palisade` and shows the line, as one would type it, and every word of the answer.
    pub(super) fn palisade<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<Answer> {
        let answer = self.run(&self.palisade, arguments)?;
        answer.show(&answer.stderr);
        Ok(answer)
    }

    /// Runs the example host, likewise.
    pub(super) fn example<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<Answer> {
        let answer = self.run(&self.example, arguments)?;
        answer.show(&answer.stderr);
        Ok(answer)
    }

    /// The same for a command that compiles: what the compiler says is shown only when it fails.
    pub(super) fn palisade_build<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<Answer> {
        let answer = self.run(&self.palisade, arguments)?;
        answer.show(if answer.exit == Some(0) { "" } else { &answer.stderr });
        Ok(answer)
    }

    fn run<A: AsRef<OsStr>>(&self, program: &Path, arguments: impl IntoIterator<Item = A>) -> Result<Answer> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("NO_COLOR", "1");
        let line = process::shown(&command);
        println!("   $ {line}");
        let output = command
            .output()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Answer {
            line,
            exit: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Copies a bundle and changes one bit in the middle of the copy.
    pub(super) fn tamper(&self, bundle: &str, copy: &str) -> Result<()> {
        let mut bytes = std::fs::read(self.path(bundle))?;
        let middle = bytes.len() / 2;
        *bytes.get_mut(middle).context("the bundle is empty")? ^= 1;
        std::fs::write(self.path(copy), bytes)?;
        println!("   (byte {middle} of {copy} differs from {bundle} in one bit)");
        Ok(())
    }

    /// Writes the files of a folder.
    pub(super) fn write(&self, folder: &str, files: &[(&str, &str)]) -> Result<()> {
        let folder = self.path(folder);
        std::fs::create_dir_all(&folder)?;
        for (name, text) in files {
            std::fs::write(folder.join(Path::new(name)), text)?;
        }
        Ok(())
    }
}

/// What the program did.
pub(super) struct Answer {
    line: String,
    exit: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Answer {
    fn show(&self, stderr: &str) {
        let json = self.line.ends_with(" --json").then(|| self.json().ok()).flatten();
        let stdout = json.map_or_else(|| self.stdout.clone(), |json| indented(&json, 2));
        for line in stdout.lines().chain(stderr.lines()) {
            println!("     {line}");
        }
        let exit = self
            .exit
            .map_or_else(|| "by a signal".to_owned(), |exit| exit.to_string());
        println!("   (exit {exit})");
    }

    /// Fails unless this is how the program ended.
    pub(super) fn exits(self, expected: i32) -> Result<Self> {
        if self.exit != Some(expected) {
            bail!("`{}` should have ended with exit code {expected}", self.line);
        }
        Ok(self)
    }

    /// Fails unless the program said this, on whichever stream.
    pub(super) fn says(self, words: &str) -> Result<Self> {
        if !self.stdout.contains(words) && !self.stderr.contains(words) {
            bail!("`{}` should have said `{words}`", self.line);
        }
        Ok(self)
    }

    /// The answer as JSON.
    pub(super) fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("`{}` should have answered in JSON", self.line))
    }
}

/// JSON for reading: one member a line down to `depth`, and what lies deeper on the line of its name.
fn indented(value: &Value, depth: usize) -> String {
    match value {
        Value::Object(members) if depth > 0 && !members.is_empty() => {
            let member = |(name, value): (&String, &Value)| {
                let value = indented(value, depth - 1).replace('\n', "\n  ");
                format!("  {name:?}: {value}")
            };
            let members: Vec<_> = members.iter().map(member).collect();
            format!("{{\n{}\n}}", members.join(",\n"))
        }
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(exit: i32) -> Answer {
        Answer {
            line: "palisade x".into(),
            exit: Some(exit),
            stdout: "{\"a\":1}".into(),
            stderr: "error[X]: no".into(),
        }
    }

    #[test]
    fn an_answer_that_is_not_as_told_fails_the_demo() {
        assert!(answer(4).exits(4).and_then(|answer| answer.says("error[X]")).is_ok());
        assert!(answer(4).exits(0).is_err());
        assert!(answer(4).says("error[Y]").is_err());
    }

    #[test]
    fn an_answer_in_json_is_shown_in_two_levels() {
        let value = serde_json::json!({"a": {"b": [1, 2], "c": {"d": 3}}, "e": {}});
        let expected = "{\n  \"a\": {\n    \"b\": [1,2],\n    \"c\": {\"d\":3}\n  },\n  \"e\": {}\n}";
        assert_eq!(indented(&value, 2), expected);
    }

    #[test]
    fn tampering_changes_one_bit() {
        let stage = Stage::new(PathBuf::from("palisade"), PathBuf::from("example")).unwrap();
        std::fs::write(stage.path("a"), [0; 9]).unwrap();
        stage.tamper("a", "b").unwrap();
        assert_eq!(std::fs::read(stage.path("b")).unwrap(), [0, 0, 0, 0, 1, 0, 0, 0, 0]);
    }
}
