//! A session is consumed by a call and comes back only while its instance can be trusted.

use palisade::{CallError, Code, Coded, Plugin, Runtime, Session};
use palisade_tests::Guest;
use serde_json::json;

/// Counts its commands; what begins with `er` answers with an error, with `t` traps, with `ex` leaves.
fn guest() -> Guest {
    Guest {
        imports: r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#,
        extra: r#"(global $calls (mut i32) (i32.const 0)) (data (i32.const 64) "no such thing")"#,
        command: "
          (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
          (if (i32.eq (i32.load16_u (local.get $name)) (i32.const 0x7265)) (then
            (return (i64.or (i64.shl (i64.const 64) (i64.const 32)) (i64.const 0x8000000d)))))
          (if (i32.eq (i32.load8_u (local.get $name)) (i32.const 0x74)) (then unreachable))
          (if (i32.eq (i32.load16_u (local.get $name)) (i32.const 0x7865)) (then (call $exit (i32.const 0))))
          (i32.store (i32.const 0) (global.get $calls))
          i64.const 4",
        manifest: json!({"commands": [
            {"name": "count", "description": "Counts.", "encoding": "bytes"},
            {"name": "error", "description": "Fails.", "encoding": "bytes"},
            {"name": "trap", "description": "Traps.", "encoding": "bytes"},
            {"name": "exit", "description": "Leaves.", "encoding": "bytes"},
            {"name": "typed", "description": "Wants a name.", "input_schema": {
                "type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
        ]}),
        ..Guest::default()
    }
}

fn plugin() -> Plugin {
    pollster::block_on(guest().load(&Runtime::new().unwrap())).unwrap()
}

fn count(session: Session) -> (u32, Session) {
    let (output, session) = pollster::block_on(session.call("count", b"")).unwrap();
    (u32::from_le_bytes(output.bytes().try_into().unwrap()), session)
}

#[test]
fn an_error_reply_keeps_the_session() {
    let session = pollster::block_on(plugin().open()).unwrap();
    let (_, session) = count(session);
    let (error, session) = pollster::block_on(session.call("error", b"")).unwrap_err().into_parts();
    assert_eq!(error.code(), Code::GuestError);
    let CallError::Guest { error, receipt } = error else {
        panic!("{error}");
    };
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("GUEST_ERROR", "no such thing")
    );
    assert!(receipt.fuel > 0);
    assert_eq!(count(session.unwrap()).0, 3);
}

#[test]
fn a_command_refused_before_it_is_entered_keeps_the_session() {
    let mut session = pollster::block_on(plugin().open()).unwrap();
    let refusals = [
        ("kount", &b""[..], Code::InvalidCommand),
        ("count", &[0; 1024 * 1024 + 1][..], Code::PayloadTooLarge),
        ("typed", br#"{"name": 7}"#, Code::InvalidArgument),
        ("typed", br#"{"name": "#, Code::InvalidArgument),
    ];
    for (command, args, code) in refusals {
        let (error, kept) = pollster::block_on(session.call(command, args))
            .unwrap_err()
            .into_parts();
        assert_eq!(error.code(), code, "{error}");
        session = kept.unwrap();
    }
    assert_eq!(count(session).0, 1, "the guest was not entered");
}

#[test]
fn a_trap_or_an_exit_takes_the_session_along() {
    for command in ["trap", "exit"] {
        let session = pollster::block_on(plugin().open()).unwrap();
        let (error, session) = pollster::block_on(session.call(command, b"")).unwrap_err().into_parts();
        assert_eq!(error.code(), Code::GuestTrap, "{error}");
        assert!(session.is_none());
    }
}

#[test]
fn an_unknown_command_gets_a_suggestion() {
    let error = plugin().call_blocking("cuont", b"").unwrap_err();
    assert_eq!(error.details()["suggestion"], "count");
    assert_eq!(
        error.details()["available"],
        json!(["count", "error", "exit", "trap", "typed"])
    );
}

#[test]
fn an_argument_that_does_not_fit_says_where() {
    let error = plugin().call_blocking("typed", br#"{"name": 7}"#).unwrap_err();
    assert_eq!(error.details()["pointer"], "/name");
}

#[test]
fn arguments_nest_32_levels_deep_and_no_deeper() {
    let nested = |levels: usize| format!(r#"{{"name":"x","more":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    let plugin = plugin();
    let too_deep = plugin.call_blocking("typed", nested(32).as_bytes()).unwrap_err();
    assert_eq!(too_deep.code(), Code::InvalidArgument);
    assert!(too_deep.to_string().contains("32 levels"), "{too_deep}");
    // Deep enough is handed to the guest, which traps because the name begins with a t.
    assert_eq!(
        plugin.call_blocking("typed", nested(31).as_bytes()).unwrap_err().code(),
        Code::GuestTrap
    );
}

#[test]
fn sessions_do_not_see_each_other() {
    let plugin = plugin();
    let (one, other) = (
        pollster::block_on(plugin.open()).unwrap(),
        pollster::block_on(plugin.open()).unwrap(),
    );
    let (_, one) = count(one);
    assert_eq!(count(one).0, 2);
    assert_eq!(count(other).0, 1);
}

#[test]
fn a_plugin_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    shared(&plugin());
}
