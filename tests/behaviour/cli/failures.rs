//! Bad arguments and bad files: always a code, an exit code, a message; never a panic.

#[cfg(unix)]
use std::process::{Command, Stdio};

use super::Desk;

#[test]
fn arguments_that_make_no_sense_are_usage_in_both_modes() {
    let desk = Desk::new();
    for line in [
        &["bogus"][..],
        &["verify"],
        &["sign", "x.zip"],
        &["call", "x.zip"],
        &["verify", "x.zip", "--require", "0"],
        &["verify", "x.zip", "--trust", "a", "--trust-store", "b"],
        &["sign", "x.zip", "--key", "k", "--append", "--sequence", "1"],
        &["new", "Not A Name"],
        &["new", "x", "--lang", "cobol"],
        &["help", "nothing"],
        &["completions", "tcsh"],
        &["trust", "revoke", "sha256:abc"],
        &["trust", "remove", "ed25519:abc"],
    ] {
        desk.run(line).exits(if line == ["trust", "remove", "ed25519:abc"] {
            3
        } else {
            2
        });
        if line != ["trust", "remove", "ed25519:abc"] {
            let problem = desk.run(line.iter().chain(&["--json"])).exits(2).problem();
            assert_eq!(problem["code"], "INVALID_ARGUMENT", "{line:?}");
        }
    }
}

#[test]
fn a_problem_names_the_operation_and_its_id() {
    let desk = Desk::new();
    let one = desk
        .run(["trust", "add", "absent.pub", "--ids", "*", "--json"])
        .exits(3)
        .problem();
    let other = desk
        .run(["--json", "trust", "add", "absent.pub", "--ids", "*"])
        .exits(3)
        .problem();
    assert_eq!(one["operation"], "trust add");
    assert_eq!(one["code"], "NOT_FOUND");
    assert_eq!(one["severity"], "low");
    assert_eq!(one["recoverable"], false);
    assert_eq!(one["operation_id"].as_str().unwrap().len(), 32);
    assert_ne!(one["operation_id"], other["operation_id"]);
}

#[test]
fn a_missing_file_is_three_and_its_neighbour_is_suggested() {
    let desk = Desk::with_echo();
    let problem = desk
        .run(["verify", "ehco.zip", "--trust", "me.pub", "--json"])
        .exits(3)
        .problem();
    assert_eq!(problem["code"], "NOT_FOUND");
    assert_eq!(problem["details"]["suggestion"], "echo.zip");
    desk.run(["verify", ".", "--trust", "me.pub"]).exits(3);
    desk.run(["verify", "echo.zip/x", "--trust", "me.pub"]).exits(3);
    desk.run(["sign", "unsigned.zip", "--key", "me.key", "-o", "no/such/folder/x.zip"])
        .exits(3);
    desk.run(["sign", "unsigned.zip", "--key", "me.key", "-o", "echo"])
        .exits(2);
}

#[cfg(target_os = "linux")]
#[test]
fn pipes_and_devices_are_no_files() {
    let desk = Desk::with_echo();
    assert!(
        Command::new("mkfifo")
            .arg(desk.path("fifo"))
            .status()
            .unwrap()
            .success()
    );
    desk.run(["verify", "fifo", "--trust", "me.pub"]).exits(3);
    desk.run(["verify", "/dev/zero", "--trust", "me.pub"]).exits(3);
    desk.run(["sign", "unsigned.zip", "--key", "me.key", "-o", "/dev/null"])
        .exits(2);
    desk.run(["key", "show", "/dev/zero"]).exits(3);
    desk.run(["key", "show", "me.key", "--passphrase-file", "/dev/zero"])
        .exits(0);
}

#[cfg(unix)]
#[test]
fn an_endless_input_ends_at_the_cap() {
    let desk = Desk::with_echo();
    for (line, exit) in [
        (&["verify", "-", "--trust", "me.pub", "--json"][..], 5),
        (&["call", "echo.zip", "any", "-", "--trust", "me.pub", "--json"], 2),
    ] {
        let mut command = desk.command();
        let zeros = std::fs::File::open("/dev/zero").unwrap();
        let output = command.args(line).stdin(Stdio::from(zeros)).output().unwrap();
        assert_eq!(output.status.code(), Some(exit), "{line:?}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("_TOO_LARGE"),
            "{line:?}"
        );
    }
}

#[test]
fn a_bundle_above_fifty_mebibytes_is_too_large() {
    let desk = Desk::with_echo();
    let limit = 50 * 1024 * 1024;
    let file = std::fs::File::create(desk.path("huge.zip")).unwrap();
    file.set_len(limit + 1).unwrap();
    let problem = desk
        .run(["verify", "huge.zip", "--trust", "me.pub", "--json"])
        .exits(5)
        .problem();
    assert_eq!(problem["code"], "PACKAGE_TOO_LARGE");
    assert_eq!(problem["details"]["limit_bytes"], limit);
    file.set_len(limit).unwrap();
    let problem = desk
        .run(["verify", "huge.zip", "--trust", "me.pub", "--json"])
        .exits(5)
        .problem();
    assert_eq!(problem["code"], "CORRUPTED_DATA");
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_the_end_and_no_error() {
    let desk = Desk::with_echo();
    for line in [
        &["--help"][..],
        &["help", "exit-codes"],
        &["inspect", "echo.zip"],
        &["inspect", "echo.zip", "--json"],
    ] {
        let mut command = desk.command();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command
            .args(line)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(141), "{line:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line:?}");
    }
}
