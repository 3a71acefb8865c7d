//! The state record: who is told of it, and that nobody loses it to a version that never started.

use std::path::Path;
use std::sync::Arc;

use palisade::{
    HostServices, MemoryStorage, Namespace, Recording, Runtime, State, Storage, Supervisor, SupervisorOpenError,
    SystemClock, UpgradeOptions,
};
use palisade_tests::{Guest, key, release, trust};
use serde_json::{Value, json};

use super::{House, ID, Trail, guest, on_one_thread, settings, told};

fn namespace() -> Namespace {
    Namespace {
        plugin_id: ID.into(),
        publisher: Some(key().public().id().to_string().into()),
    }
}

/// Answers what it was told at its start.
fn listener() -> Guest {
    Guest {
        extra: "(global $told (mut i32) (i32.const 0))",
        init: "(global.set $told (local.get $len))
            (memory.copy (i32.const 131072) (local.get $ptr) (local.get $len))
            (return (i64.const 0))",
        memory: r#"(memory (export "memory") 4)"#,
        command: "(return (i64.or (i64.const 562949953421312) (i64.extend_i32_u (global.get $told))))",
        ..guest("1.0.0")
    }
}

/// Leaves something in the state record and then waits for ever.
fn undecided() -> Guest {
    Guest {
        imports: r#"(import "palisade_v1" "state_set" (func $set (param i32 i32) (result i64)))
            (import "palisade_v1" "host_call" (func $call (param i32 i32 i32 i32) (result i64)))"#,
        extra: r#"(data (i32.const 256) "\"new\"tests:wait")"#,
        init: "(drop (call $set (i32.const 256) (i32.const 5)))
            (drop (call $call (i32.const 261) (i32.const 10) (i32.const 0) (i32.const 0)))
            (i64.const 0)",
        manifest: json!({"version": "2.0.0", "permissions": ["custom:tests:wait"]}),
        ..Guest::default()
    }
}

#[test]
fn a_plugin_is_told_the_record_it_left_when_it_starts() {
    on_one_thread(async {
        let house = House::new();
        house.run(&listener()).await;
        let told = || async { serde_json::from_str::<Value>(&house.answer("").await).unwrap() };
        assert_eq!(told().await.get("state"), None);

        house
            .storage
            .set_state(&namespace(), Some(br#"{"count": 3}"#.to_vec()))
            .await
            .unwrap();
        house.supervisor.reload(ID).await.unwrap();
        let introduction = told().await;
        assert_eq!(
            (&introduction["plugin_id"], &introduction["state"]),
            (&json!(ID), &json!({"count": 3}))
        );

        // Too large to be handed to everybody.
        let large = format!("\"{}\"", "x".repeat(65 * 1024));
        house
            .storage
            .set_state(&namespace(), Some(large.into_bytes()))
            .await
            .unwrap();
        house.supervisor.reload(ID).await.unwrap();
        assert_eq!(told().await.get("state"), None);
    });
}

#[test]
fn what_a_plugin_was_told_at_its_start_is_on_the_recording() {
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new(Arc::new(SystemClock)));
    pollster::block_on(storage.set_state(&namespace(), Some(b"7".to_vec()))).unwrap();
    let services = HostServices {
        storage,
        ..HostServices::default()
    };
    let runtime = Runtime::builder().services(services).build().unwrap();
    let plugin = pollster::block_on(listener().load(&runtime)).unwrap();
    let (then, recording) = pollster::block_on(plugin.record("echo", b"")).unwrap();
    assert!(then.text().unwrap().contains(r#""state":7"#));
    let recording = Recording::from_json(&recording.to_json()).unwrap();
    let now = pollster::block_on(plugin.replay(&recording, "echo", b"")).unwrap();
    assert_eq!((now.bytes(), now.receipt().fuel), (then.bytes(), then.receipt().fuel));
}

#[test]
fn a_version_that_dies_with_its_host_before_it_started_leaves_the_record_as_it_was() {
    for before in [None, Some(b"\"old\"".to_vec())] {
        let executor = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap();
        let (house, upgrading) = executor.block_on(async {
            let house = House::new();
            house.run(&guest("1.0.0")).await;
            house.storage.set_state(&namespace(), before.clone()).await.unwrap();
            let supervisor = house.supervisor.clone();
            let upgrading = tokio::spawn(async move {
                let bundle = release(&undecided().manifest, &undecided().wasm(), 2);
                let options = UpgradeOptions {
                    approval: palisade::Approval::Given,
                    ..UpgradeOptions::default()
                };
                supervisor.upgrade(ID, bundle, options).await.map(drop)
            });
            house.waits.notified().await;
            assert_eq!(
                house.storage.state(&namespace()).await.unwrap(),
                Some(b"\"new\"".to_vec())
            );
            (house, upgrading)
        });
        // As a host ends that is killed: whatever it was at is never gone on with.
        executor.shutdown_background();
        drop(upgrading);
        let House {
            folder,
            runtime,
            storage,
            supervisor,
            trail,
            ..
        } = house;
        drop(supervisor);
        on_one_thread(async {
            let supervisor = reopen(folder.path(), &runtime, &trail).await;
            assert!(supervisor.start().await.is_empty());
            let status = supervisor.status(ID).unwrap();
            assert_eq!((status.state, status.version.as_str()), (State::Active, "1.0.0"));
            assert_eq!(storage.state(&namespace()).await.unwrap(), before);
        });
    }
}

/// Opens a directory whose host is on its way out.
async fn reopen(folder: &Path, runtime: &Runtime, trail: &Arc<Trail>) -> Supervisor {
    loop {
        match Supervisor::open(folder, runtime.clone(), trust(), settings(trail)) {
            Ok(supervisor) => return supervisor,
            Err(SupervisorOpenError::InUse { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_note_of_a_record_is_gone_when_the_new_version_runs() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        house
            .storage
            .set_state(&namespace(), Some(b"1".to_vec()))
            .await
            .unwrap();
        let bundle = release(&guest("1.1.0").manifest, &guest("1.1.0").wasm(), 2);
        house
            .supervisor
            .upgrade(ID, bundle, UpgradeOptions::default())
            .await
            .unwrap();
        house
            .storage
            .set_state(&namespace(), Some(b"2".to_vec()))
            .await
            .unwrap();
        let mut events = house.listen();
        house.supervisor.restart(ID).await.unwrap();
        assert!(!told(&mut events).iter().any(|event| event.starts_with("error")));
        assert_eq!(house.storage.state(&namespace()).await.unwrap(), Some(b"2".to_vec()));
    });
}
