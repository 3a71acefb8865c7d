//! From install to uninstall, each step a process of its own.

use palisade_tests::Guest;
use serde_json::json;

use super::{ID, Workshop};
use crate::cli::{exists, members};

#[test]
fn a_plugin_lives_from_one_command_to_the_next() {
    let workshop = Workshop::new();
    let (first, second) = (
        workshop.version("1.0.0", 1, json!({})),
        workshop.version("1.1.0", 2, json!({})),
    );
    assert!(workshop.listed().is_empty());
    workshop.run(&["install", &first]).exits(0);
    workshop.is("1.0.0", "installed");
    workshop.run(&["enable", ID]).exits(0);
    workshop.is("1.0.0", "active");
    assert_eq!(workshop.run(&["call", ID, "any", "hello"]).exits(0).stdout, b"hello");
    let upgraded = workshop.answer(&["upgrade", ID, &second]);
    assert_eq!(
        (&upgraded["old_version"], &upgraded["new_version"]),
        (&json!("1.0.0"), &json!("1.1.0"))
    );
    workshop.is("1.1.0", "active");
    workshop.run(&["reload", ID]).exits(0);
    workshop.run(&["restart", ID]).exits(0);
    workshop.run(&["rollback", ID]).exits(0);
    workshop.is("1.0.0", "active");
    let disabled = workshop.answer(&["disable", ID, "--timeout", "1s"]);
    for (member, value) in [
        ("state", json!("disabled")),
        ("drained", json!(0)),
        ("cancelled", json!(0)),
        ("state_saved", json!(true)),
    ] {
        assert_eq!(disabled[member], value, "{member}");
    }
    workshop.is("1.0.0", "disabled");
    assert_eq!(workshop.code(&["call", ID, "any"], 9), "INVALID_STATE");
    workshop.run(&["enable", ID, "--force"]).exits(0);
    let removed = workshop.answer(&["uninstall", ID]);
    assert_eq!(removed["archived"], json!(null), "it kept nothing");
    assert!(workshop.listed().is_empty());
}

#[test]
fn the_answers_have_the_documented_members() {
    let workshop = Workshop::with_echo();
    let listed = workshop.answer(&["list"]);
    assert_eq!(
        members(&listed["plugins"][0]),
        ["active_requests", "health", "id", "state", "version"]
    );
    let status = workshop.answer(&["status", ID]);
    for member in ["manifest", "versions", "grant", "limits", "publisher", "history"] {
        assert!(!status[member].is_null(), "{member} in {status}");
    }
    assert_eq!(status["versions"][0]["version"], "1.0.0");
    assert_eq!(status["history"][1]["to"], "active");
    assert_eq!(workshop.answer(&["status"])["plugins"][0]["id"], ID);
    let health = workshop.answer(&["health", ID]);
    assert_eq!(health["overall_status"], "healthy");
    assert_eq!(health["plugins"][ID]["state"], "active");
    let called = workshop.answer(&["call", ID, "any", "{}"]);
    assert_eq!((&called["status"], &called["result"]), (&json!("success"), &json!({})));
    assert!(called["receipt"]["fuel"].is_number());
}

#[test]
fn what_people_read_is_aligned() {
    let workshop = Workshop::with_echo();
    assert_eq!(
        workshop.run(&["list"]).exits(0).text(),
        "ID             VERSION  STATE   HEALTH   REQUESTS\n\
         com.acme.echo  1.0.0    active  healthy  0\n"
    );
    workshop.run(&["uninstall", ID]).exits(0);
    assert_eq!(workshop.run(&["list"]).exits(0).text(), "nothing is installed\n");
}

