//! What is kept of a plugin and what an operator does with it: state, archives, configurations, versions.

use palisade::{
    AuditAction, Code, Coded, DisableOptions, Downgrade, LastState, PluginArchive, PluginData, State, StorageCondition,
    StorageQuota, StorageWrite, TransitionError, UpgradeOptions,
};
use palisade_tests::{Guest, release};
use serde_json::{Map, json};

use super::{House, ID, guest, on_one_thread, spoiler, told, waiting};

/// Keeps `"kept"` when it ends.
fn keeps() -> Guest {
    Guest {
        imports: r#"(import "palisade_v1" "state_set" (func $set (param i32 i32) (result i64)))"#,
        extra: r#"(data (i32.const 256) "\"kept\"")"#,
        cleanup: "(drop (call $set (i32.const 256) (i32.const 6))) i64.const 0",
        ..guest("1.0.0")
    }
}

fn actions(house: &House) -> Vec<AuditAction> {
    house.trail.kept.entries().iter().map(|entry| entry.action).collect()
}

async fn upgrade(house: &House, guest: &Guest, sequence: u64) -> Result<(), TransitionError> {
    let bundle = release(&guest.manifest, &guest.wasm(), sequence);
    let upgraded = house.supervisor.upgrade(ID, bundle, UpgradeOptions::default());
    upgraded.await.map(drop)
}

#[test]
fn one_plugin_is_started_if_it_is_to_run_and_nothing_is_written_down() {
    on_one_thread(async {
        let house = House::new();
        let bundle = release(&json!({}), &Guest::default().wasm(), 1);
        house.supervisor.install(bundle, Default::default()).await.unwrap();
        let status = house.supervisor.start_one(ID).await.unwrap();
        assert_eq!(status.state, State::Installed, "nobody enabled it");
        house.supervisor.enable(ID).await.unwrap();
        let before = actions(&house);
        assert_eq!(
            house.supervisor.start_one(ID).await.unwrap().generation,
            Some(1),
            "it runs"
        );
        assert_eq!(actions(&house), before);
        let missing = house.supervisor.start_one("test.gest").await.unwrap_err();
        assert_eq!(missing.code(), Code::NotFound);
    });
}

#[test]
fn what_a_cleanup_writes_is_kept_unless_it_is_refused() {
    on_one_thread(async {
        for (last_state, kept) in [(LastState::Keep, Some(&b"\"kept\""[..])), (LastState::Refuse, None)] {
            let house = House::new();
            house.run(&keeps()).await;
            let options = DisableOptions {
                last_state,
                ..DisableOptions::default()
            };
            let disabled = house.supervisor.disable(ID, options).await.unwrap();
            assert_eq!(disabled.state_saved, kept.is_some());
            assert_eq!((disabled.drained, disabled.cancelled), (0, 0));
            assert_eq!(house.supervisor.state(ID).await.unwrap().as_deref(), kept);
        }
    });
}

#[test]
fn commands_that_end_and_commands_that_are_interrupted_are_counted() {
    on_one_thread(async {
        for (timeout, expected) in [(super::LONG, (2, 0)), (std::time::Duration::ZERO, (0, 2))] {
            let house = House::new();
            house.run(&waiting()).await;
            let calls: Vec<_> = (0..2)
                .map(|_| {
                    let supervisor = house.supervisor.clone();
                    tokio::spawn(async move { supervisor.call(ID, "wait", b"").await })
                })
                .collect();
            for _ in &calls {
                house.waits.notified().await;
            }
            let options = DisableOptions {
                timeout,
                ..DisableOptions::default()
            };
            let supervisor = house.supervisor.clone();
            let disabled = tokio::spawn(async move { supervisor.disable(ID, options).await });
            while house.supervisor.status(ID).unwrap().draining.is_none() && !disabled.is_finished() {
                tokio::task::yield_now().await;
            }
            if expected.0 > 0 {
                house.go_on.notify_waiters();
            }
            let disabled = disabled.await.unwrap().unwrap();
            assert_eq!((disabled.drained, disabled.cancelled), expected);
        }
    });
}

