//! Commands over the API.

use palisade_tests::{Guest, SPIN};
use serde_json::json;

use super::{Api, ID};
use crate::lifecycle::{guest, on_one_thread, on_threads, waiting};

fn execute() -> String {
    format!("/plugins/execute?plugin={ID}")
}

#[test]
fn a_command_answers_with_its_result_and_its_bill() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&guest("1.0.0")).await;
        let done = api
            .post(
                &execute(),
                r#"{"command": "echo", "args": {"b": [1,  2.50], "a": "é"}}"#,
            )
            .await;
        let body = done.ok();
        assert_eq!(body["result"], json!({"b": [1, 2.5], "a": "é"}));
        // The plugin saw the arguments as they were sent, and its answer is passed on as it is.
        assert!(
            done.text().contains(r#""result":{"b": [1,  2.50], "a": "é"}"#),
            "{}",
            done.text()
        );
        assert_eq!(
            (&body["plugin"], &body["command"], &body["status"]),
            (&json!(ID), &json!("echo"), &json!("success"))
        );
        let receipt = &body["receipt"];
        assert!(receipt["fuel"].as_u64().unwrap() > 0 && receipt["memory_peak_bytes"] == 131_072);
        assert_eq!(
            (&receipt["generation"], &receipt["host_calls"]),
            (&json!(1), &json!({}))
        );
        assert!(receipt["digest"].as_str().unwrap().starts_with("sha256:"));
        assert!(receipt["duration_us"].is_u64());
    });
}

#[test]
fn bytes_go_in_and_come_out_as_they_are() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&guest("1.0.0")).await;
        let path = format!("/plugins/{ID}/commands/echo");
        let json = api.post(&path, r#"{"a":1}"#).await;
        assert_eq!(
            (json.text().as_str(), json.header("content-type")),
            (r#"{"a":1}"#, "application/json")
        );
        let receipt: serde_json::Value = serde_json::from_str(json.header("palisade-receipt")).unwrap();
        assert_eq!(receipt["generation"], 1);
    });
}

#[test]
fn what_a_plugin_refuses_is_no_failure_of_the_call() {
    on_one_thread(async {
        let api = Api::new();
        let refuses = r#"(data (i32.const 256) "{\"code\":\"EMPTY\",\"message\":\"nothing there\"}")"#;
        let answer = "(i64.or (i64.const 0x10080000000) (i64.const 42))";
        let refusing = Guest {
            extra: refuses,
            command: answer,
            ..guest("1.0.0")
        };
        api.house.run(&refusing).await;
        let body = api.post(&execute(), r#"{"command": "echo"}"#).await.ok();
        assert_eq!(body["status"], "error");
        assert_eq!(
            body["error"],
            json!({"code": "EMPTY", "message": "nothing there", "details": {}})
        );
        assert!(body["receipt"]["fuel"].as_u64().unwrap() > 0);
        let raw = api.post(&format!("/plugins/{ID}/commands/echo"), "").await;
        assert_eq!(raw.fails(422, "GUEST_ERROR")["details"]["code"], "EMPTY");
    });
}

#[test]
fn whoever_sends_a_command_need_not_wait_for_ever() {
    on_threads(async {
        let api = Api::new();
        api.house.run(&waiting()).await;
        let late = api
            .post(&execute(), r#"{"command": "echo", "args": 1, "timeout_ms": 20}"#)
            .await;
        let problem = late.fails(504, "EXECUTION_TIMEOUT");
        assert_eq!(problem["details"], json!({"resource": "time", "limit_ms": 20}));
        // The command was given up, and counts no longer.
        assert_eq!(api.house.supervisor.status(ID).unwrap().active_requests, 0);
        let zero = api.post(&execute(), r#"{"command": "echo", "timeout_ms": 0}"#).await;
        zero.fails(400, "INVALID_ARGUMENT");
    });
}

#[test]
fn a_spinning_plugin_is_stopped_and_the_host_answers() {
    on_one_thread(async {
        let api = Api::new();
        let spinning = Guest {
            command: SPIN,
            manifest: json!({"resource_limits": {"fuel": 5_000_000}}),
            ..Guest::default()
        };
        api.house.run(&spinning).await;
        let problem = api
            .post(&execute(), r#"{"command": "echo"}"#)
            .await
            .fails(507, "FUEL_EXHAUSTED");
        assert_eq!(
            (&problem["plugin"], &problem["details"]["resource"]),
            (&json!(ID), &json!("fuel"))
        );
        api.get("/plugins/status").await.ok();
    });
}

#[test]
fn a_body_that_does_not_fit_names_what_is_wrong() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&guest("1.0.0")).await;
        for (body, told) in [
            (r#"{"comand": "echo"}"#, "unknown field `comand`"),
            (r#"{"args": 1}"#, "missing field `command`"),
            (r#"{"command": 1}"#, "expected a string"),
            ("", "EOF"),
        ] {
            let problem = api.post(&execute(), body).await.fails(400, "INVALID_ARGUMENT");
            assert!(problem["message"].as_str().unwrap().contains(told), "{problem}");
        }
    });
}
