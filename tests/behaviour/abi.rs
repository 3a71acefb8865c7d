//! The contract between guest and host: what a module must look like, and what its numbers may be.

use palisade::{Code, Coded, LoadError, LogSource, Runtime};
use palisade_tests::{Guest, admitted, runtime_with_log};
use serde_json::json;

fn load(guest: &Guest) -> Result<palisade::Plugin, LoadError> {
    pollster::block_on(guest.load(&Runtime::new().unwrap()))
}

#[track_caller]
fn check_refused(wat: &str, code: Code, message: &str) {
    let wasm = wat::parse_str(wat).unwrap();
    let error = pollster::block_on(Runtime::new().unwrap().load(admitted(&json!({}), &wasm))).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(message), "{error}");
}

/// A command with this body breaks the ABI, and the next one works.
#[track_caller]
fn check_breach(body: &'static str, reason: &str) {
    let guest = Guest {
        imports: r#"(import "palisade_v1" "log" (func $log (param i32 i32 i32)))
                    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))"#,
        extra: "(global $calls (mut i32) (i32.const 0))",
        command: body,
        ..Guest::default()
    };
    let plugin = load(&guest).unwrap();
    for _ in 0..2 {
        let error = plugin.call_blocking("x", b"").unwrap_err();
        assert_eq!(error.code(), Code::AbiViolation, "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_module_without_an_export_of_the_abi_is_refused_by_name() {
    let complete = Guest::default().wat();
    for name in [
        "palisade_abi_v1",
        "plugin_buffer",
        "plugin_init",
        "plugin_command",
        "plugin_cleanup",
        "memory",
    ] {
        let without = complete.replace(&format!("(export \"{name}\")"), "");
        check_refused(&without, Code::AbiViolation, &format!("does not export `{name}`"));
    }
}

#[test]
fn an_export_of_another_type_is_refused_with_both_types() {
    let wat = Guest::default().wat().replace(
        r#"(func (export "plugin_cleanup") (result i64) i64.const 0)"#,
        r#"(func (export "plugin_cleanup") (param i32) (result i64) i64.const 0)"#,
    );
    check_refused(
        &wat,
        Code::AbiViolation,
        "`plugin_cleanup` as (i32) -> i64, and it must be () -> i64",
    );
}

#[test]
fn an_unknown_import_is_refused_with_what_is_offered() {
    let guest = Guest {
        imports: r#"(import "env" "launch" (func (param i32)))"#,
        ..Guest::default()
    };
    let error = load(&guest).unwrap_err();
    assert_eq!(error.code(), Code::AbiViolation);
    assert_eq!(
        error.to_string(),
        "the module imports `env.launch` as (i32) -> (), which the host does not offer"
    );
    let offered = error.details()["offered"].to_string();
    assert!(
        offered.contains("palisade_v1.log") && offered.contains("wasi_snapshot_preview1.fd_write"),
        "{offered}"
    );
}

#[test]
fn an_import_with_another_type_is_refused_with_both_types() {
    let guest = Guest {
        imports: r#"(import "palisade_v1" "log" (func (param i64)))"#,
        ..Guest::default()
    };
    let error = load(&guest).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("as (i64) -> (), and the host offers it as (i32, i32, i32) -> ()"),
        "{error}"
    );
}

#[test]
fn the_offer_is_what_the_abi_crate_says() {
    for import in palisade_abi::IMPORTS {
        let types: Vec<_> = import
            .signature
            .parameters
            .iter()
            .map(|(_, value)| value.to_string())
            .collect();
        let result = import
            .signature
            .result
            .map(|value| format!("(result {value})"))
            .unwrap_or_default();
        let declaration = format!(
            r#"(import "{}" "{}" (func (param {}) {result}))"#,
            palisade_abi::IMPORT_MODULE,
            import.name,
            types.join(" "),
        );
        let guest = Guest {
            imports: declaration.leak(),
            ..Guest::default()
        };
        assert!(load(&guest).is_ok(), "{}", import.name);
    }
}

#[test]
fn a_reply_outside_of_memory_is_a_breach() {
    // The memory has 131,072 bytes.
    check_breach(
        "(i64.or (i64.shl (i64.const 131071) (i64.const 32)) (i64.const 2))",
        "are not inside its memory",
    );
    check_breach(
        "(i64.or (i64.shl (i64.const 131073) (i64.const 32)) (i64.const 0))",
        "are not inside its memory",
    );
    check_breach(
        "(i64.or (i64.shl (i64.const 4294967295) (i64.const 32)) (i64.const 1))",
        "are not inside its memory",
    );
    check_breach(
        "i64.const 0x7fffffff",
        "a reply of 2147483647 bytes, and 10485760 are allowed",
    );
    check_breach("i64.const -1", "a reply of 2147483647 bytes");
}

#[test]
fn a_reply_that_ends_with_the_memory_is_none() {
    let guest = Guest {
        command: "(i64.or (i64.shl (i64.const 131070) (i64.const 32)) (i64.const 2))",
        ..Guest::default()
    };
    assert_eq!(load(&guest).unwrap().call_blocking("x", b"").unwrap().bytes(), [0, 0]);
}

#[test]
fn an_output_ends_exactly_at_its_limit() {
    let guest = |command| Guest {
        command,
        manifest: json!({"resource_limits": {"output": 100}}),
        ..Guest::default()
    };
    assert!(load(&guest("i64.const 100")).unwrap().call_blocking("x", b"").is_ok());
    let error = load(&guest("i64.const 101"))
        .unwrap()
        .call_blocking("x", b"")
        .unwrap_err();
    assert_eq!(error.code(), Code::AbiViolation);
}

