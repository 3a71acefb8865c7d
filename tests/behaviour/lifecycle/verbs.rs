//! The verbs one after another: what they do, tell, write down, and refuse.

use std::sync::atomic::Ordering;

use palisade::{
    Approval, AuditAction, AuditOutcome, Code, Coded, CommandError, DisableOptions, Downgrade, Health, InstallError,
    InstallOptions, Namespace, Operation, PluginData, State, TransitionError, UpgradeOptions,
};
use palisade_tests::{Guest, key, release};
use serde_json::{Map, Value, json};

use super::{House, ID, guest, on_one_thread, spoiler, told};

fn config(key: &str) -> Map<String, Value> {
    Map::from_iter([(key.to_owned(), json!(1))])
}

async fn upgrade(house: &House, guest: &Guest, sequence: u64) -> Result<(), TransitionError> {
    upgrade_with(house, guest, sequence, UpgradeOptions::default()).await
}

async fn upgrade_with(
    house: &House,
    guest: &Guest,
    sequence: u64,
    options: UpgradeOptions,
) -> Result<(), TransitionError> {
    let bundle = release(&guest.manifest, &guest.wasm(), sequence);
    house.supervisor.upgrade(ID, bundle, options).await.map(drop)
}

#[track_caller]
fn check_version(house: &House, version: &str, state: State) {
    let status = house.supervisor.status(ID).unwrap();
    assert_eq!((status.version.as_str(), status.state), (version, state));
}

#[test]
fn a_life_is_told_in_the_documented_order() {
    on_one_thread(async {
        let house = House::new();
        let mut events = house.listen();
        house.run(&guest("1.0.0")).await;
        assert_eq!(house.answer("hello").await, "hello");
        house.supervisor.disable(ID, DisableOptions::default()).await.unwrap();
        house.supervisor.uninstall(ID, PluginData::Archive).await.unwrap();
        let expected = [
            "installing",
            "installing to installed",
            "installed",
            "enabling",
            "installed to loading",
            "loading to active",
            "enabled",
            "executed ok",
            "disabling",
            "active to unloading",
            "unloading to disabled",
            "disabled",
            "uninstalling",
            "disabled to uninstalling",
            "uninstalled",
        ];
        assert_eq!(told(&mut events), expected);
        assert!(house.supervisor.list().is_empty());
        assert_eq!(house.files(), []);
        let actions: Vec<_> = house.trail.kept.entries().iter().map(|entry| entry.action).collect();
        use AuditAction::{Disable, Enable, Install, Uninstall};
        assert_eq!(actions, [Install, Enable, Disable, Uninstall]);
    });
}

#[test]
fn events_of_one_operation_carry_its_id_and_the_numbers_of_a_plugin_have_no_gap() {
    on_one_thread(async {
        let house = House::new();
        let mut events = house.listen();
        house.run(&guest("1.0.0")).await;
        let all: Vec<_> = std::iter::from_fn(|| events.try_next()).collect();
        let numbers: Vec<_> = all.iter().map(|event| event.seq).collect();
        assert_eq!(numbers, (1..=7).collect::<Vec<_>>());
        let ids: Vec<_> = all.iter().map(|event| event.operation_id.clone().unwrap()).collect();
        assert!(ids[..3].iter().all(|id| *id == ids[0]) && ids[3..].iter().all(|id| *id == ids[3]));
        assert_ne!(ids[0], ids[3]);
    });
}

#[test]
fn a_plugin_that_does_not_start_is_failed_and_one_error_is_told() {
    on_one_thread(async {
        let house = House::new();
        let sick = Guest {
            init: "unreachable",
            ..guest("1.0.0")
        };
        let bundle = release(&sick.manifest, &sick.wasm(), 1);
        house
            .supervisor
            .install(bundle, InstallOptions::default())
            .await
            .unwrap();
        let mut events = house.listen();
        let error = house.supervisor.enable(ID).await.unwrap_err();
        assert_eq!(error.code(), Code::GuestTrap);
        assert_eq!(
            told(&mut events),
            [
                "enabling",
                "installed to loading",
                "loading to failed",
                "error GUEST_TRAP"
            ]
        );
        let status = house.supervisor.status(ID).unwrap();
        assert_eq!((status.state, status.health), (State::Failed, Health::Unhealthy));
        assert_eq!(status.failure.unwrap().code, "GUEST_TRAP");
        let refused = house.supervisor.call(ID, "echo", b"").await.unwrap_err();
        assert!(matches!(refused, CommandError::InvalidState(_)), "{refused}");

        upgrade(&house, &guest("1.0.1"), 2).await.unwrap();
        house.supervisor.reload(ID).await.unwrap();
        assert_eq!(house.answer("well again").await, "well again");
        assert_eq!(house.supervisor.status(ID).unwrap().failure, None);
    });
}

