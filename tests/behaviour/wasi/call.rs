//! `palisade call`: folders by option, and the second wall.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use palisade_tests::{key, palisade, signed};
use serde_json::json;
use tempfile::TempDir;

use super::plugin::script_guest;
use super::script::{CREATE, Script, numbers};
use super::{DIR, errno};

/// A folder with a bundle, the key it is signed with, and a folder `data` with a file.
fn desk(wasm: &[u8]) -> TempDir {
    let desk = tempfile::tempdir().unwrap();
    let asked = ["filesystem:read", "filesystem:write"].map(|name| json!({"name": name, "optional": true}));
    let bundle = signed(
        &json!({"permissions": asked, "resource_limits": {"fuel": 100_000_000}}),
        wasm,
    );
    fs::write(desk.path().join("plugin.zip"), bundle).unwrap();
    fs::write(desk.path().join("me.pub"), key().public().to_pem()).unwrap();
    fs::create_dir(desk.path().join("data")).unwrap();
    fs::write(desk.path().join("data/file"), "text").unwrap();
    desk
}

fn command(desk: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(palisade());
    command
        .args(["call", "plugin.zip", "x", "--trust", "me.pub"])
        .args(options)
        .current_dir(desk)
        .env("XDG_CONFIG_HOME", desk.join("config"));
    command
}

fn reader_and_writer() -> Vec<u8> {
    let mut script = Script::default();
    script.open(DIR, "file", 0);
    script.open(DIR, "new", CREATE);
    script_guest(&script).wasm()
}

#[track_caller]
fn answers(output: &Output) -> Vec<u32> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    numbers(&output.stdout)
}

#[test]
fn a_folder_takes_an_option_and_a_grant() {
    let desk = desk(&reader_and_writer());
    let run = |options: &[&str]| command(desk.path(), options).output().unwrap();
    let (read, write) = (["--grant", "filesystem:read"], ["--grant", "filesystem:write"]);
    let (dir, writable) = (["--dir", "data::/data"], ["--writable-dir", "data::/data"]);
    let none = [errno::BADF; 2];
    assert_eq!(answers(&run(&[])), none);
    assert_eq!(answers(&run(&dir)), none);
    assert_eq!(answers(&run(&read)), none);
    assert_eq!(answers(&run(&[dir, read].concat())), [0, errno::PERM]);
    assert_eq!(answers(&run(&[dir, read, write].concat())), [0, errno::PERM]);
    assert_eq!(answers(&run(&[writable, read].concat())), [0, errno::PERM]);
    assert!(!desk.path().join("data/new").exists());
    assert_eq!(answers(&run(&[writable, read, write].concat())), [0, 0]);
    assert!(desk.path().join("data/new").exists());
}

#[test]
fn a_folder_that_cannot_be_mapped_is_told_in_words() {
    let desk = desk(&reader_and_writer());
    let refused = |options: &[&str], exit: i32, words: &str| {
        let output = command(desk.path(), options).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{said}");
        assert!(said.contains(words), "{said}");
    };
    refused(&["--dir", "data:/data"], 2, "expected HOST::GUEST");
    refused(&["--dir", "::/data"], 2, "the folder before `::` is missing");
    refused(&["--writable-dir", "data::"], 2, "the name after `::` is missing");
    refused(&["--dir", "data::/data", "--allow-links"], 2, "--writable-dir");
    refused(
        &["--dir", "data::/a", "--writable-dir", "data::/a"],
        2,
        "two folders are mapped to `/a`",
    );
    let read = ["--grant", "filesystem:read"];
    refused(&[&read[..], &["--dir", "nowhere::/data"]].concat(), 3, "`/data`");
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_confined_before_a_plugin_runs() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    // Says so when it runs, and waits for ten years.
    let guest = palisade_tests::Guest {
        imports: r#"(import "palisade_v1" "log" (func $log (param i32 i32 i32)))
                    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))"#,
        extra: r#"(data (i32.const 24) "\01\00\00\00") (data (i32.const 256) "running")"#,
        command: "(call $log (i32.const 2) (i32.const 256) (i32.const 7))
                  (i64.store (i32.const 32) (i64.const 315360000000000000))
                  (drop (call $poll (i32.const 8) (i32.const 128) (i32.const 1) (i32.const 512)))
                  i64.const 0",
        ..palisade_tests::Guest::default()
    };
    let desk = desk(&guest.wasm());
    let mut child = command(desk.path(), &[]).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.contains("running"), "{line}");
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
}
