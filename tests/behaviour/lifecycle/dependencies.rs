//! Plugins that need, use or exclude each other.

use palisade::{
    Code, Coded, DependencyError, DisableOptions, InstallError, InstallOptions, PluginData, Replay, State, Supervisor,
    TransitionError, UpgradeOptions,
};
use palisade_tests::{Guest, release, trust};
use serde_json::{Value, json};

use super::{House, on_one_thread, settings, told};

fn plugin(id: &str, version: &str, dependencies: &Value) -> Guest {
    Guest {
        manifest: json!({"id": id, "version": version, "dependencies": dependencies}),
        ..Guest::default()
    }
}

fn needs(id: &str, version: &str) -> Value {
    json!([{"id": id, "version": version}])
}

async fn install(house: &House, guest: &Guest) -> Result<(), InstallError> {
    let bundle = release(&guest.manifest, &guest.wasm(), 1);
    house
        .supervisor
        .install(bundle, InstallOptions::default())
        .await
        .map(drop)
}

async fn upgrade(house: &House, guest: &Guest) -> Result<(), TransitionError> {
    let id = guest.manifest["id"].as_str().unwrap();
    let bundle = release(&guest.manifest, &guest.wasm(), 2);
    let options = UpgradeOptions {
        approval: palisade::Approval::Given,
        ..UpgradeOptions::default()
    };
    house.supervisor.upgrade(id, bundle, options).await.map(drop)
}

/// `top` needs `middle`, which needs `base`; all installed.
async fn tower(house: &House) {
    install(house, &plugin("base", "1.2.0", &json!([]))).await.unwrap();
    install(house, &plugin("middle", "1.0.0", &needs("base", "^1")))
        .await
        .unwrap();
    install(house, &plugin("top", "1.0.0", &needs("middle", "^1")))
        .await
        .unwrap();
}

async fn disable(house: &House, id: &str) -> Result<(), TransitionError> {
    house.supervisor.disable(id, DisableOptions::default()).await.map(drop)
}

#[test]
fn what_is_needed_has_to_be_installed_first_in_a_version_that_fits() {
    on_one_thread(async {
        let house = House::new();
        let middle = plugin("middle", "1.0.0", &needs("base", "^1.5"));
        let error = install(&house, &middle).await.unwrap_err();
        assert_eq!(error.code(), Code::DependencyMissing);
        assert!(house.supervisor.list().is_empty());
        assert_eq!(house.files(), []);

        install(&house, &plugin("base", "1.2.0", &json!([]))).await.unwrap();
        let error = install(&house, &middle).await.unwrap_err();
        assert_eq!(error.code(), Code::DependencyIncompatible);
        assert_eq!(
            Value::Object(error.details()),
            json!({"dependency": "base", "required": "^1.5", "actual": "1.2.0"})
        );
        upgrade(&house, &plugin("base", "1.5.0", &json!([]))).await.unwrap();
        install(&house, &middle).await.unwrap();
    });
}

#[test]
fn a_plugin_starts_only_when_what_it_needs_runs_and_stays_as_it_was_otherwise() {
    on_one_thread(async {
        let house = House::new();
        tower(&house).await;
        let mut events = house.listen();
        let error = house.supervisor.enable("middle").await.unwrap_err();
        assert_eq!(error.code(), Code::DependencyMissing);
        assert_eq!(error.details()["actual"], "installed");
        assert_eq!(told(&mut events), ["enabling", "error DEPENDENCY_MISSING"]);
        assert_eq!(house.supervisor.status("middle").unwrap().state, State::Installed);

        for id in ["base", "middle", "top"] {
            house.supervisor.enable(id).await.unwrap();
        }
    });
}

#[test]
fn what_others_need_is_not_stopped_removed_or_made_unfit_below_them() {
    on_one_thread(async {
        let house = House::new();
        tower(&house).await;
        house.supervisor.enable("base").await.unwrap();
        house.supervisor.enable("middle").await.unwrap();
        let mut events = house.listen();
        let error = disable(&house, "base").await.unwrap_err();
        assert_eq!(error.code(), Code::HasDependents);
        assert_eq!(error.details()["dependents"], json!(["middle"]));
        let error = house
            .supervisor
            .uninstall("middle", PluginData::Archive)
            .await
            .unwrap_err();
        assert_eq!(error.details()["dependents"], json!(["top"]));
        let error = upgrade(&house, &plugin("base", "2.0.0", &json!([]))).await.unwrap_err();
        assert_eq!(error.code(), Code::DependencyIncompatible);
        assert_eq!(error.details()["dependent"], "middle");
        let states: Vec<_> = house
            .supervisor
            .list()
            .into_iter()
            .map(|it| (it.state, it.version))
            .collect();
        assert_eq!(states[0], (State::Active, "1.2.0".to_owned()));
        assert_eq!(states[1].0, State::Active);
        assert!(!told(&mut events).iter().any(|event| event.contains(" to ")));

        // A dependent that does not run needs nothing to run.
        disable(&house, "middle").await.unwrap();
        disable(&house, "base").await.unwrap();
        for id in ["top", "middle", "base"] {
            house.supervisor.uninstall(id, PluginData::Archive).await.unwrap();
        }
    });
}