#[test]
fn only_the_plugin_that_a_command_is_about_is_started() {
    let workshop = Workshop::with_echo();
    let talks = Guest {
        imports: r#"(import "palisade_v1" "log" (func $log (param i32 i32 i32)))"#,
        extra: r#"(data (i32.const 64) "I am here")"#,
        init: "(call $log (i32.const 2) (i32.const 64) (i32.const 9)) i64.const 0",
        manifest: json!({"id": "com.acme.talks"}),
        ..Guest::default()
    };
    let bundle = workshop.desk.bundle("talks", &talks);
    workshop.run(&["install", &bundle, "--enable"]).exits(0);
    let said = |words: &[&str]| {
        workshop
            .run(words)
            .exits(0)
            .stderr
            .contains("com.acme.talks: I am here")
    };
    assert!(said(&["list"]) && said(&["call", "com.acme.talks", "any"]));
    assert!(!said(&["call", ID, "any"]) && !said(&["status", ID]) && !said(&["disable", ID]));
    assert!(!said(&["config", "get", "com.acme.talks"]) && !said(&["audit"]));
}

#[test]
fn a_version_is_brought_back_by_its_name() {
    let workshop = Workshop::with_echo();
    for (version, sequence) in [("1.1.0", 2), ("1.2.0", 3)] {
        let bundle = workshop.version(version, sequence, json!({}));
        workshop.run(&["upgrade", ID, &bundle]).exits(0);
    }
    let problem = workshop
        .run(&["rollback", ID, "--to", "1.0.1", "--json"])
        .exits(9)
        .problem();
    assert_eq!(problem["code"], "NO_ROLLBACK_VERSION");
    assert_eq!(problem["details"]["kept"], json!(["1.0.0", "1.1.0"]));
    workshop.run(&["rollback", ID, "--to", "1.0.0"]).exits(0);
    workshop.is("1.0.0", "active");
    assert_eq!(workshop.code(&["rollback", ID], 9), "NO_ROLLBACK_VERSION");
    let call = ["call", "com.acme.echo@1.0.0", "any", "x"];
    assert_eq!(workshop.run(&call).exits(0).stdout, b"x");
    assert_eq!(workshop.code(&["call", "com.acme.echo@1.1.0", "any"], 3), "NOT_FOUND");
}

#[test]
fn an_upgrade_is_tried_before_it_is_done() {
    let workshop = Workshop::with_echo();
    let more = json!({"permissions": ["storage:read"], "resource_limits": {"fuel": 2_000_000}});
    let bundle = workshop.version("2.0.0", 2, more);
    let preview = workshop.answer(&["upgrade", ID, &bundle, "--dry-run"]);
    assert_eq!(
        (
            &preview["old_version"],
            &preview["new_version"],
            &preview["needs_approval"]
        ),
        (&json!("1.0.0"), &json!("2.0.0"), &json!(true))
    );
    assert_eq!(preview["difference"]["added"][0]["name"], "storage:read");
    workshop.is("1.0.0", "active");
    let problem = workshop.run(&["upgrade", ID, &bundle, "--json"]).exits(6).problem();
    assert_eq!(problem["code"], "APPROVAL_REQUIRED");
    let told = workshop.run(&["upgrade", ID, &bundle]).exits(6).stderr;
    assert!(told.contains("--accept-permissions"), "{told}");
    workshop.run(&["upgrade", ID, &bundle, "--accept-permissions"]).exits(0);
    workshop.is("2.0.0", "active");
    assert_eq!(workshop.answer(&["status", ID])["granted"], json!(["storage:read"]));

    // A bundle that would be refused is refused when it is tried.
    let old = workshop.version("1.0.1", 1, json!({}));
    assert_eq!(
        workshop.code(&["upgrade", ID, &old, "--dry-run"], 4),
        "DOWNGRADE_REFUSED"
    );
    let broken = Guest {
        extra: r#"(import "env" "no_such_import" (func))"#,
        ..Guest::default()
    };
    let broken = workshop.guest(
        "3.0.0",
        3,
        json!({}),
        Guest {
            imports: broken.extra,
            ..Guest::default()
        },
    );
    workshop.run(&["upgrade", ID, &broken, "--dry-run"]).exits(5);
    workshop.is("2.0.0", "active");
}

