//! The journal against floods, crashes, full files and readers that look on.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use palisade_abi::Level;
use serde_json::value::RawValue;
use tempfile::TempDir;

use super::line::{self, LINE_BYTES, Target};
use super::queue::Queue;
use super::*;
use crate::event::{EventId, EventKind, Json, MemoryEvents};
use crate::services::{LogSource, ManualClock, MemoryLog};

const ID: &str = "com.acme.weather";

/// A journal whose files hold little.
fn journal(folder: &TempDir, limit_bytes: u64) -> Journal {
    let mut files = Files::create(folder.path()).unwrap();
    (files.log_bytes, files.event_bytes) = (limit_bytes, limit_bytes);
    Journal::open_bounded(files, Arc::new(ManualClock::new())).unwrap()
}

fn record<'a>(id: &'a str, text: &'a str) -> LogRecord<'a> {
    LogRecord {
        plugin_id: id,
        version: Some("1.2.0"),
        level: Level::Info,
        source: LogSource::Log,
        text,
    }
}

fn custom(json: &str) -> Event {
    Event {
        event_id: EventId::default(),
        seq: 1,
        plugin_id: Arc::from(ID),
        version: Arc::from("1.2.0"),
        timestamp: std::time::SystemTime::UNIX_EPOCH,
        operation_id: None,
        kind: EventKind::Custom {
            topic: "news".to_owned(),
            data: Json(RawValue::from_string(json.to_owned()).unwrap()),
        },
    }
}

fn logs(folder: &TempDir) -> JournalReader<LogLine> {
    JournalReader::logs(folder.path(), &ID.parse().unwrap())
}

fn texts(reader: &mut JournalReader<LogLine>) -> Vec<String> {
    let mut texts = Vec::new();
    reader.read(|line| texts.push(line.text)).unwrap();
    texts
}

fn numbers(range: std::ops::RangeInclusive<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[test]
fn what_was_said_and_what_happened_is_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder, 10_000);
    journal.logs().write(&record(ID, "hello"));
    journal.events().emit(custom("{\"a\":1.10}"));
    drop(journal);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(
        read("logs/com.acme.weather.jsonl"),
        "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"info\",\"plugin_id\":\"com.acme.weather\",\
         \"version\":\"1.2.0\",\"source\":\"log\",\"text\":\"hello\"}\n"
    );
    assert_eq!(
        read("events.jsonl"),
        "{\"event_id\":\"0000000000000000-0\",\"seq\":1,\"plugin_id\":\"com.acme.weather\",\"version\":\"1.2.0\",\
         \"timestamp\":\"1970-01-01T00:00:00Z\",\"operation_id\":null,\"event\":\"plugin:custom\",\"topic\":\"news\",\
         \"data\":{\"a\":1.10}}\n"
    );
}

#[cfg(unix)]
#[test]
fn the_files_are_this_users_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::open(folder.path().join("new"), Arc::new(ManualClock::new())).unwrap();
    journal.logs().write(&record(ID, "hello"));
    journal.events().emit(custom("1"));
    journal.flush();
    let mode = |name: &str| {
        let metadata = fs::metadata(folder.path().join("new").join(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!([mode("logs/com.acme.weather.jsonl"), mode("events.jsonl")], [0o600; 2]);
    assert_eq!([mode(""), mode("logs")], [0o700; 2]);
}

#[test]
fn no_words_of_a_guest_make_a_line_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder, 100_000);
    let forged = "{\"event\":\"plugin:enabled\"}";
    let said = format!("one\n{forged}\r\n\u{2028}\u{1b}[2J");
    journal.logs().write(&record(ID, &said));
    journal
        .events()
        .emit(custom(&format!("{{\n\"a\":\r\n{forged}\n,\"b\":\"\\n\"}}")));
    journal.flush();
    assert_eq!(texts(&mut logs(&folder)), [said]);
    let mut events = Vec::new();
    JournalReader::events(folder.path())
        .read(|event| events.push(event))
        .unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event, "plugin:custom");
    assert_eq!(events[0].facts["data"]["b"], "\n");
}