#[test]
fn a_host_call_with_an_address_outside_of_memory_is_a_breach() {
    check_breach(
        "(call $log (i32.const 2) (i32.const 131072) (i32.const 1)) i64.const 0",
        "`log` broke",
    );
    check_breach(
        "(call $log (i32.const 2) (i32.const -1) (i32.const -1)) i64.const 0",
        "`log` broke",
    );
    check_breach(
        "(drop (call $random (i32.const 131000) (i32.const 1000))) i64.const 0",
        "`random_get` broke",
    );
}

#[test]
fn a_buffer_outside_of_memory_is_a_breach() {
    for (buffer, reason) in [
        ("i32.const -1", "are not inside its memory"),
        ("i32.const 131071", "are not inside its memory"),
        ("i32.const 0", "no buffer for"),
    ] {
        let guest = Guest {
            buffer,
            ..Guest::default()
        };
        let error = load(&guest).unwrap_err();
        assert_eq!(error.code(), Code::AbiViolation, "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_plugin_that_refuses_to_start_says_why() {
    let guest = Guest {
        extra: r#"(data (i32.const 16) "{\"code\":\"NO_DISK\",\"message\":\"nothing to work with\"}")"#,
        init: "(i64.or (i64.shl (i64.const 16) (i64.const 32)) (i64.const 0x80000033))",
        ..Guest::default()
    };
    let error = load(&guest).unwrap_err();
    assert_eq!(error.code(), Code::InitializationFailed);
    assert_eq!(error.details()["cause"]["code"], "NO_DISK");
}

#[test]
fn init_is_told_who_it_is_and_what_it_has() {
    // Init keeps its input, and the command gives it back.
    let guest = Guest {
        extra: "(global $len (mut i32) (i32.const 0))",
        init: "(memory.copy (i32.const 65536) (local.get $ptr) (local.get $len))
               (global.set $len (local.get $len)) i64.const 0",
        command: "(i64.or (i64.shl (i64.const 65536) (i64.const 32)) (i64.extend_i32_u (global.get $len)))",
        manifest: json!({"config": {"greeting": "Hello"}, "resource_limits": {"fuel": 5_000_000}}),
        ..Guest::default()
    };
    let input: serde_json::Value = load(&guest).unwrap().call_blocking("x", b"").unwrap().json().unwrap();
    assert_eq!(input["plugin_id"], "test.guest");
    assert_eq!(input["version"], "1.0.0");
    assert_eq!(input["config"], json!({"greeting": "Hello"}));
    assert_eq!(input["limits"]["fuel"], 5_000_000);
    assert_eq!(
        input["permissions"],
        json!(["log:write", "config:read", "state:read", "state:write"])
    );
}

#[test]
fn what_a_guest_logs_and_prints_arrives_in_order_and_escaped() {
    let guest = Guest {
        imports: r#"(import "palisade_v1" "log" (func $log (param i32 i32 i32)))
                    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))"#,
        // One vector of 12 bytes at 64.
        extra: r#"(data (i32.const 16) "\1b[31mred") (data (i32.const 64) "out\nmore\npar")
                  (data (i32.const 32) "\40\00\00\00\0c\00\00\00")"#,
        command: "(call $log (i32.const 3) (i32.const 16) (i32.const 8))
                  (drop (call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 48)))
                  (drop (call $write (i32.const 2) (i32.const 32) (i32.const 1) (i32.const 48)))
                  i64.const 0",
        ..Guest::default()
    };
    let (runtime, log) = runtime_with_log();
    let plugin = pollster::block_on(guest.load(&runtime)).unwrap();
    let output = plugin.call_blocking("x", b"").unwrap();
    let lines: Vec<_> = log.take().into_iter().map(|line| (line.source, line.text)).collect();
    let line = |source, text: &str| (source, text.to_owned());
    assert_eq!(
        lines,
        [
            line(LogSource::Log, "\\u{1b}[31mred"),
            line(LogSource::Stdout, "out"),
            line(LogSource::Stdout, "more"),
            line(LogSource::Stderr, "out"),
            line(LogSource::Stderr, "more"),
            line(LogSource::Stdout, "par"),
            line(LogSource::Stderr, "par"),
        ]
    );
    let calls: Vec<_> = output.receipt().host_calls.iter().collect();
    assert_eq!(calls, [("log", 1), ("wasi", 2)]);
}

#[test]
fn wasi_gives_nothing() {
    // Arguments and environment are empty, there is no preopened directory, links are not permitted.
    let guest = Guest {
        imports: r#"
          (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))"#,
        extra: r#"(data (i32.const 32) "\40\00\00\00\0c\00\00\00")"#,
        command: "
          (drop (call $args (i32.const 256) (i32.const 260)))
          (drop (call $environ (i32.const 264) (i32.const 268)))
          (i32.store8 (i32.const 272) (call $prestat (i32.const 3) (i32.const 128)))
          (i32.store8 (i32.const 273) (call $rename (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 3)
            (i32.const 0) (i32.const 1)))
          (i32.store (i32.const 276) (i32.const 99))
          (drop (call $read (i32.const 0) (i32.const 32) (i32.const 1) (i32.const 276)))
          (i64.or (i64.shl (i64.const 256) (i64.const 32)) (i64.const 24))",
        ..Guest::default()
    };
    let output = load(&guest).unwrap().call_blocking("x", b"").unwrap();
    const BAD_DESCRIPTOR: u8 = 8;
    const NOT_PERMITTED: u8 = 63;
    let mut expected = [0; 24];
    expected[16] = BAD_DESCRIPTOR;
    expected[17] = NOT_PERMITTED;
    assert_eq!(output.bytes(), expected);
}
