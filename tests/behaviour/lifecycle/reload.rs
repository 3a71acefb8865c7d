//! One generation after another while commands run: nothing is lost, and what fails leaves everything as it was.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use palisade::{
    CacheSecret, Code, Coded, CommandError, CompiledCache, DisableOptions, InstallOptions, Namespace, Runtime, State,
    Supervisor, TransitionError, UpgradeOptions,
};
use palisade_tests::{Guest, key, release, trust};
use serde_json::{Map, json};
use tokio::task::JoinHandle;

use super::{House, ID, LONG, guest, on_one_thread, on_threads, settings, spoiler, told, waiting};

/// Commands and reloads of the race.
const COMMANDS: usize = 10_000;
const RELOADS: usize = 200;
const CALLERS: usize = 8;

pub(super) fn namespace() -> Namespace {
    Namespace {
        plugin_id: ID.into(),
        publisher: Some(key().public().id().to_string().into()),
    }
}

/// Commands race reloads, and every command is answered once, with its own arguments.
async fn race() {
    // Every command must be let wait, so the queue holds all callers; none has to wait for long.
    let house = House::new();
    house.run(&guest("1.0.0")).await;
    let caller = |caller: usize| {
        let supervisor = house.supervisor.clone();
        tokio::spawn(async move {
            let mut last = 0;
            for number in 0..COMMANDS / CALLERS {
                let args = format!("{caller} {number}");
                let output = supervisor.call(ID, "echo", args.as_bytes()).await.unwrap();
                assert_eq!(output.text().unwrap(), args);
                let generation = output.receipt().generation;
                assert!(generation >= last, "an older generation answered after a newer one");
                last = generation;
                tokio::task::yield_now().await;
            }
            COMMANDS / CALLERS
        })
    };
    let callers: Vec<_> = (0..CALLERS).map(caller).collect();
    for _ in 0..RELOADS {
        house.supervisor.reload(ID).await.unwrap();
    }
    let mut answered = 0;
    for caller in callers {
        answered += caller.await.unwrap();
    }
    assert_eq!(answered, COMMANDS);
    let status = house.supervisor.status(ID).unwrap();
    assert_eq!(
        (status.generation, status.active_requests),
        (Some(1 + RELOADS as u64), 0)
    );
}

#[test]
fn no_command_is_lost_to_200_reloads_on_one_thread() {
    on_one_thread(race());
}

#[test]
fn no_command_is_lost_to_200_reloads_on_many_threads() {
    on_threads(race());
}

/// A host that compiles a module once.
fn cached(folder: &Path) -> Supervisor {
    let secret = CacheSecret::from_bytes([7; 32]);
    let cache = CompiledCache::open(folder.join("compiled"), secret, |warning| panic!("{warning}")).unwrap();
    let runtime = Runtime::builder().cache(cache).build().unwrap();
    Supervisor::open(folder.join("data"), runtime, trust(), settings(&Arc::default())).unwrap()
}

#[test]
fn no_command_is_lost_to_a_thousand_reloads() {
    on_threads(async {
        let folder = tempfile::tempdir().unwrap();
        let supervisor = cached(folder.path());
        let bundle = release(&guest("1.0.0").manifest, &guest("1.0.0").wasm(), 1);
        supervisor.install(bundle, InstallOptions::default()).await.unwrap();
        supervisor.enable(ID).await.unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let caller = || {
            let (supervisor, is_over) = (supervisor.clone(), Arc::clone(&is_over));
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let output = supervisor.call(ID, "echo", b"lost?").await.unwrap();
                    assert_eq!(output.bytes(), b"lost?");
                    tokio::task::yield_now().await;
                }
            })
        };
        let callers = [caller(), caller()];
        for _ in 0..1_000 {
            supervisor.reload(ID).await.unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await.unwrap();
        }
        assert_eq!(supervisor.status(ID).unwrap().generation, Some(1_001));
    });
}