#[test]
fn an_operation_that_the_state_does_not_allow_changes_nothing_and_says_what_would_be() {
    on_one_thread(async {
        let house = House::new();
        let before = house.run(&guest("1.0.0")).await;
        let mut events = house.listen();
        match house.supervisor.enable(ID).await.unwrap_err() {
            TransitionError::InvalidState(refusal) => {
                assert_eq!((refusal.from, refusal.operation), (State::Active, "enable"));
                assert!(refusal.allowed.contains(&Operation::Disable));
            }
            other => panic!("{other}"),
        }
        assert_eq!(house.supervisor.status(ID).unwrap(), before);
        house.supervisor.disable(ID, DisableOptions::default()).await.unwrap();
        told(&mut events);
        let refusal = house
            .supervisor
            .disable(ID, DisableOptions::default())
            .await
            .unwrap_err();
        assert_eq!(refusal.code(), Code::InvalidState);
        assert_eq!(
            house.supervisor.reload(ID).await.unwrap_err().code(),
            Code::InvalidState
        );
        assert!(told(&mut events).is_empty());
    });
}

#[test]
fn a_plugin_that_is_not_there_is_not_found_and_the_nearest_name_is_offered() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        let error = house.supervisor.enable("test.gust").await.unwrap_err();
        assert_eq!(
            (error.code(), error.details()["suggestion"].clone()),
            (Code::NotFound, json!(ID))
        );
    });
}

#[test]
fn an_install_that_is_refused_leaves_only_its_audit_entry() {
    on_one_thread(async {
        let house = House::new();
        let good = guest("1.0.0");
        let mut tampered = release(&good.manifest, &good.wasm(), 1);
        let middle = tampered.len() / 2;
        tampered[middle] ^= 1;
        let unloadable = Guest {
            imports: r#"(import "env" "abort" (func))"#,
            ..guest("1.0.0")
        };
        let unloadable = release(&unloadable.manifest, &unloadable.wasm(), 1);
        let greedy = release(&json!({"permissions": ["storage:read"]}), &good.wasm(), 1);
        let cases = [
            (tampered, Code::CorruptedData),
            (unloadable, Code::AbiViolation),
            (greedy, Code::PermissionDenied),
            (b"no bundle at all".to_vec(), Code::CorruptedData),
        ];
        for (count, (bundle, code)) in cases.into_iter().enumerate() {
            let error = house
                .supervisor
                .install(bundle, InstallOptions::default())
                .await
                .unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(house.supervisor.list().is_empty());
            assert_eq!(house.files(), []);
            let entries = house.trail.kept.entries();
            assert_eq!(entries.len(), count + 1);
            assert_ne!(entries[count].outcome, AuditOutcome::Succeeded);
        }
        let misspelt = InstallOptions {
            grants: vec!["storage:reed".to_owned()],
            config: None,
        };
        let bundle = release(&good.manifest, &good.wasm(), 1);
        let error = house.supervisor.install(bundle, misspelt).await.unwrap_err();
        assert_eq!(error.code(), Code::UnknownPermission);
        assert_eq!(house.trail.kept.entries().len(), 5);
        house.run(&good).await;
        let again = release(&good.manifest, &good.wasm(), 1);
        let error = house
            .supervisor
            .install(again, InstallOptions::default())
            .await
            .unwrap_err();
        assert!(matches!(error, InstallError::AlreadyInstalled { .. }), "{error}");
        assert_eq!(house.trail.kept.entries().last().unwrap().outcome, AuditOutcome::Failed);
    });
}