#[test]
fn a_name_that_is_no_plugin_id_reaches_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder, 10_000);
    let next = Arc::new(MemoryLog::new());
    let sink = journal.logs_before(Arc::clone(&next) as Arc<dyn LogSink>);
    for name in [
        "../up",
        "a/b",
        "..",
        "",
        "UPPER",
        "con",
        "nul.x",
        "a\0b",
        &"a".repeat(129),
    ] {
        sink.write(&record(name, "hello"));
    }
    journal.flush();
    assert_eq!(next.take().len(), 9);
    assert_eq!(fs::read_dir(folder.path().join("logs")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_flood_fills_its_own_share_and_the_file_says_what_is_missing() {
    let queue = Arc::new(Queue::default());
    let target = |id: &str| Target::Log(id.parse().unwrap());
    let line = |text: &str| {
        let record = record(ID, text);
        line::to_bytes(&LogLine::of(&record, std::time::SystemTime::UNIX_EPOCH).unwrap())
    };
    let long = "x".repeat(8 * 1024);
    for _ in 0..200 {
        queue.put(target(ID), line(&long));
    }
    queue.put(target(ID), line("short, and after what is missing"));
    queue.put(target("com.acme.quiet"), line("heard"));
    let dropped = queue.dropped();
    assert!((70..=80).contains(&dropped), "{dropped}");

    let folder = tempfile::tempdir().unwrap();
    let files = Files::create(folder.path()).unwrap();
    let thread = writer::spawn(files, Arc::clone(&queue), Arc::new(ManualClock::new())).unwrap();
    queue.close();
    thread.join().unwrap();
    let all = texts(&mut logs(&folder));
    assert_eq!(all.last().unwrap(), &format!("{dropped} log lines were dropped"));
    assert_eq!(all.len(), 202 - usize::try_from(dropped).unwrap());
    let mut quiet = JournalReader::logs(folder.path(), &"com.acme.quiet".parse().unwrap());
    assert_eq!(texts(&mut quiet), ["heard"]);
}

#[test]
fn all_together_wait_in_bounded_memory() {
    let queue = Queue::default();
    let line = vec![b'x'; LINE_BYTES];
    for number in 0..20 {
        queue.put(Target::Log(format!("p{number}").parse().unwrap()), Some(line.clone()));
    }
    assert_eq!(queue.dropped(), 4, "16 MiB have room, and not a line more");
    queue.put(Target::Events, Some(vec![b'x'; LINE_BYTES + 1]));
    assert_eq!(queue.dropped(), 5);
}

#[test]
fn what_comes_after_the_end_is_counted_and_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder, 10_000);
    let (sink, queue) = (journal.logs(), Arc::clone(&journal.queue));
    sink.write(&record(ID, "in time"));
    drop(journal);
    sink.write(&record(ID, "too late"));
    assert_eq!(queue.dropped(), 1);
    assert_eq!(texts(&mut logs(&folder)), ["in time"]);
}

#[test]
fn a_file_that_cannot_be_written_is_said_in_it_later() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder, 10_000);
    let sink = journal.logs();
    let path = folder.path().join("logs/com.acme.weather.jsonl");
    fs::create_dir(&path).unwrap();
    sink.write(&record(ID, "one"));
    journal.flush();
    sink.write(&record(ID, "two"));
    journal.flush();
    assert_eq!(journal.dropped(), 2);
    fs::remove_dir(&path).unwrap();
    sink.write(&record(ID, "three"));
    journal.flush();
    assert_eq!(texts(&mut logs(&folder)), ["2 log lines were dropped", "three"]);
}

#[test]
fn two_files_are_kept_and_neither_grows_beyond_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder, 1_000);
    let sink = journal.logs();
    for number in 1..=100 {
        sink.write(&record(ID, &number.to_string()));
        journal.flush();
    }
    let size = |name: &str| fs::metadata(folder.path().join("logs").join(name)).unwrap().len();
    assert!(size("com.acme.weather.jsonl") <= 1_000 && size("com.acme.weather.jsonl.1") <= 1_000);
    assert_eq!(fs::read_dir(folder.path().join("logs")).unwrap().count(), 2);
    let kept = texts(&mut logs(&folder));
    assert!((8..=14).contains(&kept.len()), "{kept:?}");
    let first: u32 = kept[0].parse().unwrap();
    assert_eq!(kept, numbers(first..=100));
}

