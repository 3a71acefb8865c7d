//! `kill -9` in the middle of writing: what was answered `Ok` is there afterwards.

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread;

use super::super::SqliteStorage;
use super::{Room, StorageQuota, namespace, put};
use crate::services::SystemClock;

/// How often the writer is killed: often enough to meet it in every step of a commit and of a checkpoint.
const ROUNDS: u64 = 200;

/// Writers in the child, so that some writes share a commit.
const WRITERS: u64 = 4;

/// In which the child is told that it is one: where the storage is, and which round this is.
const PATH: &str = "PALISADE_TEST_STORAGE";
const ROUND: &str = "PALISADE_TEST_STORAGE_ROUND";

/// Before each key that the storage answered `Ok` to. libtest prints other lines around them.
const KEPT: &str = "kept ";

/// Far more than any round writes.
const NO_QUOTA: StorageQuota = StorageQuota {
    bytes: u64::MAX,
    keys: u64::MAX,
};

/// Nothing by itself: the test below runs this one as a process of its own, and kills it.
#[test]
fn writes_until_it_is_killed() {
    let (Ok(path), Ok(round)) = (env::var(PATH), env::var(ROUND)) else {
        return;
    };
    let storage = SqliteStorage::open(path, Arc::new(SystemClock)).unwrap();
    // libtest leaves its own line open.
    println!();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (room, round) = (room(&storage), &round);
            scope.spawn(move || {
                for number in 0_u64.. {
                    let key = format!("{round}-{writer}-{number}");
                    room.write(put(&key, value(&key)), NO_QUOTA).unwrap();
                    // In one piece and at once, so that a line is there whole or not at all.
                    std::io::stdout()
                        .write_all(format!("{KEPT}{key}\n").as_bytes())
                        .unwrap();
                }
            });
        }
    });
}

#[test]
fn keeps_every_acknowledged_write_through_200_kills() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("storage");
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut kept = BTreeSet::new();
    for round in 0..ROUNDS {
        let until = 1 + random.below(40);
        kept.extend(write_and_kill(&path, round, until));
        if round % 20 == 0 {
            // A clear in between, so that freed pages are used again and the file stays small.
            check_all(&path, &kept);
            room(&SqliteStorage::open(&path, Arc::new(SystemClock)).unwrap()).clear();
            kept.clear();
        }
        check_all(&path, &kept);
    }
}

/// The keys that the child said were kept. It is killed after some of them; what it said until it was dead counts.
fn write_and_kill(path: &Path, round: u64, until: u64) -> Vec<String> {
    let mut child = spawn(path, round);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut kept = Vec::new();
    while (kept.len() as u64) < until {
        kept.extend(next_kept(&mut lines).expect("the child writes until it is killed"));
    }
    // SIGKILL, on Unix.
    child.kill().unwrap();
    while let Some(more) = next_kept(&mut lines) {
        kept.extend(more);
    }
    child.wait().unwrap();
    kept
}

fn spawn(path: &Path, round: u64) -> Child {
    let name = concat!(module_path!(), "::writes_until_it_is_killed");
    let (_crate_name, name) = name.split_once("::").unwrap();
    Command::new(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(PATH, path)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The key of the next line, if it has one; `None` at the end, also in the middle of a line.
fn next_kept(lines: &mut BufReader<ChildStdout>) -> Option<Option<String>> {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let line = line.strip_suffix('\n')?;
    Some(line.strip_prefix(KEPT).map(ToOwned::to_owned))
}

/// Every kept key has its value, so has every other that made it, and the counters are right.
fn check_all(path: &Path, kept: &BTreeSet<String>) {
    let storage = SqliteStorage::open(path, Arc::new(SystemClock)).unwrap();
    let entries = room(&storage).export();
    let found: BTreeSet<_> = entries.iter().map(|entry| &entry.key).collect();
    let lost: Vec<_> = kept.iter().filter(|key| !found.contains(key)).collect();
    assert!(lost.is_empty(), "lost {lost:?}");
    for entry in &entries {
        assert!(
            entry.value == value(&entry.key),
            "{} is not what was written",
            entry.key
        );
    }
    let bytes = entries
        .iter()
        .map(|entry| entry.key.len() + entry.value.len())
        .sum::<usize>();
    assert_eq!(room(&storage).usage(), (bytes as u64, entries.len() as u64));
}

/// Some bytes that only this key has; of a few pages for some.
fn value(key: &str) -> Vec<u8> {
    let times = if key.ends_with('7') { 2_000 } else { 20 };
    key.repeat(times).into_bytes()
}

fn room(storage: &SqliteStorage) -> Room<'_> {
    Room {
        storage,
        of: namespace("writer", None),
    }
}

/// Xorshift: the same rounds every time, at moments that nobody chose.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
