//! `audit list`, `verify` and `export`.

use std::fs;

use serde_json::{Value, json};

use super::{ID, Workshop};

fn actions(listed: &Value) -> Vec<String> {
    let records = listed["records"].as_array().unwrap().iter();
    records
        .map(|record| record["action"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn everything_that_was_done_is_on_record_and_nothing_else() {
    let workshop = Workshop::with_echo();
    // A start that nobody decided, and reading, are not on record.
    workshop.run(&["list"]).exits(0);
    workshop.run(&["call", ID, "any"]).exits(0);
    workshop.run(&["config", "get", ID]).exits(0);
    workshop.run(&["config", "set", ID, "{}"]).exits(0);
    workshop.run(&["state", "set", ID, "1"]).exits(0);
    workshop.run(&["grant", ID, "storage:read"]).exits(0);
    workshop.run(&["rollback", ID]).exits(9);
    workshop.run(&["uninstall", ID]).exits(0);
    let all = workshop.answer(&["audit"]);
    let expected = [
        "install",
        "enable",
        "config_update",
        "state_change",
        "grant",
        "rollback",
        "uninstall",
    ];
    assert_eq!(actions(&all), expected);
    assert!(
        all["records"]
            .as_array()
            .unwrap()
            .iter()
            .all(|record| record["actor"] == "cli")
    );
    let failed = workshop.answer(&["audit", "list", "--outcome", "failed"]);
    assert_eq!(actions(&failed), ["rollback"]);
    let installs = workshop.answer(&["audit", "list", "--plugin", ID, "--action", "install"]);
    assert_eq!(actions(&installs), ["install"]);
    let page = workshop.answer(&["audit", "list", "--from", "2", "--limit", "2"]);
    assert_eq!(
        (actions(&page), &page["next_seq"]),
        (expected[1..3].iter().map(ToString::to_string).collect(), &json!(4))
    );
    workshop.run(&["audit", "list", "--action", "instal"]).exits(2);
}

#[test]
fn what_a_plugin_was_refused_is_on_record() {
    let workshop = Workshop::new();
    let tries = palisade_tests::Guest {
        imports: r#"(import "palisade_v1" "storage_get" (func $get (param i32 i32) (result i64)))"#,
        command: "(drop (call $get (i32.const 0) (i32.const 1))) i64.const 0",
        ..palisade_tests::Guest::default()
    };
    let manifest = json!({"permissions": [{"name": "storage:read", "optional": true}]});
    let bundle = workshop.guest("1.0.0", 1, manifest, tries);
    workshop.run(&["install", &bundle, "--enable"]).exits(0);
    workshop.run(&["call", ID, "any"]).exits(0);
    let denied = workshop.answer(&["audit", "list", "--action", "security_violation"]);
    assert_eq!(denied["records"][0]["resource"], "storage:read");
}

#[test]
fn an_edited_record_is_named_and_the_log_is_not_gone_on_with() {
    let workshop = Workshop::with_echo();
    let verified = workshop.answer(&["audit", "verify"]);
    assert_eq!((&verified["valid"], &verified["records"]), (&json!(true), &json!(2)));
    let database = workshop.desk.path("data/palisade/audit.db");
    let whole = fs::read(&database).unwrap();
    let mut bytes = whole.clone();
    // The actor of the last record, which comes first in the page.
    let at = bytes.windows(9).position(|word| word == b"succeeded").unwrap();
    bytes[at..at + 9].copy_from_slice(b"succeedeD");
    fs::write(&database, &bytes).unwrap();
    let problem = workshop.run(&["audit", "verify", "--json"]).exits(4).problem();
    assert_eq!(
        (&problem["code"], &problem["details"]["broken"]),
        (&json!("AUDIT_LOG_FAILED"), &json!("edited"))
    );
    assert!(problem["details"]["seq"].is_number());
    fs::write(&database, &whole).unwrap();
    workshop.run(&["audit", "verify"]).exits(0);

    fs::remove_file(workshop.desk.path("data/palisade/audit.checkpoint")).unwrap();
    workshop.run(&["audit", "verify"]).exits(4);
    assert_eq!(workshop.code(&["disable", ID], 1), "AUDIT_LOG_FAILED");
}

#[test]
fn a_lost_key_is_not_replaced_by_another() {
    let workshop = Workshop::with_echo();
    let key = workshop.desk.path("data/palisade/audit.key");
    fs::remove_file(&key).unwrap();
    let told = workshop.run(&["list"]).exits(1).stderr;
    assert!(told.contains("audit.key"), "{told}");
    assert!(!crate::cli::exists(&key));
}

#[test]
fn an_export_verifies_with_the_public_key_alone() {
    let workshop = Workshop::with_echo();
    let exported = workshop.answer(&["audit", "export", "-o", "log.jsonl"]);
    workshop
        .desk
        .write("host.pub", exported["public_key"].as_str().unwrap());
    let verify = ["audit", "verify", "--export", "log.jsonl", "--key", "host.pub"];
    assert_eq!(workshop.answer(&verify)["records"], exported["records"]);
    let text = String::from_utf8(workshop.desk.read("log.jsonl")).unwrap();
    workshop
        .desk
        .write("log.jsonl", text.replace("\"enable\"", "\"disabl\""));
    workshop.run(&verify).exits(4);
    workshop.run(&["audit", "verify", "--export", "log.jsonl"]).exits(2);
    let printed = workshop.run(&["audit", "export"]).exits(0).text();
    assert_eq!(printed.lines().count(), 3);
}