#[test]
fn a_restart_or_a_compatible_version_below_a_running_plugin_is_nobody_elses_loss() {
    on_one_thread(async {
        let house = House::new();
        tower(&house).await;
        house.supervisor.enable("base").await.unwrap();
        house.supervisor.enable("middle").await.unwrap();
        house.supervisor.restart("base").await.unwrap();
        upgrade(&house, &plugin("base", "1.9.0", &json!([]))).await.unwrap();
        assert_eq!(house.supervisor.status("middle").unwrap().state, State::Active);
    });
}

#[test]
fn plugins_that_exclude_each_other_are_never_both_there() {
    on_one_thread(async {
        let house = House::new();
        let alone = json!([{"id": "other", "version": "<2", "kind": "conflict"}]);
        install(&house, &plugin("other", "1.0.0", &json!([]))).await.unwrap();
        let error = install(&house, &plugin("alone", "1.0.0", &alone)).await.unwrap_err();
        assert_eq!(error.code(), Code::DependencyConflict);

        upgrade(&house, &plugin("other", "2.0.0", &json!([]))).await.unwrap();
        install(&house, &plugin("alone", "1.0.0", &alone)).await.unwrap();
        // The one that says nothing may not become what the other cannot bear.
        let error = house.supervisor.rollback("other").await.unwrap_err();
        assert_eq!(error.code(), Code::DependencyConflict);
        assert_eq!(house.supervisor.status("other").unwrap().version, "2.0.0");
    });
}

#[test]
fn an_upgrade_does_not_close_a_circle() {
    on_one_thread(async {
        let house = House::new();
        tower(&house).await;
        let error = upgrade(&house, &plugin("base", "1.3.0", &needs("top", "^1")))
            .await
            .unwrap_err();
        match error {
            TransitionError::Dependency(DependencyError::Cycle { plugins }) => {
                let plugins: Vec<_> = plugins.iter().map(ToString::to_string).collect();
                assert_eq!(plugins, ["base", "middle", "top"]);
            }
            other => panic!("{other}"),
        }
        let optional = json!([{"id": "top", "version": "^1", "kind": "optional"}]);
        upgrade(&house, &plugin("base", "1.3.0", &optional)).await.unwrap();
        for id in ["base", "middle", "top"] {
            house.supervisor.enable(id).await.unwrap();
        }
    });
}

#[test]
fn of_two_operations_that_exclude_each_other_one_is_refused() {
    super::on_threads(async {
        let house = House::new();
        tower(&house).await;
        for _ in 0..50 {
            house.supervisor.enable("base").await.unwrap();
            let supervisor = house.supervisor.clone();
            let enabling = tokio::spawn(async move { supervisor.enable("middle").await.map(drop) });
            let disabled = disable(&house, "base").await;
            let enabled = enabling.await.unwrap();
            let states: Vec<_> = house.supervisor.list().into_iter().map(|it| it.state).collect();
            let is_orphan = states[1] == State::Active && states[0] != State::Active;
            assert!(!is_orphan, "{enabled:?} {disabled:?}");
            let _ = disable(&house, "middle").await;
            let _ = disable(&house, "base").await;
        }
    });
}

#[test]
fn a_host_starts_what_is_needed_first_and_stops_it_last() {
    on_one_thread(async {
        let house = House::new();
        tower(&house).await;
        for id in ["base", "middle", "top"] {
            house.supervisor.enable(id).await.unwrap();
        }
        // Started last, and needed all the same.
        house.supervisor.restart("base").await.unwrap();
        let order = |kind: &str, supervisor: &Supervisor, replay| {
            let mut events = supervisor.subscribe(None, replay);
            let events = std::iter::from_fn(move || events.try_next());
            let wanted = events.filter(|event| serde_json::to_value(&event.kind).unwrap()["event"] == kind);
            wanted.map(|event| event.plugin_id.to_string()).collect::<Vec<_>>()
        };
        house.supervisor.shutdown(super::LONG).await;
        let stopped = order("plugin:disabled", &house.supervisor, Replay::Kept);
        assert_eq!(stopped[stopped.len() - 3..], ["top", "middle", "base"]);

        let House {
            folder,
            runtime,
            supervisor,
            trail,
            ..
        } = house;
        drop(supervisor);
        let supervisor = Supervisor::open(folder.path(), runtime, trust(), settings(&trail)).unwrap();
        let written = trail.kept.entries().len();
        let failed = supervisor.start().await;
        assert!(failed.is_empty(), "{failed:?}");
        let started = order("plugin:enabled", &supervisor, Replay::Kept);
        assert_eq!(started[started.len() - 3..], ["base", "middle", "top"]);
        assert_eq!(supervisor.dependencies().order, ["base", "middle", "top"]);
        // Nobody decided anything.
        assert_eq!(trail.kept.entries().len(), written);
    });
}
