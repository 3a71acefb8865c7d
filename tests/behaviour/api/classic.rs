//! The six calls whose clients are older than this API.

use insta::assert_json_snapshot;
use palisade::DisableOptions;
use palisade_tests::Guest;
use serde_json::json;

use super::{Api, ID, settled};
use crate::lifecycle::{guest, on_one_thread, waiting};

/// A guest under another id.
fn named(id: &str, guest: Guest) -> Guest {
    let mut manifest = guest.manifest.clone();
    manifest["id"] = id.into();
    Guest { manifest, ..guest }
}

/// A host with a plugin in every state that lasts.
async fn one_of_each() -> Api {
    let api = Api::new();
    let supervisor = &api.house.supervisor;
    api.house.run(&named("test.active", guest("1.0.0"))).await;
    api.house.run(&named("test.disabled", guest("1.0.0"))).await;
    supervisor
        .disable("test.disabled", DisableOptions::default())
        .await
        .unwrap();
    let installed = named("test.installed", guest("1.0.0"));
    let bundle = palisade_tests::release(&installed.manifest, &installed.wasm(), 1);
    supervisor
        .install(bundle, palisade::InstallOptions::default())
        .await
        .unwrap();
    let failing = named(
        "test.failed",
        Guest {
            init: "unreachable",
            ..guest("1.0.0")
        },
    );
    let bundle = palisade_tests::release(&failing.manifest, &failing.wasm(), 1);
    supervisor
        .install(bundle, palisade::InstallOptions::default())
        .await
        .unwrap();
    supervisor.enable("test.failed").await.unwrap_err();
    api
}

async fn the_three_reads(api: &Api, name: &str) {
    for call in ["status", "list", "health"] {
        let body = api.get(&format!("/plugins/{call}")).await.ok();
        assert_json_snapshot!(format!("{name}_{call}"), settled(body));
    }
}

#[test]
fn a_host_without_plugins_is_healthy() {
    on_one_thread(async {
        the_three_reads(&Api::new(), "no_plugin").await;
    });
}

#[test]
fn every_state_has_its_word() {
    on_one_thread(async {
        let api = one_of_each().await;
        api.clock.advance(std::time::Duration::from_secs(8_130));
        the_three_reads(&api, "each_state").await;
    });
}

#[test]
fn reading_goes_on_while_a_drain_runs() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&waiting()).await;
        let supervisor = api.house.supervisor.clone();
        let running = tokio::spawn(async move { supervisor.call(ID, "echo", b"1").await });
        api.house.waits.notified().await;
        let supervisor = api.house.supervisor.clone();
        let mut events = supervisor.subscribe(None, palisade::Replay::Nothing);
        let reload = tokio::spawn(async move { supervisor.reload(ID).await });
        while !matches!(events.next().await.kind, palisade::EventKind::Draining { .. }) {}
        the_three_reads(&api, "drain").await;
        api.house.go_on.notify_waiters();
        assert!(running.await.unwrap().is_ok());
        assert!(reload.await.unwrap().is_ok());
    });
}

#[test]
fn reload_and_config_answer_as_they_always_did() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&guest("1.0.0")).await;
        let mut reloaded = api.post(&format!("/plugins/reload?plugin={ID}"), "").await.ok();
        let detail = reloaded.as_object_mut().unwrap().remove("detail").unwrap();
        assert_eq!(detail["state"], "active");
        assert_json_snapshot!("reload", reloaded);
        let mut updated = api
            .put(&format!("/plugins/config?plugin={ID}"), r#"{"limit": 3}"#)
            .await
            .ok();
        updated.as_object_mut().unwrap().remove("detail").unwrap();
        assert_json_snapshot!("set_config", updated);
        assert_json_snapshot!("config", api.get(&format!("/plugins/config?plugin={ID}")).await.ok());
        api.house
            .supervisor
            .disable(ID, DisableOptions::default())
            .await
            .unwrap();
        let stored = api.put(&format!("/plugins/config?plugin={ID}"), "{}").await.ok();
        assert_eq!(stored["message"], "Configuration updated");
        // Under the plugin's own path they are the same.
        let by_path = api.get(&format!("/plugins/{ID}/config")).await.ok();
        assert_eq!(by_path, api.get(&format!("/plugins/config?plugin={ID}")).await.ok());
    });
}

#[test]
fn errors_say_what_they_always_said() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&guest("1.0.0")).await;
        let no_name = api.post("/plugins/reload", "").await;
        assert_json_snapshot!("no_name", settled(no_name.fails(400, "INVALID_ARGUMENT")));
        let unknown = api.post("/plugins/reload?plugin=test.gues", "").await;
        assert_json_snapshot!("unknown", settled(unknown.fails(404, "NOT_FOUND")));
        for body in ["{", "null", "[]", "1", ""] {
            let refused = api.put(&format!("/plugins/config?plugin={ID}"), body).await;
            let problem = refused.fails(400, "INVALID_ARGUMENT");
            assert_eq!(
                (
                    &problem["message"],
                    &problem["status"],
                    &problem["http_status"],
                    &problem["plugin"]
                ),
                (
                    &json!("Invalid JSON configuration"),
                    &json!("error"),
                    &json!(400),
                    &json!(ID)
                ),
                "{body}"
            );
            assert_eq!(problem["timestamp"], 1_800_000_000);
        }
        for path in ["/plugins/config", "/plugins/config?plugin="] {
            assert_eq!(
                api.get(path).await.fails(400, "INVALID_ARGUMENT")["message"],
                "Plugin name is required"
            );
        }
        let gone = api.get("/plugins/config?plugin=nobody").await;
        assert_eq!(gone.fails(404, "NOT_FOUND")["message"], "Plugin not found");
    });
}