#[test]
fn nothing_happens_that_cannot_be_written_down() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        let (before, files) = (house.supervisor.status(ID).unwrap(), house.files());
        house.trail.is_broken.store(true, Ordering::Relaxed);
        let supervisor = &house.supervisor;
        let other = release(&json!({"id": "test.other"}), &Guest::default().wasm(), 1);
        let install = supervisor.install(other, InstallOptions::default()).await;
        assert_eq!(install.unwrap_err().code(), Code::AuditLogFailed);
        assert!(supervisor.status("test.other").is_err());
        let refused = [
            supervisor.disable(ID, DisableOptions::default()).await.map(drop),
            supervisor.reload(ID).await.map(drop),
            supervisor.restart(ID).await.map(drop),
            supervisor.update_config(ID, config("a")).await.map(drop),
            upgrade(&house, &guest("1.1.0"), 2).await,
            supervisor.grant(ID, "storage:read").await.map(drop),
            supervisor.uninstall(ID, PluginData::Archive).await.map(drop),
        ];
        for result in refused {
            assert_eq!(result.unwrap_err().code(), Code::AuditLogFailed);
        }
        let after = supervisor.status(ID).unwrap();
        assert_eq!(
            (after.state, after.version, after.granted),
            (State::Active, before.version, before.granted)
        );
        assert_eq!(supervisor.config(ID).unwrap(), None);
        assert_eq!(house.files(), files);
        assert_eq!(house.answer("still here").await, "still here");
    });
}

#[test]
fn a_version_that_asks_for_more_waits_until_an_operator_has_seen_it() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        let greedy = Guest {
            manifest: json!({"version": "1.1.0", "permissions": ["storage:read"], "resource_limits": {"fuel": 2_000_000}}),
            ..Guest::default()
        };
        let error = upgrade(&house, &greedy, 2).await.unwrap_err();
        match &error {
            TransitionError::ApprovalRequired { difference } => {
                assert_eq!(difference.added[0].name.as_str(), "storage:read");
                assert_eq!(difference.raised[0].name, "fuel");
            }
            other => panic!("{other}"),
        }
        check_version(&house, "1.0.0", State::Active);
        // The near miss: granting the permission alone does not raise the limit.
        house.supervisor.grant(ID, "storage:read").await.unwrap();
        assert_eq!(
            upgrade(&house, &greedy, 2).await.unwrap_err().code(),
            Code::ApprovalRequired
        );
        let approved = UpgradeOptions {
            approval: Approval::Given,
            downgrade: Downgrade::Refuse,
        };
        upgrade_with(&house, &greedy, 2, approved).await.unwrap();
        check_version(&house, "1.1.0", State::Active);
        let granted = house.supervisor.status(ID).unwrap().granted;
        assert!(granted.iter().any(|permission| permission.as_str() == "storage:read"));
    });
}

#[test]
fn an_older_version_is_refused_and_a_rollback_brings_the_last_one_back_with_its_configuration() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        house.supervisor.update_config(ID, config("first")).await.unwrap();
        upgrade(&house, &guest("1.1.0"), 2).await.unwrap();
        house.supervisor.update_config(ID, config("second")).await.unwrap();
        let older = upgrade(&house, &guest("1.0.0"), 1).await.unwrap_err();
        assert_eq!(older.code(), Code::DowngradeRefused);
        let other = Guest {
            manifest: json!({"id": "test.other"}),
            ..Guest::default()
        };
        assert_eq!(
            upgrade(&house, &other, 9).await.unwrap_err().code(),
            Code::InvalidArgument
        );
        check_version(&house, "1.1.0", State::Active);

        house.supervisor.rollback(ID).await.unwrap();
        check_version(&house, "1.0.0", State::Active);
        assert_eq!(house.supervisor.config(ID).unwrap(), Some(config("first")));
        let error = house.supervisor.rollback(ID).await.unwrap_err();
        assert!(matches!(error, TransitionError::NoRollbackVersion), "{error}");
        // What was seen as the highest stays: the release between is refused as before.
        upgrade(&house, &guest("1.1.0"), 2).await.unwrap();
        check_version(&house, "1.1.0", State::Active);
    });
}

