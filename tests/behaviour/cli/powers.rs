//! What `call` lends to a plugin, what it keeps of it, and what `permissions` says of both.

use palisade_tests::Guest;
use serde_json::{Value, json};

use super::Desk;

/// Adds one to the number in storage under `n`, one byte, and answers with it. Asks for random bytes first.
fn counter() -> Guest {
    let guest = Guest::calling(("storage_get", "(param i32 i32) (result i64)"), "n", "");
    Guest {
        imports: format!(
            r#"{}
            (import "palisade_v1" "storage_put" (func $put (param i32 i32 i32 i32 i64) (result i64)))
            (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))"#,
            guest.imports
        )
        .leak(),
        command: "
          (drop (call $random (i32.const 513) (i32.const 8)))
          (drop (call $call (i32.const 256) (i32.const 1)))
          (drop (call $take (i32.const 512) (i32.const 1)))
          (i32.store8 (i32.const 512) (i32.add (i32.load8_u (i32.const 512)) (i32.const 1)))
          (drop (call $put (i32.const 256) (i32.const 1) (i32.const 512) (i32.const 1) (i64.const 0)))
          (i64.const 0x0000020000000009)",
        manifest: json!({"permissions": [{"name": "storage:read", "reason": "counts"}, "storage:write"]}),
        ..guest
    }
}

fn call<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let call = ["call", "counter.zip", "go", "--trust", "me.pub", "--grant", "storage"];
    call.iter().chain(more).copied().collect()
}

fn desk() -> Desk {
    let desk = Desk::with_echo();
    desk.bundle("counter", &counter());
    desk
}

#[test]
fn storage_is_kept_in_the_file_and_without_one_is_gone() {
    let desk = desk();
    let count = |more: &[&str]| desk.run(call(more)).exits(0).stdout[0];
    assert_eq!([count(&[]), count(&[])], [1, 1]);
    let kept = ["--storage", "kept.db"];
    assert_eq!([count(&kept), count(&kept), count(&kept)], [1, 2, 3]);
    desk.write("other", "not a database, but longer than the header of one would be");
    let ended = desk.run(call(&["--storage", "other"])).exits(1);
    assert!(ended.stderr.contains("error[INTERNAL_ERROR]"), "{}", ended.stderr);
}

#[test]
fn what_was_recorded_is_played_back_without_reaching_anything() {
    let desk = desk();
    let kept = ["--storage", "kept.db"];
    let recorded = desk
        .run(call(&[&kept[..], &["--record", "heard.json", "--json"]].concat()))
        .exits(0)
        .json();
    for _ in 0..2 {
        let played = desk.run(call(&["--replay", "heard.json", "--json"])).exits(0).json();
        assert_eq!(played["result"], recorded["result"]);
        assert_eq!(played["receipt"]["fuel"], recorded["receipt"]["fuel"]);
        assert_eq!(played["receipt"]["host_calls"], recorded["receipt"]["host_calls"]);
    }
    assert_eq!(
        desk.run(call(&kept)).exits(0).stdout[0],
        2,
        "playing back stored nothing"
    );
    desk.write("heard.json", "{}");
    desk.run(call(&["--replay", "heard.json"])).exits(2);
    let folders = ["--record", "heard.json", "--dir", ".::/data"];
    let ended = desk.run(call(&folders)).exits(2);
    assert!(ended.stderr.contains("--record"), "{}", ended.stderr);
}

#[test]
fn a_secret_comes_from_a_file_and_never_from_an_argument() {
    let desk = desk();
    desk.write("token", "hunter2\n");
    desk.run(call(&["--secret", "api=token"])).exits(0);
    desk.run(call(&["--secret", "api=absent"])).exits(3);
    desk.run(call(&["--secret", "hunter2"])).exits(2);
}

#[test]
fn permissions_says_what_is_asked_for_and_what_is_new() {
    let desk = desk();
    let asked = desk.run(["permissions", "counter.zip", "--json"]).exits(0).json();
    assert_eq!(asked["permissions"][0]["name"], "storage:read");
    assert_eq!(asked["permissions"][0]["reason"], "counts");
    let newer = Guest {
        manifest: json!({"version": "2.0.0", "permissions": ["storage:read", "network:https"]}),
        ..counter()
    };
    desk.bundle("newer", &newer);
    let compared = desk
        .run(["permissions", "counter.zip", "--diff", "newer.zip", "--json"])
        .exits(0)
        .json();
    assert_eq!(compared["added"][0]["name"], "network:https");
    assert_eq!(compared["removed"], json!(["storage:write"]));
    assert_eq!(compared["raised"], Value::Array(Vec::new()));
    let said = desk
        .run(["permissions", "counter.zip", "--diff", "counter.zip"])
        .exits(0);
    assert!(said.text().contains("asks for nothing new"), "{}", said.text());
}

#[test]
fn check_names_an_import_without_its_permission_and_a_permission_without_a_use() {
    let desk = desk();
    desk.run(["check", "counter.zip"]).exits(0);
    let wrong = Guest {
        manifest: json!({"permissions": ["storage:read", "network:https", "events:subscribe"]}),
        ..counter()
    };
    desk.bundle("wrong", &wrong);
    let found = desk.run(["check", "wrong.zip", "--json"]).exits(20).json();
    let found = found["findings"].to_string();
    for words in [
        "imports `storage_put`, which needs `storage:write`",
        "`network:https`",
        "`events:subscribe`",
    ] {
        assert!(found.contains(words), "{words} in {found}");
    }
}
