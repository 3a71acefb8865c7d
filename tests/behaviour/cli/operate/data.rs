//! `config` and `state`.

use palisade_tests::Guest;
use serde_json::{Value, json};

use super::{ID, Workshop};
use crate::cli::exists;

/// A plugin whose configuration is one number.
fn configured() -> Workshop {
    let workshop = Workshop::new();
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": false});
    let manifest = json!({"config": {"a": 1}, "config_schema": schema});
    let bundle = workshop.version("1.0.0", 1, manifest);
    workshop.run(&["install", &bundle, "--enable"]).exits(0);
    workshop
}

#[test]
fn a_configuration_is_read_checked_replaced_and_remembered() {
    let workshop = configured();
    assert_eq!(workshop.answer(&["config", "get", ID])["config"], json!({"a": 1}));
    let valid = workshop.answer(&["config", "validate", ID, r#"{"a": 2}"#]);
    assert_eq!(valid, json!({"valid": true, "errors": []}));
    let problem = workshop
        .run(&["config", "validate", ID, r#"{"a": "two"}"#, "--json"])
        .exits(5)
        .problem();
    assert_eq!(problem["code"], "CONFIG_INVALID");
    assert_eq!(problem["details"]["errors"][0]["pointer"], "/a");
    assert_eq!(workshop.answer(&["config", "get", ID])["config"], json!({"a": 1}));

    workshop.run(&["config", "set", ID, r#"{"a": 2}"#]).exits(0);
    workshop.desk.write("config.json", r#"{"a": 3}"#);
    workshop.run(&["config", "set", ID, "--file", "config.json"]).exits(0);
    let set = ["config", "set", ID, "-"];
    workshop.desk.run_with(set, br#"{"a": 3}"#).exits(0);
    assert_eq!(workshop.answer(&["config", "get", ID])["config"], json!({"a": 3}));
    let history = workshop.answer(&["config", "history", ID]);
    let had = history["history"].as_array().unwrap().iter();
    let had: Vec<_> = had
        .map(|change| (change["number"].clone(), change["config"]["a"].clone()))
        .collect();
    assert_eq!(
        had,
        [(3, 3), (2, 2), (1, 1)].map(|(number, a)| (json!(number), json!(a)))
    );
}

#[test]
fn a_configuration_that_does_not_fit_changes_nothing() {
    let workshop = configured();
    for bad in [r#"{"b": 1}"#, "[]", "null", "{", "1"] {
        assert_eq!(workshop.code(&["config", "set", ID, bad], 5), "CONFIG_INVALID", "{bad}");
    }
    assert_eq!(workshop.code(&["config", "set", ID], 2), "INVALID_ARGUMENT");
    assert_eq!(workshop.answer(&["config", "get", ID])["config"], json!({"a": 1}));
    workshop.is("1.0.0", "active");
    let call = ["call", ID, "any", "--config", "config.json"];
    assert_eq!(workshop.code(&call, 2), "INVALID_ARGUMENT");
}

#[test]
fn a_state_record_is_read_and_replaced() {
    let workshop = Workshop::with_echo();
    let state = || workshop.answer(&["state", "get", ID])["state"].clone();
    assert_eq!(state(), Value::Null);
    workshop.run(&["state", "set", ID, r#"{"count": 1}"#]).exits(0);
    assert_eq!(state(), json!({"count": 1}));
    assert_eq!(workshop.run(&["state", "get", ID]).exits(0).text(), r#"{"count": 1}"#);
    assert_eq!(workshop.code(&["state", "set", ID, "{"], 2), "INVALID_ARGUMENT");
    assert_eq!(workshop.code(&["state", "set", ID], 2), "INVALID_ARGUMENT");
    workshop
        .desk
        .write("large.json", format!("\"{}\"", "a".repeat(1024 * 1024)));
    let large = ["state", "set", ID, "--file", "large.json"];
    assert_eq!(workshop.code(&large, 2), "PAYLOAD_TOO_LARGE");
    assert_eq!(state(), json!({"count": 1}));
    workshop.run(&["state", "set", ID, "--remove"]).exits(0);
    assert_eq!(state(), Value::Null);
}

#[test]
fn what_a_plugin_keeps_goes_out_and_comes_back() {
    let workshop = Workshop::with_echo();
    let empty = workshop.answer(&["state", "export", ID]);
    assert_eq!((&empty["state"], &empty["entries"]), (&Value::Null, &json!([])));
    let mut archive = empty;
    archive["state"] = "MQ==".into();
    archive["entries"] = json!([{"key": "k", "value": "AAH/", "expires": null}]);
    workshop.desk.write("archive.json", archive.to_string());
    workshop.run(&["state", "import", ID, "archive.json"]).exits(0);
    assert_eq!(workshop.answer(&["state", "get", ID])["state"], json!(1));
    workshop.run(&["state", "export", ID, "-o", "out.json"]).exits(0);
    let exported: Value = serde_json::from_slice(&workshop.desk.read("out.json")).unwrap();
    assert_eq!(exported, archive);

    // What an uninstall leaves can be imported, too.
    let removed = workshop.answer(&["uninstall", ID]);
    let left = removed["archived"].as_str().unwrap();
    assert!(exists(left));
    workshop.run(&["install", "echo-1.0.0-1.zip"]).exits(0);
    assert_eq!(workshop.answer(&["state", "get", ID])["state"], Value::Null);
    workshop.run(&["state", "import", ID, left]).exits(0);
    assert_eq!(workshop.answer(&["state", "export", ID]), archive);

    archive["plugin_id"] = "com.acme.other".into();
    workshop.desk.write("other.json", archive.to_string());
    let import = ["state", "import", ID, "other.json"];
    assert_eq!(workshop.code(&import, 2), "INVALID_ARGUMENT");
    workshop.desk.write("noise.json", "{}");
    let import = ["state", "import", ID, "noise.json"];
    assert_eq!(workshop.code(&import, 2), "INVALID_ARGUMENT");
}

#[test]
fn data_can_outlive_a_plugin_or_be_gone_with_it() {
    let workshop = Workshop::with_echo();
    workshop.run(&["state", "set", ID, "1"]).exits(0);
    workshop.run(&["uninstall", ID, "--preserve-data"]).exits(0);
    workshop.run(&["install", "echo-1.0.0-1.zip"]).exits(0);
    assert_eq!(workshop.answer(&["state", "get", ID])["state"], json!(1));
    assert_eq!(workshop.answer(&["uninstall", ID, "--force"])["archived"], Value::Null);
    workshop.run(&["install", "echo-1.0.0-1.zip"]).exits(0);
    assert_eq!(workshop.answer(&["state", "get", ID])["state"], Value::Null);
    let both = ["uninstall", ID, "--force", "--preserve-data"];
    assert_eq!(workshop.code(&both, 2), "INVALID_ARGUMENT");
}

#[test]
fn a_session_ends_with_its_command_and_what_its_cleanup_keeps_is_there_for_the_next() {
    let workshop = Workshop::new();
    let keeps = Guest {
        imports: r#"(import "palisade_v1" "state_set" (func $set (param i32 i32) (result i64)))"#,
        extra: r#"(data (i32.const 256) "\"kept\"")"#,
        cleanup: "(drop (call $set (i32.const 256) (i32.const 6))) i64.const 0",
        ..Guest::default()
    };
    let bundle = workshop.guest("1.0.0", 1, json!({}), keeps);
    workshop.run(&["install", &bundle, "--enable"]).exits(0);
    assert_eq!(workshop.answer(&["state", "get", ID])["state"], json!("kept"));
}
