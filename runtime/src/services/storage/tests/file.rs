//! The file of a storage: who may read it, what it survives, and what is no storage.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use palisade_bundle::{Code, Coded as _};
use rusqlite::Connection;

use super::super::{SqliteStorage, Storage as _, StorageError, StorageOpenError};
use super::{ROOMY, Room, namespace, put};
use crate::services::ManualClock;

fn open(path: &Path) -> Result<SqliteStorage, StorageOpenError> {
    SqliteStorage::open(path, Arc::new(ManualClock::new()))
}

fn room(storage: &SqliteStorage) -> Room<'_> {
    Room {
        storage,
        of: namespace("greeter", None),
    }
}

#[test]
fn finds_everything_again_after_it_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("storage");
    let storage = open(&path).unwrap();
    room(&storage).put("k", "1");
    room(&storage).set_state(Some(b"{}")).unwrap();
    drop(storage);

    let files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(files, ["storage"], "nothing is left beside the file");
    let storage = open(&path).unwrap();
    let room = room(&storage);
    assert_eq!(
        (room.get("k").unwrap(), room.state().unwrap()),
        (b"1".to_vec(), b"{}".to_vec())
    );
    assert_eq!(room.usage(), (2, 1));
}

#[test]
fn ends_its_threads_with_the_last_handle() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new());
    let storage = SqliteStorage::open(folder.path().join("storage"), clock.clone()).unwrap();
    let other = storage.clone();
    drop(storage);
    room(&other).put("k", "1");
    // Nobody waits for the answer: it is asked once, and dropped.
    let of = namespace("greeter", None);
    let mut abandoned = other.write(&of, put("abandoned", "1"), ROOMY);
    let _ = abandoned
        .as_mut()
        .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    drop(abandoned);
    drop(other);
    assert_eq!(Arc::strong_count(&clock), 1, "no thread has a request any more");
    let storage = open(&folder.path().join("storage")).unwrap();
    assert_eq!(room(&storage).keys(), ["abandoned", "k"]);
}

#[cfg(unix)]
#[test]
fn lets_nobody_else_read_its_files() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let storage = open(&folder.path().join("storage")).unwrap();
    room(&storage).put("k", "1");
    let mut names = Vec::new();
    for file in fs::read_dir(&folder).unwrap() {
        let file = file.unwrap();
        assert_eq!(
            file.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{:?}",
            file.path()
        );
        names.push(file.file_name());
    }
    names.sort();
    assert_eq!(names, ["storage", "storage-shm", "storage-wal"]);
}

#[test]
fn takes_the_path_for_a_path() {
    let folder = tempfile::tempdir().unwrap();
    for name in [":memory:", "file:x?mode=memory", "%41", "a b", "ü"] {
        let path = folder.path().join(name);
        let storage = open(&path).unwrap();
        room(&storage).put("k", "1");
        drop(storage);
        assert_eq!(room(&open(&path).unwrap()).get("k").unwrap(), b"1", "{name}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 5);
}

#[test]
fn shares_one_file_between_handles_and_keeps_the_quota_exact() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("storage");
    let ten = super::StorageQuota { bytes: 1_000, keys: 10 };
    let stored = thread::scope(|scope| {
        // Opened at the same time, so that they compete for creating the tables, too.
        let writers = [0, 1, 2, 3].map(|writer| {
            let path = &path;
            scope.spawn(move || {
                let storage = open(path).unwrap();
                let write = |number| room(&storage).write(put(&format!("{writer}-{number}"), ""), ten);
                (0..10).filter(|number| write(*number).is_ok()).count()
            })
        });
        writers.map(|writer| writer.join().unwrap()).iter().sum::<usize>()
    });
    assert_eq!(stored, 10);
    assert_eq!(room(&open(&path).unwrap()).usage(), (30, 10));
}

#[test]
fn refuses_a_file_that_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("storage");
    fs::write(&path, "Dear diary, this is no database. ".repeat(1_000)).unwrap();
    let refused = open(&path).unwrap_err();
    assert!(matches!(refused, StorageOpenError::Damaged { .. }), "{refused:?}");
    assert_eq!(
        refused.to_string(),
        format!("{} is damaged, or no database", path.display())
    );
    assert_eq!(refused.code(), Code::InternalError);
}

#[test]
fn refuses_a_database_of_something_else_and_leaves_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("storage");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE mine (a)")
        .unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(open(&path).unwrap_err(), StorageOpenError::Foreign { .. }));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn refuses_a_newer_schema_and_leaves_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("storage");
    drop(open(&path).unwrap());
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 2)
        .unwrap();
    let before = fs::read(&path).unwrap();
    let refused = open(&path).unwrap_err();
    assert!(
        matches!(refused, StorageOpenError::Newer { found: 2, .. }),
        "{refused:?}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn refuses_a_folder_and_a_path_into_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        open(&folder.path().join("nowhere/storage")).unwrap_err(),
        StorageOpenError::File { .. }
    ));
    assert!(matches!(
        open(folder.path()).unwrap_err(),
        StorageOpenError::Database { .. }
    ));
}

/// Whatever a page turns into, what is done with the storage ends, without a panic, and with a reason if it failed.
#[test]
fn says_so_when_a_page_is_damaged() {
    const PAGE: usize = 4096;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("storage");
    let storage = open(&path).unwrap();
    for number in 0..40 {
        room(&storage).put(&format!("{number:04}"), vec![7; 600]);
    }
    room(&storage).set_state(Some(&[7; 9_000])).unwrap();
    drop(storage);

    let whole = fs::read(&path).unwrap();
    let mut failures = 0;
    for page in 0..whole.len() / PAGE {
        for damage in [0x00, 0x01, 0x0D, 0xFF] {
            let mut damaged = whole.clone();
            damaged[page * PAGE..(page + 1) * PAGE].fill(damage);
            fs::write(&path, damaged).unwrap();
            failures += usize::from(use_all_of(&path).is_err());
        }
    }
    fs::write(&path, &whole[..whole.len() / PAGE / 2 * PAGE]).unwrap();
    failures += usize::from(use_all_of(&path).is_err());
    // Not every byte of a file matters, but most pages do.
    assert!(failures > whole.len() / PAGE, "{failures}");
}

fn use_all_of(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let storage = open(path)?;
    let of = namespace("greeter", None);
    let results = pollster::block_on(async {
        [
            storage.export(&of).await.map(drop),
            storage.get(&of, "0001").await.map(drop),
            storage.list(&of, "", "", 10).await.map(drop),
            storage.usage(&of).await.map(drop),
            storage.state(&of).await.map(drop),
            storage.write(&of, put("0002", "1"), ROOMY).await.map(drop),
            storage.import(&of, Vec::new(), ROOMY).await.map(drop),
            storage.clear(&of).await,
        ]
    });
    for result in &results {
        if let Err(error) = result {
            assert!(matches!(error, StorageError::Database(_)), "{error}");
            let reason = std::error::Error::source(error).unwrap().to_string();
            assert!(!reason.contains("thread"), "{reason}");
        }
    }
    results.into_iter().collect::<Result<(), _>>().map_err(Into::into)
}