#[test]
fn a_command_that_comes_during_a_reload_waits_and_is_served_by_the_new_generation() {
    on_one_thread(async {
        let house = House::new();
        house.run(&waiting()).await;
        let call = |house: &House| {
            let supervisor = house.supervisor.clone();
            tokio::spawn(async move { supervisor.call(ID, "wait", b"").await.unwrap().receipt().generation })
        };
        let first = call(&house);
        house.waits.notified().await;
        let reload = spawn_reload(&house.supervisor);
        while house.supervisor.status(ID).unwrap().state != State::Reloading {
            tokio::task::yield_now().await;
        }
        let second = call(&house);
        tokio::task::yield_now().await;
        let status = house.supervisor.status(ID).unwrap();
        assert_eq!((status.active_requests, status.accepting_requests), (1, false));
        assert!(status.draining.is_some());
        assert_eq!(status.operation.unwrap().operation, "reload");
        let refused = house.supervisor.enable(ID).await.unwrap_err();
        assert_eq!(refused.code(), Code::OperationInProgress);

        house.go_on.notify_waiters();
        assert_eq!(first.await.unwrap(), 1);
        reload.await.unwrap().unwrap();
        house.waits.notified().await;
        house.go_on.notify_waiters();
        assert_eq!(second.await.unwrap(), 2);
    });
}

pub(super) fn spawn_reload(supervisor: &Supervisor) -> JoinHandle<Result<(), TransitionError>> {
    let supervisor = supervisor.clone();
    tokio::spawn(async move { supervisor.reload(ID).await.map(drop) })
}

#[test]
fn a_drain_that_runs_out_of_time_interrupts_its_own_plugin_and_no_other() {
    on_one_thread(async {
        let house = House::with(|settings| settings.drain_timeout = Duration::ZERO);
        house.run(&waiting()).await;
        let mut neighbour = waiting();
        neighbour.manifest["id"] = json!("test.neighbour");
        house.run(&neighbour).await;
        let call = |id: &'static str| {
            let supervisor = house.supervisor.clone();
            tokio::spawn(async move { supervisor.call(id, "wait", b"").await })
        };
        let endless = call(ID);
        house.waits.notified().await;
        let busy = call("test.neighbour");
        house.waits.notified().await;

        let mut events = house.listen();
        house.supervisor.reload(ID).await.unwrap();
        let interrupted = endless.await.unwrap().unwrap_err();
        assert!(matches!(interrupted, CommandError::DrainCancelled), "{interrupted}");
        assert_eq!(interrupted.code(), Code::DrainCancelled);
        let words = told(&mut events);
        let (draining, drained) = ("draining".to_owned(), "drained".to_owned());
        assert!(words.contains(&draining) && words.contains(&drained), "{words:?}");

        assert_eq!(house.supervisor.status("test.neighbour").unwrap().active_requests, 1);
        house.go_on.notify_waiters();
        assert!(busy.await.unwrap().is_ok());
    });
}

#[test]
fn a_caller_that_stopped_listening_holds_up_no_drain() {
    on_one_thread(async {
        let house = House::new();
        house.run(&waiting()).await;
        // Polled once, and then kept without being polled.
        let mut forgotten = Box::pin(house.supervisor.call(ID, "wait", b""));
        let waits = house.waits.notified();
        tokio::pin!(waits);
        std::future::poll_fn(|context| {
            let _ = forgotten.as_mut().poll(context);
            waits.as_mut().poll(context)
        })
        .await;
        let options = DisableOptions {
            timeout: Duration::ZERO,
            ..DisableOptions::default()
        };
        house.supervisor.disable(ID, options).await.unwrap();
        let interrupted = forgotten.await.unwrap_err();
        assert!(matches!(interrupted, CommandError::DrainCancelled), "{interrupted}");
    });
}

#[test]
fn an_operation_goes_on_when_nobody_waits_for_it_any_more() {
    on_one_thread(async {
        let house = House::with(|settings| settings.drain_timeout = LONG);
        house.run(&waiting()).await;
        let supervisor = house.supervisor.clone();
        let call = tokio::spawn(async move { supervisor.call(ID, "wait", b"").await });
        house.waits.notified().await;
        let reload = spawn_reload(&house.supervisor);
        while house.supervisor.status(ID).unwrap().state != State::Reloading {
            tokio::task::yield_now().await;
        }
        reload.abort();
        house.go_on.notify_waiters();
        call.await.unwrap().unwrap();
        while house.supervisor.status(ID).unwrap().operation.is_some() {
            tokio::task::yield_now().await;
        }
        let status = house.supervisor.status(ID).unwrap();
        assert_eq!((status.state, status.generation), (State::Active, Some(2)));
    });
}