#[test]
fn a_named_version_comes_back_and_later_ones_are_forgotten() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        for (sequence, version) in [(2, "1.1.0"), (3, "1.2.0"), (4, "1.3.0")] {
            upgrade(&house, &guest(version), sequence).await.unwrap();
        }
        let versions = |house: &House| -> Vec<_> {
            let status = house.supervisor.status(ID).unwrap();
            status.versions.into_iter().map(|kept| kept.version).collect()
        };
        assert_eq!(versions(&house), ["1.0.0", "1.1.0", "1.2.0", "1.3.0"]);
        let error = house.supervisor.rollback_to(ID, "1.3.0").await.unwrap_err();
        assert_eq!(error.code(), Code::NoRollbackVersion, "it is there already");
        let status = house.supervisor.rollback_to(ID, "1.1.0").await.unwrap();
        assert_eq!(status.version, "1.1.0");
        assert_eq!(versions(&house), ["1.0.0", "1.1.0"]);
        let error = house.supervisor.rollback_to(ID, "1.2.0").await.unwrap_err();
        assert_eq!(error.details()["kept"], json!(["1.0.0"]));
    });
}

#[test]
fn an_upgrade_that_is_only_tried_changes_nothing() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        let (before, mut events) = (house.supervisor.status(ID).unwrap(), house.listen());
        let (files, trail) = (house.files(), actions(&house));
        let newer = json!({"version": "2.0.0", "permissions": ["storage:read"]});
        let preview = |bundle| house.supervisor.preview_upgrade(ID, bundle, Downgrade::Refuse);
        let found = preview(release(&newer, &Guest::default().wasm(), 2)).await.unwrap();
        assert_eq!(
            (found.old_version.as_str(), found.new_version.as_str()),
            ("1.0.0", "2.0.0")
        );
        assert!(found.needs_approval && found.difference.added.len() == 1);
        // What would be refused is refused.
        let older = preview(release(&json!({"version": "0.9.0"}), &Guest::default().wasm(), 0)).await;
        assert_eq!(older.unwrap_err().code(), Code::DowngradeRefused);
        let other = preview(release(&json!({"id": "test.other"}), &Guest::default().wasm(), 2)).await;
        assert!(other.is_err());
        let noise = preview(b"noise".to_vec()).await;
        assert_eq!(noise.unwrap_err().code(), Code::CorruptedData);
        let broken = Guest {
            imports: r#"(import "env" "nothing" (func))"#,
            ..guest("2.0.0")
        };
        assert!(preview(release(&broken.manifest, &broken.wasm(), 2)).await.is_err());
        assert_eq!(house.supervisor.status(ID).unwrap(), before);
        assert_eq!((house.files(), actions(&house)), (files, trail));
        assert!(told(&mut events).is_empty());
    });
}

#[test]
fn every_configuration_that_took_effect_is_remembered_up_to_twenty() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        let config = |a: i32| Map::from_iter([("a".to_owned(), json!(a))]);
        let numbers = async || -> Vec<_> {
            let history = house.supervisor.config_history(ID).await.unwrap();
            history.iter().map(|change| change.number).collect()
        };
        assert_eq!(numbers().await, [1], "the one of the manifest");
        house.supervisor.update_config(ID, config(0)).await.unwrap();
        house.supervisor.update_config(ID, config(0)).await.unwrap();
        house.supervisor.reload(ID).await.unwrap();
        assert_eq!(numbers().await, [2, 1], "the same once more is no change");
        for a in 1..=20 {
            house.supervisor.update_config(ID, config(a)).await.unwrap();
        }
        assert_eq!(numbers().await, (3..=22).rev().collect::<Vec<_>>());
        let history = house.supervisor.config_history(ID).await.unwrap();
        assert_eq!(
            (&history[0].config, history[0].version.as_str()),
            (&config(20), "1.0.0")
        );
        assert!(history[0].at.is_some());

        // A rollback brings the configuration of its version back, and that is a change.
        upgrade(&house, &guest("1.1.0"), 2).await.unwrap();
        assert_eq!(numbers().await[0], 22);
        house.supervisor.update_config(ID, config(21)).await.unwrap();
        house.supervisor.rollback(ID).await.unwrap();
        let history = house.supervisor.config_history(ID).await.unwrap();
        assert_eq!((history[0].number, &history[0].config), (24, &config(20)));
        house.supervisor.uninstall(ID, PluginData::Archive).await.unwrap();
        assert!(house.supervisor.config_history(ID).await.is_err());
    });
}

#[test]
fn a_configuration_that_was_not_taken_is_not_remembered() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        assert!(upgrade(&house, &spoiler("1.1.0"), 2).await.is_err());
        let bad = Map::from_iter([("a".to_owned(), json!(1))]);
        house.trail.is_broken.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(house.supervisor.update_config(ID, bad).await.is_err());
        assert_eq!(house.supervisor.config_history(ID).await.unwrap().len(), 1);
    });
}

