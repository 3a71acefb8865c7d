//! A command that was recorded gives the same answer for the same fuel when it is played back, and reaches nothing.

use std::sync::Arc;

use palisade::{
    CallError, Code, Coded, HostFunctions, HostServices, Policy, Recording, RecordingError, ReplayError, Runtime,
};
use palisade_tests::Guest;
use serde_json::json;

/// Answers with random bytes, two clocks and what a host function says.
fn listener() -> Guest {
    let guest = Guest::calling(("host_call", "(param i32 i32 i32 i32) (result i64)"), "tests:count", "");
    Guest {
        imports: format!(
            r#"{}
            (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))"#,
            guest.imports
        )
        .leak(),
        command: "
          (drop (call $random (i32.const 512) (i32.const 16)))
          (drop (call $time (i32.const 0) (i64.const 1) (i32.const 528)))
          (drop (call $time (i32.const 1) (i64.const 1) (i32.const 536)))
          (drop (call $call (i32.const 256) (i32.const 11) (local.get $args) (local.get $len)))
          (drop (call $take (i32.const 544) (i32.const 16)))
          (drop (call $random (i32.const 560) (i32.const 16)))
          (i64.const 0x0000020000000040)",
        manifest: json!({"permissions": ["custom:tests:count"]}),
        ..guest
    }
}

fn runtime() -> Runtime {
    let counted = Arc::new(std::sync::atomic::AtomicU64::new(1_000_000));
    let count = move |_, by: u64| {
        let value = counted.fetch_add(by, std::sync::atomic::Ordering::SeqCst);
        async move { Ok(value) }
    };
    let services = HostServices {
        functions: HostFunctions::default().register("tests:count", count).unwrap(),
        ..HostServices::default()
    };
    Runtime::builder().services(services).build().unwrap()
}

fn load(guest: &Guest) -> palisade::Plugin {
    let policy = Policy::deny_all().allow("custom:tests:count").unwrap();
    pollster::block_on(guest.load_with(&runtime(), &policy)).unwrap()
}

#[test]
fn a_recorded_command_is_played_back_bit_for_bit() {
    let plugin = load(&listener());
    let (recorded, recording) = pollster::block_on(plugin.record("go", b"5")).unwrap();
    assert_eq!(recording.len(), 5);
    let recording = Recording::from_json(&recording.to_json()).unwrap();
    // Another host, whose function counts from elsewhere.
    let elsewhere = load(&listener());
    elsewhere.call_blocking("go", b"7").unwrap();
    for _ in 0..2 {
        let played = pollster::block_on(elsewhere.replay(&recording, "go", b"5")).unwrap();
        assert_eq!(played.bytes(), recorded.bytes());
        assert_eq!(played.receipt().fuel, recorded.receipt().fuel);
    }
    let live = elsewhere.call_blocking("go", b"5").unwrap();
    assert_ne!(live.bytes(), recorded.bytes());
    assert!(
        live.text().is_err() || live.bytes()[32..39] == *b"1000007",
        "playing back reached nothing"
    );
}

#[test]
fn a_command_that_asks_for_something_else_is_told_where() {
    let plugin = load(&listener());
    let (_, recording) = pollster::block_on(plugin.record("go", b"5")).unwrap();
    let ReplayError::Call(CallError::Stopped(stopped)) =
        pollster::block_on(plugin.replay(&recording, "go", b"6")).unwrap_err()
    else {
        panic!("other arguments lead to another host call");
    };
    assert_eq!(stopped.code(), Code::InvalidArgument);
    assert_eq!(stopped.details()["entry"], 3);
}

#[test]
fn a_recording_of_another_command_or_bundle_is_refused() {
    let plugin = load(&listener());
    let (_, recording) = pollster::block_on(plugin.record("go", b"5")).unwrap();
    let other = pollster::block_on(plugin.replay(&recording, "stay", b"5")).unwrap_err();
    assert!(matches!(
        other,
        ReplayError::Recording(RecordingError::OfAnother { .. })
    ));
    let changed = Guest {
        cleanup: "(drop (i32.const 1)) i64.const 0",
        ..listener()
    };
    let other = pollster::block_on(load(&changed).replay(&recording, "go", b"5")).unwrap_err();
    assert!(matches!(
        other,
        ReplayError::Recording(RecordingError::OfAnother { .. })
    ));
}

#[test]
fn what_is_no_recording_is_refused() {
    for text in ["", "{}", r#"{"format":1}"#, "[1]"] {
        assert!(Recording::from_json(text.as_bytes()).is_err(), "{text}");
    }
    let plugin = load(&listener());
    let (_, recording) = pollster::block_on(plugin.record("go", b"5")).unwrap();
    let newer = String::from_utf8(recording.to_json())
        .unwrap()
        .replace("\"format\": 1", "\"format\": 2");
    let error = Recording::from_json(newer.as_bytes()).unwrap_err();
    assert!(matches!(error, RecordingError::Format { actual: 2 }));
}
