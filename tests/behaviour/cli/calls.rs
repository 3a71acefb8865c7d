//! `call`.

use palisade_tests::{Guest, SPIN};
use serde_json::json;

use super::Desk;

/// Answers with an error of its own: 26 bytes of JSON at address 64, bit 31 set.
const REFUSE: &str = "i64.const 0x000000408000001a";

fn refusing() -> Guest {
    Guest {
        extra: r#"(data (i32.const 64) "{\"code\":\"NO\",\"message\":\"\"}")"#,
        command: REFUSE,
        ..Guest::default()
    }
}

#[test]
fn the_answer_is_the_plugins_bytes_and_nothing_else() {
    let desk = Desk::with_echo();
    let bytes = [0, 1, 0x1b, b'[', b'2', b'J', 0xff, b'\n', 0x9b];
    desk.write("input", bytes);
    let call = ["call", "echo.zip", "any", "--trust", "me.pub"];
    let ended = desk.run(call.iter().chain(&["--input-file", "input"])).exits(0);
    assert_eq!(ended.stdout, bytes);
    assert_eq!(ended.stderr, "");
    assert_eq!(desk.run_with(call.iter().chain(&["-"]), &bytes).exits(0).stdout, bytes);
    assert_eq!(desk.run(call.iter().chain(&["text"])).exits(0).stdout, b"text");
    assert_eq!(desk.run(call).exits(0).stdout, b"");
}

#[test]
fn standard_input_is_the_bundle_or_the_arguments() {
    let desk = Desk::with_echo();
    let bundle = desk.read("echo.zip");
    let call = ["call", "-", "any", "--trust", "me.pub"];
    assert_eq!(
        desk.run_with(call.iter().chain(&["hi"]), &bundle).exits(0).stdout,
        b"hi"
    );
    desk.run_with(call.iter().chain(&["-"]), &bundle).exits(2);
}

#[test]
fn nothing_runs_that_nobody_vouched_for() {
    let desk = Desk::with_echo();
    desk.run(["call", "echo.zip", "any"]).exits(4);
    desk.run(["call", "unsigned.zip", "any", "--trust", "me.pub"]).exits(4);
    let ended = desk
        .run(["call", "unsigned.zip", "any", "hi", "--allow-unsigned"])
        .exits(0);
    assert_eq!(ended.stdout, b"hi");
    assert!(ended.stderr.contains("warning"), "{}", ended.stderr);
}

#[test]
fn every_end_has_its_exit_code() {
    let desk = Desk::with_echo();
    let end = |guest: Guest, exit: i32| {
        let bundle = desk.bundle("guest", &guest);
        let ended = desk
            .run(["call", &bundle, "any", "{}", "--trust", "me.pub", "--json"])
            .exits(exit);
        ended.problem()["code"].as_str().unwrap().to_owned()
    };
    let spin = Guest {
        command: SPIN,
        ..Guest::default()
    };
    assert_eq!(end(spin, 7), "FUEL_EXHAUSTED");
    let trap = Guest {
        command: "unreachable",
        ..Guest::default()
    };
    assert_eq!(end(trap, 7), "GUEST_TRAP");
    assert_eq!(end(refusing(), 8), "GUEST_ERROR");
    let asks = Guest {
        manifest: json!({"permissions": ["storage:read"]}),
        ..Guest::default()
    };
    assert_eq!(end(asks, 6), "PERMISSION_DENIED");
    let commands = Guest {
        manifest: json!({"commands": [{"name": "greet"}]}),
        ..Guest::default()
    };
    assert_eq!(end(commands, 3), "INVALID_COMMAND");
    let schema = json!({"commands": [{"name": "any", "input_schema": {"type": "string"}}]});
    assert_eq!(
        end(
            Guest {
                manifest: schema,
                ..Guest::default()
            },
            2
        ),
        "INVALID_ARGUMENT"
    );
}

#[test]
fn a_guest_error_carries_the_plugins_own_words() {
    let desk = Desk::with_echo();
    let bundle = desk.bundle("guest", &refusing());
    let problem = desk
        .run(["call", &bundle, "any", "--trust", "me.pub", "--json"])
        .exits(8)
        .problem();
    assert_eq!(problem["details"]["code"], "NO");
    assert_eq!(problem["plugin"], "com.acme.echo");
}

#[test]
fn powers_are_given_by_flags() {
    let desk = Desk::with_echo();
    let guest = Guest {
        manifest: json!({
            "permissions": ["storage:read"],
            "config": {"a": 1},
            "config_schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": false},
        }),
        ..Guest::default()
    };
    let bundle = desk.bundle("guest", &guest);
    let call = ["call", &bundle, "any", "hi", "--trust", "me.pub", "--grant", "storage"];
    desk.run(call).exits(0);
    desk.write("good.json", r#"{"a": 2}"#);
    desk.write("bad.json", r#"{"b": 2}"#);
    desk.write("broken.json", "{");
    desk.run(call.iter().chain(&["--config", "good.json"])).exits(0);
    desk.run(call.iter().chain(&["--config", "bad.json"])).exits(5);
    desk.run(call.iter().chain(&["--config", "broken.json"])).exits(5);
    desk.run(
        call.iter()
            .chain(&["--memory", "64MiB", "--timeout", "2s", "--fuel", "100000"]),
    )
    .exits(0);
    desk.run(call.iter().chain(&["--fuel", "1"])).exits(7);
    desk.run(call.iter().chain(&["--memory", "64KiB"])).exits(7);
    desk.run(call.iter().chain(&["--memory", "lots"])).exits(2);
    let ended = desk
        .run(["call", &bundle, "any", "--trust", "me.pub", "--grant", "storage:raed"])
        .exits(5);
    assert!(ended.stderr.contains("storage:read"), "{}", ended.stderr);
}

#[test]
fn stats_and_logs_go_to_standard_error() {
    let desk = Desk::with_echo();
    let ended = desk
        .run([
            "call", "echo.zip", "any", "hi", "--trust", "me.pub", "--stats", "--repeat", "3",
        ])
        .exits(0);
    assert_eq!(ended.stdout, b"hi");
    assert!(ended.stderr.contains("the same in all 3 calls"), "{}", ended.stderr);

    let logging = Guest {
        imports: r#"(import "palisade_v1" "log" (func $log (param i32 i32 i32)))"#,
        extra: r#"(data (i32.const 64) "red \1b[31m")"#,
        command: "(call $log (i32.const 2) (i32.const 64) (i32.const 9)) i64.const 0",
        ..Guest::default()
    };
    let bundle = desk.bundle("guest", &logging);
    let ended = desk.run(["call", &bundle, "any", "--trust", "me.pub"]).exits(0);
    assert!(
        ended.stderr.contains("red ") && !ended.stderr.contains('\u{1b}'),
        "{:?}",
        ended.stderr
    );
    let answer = desk
        .run(["call", &bundle, "any", "--trust", "me.pub", "--json"])
        .exits(0)
        .json();
    assert_eq!(answer["result"], serde_json::Value::Null);
    assert_eq!(answer["logs"][0]["level"], "info");
}
