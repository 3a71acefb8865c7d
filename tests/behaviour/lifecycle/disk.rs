//! What a data directory is after a host went away, in order or not.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use palisade::{
    Coded, Digest, InstallOptions, PluginData, Runtime, State, Supervisor, SupervisorOpenError, UpgradeOptions,
};
use palisade_tests::{release, trust};
use serde_json::{Map, json};

use super::{House, ID, Trail, guest, listing, on_one_thread, on_threads, settings};

/// Names the data directory to the process that is going to be killed.
const VICTIM: &str = "PALISADE_TEST_VICTIM";

/// How often it is killed, each time a little later.
const KILLS: usize = 12;

fn open(folder: &Path, runtime: &Runtime) -> Result<Supervisor, SupervisorOpenError> {
    Supervisor::open(folder, runtime.clone(), trust(), settings(&Arc::new(Trail::default())))
}

#[test]
fn a_directory_that_is_opened_again_holds_everything() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        let config = Map::from_iter([("a".to_owned(), json!(1))]);
        house.supervisor.update_config(ID, config.clone()).await.unwrap();
        house.supervisor.grant(ID, "storage:read").await.unwrap();
        let before = house.supervisor.status(ID).unwrap();
        let House {
            folder,
            runtime,
            supervisor,
            ..
        } = house;
        drop(supervisor);

        let supervisor = open(folder.path(), &runtime).unwrap();
        let after = supervisor.status(ID).unwrap();
        assert_eq!(after.state, State::Disabled);
        assert_eq!(
            (&after.digest, &after.granted, after.enabled),
            (&before.digest, &before.granted, true)
        );
        assert_eq!(supervisor.config(ID).unwrap(), Some(config));
        assert!(supervisor.start().await.is_empty());
        assert_eq!(supervisor.call(ID, "echo", b"again").await.unwrap().bytes(), b"again");
    });
}

#[test]
fn a_directory_that_is_in_use_is_refused() {
    on_one_thread(async {
        let house = House::new();
        let error = open(house.folder.path(), &house.runtime).unwrap_err();
        assert!(matches!(error, SupervisorOpenError::InUse { .. }), "{error}");
        assert_eq!(error.code().as_str(), "OPERATION_IN_PROGRESS");
        let House {
            folder,
            runtime,
            supervisor,
            ..
        } = house;
        drop(supervisor);
        open(folder.path(), &runtime).unwrap();
    });
}

#[test]
fn what_a_crash_left_is_removed_and_what_it_spoilt_is_failed() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        let House {
            folder,
            runtime,
            supervisor,
            ..
        } = house;
        drop(supervisor);
        let (active, _) = listing(&folder.path().join("bundles")).remove(0);
        fs::write(folder.path().join("staging/half"), "half").unwrap();
        fs::write(
            folder.path().join("bundles").join(format!("{}.zip", Digest::of(b"x"))),
            "x",
        )
        .unwrap();
        fs::write(&active, "something else").unwrap();

        let supervisor = open(folder.path(), &runtime).unwrap();
        assert!(listing(&folder.path().join("staging")).is_empty());
        assert_eq!(listing(&folder.path().join("bundles")).len(), 1);
        let status = supervisor.status(ID).unwrap();
        assert_eq!(
            (status.state, status.failure.unwrap().code.as_str()),
            (State::Failed, "CORRUPTED_DATA")
        );
        assert!(supervisor.enable(ID).await.is_err(), "what was changed is never run");
    });
}

#[test]
fn a_registry_of_something_else_is_left_alone() {
    on_one_thread(async {
        let house = House::new();
        let (runtime, folder) = (house.runtime.clone(), tempfile::tempdir().unwrap());
        fs::write(
            folder.path().join("registry.db"),
            "not a database, and long enough to be looked at",
        )
        .unwrap();
        let error = open(folder.path(), &runtime).unwrap_err();
        assert!(matches!(error, SupervisorOpenError::Registry { .. }), "{error}");
        assert!(
            fs::read(folder.path().join("registry.db"))
                .unwrap()
                .starts_with(b"not a database")
        );
    });
}

/// Installs, upgrades, rolls back and uninstalls until it is killed, and says how often it was through.
fn be_the_victim(folder: &Path) {
    on_threads(async {
        let supervisor = open(folder, &Runtime::new().unwrap()).unwrap();
        for round in 0_u64.. {
            let sequence = |step| round * 3 + step;
            // Left by the victim before, perhaps with a higher number.
            if supervisor.status(ID).is_ok() {
                supervisor.uninstall(ID, PluginData::Archive).await.unwrap();
            }
            let first = release(&guest("1.0.0").manifest, &guest("1.0.0").wasm(), 1_000 + sequence(1));
            if supervisor.install(first, InstallOptions::default()).await.is_err() {
                continue;
            }
            println!("did install");
            supervisor.enable(ID).await.unwrap();
            println!("did enable");
            let second = release(&guest("1.1.0").manifest, &guest("1.1.0").wasm(), 1_000 + sequence(2));
            supervisor.upgrade(ID, second, UpgradeOptions::default()).await.unwrap();
            println!("did upgrade");
            supervisor.rollback(ID).await.unwrap();
            println!("did rollback");
        }
    });
}

#[test]
fn a_host_that_is_killed_at_any_time_leaves_at_most_one_whole_active_version() {
    if let Ok(folder) = std::env::var(VICTIM) {
        return be_the_victim(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    for kill in 0..KILLS {
        let name = "lifecycle::disk::a_host_that_is_killed_at_any_time_leaves_at_most_one_whole_active_version";
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(VICTIM, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let mut done = lines.map(Result::unwrap).filter(|line| line.contains("did "));
        let last = done.nth(kill).unwrap();
        victim.kill().unwrap();
        victim.wait().unwrap();
        on_one_thread(check_survivor(folder.path(), &last));
    }
}

async fn check_survivor(folder: &Path, last: &str) {
    let runtime = Runtime::new().unwrap();
    let supervisor = open(folder, &runtime).unwrap();
    let plugins = supervisor.list();
    assert!(plugins.len() <= 1, "{plugins:?}");
    for (path, bytes) in listing(&folder.join("bundles")) {
        assert!(path.ends_with(&format!("{}.zip", Digest::of(&bytes))), "{path}");
    }
    for plugin in plugins {
        assert_ne!(plugin.state, State::Failed, "after {last}: {:?}", plugin.failure);
        supervisor.start().await;
        if plugin.enabled {
            assert_eq!(supervisor.call(ID, "echo", b"alive").await.unwrap().bytes(), b"alive");
        }
    }
}