#[test]
fn grants_are_given_and_taken() {
    let workshop = Workshop::new();
    let bundle = workshop.version("1.0.0", 1, json!({"permissions": ["storage:read"]}));
    assert_eq!(workshop.code(&["install", &bundle], 6), "PERMISSION_DENIED");
    let told = workshop.run(&["install", &bundle]).exits(6).stderr;
    assert!(told.contains("--accept-permissions"), "{told}");
    workshop
        .run(&["install", &bundle, "--grant", "storage:read", "--enable"])
        .exits(0);
    workshop.run(&["grant", ID, "storage:write"]).exits(0);
    let granted = workshop.answer(&["status", ID])["granted"].clone();
    assert_eq!(granted, json!(["storage:read", "storage:write"]));
    assert_eq!(
        workshop.code(&["revoke", ID, "storage:read"], 6),
        "PERMISSION_DENIED",
        "it runs, and cannot do without"
    );
    workshop.run(&["revoke", ID, "storage:write"]).exits(0);
    assert_eq!(workshop.code(&["grant", ID, "storage:raed"], 5), "UNKNOWN_PERMISSION");
    let asked = workshop.answer(&["permissions", ID]);
    assert_eq!(asked["permissions"][0]["name"], "storage:read");
    let newer = workshop.version("1.1.0", 2, json!({"permissions": ["storage:read", "storage:delete"]}));
    let compared = workshop.answer(&["permissions", ID, "--diff", &newer]);
    assert_eq!(compared["added"][0]["name"], "storage:delete");
}

#[test]
fn everything_it_asks_for_is_granted_when_that_is_said() {
    let workshop = Workshop::new();
    let asks = json!({"permissions": ["storage:read", {"name": "storage:write", "optional": true}]});
    let bundle = workshop.version("1.0.0", 1, asks);
    workshop.run(&["install", &bundle, "--accept-permissions"]).exits(0);
    let granted = workshop.answer(&["status", ID])["granted"].clone();
    assert_eq!(granted, json!(["storage:read", "storage:write"]));
}

#[test]
fn an_unsigned_plugin_takes_a_flag_each_time() {
    let workshop = Workshop::new();
    workshop.desk.plugin("echo", &Guest::default());
    workshop.run(&["pack", "echo", "-o", "unsigned.zip"]).exits(0);
    assert_eq!(workshop.code(&["install", "unsigned.zip"], 4), "SIGNATURE_MISSING");
    let unsigned = "--allow-unsigned";
    workshop
        .run(&["install", "unsigned.zip", "--enable", unsigned])
        .exits(0);
    assert_eq!(workshop.code(&["call", ID, "any"], 4), "SIGNATURE_MISSING");
    assert_eq!(
        workshop.run(&["call", ID, "any", "hi", unsigned]).exits(0).stdout,
        b"hi"
    );
    // The flag is on record each time, before what it let through.
    let records = workshop.answer(&["audit", "list"])["records"].clone();
    let records = records.as_array().unwrap().iter();
    let told: Vec<_> = records
        .map(|it| (it["action"].clone(), it["resource"].clone()))
        .collect();
    let loosened = (json!("trust_change"), json!(unsigned));
    let places: Vec<_> = (0..told.len()).filter(|place| told[*place] == loosened).collect();
    assert_eq!(places.len(), 2, "{told:?}");
    assert_eq!(told[places[0] + 1].0, "install", "{told:?}");
}

#[test]
fn an_installed_bundle_is_inspected() {
    let workshop = Workshop::with_echo();
    let file = workshop.answer(&["inspect", "echo-1.0.0-1.zip"]);
    assert_eq!(workshop.answer(&["inspect", ID]), file);
    assert_eq!(workshop.code(&["inspect", "com.acme.ech"], 3), "NOT_FOUND");
}

#[test]
fn a_directory_can_be_named() {
    let workshop = Workshop::new();
    let bundle = workshop.version("1.0.0", 1, json!({}));
    workshop
        .run(&["install", &bundle, "--enable", "--data-dir", "here"])
        .exits(0);
    assert!(exists(workshop.desk.path("here/registry.db")));
    assert!(workshop.listed().is_empty());
    let mut command = workshop.desk.command();
    command.env("PALISADE_DATA_DIR", "here").args(["call", ID, "any", "hi"]);
    let ended = crate::cli::Ended::of(command, b"").exits(0);
    assert_eq!(ended.stdout, b"hi");
}
