//! What a process gets, and what it says.

use palisade_abi::Level;

use super::*;
use crate::sandbox::LINE_BYTES;
use crate::services::{LogSource, StoredLog};

/// What a program says that ends by itself. Whether it has ended before it is found to run is a matter of luck.
fn said_by(command: ProcessCommand) -> Vec<String> {
    let host = Host::new();
    let service = host.service(command);
    if let Ok(handle) = block_on(service.start()) {
        while block_on(service.health_check(&handle)).unwrap() == HealthStatus::Healthy {
            thread::yield_now();
        }
        block_on(service.stop(handle)).unwrap();
    }
    host.lines()
}

#[test]
fn nothing_is_inherited_and_the_folder_is_as_said() {
    let env = ProcessCommand::new("/usr/bin/env").variable("ONLY", "this");
    assert_eq!(said_by(env), ["ONLY=this"]);
    assert_eq!(said_by(sh("pwd -P")), ["/"]);
    assert_eq!(said_by(sh("pwd -P").folder("/usr")), ["/usr"]);
}

#[test]
fn the_environment_is_inherited_when_asked_for() {
    let lines = said_by(ProcessCommand::new("/usr/bin/env").inherit_environment());
    // Cargo sets this for every test.
    assert!(lines.contains(&"CARGO_PKG_NAME=palisade".to_owned()), "{lines:?}");
}

#[test]
fn there_is_nothing_to_read() {
    assert_eq!(said_by(sh("read line || echo end of input")), ["end of input"]);
}

#[test]
fn lines_come_with_their_stream_safe_to_print_and_the_last_needs_no_end() {
    let host = Host::new();
    let script = r"echo one; printf '\033[2J\377' >&2; printf last; exit 1";
    // It ends before it listens, and its start fails with all it said.
    let service = host.service(sh(script).ready_when(Readiness::tcp(free_port())));
    let fault = fault(block_on(service.start()).unwrap_err());
    assert_eq!(fault.to_string(), "the process ended, status 1");
    let lines = host.log.tail("test");
    for (source, level, text) in [
        (LogSource::Stdout, Level::Info, "one"),
        (LogSource::Stdout, Level::Info, "last"),
        (LogSource::Stderr, Level::Warn, "\\u{1b}[2J\u{fffd}"),
    ] {
        let same = |line: &&StoredLog| (line.source, line.level, &*line.text) == (source, level, text);
        assert_eq!(lines.iter().filter(same).count(), 1, "{text}: {lines:?}");
    }
    assert_eq!(lines.len(), 3);
}

#[test]
fn a_flood_without_line_ends_is_cut_and_what_follows_is_heard() {
    let host = Host::new();
    let service = host.service(
        sh("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo done; exec sleep 1000")
            .variable("PATH", "/usr/bin:/bin"),
    );
    let handle = block_on(service.start()).unwrap();
    host.wait_for("done");
    block_on(service.stop(handle)).unwrap();
    assert_eq!(host.lines(), ["x".repeat(LINE_BYTES) + "…", "done".to_owned()]);
}

#[test]
fn a_flood_of_lines_is_kept_to_its_last_thousand() {
    let host = Host::new();
    let script = "i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i + 1)); done; echo done; exec sleep 1000";
    let service = host.service(sh(script));
    let handle = block_on(service.start()).unwrap();
    host.wait_for("done");
    block_on(service.stop(handle)).unwrap();
    let lines = host.lines();
    assert_eq!((lines.len(), &*lines[0]), (1000, "2001"));
}

#[test]
fn arguments_and_variables_are_not_in_its_debug_form() {
    let command = sh("hush").variable("TOKEN", "s3cret");
    let shown = format!("{command:?}");
    assert!(!shown.contains("hush") && !shown.contains("s3cret"), "{shown}");
}
