//! A plugin that logs without end costs the host nothing but time, which it pays for.

use std::process::Command;
use std::sync::Mutex;

use palisade::{HostServices, LimitSettings, Limits, LogRecord, LogSink, LogSource, Policy, Runtime};
use palisade_tests::Guest;

/// Ten gigabytes, in messages of the largest size that is looked at.
const MESSAGES: u64 = 10_000_000_000 / MESSAGE_BYTES;
const MESSAGE_BYTES: u64 = 80 * 1024;

/// Set in the process that is flooded.
const FLOODED: &str = "PALISADE_TEST_FLOODED";

/// Keeps what the host itself says, and counts the rest.
#[derive(Debug, Default)]
struct Counting {
    kept: Mutex<(u64, u64, Vec<String>)>,
}

impl LogSink for Counting {
    fn write(&self, record: &LogRecord<'_>) {
        let mut kept = self.kept.lock().unwrap();
        match record.source {
            LogSource::Host => kept.2.push(record.text.to_owned()),
            _ => {
                kept.0 += 1;
                kept.1 = kept.1.max(record.text.len() as u64);
            }
        }
    }
}

/// Logs the same 80 KiB again and again.
fn flooding() -> Guest {
    let command = format!(
        "(local $i i64)
         (loop $again
           (call $log (i32.const 2) (i32.const 65536) (i32.const {MESSAGE_BYTES}))
           (local.set $i (i64.add (local.get $i) (i64.const 1)))
           (br_if $again (i64.lt_u (local.get $i) (i64.const {MESSAGES}))))
         i64.const 0"
    );
    Guest {
        memory: r#"(memory (export "memory") 4)"#,
        imports: r#"(import "palisade_v1" "log" (func $log (param i32 i32 i32)))"#,
        command: command.leak(),
        ..Guest::default()
    }
}

#[test]
fn ten_gigabytes_of_log_take_less_than_four_mebibytes_and_leave_one_honest_count() {
    if std::env::var_os(FLOODED).is_some() {
        return flooded();
    }
    // Memory is measured in a process of its own: other tests use some.
    let name = "flood::ten_gigabytes_of_log_take_less_than_four_mebibytes_and_leave_one_honest_count";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(FLOODED, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{printed}");
    assert!(printed.contains("1 passed"), "{printed}");
}

fn flooded() {
    let sink = std::sync::Arc::new(Counting::default());
    let services = HostServices {
        log: std::sync::Arc::clone(&sink) as _,
        ..HostServices::default()
    };
    let mut ceiling = Limits::CEILING;
    ceiling.fuel = 100_000_000_000;
    ceiling.execution_time = std::time::Duration::from_secs(3_600);
    let runtime = Runtime::builder().services(services).ceiling(ceiling).build().unwrap();
    let limits = LimitSettings {
        fuel: Some(100_000_000_000),
        execution_time: Some(std::time::Duration::from_secs(3_600)),
        ..LimitSettings::default()
    };
    let policy = Policy::deny_all().limits(limits);
    let plugin = pollster::block_on(flooding().load_with(&runtime, &policy)).unwrap();
    let before = resident_bytes();
    let output = plugin.call_blocking("go", b"").unwrap();
    let grown = resident_bytes().saturating_sub(before);
    assert!(
        output.receipt().fuel > MESSAGES * MESSAGE_BYTES,
        "every byte is paid for"
    );
    assert!(grown < 4 << 20, "{grown}");
    let (lines, longest, notes) = std::mem::take(&mut *sink.kept.lock().unwrap());
    assert!(
        longest <= 8 * 1024 + 3,
        "a line of 8 KiB, and three bytes that say it was cut off"
    );
    assert_eq!(notes, [format!("{} log lines were dropped", MESSAGES - lines)]);
}

/// Memory of this process that is in use, from Linux's `/proc/self/statm` in pages of 4 KiB.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