#[test]
fn the_last_five_versions_can_be_gone_back_to() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        for minor in 1..=7 {
            upgrade(&house, &guest(&format!("1.{minor}.0")), minor + 1)
                .await
                .unwrap();
        }
        for minor in (2..=6).rev() {
            house.supervisor.rollback(ID).await.unwrap();
            check_version(&house, &format!("1.{minor}.0"), State::Active);
        }
        assert_eq!(
            house.supervisor.rollback(ID).await.unwrap_err().code(),
            Code::NoRollbackVersion
        );
        assert_eq!(house.files().len(), 1, "what nothing goes back to is gone");
    });
}

#[test]
fn what_is_changed_while_a_plugin_rests_holds_when_it_starts() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        house.supervisor.disable(ID, DisableOptions::default()).await.unwrap();
        house.supervisor.update_config(ID, config("a")).await.unwrap();
        upgrade(&house, &guest("1.1.0"), 2).await.unwrap();
        check_version(&house, "1.1.0", State::Disabled);
        house.supervisor.enable(ID).await.unwrap();
        assert_eq!(house.supervisor.config(ID).unwrap(), Some(config("a")));
        assert_eq!(house.answer("up").await, "up");
    });
}

#[test]
fn a_configuration_that_does_not_fit_its_schema_is_refused_and_the_old_one_stays() {
    on_one_thread(async {
        let house = House::new();
        let strict = Guest {
            manifest: json!({
                "config": {"a": 1},
                "config_schema": {"type": "object", "additionalProperties": false, "properties": {"a": {"type": "integer"}}},
            }),
            ..Guest::default()
        };
        house.run(&strict).await;
        let mut events = house.listen();
        let error = house.supervisor.update_config(ID, config("b")).await.unwrap_err();
        assert_eq!(error.code(), Code::ConfigInvalid);
        assert_eq!(told(&mut events), ["reloading", "error CONFIG_INVALID"]);
        assert_eq!(house.supervisor.config(ID).unwrap(), None);
        let changed = Map::from_iter([("a".to_owned(), json!(2))]);
        house.supervisor.update_config(ID, changed).await.unwrap();
        let words = told(&mut events);
        assert_eq!(words[words.len() - 2..], ["reloaded", "config:updated"]);
    });
}

#[test]
fn a_permission_that_is_taken_away_is_gone_from_the_next_generation() {
    on_one_thread(async {
        let house = House::new();
        let get = "(call $call (i32.const 256) (i32.const 1))";
        let reader = Guest {
            manifest: json!({"permissions": [{"name": "storage:read", "optional": true}]}),
            ..Guest::calling(("storage_get", "(param i32 i32) (result i64)"), "k", get)
        };
        house.run(&reader).await;
        let denied = house.supervisor.call(ID, "echo", b"").await.unwrap_err();
        assert_eq!(denied.details()["code"], "PERMISSION_DENIED");
        house.supervisor.grant(ID, "storage:read").await.unwrap();
        assert_eq!(house.answer("").await, "");
        house.supervisor.revoke(ID, "storage:read").await.unwrap();
        assert!(house.supervisor.call(ID, "echo", b"").await.is_err());
    });
}

#[test]
fn a_receipt_says_which_generation_answered() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        for generation in 1..=3 {
            let output = house.supervisor.call(ID, "echo", b"").await.unwrap();
            assert_eq!(output.receipt().generation, generation);
            house.supervisor.reload(ID).await.unwrap();
        }
        assert_eq!(house.supervisor.status(ID).unwrap().generation, Some(4));
    });
}

