//! `kill -9` in the middle of recording: what was acknowledged is there, and the chain verifies.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use super::super::{AuditFilter, AuditLog};
use super::{Place, clock, entry, key};

/// How often the host is killed.
const ROUNDS: u64 = 50;

/// Callers in the child, so that some records share a commit.
const CALLERS: u64 = 4;

/// In which the child is told that it is one: where the data directory is.
const DIRECTORY: &str = "PALISADE_TEST_AUDIT";

/// Before the number of each record that was acknowledged. libtest prints other lines around them.
const KEPT: &str = "kept ";

/// Nothing by itself: the test below runs this one as a process of its own, and kills it.
#[test]
fn appends_until_it_is_killed() {
    let Ok(directory) = env::var(DIRECTORY) else {
        return;
    };
    let log = AuditLog::open(directory, clock(), key()).unwrap();
    // libtest leaves its own line open.
    println!();
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let log = &log;
            scope.spawn(move || {
                for number in 0_u64.. {
                    let mut entry = entry(number);
                    entry.resource = format!("{}-{caller}-{number}", std::process::id());
                    let resource = entry.resource.clone();
                    let seq = log.append(entry).unwrap();
                    if number % 7 == caller {
                        log.checkpoint().unwrap();
                    }
                    // In one piece and at once, so that a line is there whole or not at all.
                    std::io::stdout()
                        .write_all(format!("{KEPT}{seq} {resource}\n").as_bytes())
                        .unwrap();
                }
            });
        }
    });
}

#[test]
fn keeps_every_acknowledged_record_through_50_kills() {
    let place = Place::new();
    for round in 0..ROUNDS {
        let kept = append_and_kill(place.path(), 1 + round * 7 % 40);
        let log = place.log();
        log.verify().unwrap();
        for (seq, resource) in kept {
            let page = log.records(seq, 1, &AuditFilter::default()).unwrap();
            assert_eq!((page.records[0].seq, &page.records[0].resource), (seq, &resource));
        }
    }
    assert!(place.verify().unwrap().records > ROUNDS);
}

/// What the child said was recorded. It is killed after some of them; what it said until it was dead counts.
fn append_and_kill(directory: &Path, until: u64) -> Vec<(u64, String)> {
    let mut child = spawn(directory);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut kept = Vec::new();
    while (kept.len() as u64) < until {
        kept.extend(next_kept(&mut lines).expect("the child appends until it is killed"));
    }
    // SIGKILL, on Unix.
    child.kill().unwrap();
    while let Some(more) = next_kept(&mut lines) {
        kept.extend(more);
    }
    child.wait().unwrap();
    kept
}

fn spawn(directory: &Path) -> Child {
    let name = concat!(module_path!(), "::appends_until_it_is_killed");
    let (_crate_name, name) = name.split_once("::").unwrap();
    Command::new(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the next line says, if it says that something was kept; `None` at the end, also in the middle of a line.
fn next_kept(lines: &mut BufReader<ChildStdout>) -> Option<Option<(u64, String)>> {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let line = line.strip_suffix('\n')?;
    Some(line.strip_prefix(KEPT).map(|kept| {
        let (seq, resource) = kept.split_once(' ').unwrap();
        (seq.parse().unwrap(), resource.to_owned())
    }))
}
