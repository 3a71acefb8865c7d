//! Every system call with which an operation writes fails once, and the process is killed at it once: what a plugin and
//! its data directory are afterwards.
//!
//! A process of its own does the operation (`driver`) in a copy of a prepared directory (`house`). `strace` counts its
//! writing calls first, a thread at a time, and then has one of them fail or kill the process in each run.

#![cfg(target_os = "linux")]

mod driver;
mod house;
mod strace;
mod survivor;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use tempfile::TempDir;

use self::driver::{Driver, Outcome};
use self::house::{House, Operation, on_one_thread};
use self::strace::{Fault, Point};
use self::survivor::Told;

/// Runs at the same time. Each waits for its disk more than it computes.
const RUNS_AT_ONCE: usize = 4;

/// What an operation starts from, and what it comes to when nothing fails.
struct Scene {
    operation: Operation,
    folder: TempDir,
    before: String,
    after: String,
    points: Vec<Point>,
}

impl Scene {
    /// Prepares the directory, and watches the operation once.
    fn new(operation: Operation) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (data, compiled) = (folder.path().join("data"), folder.path().join("compiled"));
        on_one_thread(operation.prepare(&data, &compiled));
        let run = Run::new(operation, &data, &compiled);
        let mut driver = Driver::start(&run);
        let before = driver.holds();
        let strace = strace::watch(&run, &driver);
        assert_eq!(driver.operate(), Outcome::Succeeded);
        let after = driver.look();
        let threads = driver.threads();
        driver.abandon();
        Self {
            operation,
            folder,
            before,
            after,
            points: strace.points(&threads),
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn compiled(&self) -> PathBuf {
        self.folder.path().join("compiled")
    }

    /// Does the operation with one fault, and looks at what is left.
    fn suffer(&self, point: &Point, fault: Fault) {
        let run = Run::new(self.operation, &self.data(), &self.compiled());
        let mut driver = Driver::start(&run);
        assert_eq!(driver.holds(), self.before);
        let strace = strace::inject(&run, driver.thread(&point.thread), point, fault);
        let outcome = driver.operate();
        if let (Outcome::Failed(_), Fault::Answer(_)) = (&outcome, fault) {
            driver.abandon();
            return on_one_thread(survivor::check(self, &run, Told::Failed));
        }
        match &outcome {
            Outcome::Killed => {}
            Outcome::Succeeded => assert_eq!(driver.look(), self.after),
            Outcome::Failed(code) => {
                self.check_failed(&run, &mut driver, code);
                assert_eq!(driver.operate(), Outcome::Succeeded, "the retry");
                assert_eq!(driver.look(), self.after, "after the retry");
            }
        }
        if outcome != Outcome::Killed {
            driver.end();
        }
        strace.was_injected();
        assert_eq!(outcome == Outcome::Killed, fault == Fault::Kill);
        let told = if fault == Fault::Kill {
            Told::Nothing
        } else {
            Told::Succeeded
        };
        on_one_thread(survivor::check(self, &run, told));
    }

    /// An operation that answered an error changed nothing.
    #[track_caller]
    fn check_failed(&self, run: &Run, driver: &mut Driver, code: &str) {
        let expected = [
            "INTERNAL_ERROR",
            "RESOURCE_EXHAUSTED",
            "RELOAD_FAILED",
            "AUDIT_LOG_FAILED",
            "STORAGE_FAILED",
        ];
        assert!(expected.contains(&code), "{code} is no word for a disk that fails");
        let holds = driver.look();
        match self.operation {
            // What was stopped for its removal is not started again.
            Operation::Uninstall => assert!(holds.contains(" 1.0.0 "), "{holds}"),
            _ => assert_eq!(holds, self.before),
        }
        if self.operation == Operation::Install {
            assert_eq!(run.files(), self.files());
        }
    }

    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        files(&self.data())
    }
}

/// One copy of the directory.
struct Run {
    operation: Operation,
    folder: TempDir,
    compiled: PathBuf,
}

impl Run {
    fn new(operation: Operation, data: &Path, compiled: &Path) -> Self {
        let run = Self {
            operation,
            folder: tempfile::tempdir().unwrap(),
            compiled: compiled.to_owned(),
        };
        copy(data, &run.data());
        run
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("strace")
    }

    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        files(&self.data())
    }

    fn house(&self) -> House {
        House::open(&self.data(), &self.compiled)
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file of a data directory with its bytes, but for the audit log and what SQLite keeps beside a database.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_left_out = name.starts_with("audit.") || name.ends_with("-wal") || name.ends_with("-shm");
            if path.is_dir() {
                folders.push(path);
            } else if !is_left_out {
                files.push((path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// Lets every writing call of an operation fail in every way.
fn check(operation: Operation) {
    if driver::is_asked_for(operation) {
        return;
    }
    let scene = Scene::new(operation);
    let threads: BTreeSet<_> = scene.points.iter().map(|point| point.thread.as_str()).collect();
    assert!(threads.len() > 1 && scene.points.len() > 10, "{:?}", scene.points);
    let runs = scene.points.iter().flat_map(|point| {
        let faults = [
            Fault::Error("EIO"),
            Fault::Error("ENOSPC"),
            Fault::Answer("EIO"),
            Fault::Kill,
        ];
        faults.into_iter().map(move |fault| (point, fault))
    });
    let (runs, failures) = (Mutex::new(runs), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let next = runs.lock().unwrap().next();
            let Some((point, fault)) = next else { break };
            let run = std::panic::AssertUnwindSafe(|| scene.suffer(point, fault));
            if std::panic::catch_unwind(run).is_err() {
                failures.lock().unwrap().push(format!("{fault:?} at {point:?}"));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..RUNS_AT_ONCE {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn an_install_at_each_of_whose_writes_the_disk_fails_or_the_host_dies_leaves_all_or_nothing() {
    check(Operation::Install);
}

#[test]
fn an_upgrade_at_each_of_whose_writes_the_disk_fails_or_the_host_dies_leaves_one_whole_version() {
    check(Operation::Upgrade);
}

#[test]
fn a_config_update_at_each_of_whose_writes_the_disk_fails_or_the_host_dies_leaves_one_configuration() {
    check(Operation::UpdateConfig);
}

#[test]
fn a_rollback_at_each_of_whose_writes_the_disk_fails_or_the_host_dies_leaves_one_whole_version() {
    check(Operation::Rollback);
}

#[test]
fn an_uninstall_at_each_of_whose_writes_the_disk_fails_or_the_host_dies_keeps_the_plugin_or_its_data() {
    check(Operation::Uninstall);
}
