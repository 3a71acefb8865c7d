//! Random operations, in memory and in a file: both have to answer the same.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::rules::from_unix_ms;
use super::super::{MemoryStorage, SqliteStorage, StorageCondition, StorageQuota, StorageWrite, StoredEntry};
use super::{Namespace, Storage, namespace};
use crate::services::ManualClock;

/// Small enough that most sequences run into both limits.
const QUOTA: StorageQuota = StorageQuota { bytes: 24, keys: 4 };

#[derive(Clone, Debug)]
enum Operation {
    Get(String),
    Write(StorageWrite),
    List(String, String, usize),
    Usage,
    State,
    SetState(Option<Vec<u8>>),
    Export,
    Import(Vec<StoredEntry>),
    Clear,
    Wait(Duration),
}

fn key() -> impl Strategy<Value = String> {
    "[ab\u{0}%\u{10FFFF}]{0,2}"
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    vec(0..2_u8, 0..9)
}

/// Before, at and after the times that the clock comes by, which starts in 1970.
fn expires() -> impl Strategy<Value = Option<SystemTime>> {
    option::of((-2_i64..20).prop_map(from_unix_ms))
}

fn write() -> impl Strategy<Value = StorageWrite> {
    let condition = prop_oneof![
        3 => Just(StorageCondition::Always),
        1 => Just(StorageCondition::Absent),
        2 => value().prop_map(StorageCondition::Equals),
    ];
    let parts = (key(), option::weighted(0.8, value()), condition, expires());
    parts.prop_map(|(key, value, condition, expires)| StorageWrite {
        key,
        value,
        condition,
        expires,
    })
}

fn entry() -> impl Strategy<Value = StoredEntry> {
    let parts = (key(), value(), expires());
    parts.prop_map(|(key, value, expires)| StoredEntry { key, value, expires })
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        2 => key().prop_map(Operation::Get),
        8 => write().prop_map(Operation::Write),
        3 => (key(), key(), 0..4_usize).prop_map(|(prefix, after, limit)| Operation::List(prefix, after, limit)),
        2 => Just(Operation::Usage),
        1 => Just(Operation::State),
        1 => option::of(value()).prop_map(Operation::SetState),
        2 => Just(Operation::Export),
        1 => vec(entry(), 0..5).prop_map(Operation::Import),
        1 => Just(Operation::Clear),
        2 => (1..5_u64).prop_map(|ms| Operation::Wait(Duration::from_millis(ms))),
    ]
}

/// What the storage answers, in words, for errors cannot be compared.
fn answer(storage: &dyn Storage, of: &Namespace, operation: Operation) -> String {
    pollster::block_on(async move {
        match operation {
            Operation::Get(key) => format!("{:?}", storage.get(of, &key).await),
            Operation::Write(write) => format!("{:?}", storage.write(of, write, QUOTA).await),
            Operation::List(prefix, after, limit) => {
                format!("{:?}", storage.list(of, &prefix, &after, limit).await)
            }
            Operation::Usage => format!("{:?}", storage.usage(of).await),
            Operation::State => format!("{:?}", storage.state(of).await),
            Operation::SetState(record) => format!("{:?}", storage.set_state(of, record).await),
            Operation::Export => format!("{:?}", storage.export(of).await),
            Operation::Import(entries) => format!("{:?}", storage.import(of, entries, QUOTA).await),
            Operation::Clear => format!("{:?}", storage.clear(of).await),
            Operation::Wait(_) => String::new(),
        }
    })
}

/// What the counters of the file say is what is in it.
fn check_counters(storage: &SqliteStorage, of: &Namespace) {
    let entries = pollster::block_on(storage.export(of)).unwrap();
    let bytes = entries
        .iter()
        .map(|entry| entry.key.len() + entry.value.len())
        .sum::<usize>();
    let usage = pollster::block_on(storage.usage(of)).unwrap();
    assert_eq!((usage.bytes, usage.keys), (bytes as u64, entries.len() as u64));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn answers_in_a_file_as_in_memory(operations in vec((any::<bool>(), operation()), 1..60)) {
        let clock = Arc::new(ManualClock::new());
        let folder = tempfile::tempdir().unwrap();
        let memory = MemoryStorage::new(clock.clone());
        let file = SqliteStorage::open(folder.path().join("storage"), clock.clone()).unwrap();
        let namespaces = [namespace("a", None), namespace("a", Some(""))];
        for (second, operation) in operations {
            if let Operation::Wait(time) = operation {
                clock.advance(time);
            }
            let of = &namespaces[usize::from(second)];
            prop_assert_eq!(
                answer(&memory, of, operation.clone()),
                answer(&file, of, operation.clone()),
                "{:?}",
                operation
            );
            check_counters(&file, of);
        }
    }
}