#[test]
fn a_follower_misses_nothing_while_files_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder, 1_000);
    let sink = journal.logs();
    let (mut every, mut seldom) = (logs(&folder), logs(&folder));
    let (mut heard, mut heard_seldom) = (Vec::new(), Vec::new());
    for number in 1..=100_u32 {
        sink.write(&record(ID, &number.to_string()));
        journal.flush();
        heard.extend(texts(&mut every));
        // A file holds seven lines, so that one or two were replaced in between.
        if number % 8 == 0 {
            heard_seldom.extend(texts(&mut seldom));
        }
    }
    heard_seldom.extend(texts(&mut seldom));
    assert_eq!(heard, numbers(1..=100));
    assert_eq!(heard_seldom, numbers(1..=100));
}

#[test]
fn a_follower_that_comes_too_late_goes_on_with_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder, 1_000);
    let sink = journal.logs();
    let mut reader = logs(&folder);
    sink.write(&record(ID, "0"));
    journal.flush();
    assert_eq!(texts(&mut reader), ["0"]);
    for number in 1..=100 {
        sink.write(&record(ID, &number.to_string()));
        journal.flush();
    }
    let left = texts(&mut reader);
    // The rest of the file it held, and the two that are there.
    assert!(left.len() > 10 && left.len() < 100, "{left:?}");
    assert_eq!(left.last().unwrap(), "100");
}

#[test]
fn a_line_that_a_crash_tore_is_skipped_and_the_next_one_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs/com.acme.weather.jsonl");
    let first = journal(&folder, 10_000);
    first.logs().write(&record(ID, "before"));
    drop(first);
    append(&path, b"{\"time\":\"1970-01-01T00:00:00.000Z\",\"le");
    let mut reader = logs(&folder);
    assert_eq!(texts(&mut reader), ["before"]);
    let second = journal(&folder, 10_000);
    second.logs().write(&record(ID, "after"));
    second.flush();
    assert_eq!(texts(&mut reader), ["after"]);
    assert_eq!(texts(&mut logs(&folder)), ["before", "after"]);
}

#[test]
fn what_is_no_line_is_skipped_whatever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs/com.acme.weather.jsonl");
    let first = journal(&folder, 10_000_000);
    append(&path, &vec![b'x'; 2 * LINE_BYTES]);
    append(&path, b"\n\xff\xfe\n{}\n[]\n{\"time\":1}\n\n");
    first.logs().write(&record(ID, "after"));
    first.flush();
    assert_eq!(texts(&mut logs(&folder)), ["after"]);
}

#[test]
fn a_line_is_heard_once_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs/com.acme.weather.jsonl");
    fs::create_dir(path.parent().unwrap()).unwrap();
    let mut reader = logs(&folder);
    assert!(!reader.exists());
    assert!(texts(&mut reader).is_empty());
    let line = LogLine::of(&record(ID, "slow"), std::time::SystemTime::UNIX_EPOCH).unwrap();
    let bytes = line::to_bytes(&line).unwrap();
    let (head, tail) = bytes.split_at(20);
    append(&path, head);
    assert!(texts(&mut reader).is_empty());
    append(&path, tail);
    assert_eq!(texts(&mut reader), ["slow"]);
    assert!(reader.exists());
}

#[test]
fn whatever_is_kept_is_passed_on_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(&folder, 10_000);
    let (log, events) = (Arc::new(MemoryLog::new()), Arc::new(MemoryEvents::new(10)));
    journal
        .logs_before(Arc::clone(&log) as Arc<dyn LogSink>)
        .write(&record(ID, "hello"));
    journal
        .events_before(Arc::clone(&events) as Arc<dyn EventSink>)
        .emit(custom("1"));
    assert_eq!((log.take().len(), events.take().len()), (1, 1));
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}