/// The first reload of a plugin goes wrong, and everything is as it was before.
async fn check_first_replacement_fails(house: &House, replace: impl AsyncFnOnce(), rolls_back: bool) {
    house.run(&guest("1.0.0")).await;
    let record = Some(br#""old""#.to_vec());
    house.storage.set_state(&namespace(), record.clone()).await.unwrap();
    let (before, mut events) = (house.supervisor.status(ID).unwrap(), house.listen());
    let files = house.files();
    replace().await;
    house.trail.is_broken.store(false, Ordering::Relaxed);
    let mut after = house.supervisor.status(ID).unwrap();
    // That it was tried is remembered.
    after.history.clone_from(&before.history);
    assert_eq!(after, before);
    assert_eq!(house.supervisor.config(ID).unwrap(), None);
    assert_eq!(house.storage.state(&namespace()).await.unwrap(), record);
    let output = house.supervisor.call(ID, "echo", b"as before").await.unwrap();
    assert_eq!((output.text().unwrap(), output.receipt().generation), ("as before", 1));
    let words = told(&mut events);
    assert_eq!(
        words.iter().any(|word| word.starts_with("rollback")),
        rolls_back,
        "{words:?}"
    );
    assert_eq!(
        words.iter().filter(|word| word.starts_with("error")).count(),
        1,
        "{words:?}"
    );
    assert!(!words.contains(&"reloaded".to_owned()));
    // And the next one works.
    house.supervisor.reload(ID).await.unwrap();
    if !files.is_empty() {
        assert_eq!(house.files(), files);
    }
}

#[test]
fn a_first_reload_whose_bundle_was_changed_leaves_everything_as_it_was() {
    on_one_thread(async {
        let house = House::new();
        let replace = async || {
            let (path, bytes) = house.files().remove(0);
            std::fs::write(&path, b"something else").unwrap();
            let error = house.supervisor.reload(ID).await.unwrap_err();
            assert_eq!(error.code(), Code::CorruptedData);
            std::fs::write(path, bytes).unwrap();
        };
        check_first_replacement_fails(&house, replace, false).await;
    });
}

#[test]
fn a_first_upgrade_that_does_not_start_leaves_everything_as_it_was() {
    on_one_thread(async {
        let house = House::new();
        let replace = async || {
            let bad = spoiler("1.1.0");
            let bundle = release(&bad.manifest, &bad.wasm(), 2);
            let upgrade = house.supervisor.upgrade(ID, bundle, UpgradeOptions::default());
            match upgrade.await.unwrap_err() {
                TransitionError::ReloadFailed { cause } => assert_eq!(cause.code(), Code::GuestTrap),
                other => panic!("{other}"),
            }
        };
        check_first_replacement_fails(&house, replace, true).await;
    });
}

#[test]
fn a_first_configuration_that_is_not_written_down_leaves_everything_as_it_was() {
    on_one_thread(async {
        let house = House::new();
        let replace = async || {
            house.trail.is_broken.store(true, Ordering::Relaxed);
            let config = Map::from_iter([("a".to_owned(), json!(1))]);
            let error = house.supervisor.update_config(ID, config).await.unwrap_err();
            assert_eq!(error.code(), Code::AuditLogFailed);
        };
        check_first_replacement_fails(&house, replace, true).await;
    });
}

#[test]
fn a_failed_upgrade_can_be_tried_again_with_another_bundle_of_the_same_number() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        let bad = spoiler("1.1.0");
        let bundle = release(&bad.manifest, &bad.wasm(), 2);
        let upgrade = house.supervisor.upgrade(ID, bundle, UpgradeOptions::default()).await;
        assert_eq!(upgrade.unwrap_err().code(), Code::ReloadFailed);
        let good = release(&guest("1.1.0").manifest, &guest("1.1.0").wasm(), 2);
        house
            .supervisor
            .upgrade(ID, good, UpgradeOptions::default())
            .await
            .unwrap();
    });
}