#[test]
fn the_state_of_a_plugin_that_runs_is_its_own() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        let set = |record: &'static [u8]| house.supervisor.set_state(ID, Some(record.to_vec()));
        match set(b"1").await.unwrap_err() {
            TransitionError::InvalidState(refusal) => assert_eq!(refusal.operation, "set_state"),
            other => panic!("{other}"),
        }
        let archive = house.supervisor.export_data(ID).await.unwrap();
        let imported = house.supervisor.import_data(ID, archive).await;
        assert_eq!(imported.unwrap_err().code(), Code::InvalidState);
        house.supervisor.disable(ID, DisableOptions::default()).await.unwrap();
        let before = actions(&house).len();
        assert_eq!(set(b"{").await.unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(house.supervisor.state(ID).await.unwrap(), None);
        set(b"1").await.unwrap();
        assert_eq!(house.supervisor.state(ID).await.unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(
            actions(&house)[before..],
            [AuditAction::StateChange; 2],
            "refused ones, too"
        );
        house.trail.is_broken.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(set(b"2").await.unwrap_err().code(), Code::AuditLogFailed);
        assert_eq!(house.supervisor.state(ID).await.unwrap().as_deref(), Some(&b"1"[..]));
    });
}

#[test]
fn an_archive_comes_back_whole_or_not_at_all() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        house.supervisor.disable(ID, DisableOptions::default()).await.unwrap();
        house.supervisor.set_state(ID, Some(b"1".to_vec())).await.unwrap();
        let write = StorageWrite {
            key: "k".to_owned(),
            value: Some(vec![0, 1, 255]),
            condition: StorageCondition::Always,
            expires: None,
        };
        let quota = StorageQuota { bytes: 100, keys: 1 };
        house
            .storage
            .write(&super::reload::namespace(), write, quota)
            .await
            .unwrap();
        let archive = house.supervisor.export_data(ID).await.unwrap();
        let json = serde_json::to_vec(&archive).unwrap();
        assert_eq!(serde_json::from_slice::<PluginArchive>(&json).unwrap(), archive);

        let import = |archive: PluginArchive| house.supervisor.import_data(ID, archive);
        let mut large = archive.clone();
        large.entries[0].value = vec![0; 2 * 1024 * 1024];
        assert_eq!(import(large).await.unwrap_err().code(), Code::PayloadTooLarge);
        let mut large = archive.clone();
        large.entries.clear();
        large.state = Some(format!("\"{}\"", "a".repeat(1024 * 1024)).into_bytes());
        assert_eq!(import(large).await.unwrap_err().code(), Code::PayloadTooLarge);
        let mut odd = archive.clone();
        odd.state = Some(b"{".to_vec());
        assert_eq!(import(odd).await.unwrap_err().code(), Code::InvalidArgument);
        for near in [("test.gues", archive.publisher.clone()), (ID, None)] {
            let mut other = archive.clone();
            (other.plugin_id, other.publisher) = (near.0.to_owned(), near.1);
            assert_eq!(import(other).await.unwrap_err().code(), Code::InvalidArgument);
        }
        assert_eq!(
            house.supervisor.export_data(ID).await.unwrap(),
            archive,
            "nothing was changed"
        );
        let empty = PluginArchive {
            state: None,
            entries: Vec::new(),
            ..archive.clone()
        };
        import(empty.clone()).await.unwrap();
        assert_eq!(house.supervisor.export_data(ID).await.unwrap(), empty);
        import(archive.clone()).await.unwrap();
        assert_eq!(house.supervisor.export_data(ID).await.unwrap(), archive);
    });
}

#[test]
fn the_last_states_are_told_and_no_more_than_thirty_two() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        let history = house.supervisor.status(ID).unwrap().history;
        let steps: Vec<_> = history.iter().map(|step| (step.to, step.reason)).collect();
        assert_eq!(
            steps,
            [
                (State::Installed, "install"),
                (State::Loading, "enable"),
                (State::Active, "enable")
            ]
        );
        for _ in 0..20 {
            house.supervisor.reload(ID).await.unwrap();
        }
        let history = house.supervisor.status(ID).unwrap().history;
        assert_eq!(history.len(), 32);
        assert!(history.windows(2).all(|pair| pair[0].to == pair[1].from));
    });
}

#[test]
fn what_a_plugin_may_do_is_told_while_it_runs() {
    on_one_thread(async {
        let house = House::new();
        let running = house.run(&guest("1.0.0")).await;
        assert!(running.grant.is_some() && running.limits.is_some());
        assert_eq!(running.manifest.id.as_str(), ID);
        house.supervisor.disable(ID, DisableOptions::default()).await.unwrap();
        let stopped = house.supervisor.status(ID).unwrap();
        assert_eq!((stopped.grant, stopped.limits), (None, None));
    });
}
