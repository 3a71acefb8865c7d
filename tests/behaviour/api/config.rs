//! The configuration of a plugin: `ETag`, secrets, validation.

use axum::body::Body;
use axum::http::{Method, Request};
use palisade_tests::Guest;
use serde_json::json;

use super::{Api, ID, Reply, request};
use crate::lifecycle::on_one_thread;

fn with_schema() -> Guest {
    Guest {
        manifest: json!({
            "config": {"limit": 1, "key": "first"},
            "config_schema": {"type": "object", "additionalProperties": false, "properties": {
                "limit": {"type": "integer", "minimum": 0},
                "key": {"type": "string", "writeOnly": true}
            }}
        }),
        ..Guest::default()
    }
}

fn path() -> String {
    format!("/plugins/config?plugin={ID}")
}

async fn put_if(api: &Api, tag: &str, body: &'static str) -> Reply {
    let mut request: Request<Body> = request(Method::PUT, &path(), "all", body);
    request.headers_mut().insert("if-match", tag.parse().unwrap());
    api.send(request).await
}

#[test]
fn a_change_that_was_made_on_an_older_look_is_refused() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&with_schema()).await;
        let seen = api.get(&path()).await.header("etag").to_owned();
        let changed = put_if(&api, &seen, r#"{"limit": 2}"#).await;
        changed.ok();
        put_if(&api, &seen, r#"{"limit": 3}"#).await.fails(412, "INVALID_STATE");
        assert_eq!(api.get(&path()).await.ok()["config"], json!({"limit": 2}));
        let tag = changed.header("etag").to_owned();
        assert_eq!(api.get(&path()).await.header("etag"), tag);
        put_if(&api, &format!("\"other\", {tag}"), r#"{"limit": 4}"#).await.ok();
        put_if(&api, "*", r#"{"limit": 5}"#).await.ok();
        assert_eq!(api.get(&path()).await.ok()["config"], json!({"limit": 5}));
    });
}

#[test]
fn of_two_changes_made_on_the_same_look_one_is_refused() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&with_schema()).await;
        let seen = api.house.supervisor.effective_config(ID).unwrap();
        let first = json!({"limit": 7}).as_object().unwrap().clone();
        api.house.supervisor.update_config(ID, first).await.unwrap();
        let second = json!({"limit": 8}).as_object().unwrap().clone();
        let lost = api.house.supervisor.replace_config(ID, seen, second).await.unwrap_err();
        assert!(matches!(lost, palisade::TransitionError::ConfigChanged));
        assert_eq!(api.get(&path()).await.ok()["config"], json!({"limit": 7}));
    });
}

#[test]
fn a_secret_is_not_shown_and_not_lost() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&with_schema()).await;
        let shown = api.get(&path()).await.ok()["config"].clone();
        assert_eq!(shown, json!({"limit": 1, "key": "[redacted]"}));
        api.put(&path(), shown.to_string().replace('1', "2")).await.ok();
        let kept = api.house.supervisor.effective_config(ID).unwrap();
        assert_eq!(json!(kept), json!({"limit": 2, "key": "first"}));
        api.put(&path(), r#"{"key": "second"}"#).await.ok();
        let history = api.get(&format!("/plugins/config/history?plugin={ID}")).await;
        assert!(
            !history.text().contains("first") && !history.text().contains("second"),
            "{}",
            history.text()
        );
    });
}

#[test]
fn what_does_not_fit_is_told_place_by_place_and_changes_nothing() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&with_schema()).await;
        let wrong = r#"{"limit": -1, "other": true}"#;
        let validity = api
            .post(&format!("/plugins/config/validate?plugin={ID}"), wrong)
            .await
            .ok();
        assert_eq!(validity["valid"], false);
        assert_eq!(validity["errors"].as_array().unwrap().len(), 2, "{validity}");
        let problem = api.put(&path(), wrong).await.fails(422, "CONFIG_INVALID");
        assert_eq!(problem["details"]["errors"], validity["errors"]);
        let right = api
            .post(&format!("/plugins/config/validate?plugin={ID}"), r#"{"limit": 9}"#)
            .await
            .ok();
        assert_eq!(right, json!({"valid": true, "errors": []}));
        assert_eq!(api.get(&path()).await.ok()["config"]["limit"], 1);
    });
}
