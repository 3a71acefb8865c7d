//! What a plugin may do, over the API.

use serde_json::json;

use super::{Api, ID};
use crate::lifecycle::{on_one_thread, waiting};

#[test]
fn what_is_granted_can_be_seen_and_set_in_one_step() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&waiting()).await;
        let path = format!("/plugins/permissions?plugin={ID}");
        let before = api.get(&path).await.ok();
        assert_eq!(
            (&before["asked"], &before["granted"]),
            (&json!(["custom:tests:wait"]), &json!(["custom:tests:wait"]))
        );
        let more = r#"["custom:tests:wait", "storage:read"]"#;
        let generation = api.put(&path, more).await.ok()["detail"]["generation"].as_u64();
        assert_eq!(generation, Some(2), "one reload for the whole list");
        assert_eq!(
            api.get(&path).await.ok()["granted"],
            json!(["storage:read", "custom:tests:wait"])
        );
        // It cannot do without, so it serves on with what it had.
        let refused = api.put(&path, r#"{"granted": []}"#).await;
        assert!(
            refused.json()["code"] == "PERMISSION_DENIED" || refused.json()["code"] == "RELOAD_FAILED",
            "{}",
            refused.text()
        );
        assert_eq!(
            api.get(&path).await.ok()["granted"],
            json!(["storage:read", "custom:tests:wait"])
        );
        let unknown = api
            .put(&path, r#"["storage:raed"]"#)
            .await
            .fails(422, "UNKNOWN_PERMISSION");
        assert_eq!(unknown["details"]["suggestion"], "storage:read");
    });
}

#[test]
fn one_permission_is_granted_and_revoked_by_name() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&waiting()).await;
        let grant = |verb: &str| format!("/plugins/{verb}?plugin={ID}&permission=storage:read");
        api.post(&grant("grant"), "").await.ok();
        assert_eq!(api.house.supervisor.status(ID).unwrap().granted.len(), 2);
        api.post(&grant("revoke"), "").await.ok();
        assert_eq!(api.house.supervisor.status(ID).unwrap().granted.len(), 1);
    });
}