#[test]
fn an_old_generation_that_cannot_serve_on_either_is_failed() {
    on_one_thread(async {
        let house = House::with(|settings| settings.drain_timeout = Duration::ZERO);
        // Starts once: the second instance finds the state record and traps.
        let once = Guest {
            imports: r#"(import "palisade_v1" "host_call" (func $call (param i32 i32 i32 i32) (result i64)))
                (import "palisade_v1" "state_get" (func $get (result i64)))"#,
            extra: r#"(data (i32.const 256) "tests:wait")"#,
            init: "(if (i64.ne (call $get) (i64.const 0)) (then unreachable)) i64.const 0",
            command: "(drop (call $call (i32.const 256) (i32.const 10) (i32.const 0) (i32.const 0))) i64.const 0",
            manifest: json!({"permissions": ["custom:tests:wait"]}),
            ..Guest::default()
        };
        house.run(&once).await;
        house
            .storage
            .set_state(&namespace(), Some(b"1".to_vec()))
            .await
            .unwrap();
        let supervisor = house.supervisor.clone();
        let call = tokio::spawn(async move { supervisor.call(ID, "wait", b"").await });
        house.waits.notified().await;
        let error = house.supervisor.reload(ID).await.unwrap_err();
        assert_eq!(error.code(), Code::RollbackFailed);
        assert_eq!(call.await.unwrap().unwrap_err().code(), Code::DrainCancelled);
        let status = house.supervisor.status(ID).unwrap();
        assert_eq!(
            (status.state, status.failure.unwrap().code.as_str()),
            (State::Failed, "ROLLBACK_FAILED")
        );
        let refused = house.supervisor.call(ID, "wait", b"").await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidState);
    });
}

#[test]
fn a_cleanup_of_the_old_generation_cannot_undo_the_state_of_the_new_one() {
    on_one_thread(async {
        let house = House::new();
        let writes = Guest {
            imports: r#"(import "palisade_v1" "state_set" (func $set (param i32 i32) (result i64)))"#,
            extra: r#"(data (i32.const 256) "\"old\"")"#,
            cleanup: "(drop (call $set (i32.const 256) (i32.const 5))) i64.const 0",
            ..guest("1.0.0")
        };
        house.run(&writes).await;
        house
            .storage
            .set_state(&namespace(), Some(b"1".to_vec()))
            .await
            .unwrap();
        house.supervisor.reload(ID).await.unwrap();
        assert_eq!(house.storage.state(&namespace()).await.unwrap(), Some(b"1".to_vec()));
        // The last generation has nobody after it, and may save what it has.
        house.supervisor.disable(ID, DisableOptions::default()).await.unwrap();
        assert_eq!(
            house.storage.state(&namespace()).await.unwrap(),
            Some(br#""old""#.to_vec())
        );
    });
}

#[test]
fn a_full_queue_is_refused_at_once() {
    on_one_thread(async {
        let house = House::with(|settings| settings.places = 1);
        house.run(&waiting()).await;
        let call = || {
            let supervisor = house.supervisor.clone();
            tokio::spawn(async move { supervisor.call(ID, "wait", b"").await })
        };
        let running = call();
        house.waits.notified().await;
        let reload = spawn_reload(&house.supervisor);
        while house.supervisor.status(ID).unwrap().state != State::Reloading {
            tokio::task::yield_now().await;
        }
        let parked = call();
        tokio::task::yield_now().await;
        let refused = house.supervisor.call(ID, "wait", b"").await.unwrap_err();
        assert_eq!(refused.code(), Code::PluginUnavailable);
        assert!(refused.details().contains_key("retry_after_ms"));
        house.go_on.notify_waiters();
        running.await.unwrap().unwrap();
        reload.await.unwrap().unwrap();
        house.waits.notified().await;
        house.go_on.notify_waiters();
        parked.await.unwrap().unwrap();
    });
}
