//! One version, configuration or grant after another: what is kept, what is gone back to, what is asked first.

use palisade::{
    Approval, Code, Coded, DisableOptions, Downgrade, InstallOptions, PluginData, State, TransitionError,
    UpgradeOptions,
};
use palisade_tests::{Guest, release};
use serde_json::{Map, Value, json};

use super::{House, ID, guest, on_one_thread, told};

pub(super) fn config(key: &str) -> Map<String, Value> {
    Map::from_iter([(key.to_owned(), json!(1))])
}

pub(super) async fn upgrade(house: &House, guest: &Guest, sequence: u64) -> Result<(), TransitionError> {
    upgrade_with(house, guest, sequence, UpgradeOptions::default()).await
}

pub(super) async fn upgrade_with(
    house: &House,
    guest: &Guest,
    sequence: u64,
    options: UpgradeOptions,
) -> Result<(), TransitionError> {
    let bundle = release(&guest.manifest, &guest.wasm(), sequence);
    house.supervisor.upgrade(ID, bundle, options).await.map(drop)
}

#[track_caller]
pub(super) fn check_version(house: &House, version: &str, state: State) {
    let status = house.supervisor.status(ID).unwrap();
    assert_eq!((status.version.as_str(), status.state), (version, state));
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
