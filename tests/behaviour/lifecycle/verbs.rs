//! The verbs one after another: what they do, tell, write down, and refuse.

use std::sync::atomic::Ordering;

use palisade::{
    AuditAction, AuditOutcome, Audited, Code, Coded, CommandError, DisableOptions, Health, InstallError,
    InstallOptions, Namespace, Operation, PluginData, State, TransitionError,
};
use palisade_tests::{Guest, key, release};
use serde_json::{Value, json};

use super::versions::{check_version, config, upgrade};
use super::{House, ID, guest, on_one_thread, spoiler, told};

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

#[test]
fn commands_are_on_record_where_that_is_asked_for_and_do_not_run_when_they_cannot_be() {
    on_one_thread(async {
        let house = House::with(|settings| settings.audited = Audited::OperationsAndCommands);
        house.run(&guest("1.0.0")).await;
        let caller = house.supervisor.acting_as("ada");
        caller.call(ID, "echo", b"hello").await.unwrap();
        let entry = house.trail.kept.entries().pop().unwrap();
        assert_eq!(
            (&*entry.actor, entry.action, &*entry.resource),
            ("ada", AuditAction::Execution, "echo")
        );
        assert_eq!(
            entry.details,
            *json!({"version": "1.0.0", "code": null}).as_object().unwrap()
        );

        let mut events = house.listen();
        house.trail.is_broken.store(true, Ordering::Relaxed);
        let error = caller.call(ID, "echo", b"hello").await.unwrap_err();
        assert_eq!(error.code(), Code::AuditLogFailed);
        assert!(told(&mut events).is_empty(), "it did not run");
    });
}

#[test]
fn a_command_that_fails_is_on_record_as_failed() {
    on_one_thread(async {
        let house = House::with(|settings| settings.audited = Audited::OperationsAndCommands);
        let trapping = Guest {
            command: "unreachable",
            ..guest("1.0.0")
        };
        house.run(&trapping).await;
        house.supervisor.call(ID, "echo", b"").await.unwrap_err();
        let entries = house.trail.kept.entries();
        let outcomes = entries.iter().filter(|entry| entry.action == AuditAction::Execution);
        let outcomes: Vec<_> = outcomes
            .map(|entry| (entry.outcome, entry.details["code"].clone()))
            .collect();
        let failed = (AuditOutcome::Failed, json!("GUEST_TRAP"));
        assert_eq!(outcomes, [(AuditOutcome::Succeeded, Value::Null), failed]);
    });
}