#[test]
fn data_is_archived_kept_or_discarded_as_asked() {
    on_one_thread(async {
        let house = House::new();
        let namespace = Namespace {
            plugin_id: ID.into(),
            publisher: Some(key().public().id().to_string().into()),
        };
        let record = || Some(br#"{"a":1}"#.to_vec());
        for (data, is_kept, archives) in [
            (PluginData::Preserve, true, 0),
            (PluginData::Archive, false, 1),
            (PluginData::Discard, false, 1),
        ] {
            house.run(&guest("1.0.0")).await;
            house.storage.set_state(&namespace, record()).await.unwrap();
            // Stops it first.
            house.supervisor.uninstall(ID, data).await.unwrap();
            let state = house.storage.state(&namespace).await.unwrap();
            assert_eq!(state.is_some(), is_kept, "{data:?}");
            assert_eq!(house.files().len(), archives, "{data:?}");
        }
        let (_, archive) = house.files().remove(0);
        let archive: Value = serde_json::from_slice(&archive).unwrap();
        assert_eq!(
            (archive["plugin_id"].as_str(), archive["state"].as_str()),
            (Some(ID), Some("eyJhIjoxfQ=="))
        );
    });
}

#[test]
fn a_removed_plugin_does_not_come_back_older_than_it_was() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        upgrade(&house, &guest("1.1.0"), 2).await.unwrap();
        house.supervisor.uninstall(ID, PluginData::Archive).await.unwrap();
        let old = release(&guest("1.0.0").manifest, &guest("1.0.0").wasm(), 1);
        let error = house
            .supervisor
            .install(old, InstallOptions::default())
            .await
            .unwrap_err();
        assert_eq!(error.code(), Code::DowngradeRefused);
    });
}

#[test]
fn a_cleanup_that_fails_is_a_warning_and_the_plugin_is_stopped() {
    on_one_thread(async {
        let house = House::new();
        house
            .run(&Guest {
                cleanup: "unreachable",
                ..guest("1.0.0")
            })
            .await;
        let mut events = house.listen();
        house.supervisor.disable(ID, DisableOptions::default()).await.unwrap();
        assert!(told(&mut events).contains(&"warning CLEANUP_FAILED".to_owned()));
        check_version(&house, "1.0.0", State::Disabled);
    });
}

#[test]
fn a_plugin_that_crashes_too_often_is_locked_away_until_it_is_released() {
    on_one_thread(async {
        let house = House::new();
        // Traps, or answers with an error of its own when it is given anything.
        let crashing = Guest {
            command: "(if (i32.eqz (local.get $len)) (then unreachable)) (i64.or (i64.const 0x80000000) (i64.const 0))",
            ..guest("1.0.0")
        };
        house.run(&crashing).await;
        let mut events = house.listen();
        let code = async |args: &[u8]| house.supervisor.call(ID, "crash", args).await.unwrap_err().code();
        for _ in 0..10 {
            assert_eq!(code(b"x").await, Code::GuestError, "an answer is no crash");
        }
        for _ in 0..5 {
            assert_eq!(code(b"").await, Code::GuestTrap);
        }
        tokio::task::yield_now().await;
        check_version(&house, "1.0.0", State::Active);
        assert_eq!(code(b"").await, Code::GuestTrap);
        while house.supervisor.status(ID).unwrap().operation.is_some() {
            tokio::task::yield_now().await;
        }
        assert!(house.supervisor.status(ID).unwrap().failure.unwrap().quarantined);
        assert_eq!(told(&mut events)[16..], ["active to failed", "quarantined"]);
        for refused in [
            house.supervisor.enable(ID).await,
            house.supervisor.restart(ID).await,
            house
                .supervisor
                .disable(ID, DisableOptions::default())
                .await
                .map(|disabled| disabled.status),
        ] {
            assert_eq!(refused.unwrap_err().code(), Code::Quarantined);
        }
        assert!(told(&mut events).is_empty());
        house.supervisor.release(ID).await.unwrap();
        house.supervisor.enable(ID).await.unwrap();
        assert_eq!(code(b"").await, Code::GuestTrap, "what was released is forgiven");
        check_version(&house, "1.0.0", State::Active);
    });
}

#[test]
fn a_failed_start_frees_its_name_for_another_try() {
    on_one_thread(async {
        let house = House::new();
        let bad = spoiler("1.0.0");
        let bundle = release(&bad.manifest, &bad.wasm(), 1);
        house
            .supervisor
            .install(bundle, InstallOptions::default())
            .await
            .unwrap();
        assert!(house.supervisor.enable(ID).await.is_err());
        house.supervisor.uninstall(ID, PluginData::Discard).await.unwrap();
        let good = release(&guest("1.0.1").manifest, &guest("1.0.1").wasm(), 2);
        house.supervisor.install(good, InstallOptions::default()).await.unwrap();
        house.supervisor.enable(ID).await.unwrap();
    });
}
