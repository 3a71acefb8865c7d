//! The README, run: its commands in one shell from top to bottom, its programs against the code they come from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A `$ ` line of a `console` block and what the README shows under it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Example {
    command: String,
    shown: Vec<String>,
}

impl Example {
    /// The README shows the failure of a command by its error.
    fn shows_an_error(&self) -> bool {
        self.shown.iter().any(|line| line.starts_with("error"))
    }
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn readme() -> String {
    fs::read_to_string(repository().join("README.md")).unwrap()
}

/// The insides of the fenced blocks of a language, in order.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fences = text.split("\n```").collect::<Vec<_>>();
    let opening = fences.iter().skip(1).step_by(2);
    opening
        .filter_map(|block| Some(block.strip_prefix(language)?.strip_prefix('\n')?.to_owned()))
        .collect()
}

pub(crate) fn examples(text: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for line in blocks(text, "console").iter().flat_map(|block| block.lines()) {
        match (line.strip_prefix("$ "), examples.last_mut()) {
            (Some(command), _) => examples.push(Example {
                command: command.to_owned(),
                shown: Vec::new(),
            }),
            (None, Some(example)) => example.shown.push(line.to_owned()),
            (None, None) => panic!("a console block starts with a command, not `{line}`"),
        }
    }
    examples
}

/// Runs the commands in one shell, so that `cd` and `$?` mean what they mean to a reader, and gives back the exit code
/// and the output of each.
pub(crate) fn run_all(examples: &[Example], folder: &Path) -> Vec<(i32, String)> {
    const END: &str = "@@ended";
    let commands = examples.iter().map(|example| {
        let command = &example.command;
        format!("{command}\nstatus=$?; printf '\\n{END} %d\\n' $status; (exit $status)\n")
    });
    let script = format!("exec 2>&1\n{}", commands.collect::<String>());

    let programs = palisade_tests::palisade().parent().unwrap().to_path_buf();
    let path = std::env::join_paths(
        std::iter::once(programs).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder)
        .env("PATH", path.unwrap())
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("XDG_DATA_HOME", folder.join("data"))
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();

    let mut results = Vec::new();
    let mut text = String::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match line.strip_prefix(END) {
            Some(status) => results.push((status.trim().parse().unwrap(), std::mem::take(&mut text))),
            None => text += &format!("{line}\n"),
        }
    }
    results
}

/// Whether an output holds the shown lines in their order; `…` in a shown line stands for anything.
fn holds(output: &str, shown: &[String]) -> bool {
    let mut lines = output.lines();
    shown.iter().all(|shown| lines.any(|line| is_like(line, shown)))
}

fn is_like(line: &str, shown: &str) -> bool {
    let mut rest = line;
    let starts = shown.split('…').next().is_some_and(|start| line.starts_with(start));
    let ends = shown.ends_with('…') || shown.split('…').next_back().is_some_and(|end| line.ends_with(end));
    let parts = shown.split('…').all(|part| {
        let found = rest.find(part);
        rest = found
            .and_then(|start| rest.get(start + part.len()..))
            .unwrap_or_default();
        found.is_some()
    });
    starts && parts && ends
}

#[test]
fn every_command_does_what_the_readme_shows() {
    let readme = readme();
    let examples = examples(&readme);
    let folder = tempfile::tempdir().unwrap();
    let results = run_all(&examples, folder.path());
    assert!(examples.len() >= 8, "the README has stories, and they have commands");
    check(&examples, results);

    let plugin = fs::read_to_string(folder.path().join("hello/src/lib.rs")).unwrap();
    let shown = &blocks(&readme, "rust")[1];
    assert!(
        plugin.contains(shown.trim_end()),
        "`palisade new` writes another plugin than the README shows:\n{plugin}"
    );
}

/// Every command ended as it is shown.
#[track_caller]
pub(crate) fn check(examples: &[Example], results: Vec<(i32, String)>) {
    assert_eq!(results.len(), examples.len(), "the shell went away: {results:?}");
    for (example, (exit, output)) in examples.iter().zip(results) {
        let Example { command, shown } = example;
        assert_eq!(
            exit != 0,
            example.shows_an_error(),
            "`{command}` ended with {exit}:\n{output}"
        );
        assert!(
            holds(&output, shown),
            "`{command}` should print {shown:#?}, not\n{output}"
        );
    }
}

#[test]
fn the_host_program_is_the_example_of_the_crate() {
    let library = fs::read_to_string(repository().join("runtime/src/lib.rs")).unwrap();
    let documentation: String = library
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect();
    let shown = &blocks(&readme(), "rust")[0];
    assert!(
        documentation.contains(shown.trim_end()),
        "runtime/src/lib.rs should document, and so run,\n{shown}"
    );
}

#[test]
fn the_two_commands_of_the_repository_are_run_by_ci() {
    let ci = fs::read_to_string(repository().join(".ci/run")).unwrap();
    let commands: Vec<_> = blocks(&readme(), "sh")
        .iter()
        .flat_map(|block| block.lines())
        .map(without_comment)
        .collect();
    assert_eq!(commands, ["cargo xtask demo", "cargo xtask test"]);
    for command in commands {
        assert!(
            ci.lines().any(|line| line == command),
            ".ci/run should have the line `{command}`"
        );
    }
}

fn without_comment(line: &str) -> String {
    line.split_once('#')
        .map_or(line, |(command, _)| command)
        .trim_end()
        .to_owned()
}

#[test]
fn shown_output_is_compared_line_by_line() {
    let shown = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect::<Vec<_>>();
    let output = "one\ntwo: 2 ms\nthree\n";
    assert!(holds(output, &shown(&["one", "three"])));
    assert!(holds(output, &shown(&["two: … ms"])) && holds(output, &shown(&["…", "three"])));
    assert!(!holds(output, &shown(&["three", "one"])), "another order");
    assert!(
        !holds(output, &shown(&["two: …s ms"])) && !holds(output, &shown(&["two: …2"])),
        "another line"
    );
    assert!(!holds(output, &shown(&["on"])), "a part of a line");
}
