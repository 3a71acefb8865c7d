//! How host calls go: counted, paid for, bounded, checked, and their results fetched once.

use std::sync::Arc;
use std::time::Duration;

use palisade::{
    CallError, Code, Coded, EventKind, GuestError, HostFunctions, HostServices, LimitSettings, Limits, MemoryEvents,
    MemoryStorage, Output, Policy, Runtime, Storage, SystemClock,
};
use palisade_tests::Guest;
use serde_json::json;

const TWO_PAIRS: &str = "(param i32 i32 i32 i32) (result i64)";
const PUT: (&str, &str) = ("storage_put", "(param i32 i32 i32 i32 i64) (result i64)");

fn storage() -> Policy {
    Policy::deny_all().allow("storage").unwrap()
}

fn with_storage(guest: Guest) -> Guest {
    Guest {
        manifest: json!({"permissions": ["storage"]}),
        ..guest
    }
}

fn events() -> (Runtime, Arc<MemoryEvents>) {
    let events = Arc::new(MemoryEvents::new(1_000));
    let services = HostServices {
        events: Arc::clone(&events) as _,
        ..HostServices::default()
    };
    (Runtime::builder().services(services).build().unwrap(), events)
}

fn call(guest: &Guest, policy: &Policy) -> Result<Output, CallError> {
    call_on(&Runtime::new().unwrap(), guest, policy)
}

fn call_on(runtime: &Runtime, guest: &Guest, policy: &Policy) -> Result<Output, CallError> {
    let plugin = pollster::block_on(guest.load_with(runtime, policy)).unwrap();
    plugin.call_blocking("go", b"")
}

#[track_caller]
fn guest_error(result: Result<Output, CallError>) -> GuestError {
    match result.unwrap_err() {
        CallError::Guest { error, .. } => error,
        other => panic!("not an error value: {other}"),
    }
}

/// Puts a value of `length` bytes, its address being 0.
fn put(length: usize) -> Guest {
    let call = format!("(call $call (i32.const 256) (i32.const 1) (i32.const 0) (i32.const {length}) (i64.const 0))");
    Guest {
        memory: r#"(memory (export "memory") 40)"#,
        ..with_storage(Guest::calling(PUT, "k", call.leak()))
    }
}

fn fuel(amount: u64) -> LimitSettings {
    LimitSettings {
        fuel: Some(amount),
        ..LimitSettings::default()
    }
}

#[test]
fn a_receipt_names_the_calls_and_what_they_moved() {
    let output = call(&put(100), &storage()).unwrap();
    let calls: Vec<_> = output.receipt().host_calls.iter().collect();
    let bytes: Vec<_> = output.receipt().host_calls.bytes().collect();
    assert_eq!(calls, [("storage_put", 1)]);
    assert_eq!(bytes, [("storage_put", 101)]);
    let json = serde_json::to_value(output.receipt()).unwrap();
    assert_eq!(json["host_calls"], json!({"storage_put": 1}));
    assert_eq!(json["host_bytes"], json!({"storage_put": 101}));
}

#[test]
fn a_host_call_costs_a_base_and_a_unit_a_byte() {
    let cost = |length| call(&put(length), &storage()).unwrap().receipt().fuel;
    assert_eq!(cost(1_100) - cost(100), 1_000);
    assert!((2_000..2_200).contains(&cost(0)), "{}", cost(0));
}

#[test]
fn what_a_guest_cannot_pay_is_not_done() {
    let store = Arc::new(MemoryStorage::new(Arc::new(SystemClock)));
    let services = HostServices {
        storage: Arc::clone(&store) as _,
        ..HostServices::default()
    };
    let runtime = Runtime::builder().services(services).build().unwrap();
    let plugin = pollster::block_on(put(100_000).load_with(&runtime, &storage().limits(fuel(50_000)))).unwrap();
    let error = plugin.call_blocking("go", b"").unwrap_err();
    assert_eq!(error.code(), Code::FuelExhausted);
    let kept = pollster::block_on(store.get(plugin.namespace(), "k")).unwrap();
    assert_eq!(kept, None);
}

#[test]
fn a_value_of_a_mebibyte_is_stored_and_one_byte_more_is_an_error_value() {
    let policy = storage().limits(fuel(10_000_000));
    assert!(call(&put(1 << 20), &policy).is_ok());
    let error = guest_error(call(&put((1 << 20) + 1), &policy));
    assert_eq!(error.code, "PAYLOAD_TOO_LARGE");
    let error = guest_error(call(&put(2 << 20), &policy));
    assert_eq!(error.code, "PAYLOAD_TOO_LARGE", "without being looked at");
}

#[test]
fn the_quota_is_exact_and_its_end_is_told() {
    let (runtime, events) = events();
    let limits = |bytes| LimitSettings {
        storage_bytes: Some(bytes),
        fuel: Some(10_000_000),
        ..LimitSettings::default()
    };
    assert!(call_on(&runtime, &put(999), &storage().limits(limits(1_000))).is_ok());
    let error = guest_error(call_on(&runtime, &put(1_000), &storage().limits(limits(1_000))));
    assert_eq!(error.code, "STORAGE_QUOTA_EXCEEDED");
    assert_eq!(error.details["used"], 1_001);
    assert_eq!(error.details["limit"], 1_000);
    let kinds: Vec<_> = events.take().into_iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [
            EventKind::ResourceThreshold {
                resource: "storage",
                used: 1_000,
                limit: 1_000
            },
            EventKind::ResourceExceeded {
                resource: "storage",
                limit: 1_000
            }
        ]
    );
}

#[test]
fn an_address_outside_of_memory_ends_the_guest() {
    let call = "(call $call (i32.const 256) (i32.const 1) (i32.const -8) (i32.const 16) (i64.const 0))";
    let error = call_guest_that(call);
    assert_eq!(error.code(), Code::AbiViolation);
    assert_eq!(error.details()["export"], "storage_put");
}

#[track_caller]
fn call_guest_that(does: &'static str) -> CallError {
    call(&with_storage(Guest::calling(PUT, "k", does)), &storage()).unwrap_err()
}

#[test]
fn a_result_is_handed_out_once_and_as_much_of_it_as_there_is_room() {
    let guest = Guest {
        command: "
          (drop (call $call))
          (if (i32.ne (call $take (i32.const 512) (i32.const 3)) (i32.const 3)) (then unreachable))
          (if (i32.ne (call $take (i32.const 512) (i32.const 3)) (i32.const 0)) (then unreachable))
          (i64.const 0x0000020000000003)",
        manifest: json!({"permissions": ["system:info"]}),
        ..Guest::calling(("system_info", "(result i64)"), "", "")
    };
    let policy = Policy::deny_all().allow("system:info").unwrap();
    assert_eq!(call(&guest, &policy).unwrap().bytes(), b"{\"h");
}

#[test]
fn a_result_is_not_written_outside_of_memory() {
    let guest = Guest {
        command: "(drop (call $call)) (drop (call $take (i32.const -2) (i32.const 100))) i64.const 0",
        manifest: json!({"permissions": ["system:info"]}),
        ..Guest::calling(("system_info", "(result i64)"), "", "")
    };
    let policy = Policy::deny_all().allow("system:info").unwrap();
    let error = call(&guest, &policy).unwrap_err();
    assert_eq!(error.code(), Code::AbiViolation);
    assert_eq!(error.details()["export"], "result_take");
}

#[test]
fn a_plugin_reads_the_files_of_its_own_bundle_and_no_others() {
    let asset = |path: &'static str| {
        let call = format!("(call $call (i32.const 256) (i32.const {}))", path.len());
        Guest::calling(("asset_get", "(param i32 i32) (result i64)"), path, call.leak())
    };
    let policy = Policy::deny_all();
    assert!(
        call(&asset("plugin.json"), &policy)
            .unwrap()
            .text()
            .unwrap()
            .contains("test.guest")
    );
    for absent in [
        "../plugin.json",
        "/plugin.json",
        "META-INF/signature.json",
        "PLUGIN.JSON",
        "",
    ] {
        assert_eq!(call(&asset(absent), &policy).unwrap().bytes(), b"", "{absent}");
    }
}

#[test]
fn what_a_plugin_emits_is_under_its_own_name() {
    let (runtime, events) = events();
    let guest = Guest::calling(
        ("emit", TWO_PAIRS),
        r#"plugin:enabled{\"plugin_id\":\"other\"}"#,
        "(call $call (i32.const 256) (i32.const 14) (i32.const 270) (i32.const 21))",
    );
    call_on(&runtime, &guest, &Policy::deny_all()).unwrap();
    let event = events.take().remove(0);
    assert_eq!(&*event.plugin_id, "test.guest");
    let json = serde_json::to_value(&event).unwrap();
    assert_eq!(json["event"], "plugin:custom");
    assert_eq!(json["plugin_id"], "test.guest");
    assert_eq!(json["topic"], "plugin:enabled");
}

/// Calls the host function `tests:wait`.
fn waiting() -> Guest {
    Guest {
        manifest: json!({"permissions": ["custom:tests:wait"], "instance": {"max": 8}}),
        ..Guest::calling(
            ("host_call", TWO_PAIRS),
            "tests:wait",
            "(call $call (i32.const 256) (i32.const 10) (i32.const 0) (i32.const 0))",
        )
    }
}

#[test]
fn as_many_host_calls_are_under_way_as_allowed_and_one_more_is_an_error_value() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let behind_gate = Arc::clone(&gate);
    let wait = move |_, ()| {
        let gate = Arc::clone(&behind_gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok("done")
        }
    };
    let services = HostServices {
        functions: HostFunctions::default().register("tests:wait", wait).unwrap(),
        ..HostServices::default()
    };
    let runtime = Runtime::builder().services(services).build().unwrap();
    let limits = LimitSettings {
        host_calls_in_flight: Some(2),
        ..LimitSettings::default()
    };
    let policy = Policy::deny_all().limits(limits).allow("custom:tests:wait").unwrap();
    let executor = tokio::runtime::Builder::new_current_thread().build().unwrap();
    executor.block_on(async {
        let plugin = waiting().load_with(&runtime, &policy).await.unwrap();
        let first = tokio::spawn({
            let plugin = plugin.clone();
            async move { plugin.call("go", b"").await }
        });
        let second = tokio::spawn({
            let plugin = plugin.clone();
            async move { plugin.call("go", b"").await }
        });
        palisade_tests::give_way().await;
        let error = guest_error(plugin.call("go", b"").await);
        assert_eq!(error.code, "RESOURCE_EXHAUSTED");
        assert_eq!(error.details["resource"], "host_calls");
        gate.add_permits(3);
        assert_eq!(first.await.unwrap().unwrap().bytes(), b"\"done\"");
        assert_eq!(second.await.unwrap().unwrap().bytes(), b"\"done\"");
        assert_eq!(plugin.call("go", b"").await.unwrap().bytes(), b"\"done\"");
    });
}

#[test]
fn a_host_function_that_never_answers_is_left_at_the_deadline() {
    let never = |_, ()| std::future::pending::<Result<(), GuestError>>();
    let services = HostServices {
        functions: HostFunctions::default().register("tests:wait", never).unwrap(),
        ..HostServices::default()
    };
    let runtime = Runtime::builder().services(services).build().unwrap();
    let limits = LimitSettings {
        execution_time: Some(Duration::from_millis(20)),
        ..LimitSettings::default()
    };
    let policy = Policy::deny_all().limits(limits).allow("custom:tests:wait").unwrap();
    assert_eq!(
        call_on(&runtime, &waiting(), &policy).unwrap_err().code(),
        Code::ExecutionTimeout
    );
}

#[test]
fn input_that_is_not_what_a_host_function_takes_is_an_error_value() {
    let typed = |_, _: u32| async { Ok(()) };
    let services = HostServices {
        functions: HostFunctions::default().register("tests:wait", typed).unwrap(),
        ..HostServices::default()
    };
    let runtime = Runtime::builder().services(services).build().unwrap();
    let policy = Policy::deny_all().allow("custom:tests:wait").unwrap();
    assert_eq!(
        guest_error(call_on(&runtime, &waiting(), &policy)).code,
        "INVALID_ARGUMENT"
    );
}

#[test]
fn state_outlives_the_plugin_and_is_json() {
    let runtime = Runtime::new().unwrap();
    let set = |text: &str| {
        let length = text.replace('\\', "").len();
        let does = format!("(call $call (i32.const 256) (i32.const {length}))");
        Guest::calling(
            ("state_set", "(param i32 i32) (result i64)"),
            text.to_owned().leak(),
            does.leak(),
        )
    };
    let get = Guest::calling(("state_get", "(result i64)"), "", "(call $call)");
    let policy = Policy::deny_all();
    assert_eq!(call_on(&runtime, &get, &policy).unwrap().bytes(), b"");
    call_on(&runtime, &set(r#"{\"a\":1}"#), &policy).unwrap();
    assert_eq!(call_on(&runtime, &get, &policy).unwrap().bytes(), br#"{"a":1}"#);
    assert_eq!(
        guest_error(call_on(&runtime, &set("{"), &policy)).code,
        "INVALID_ARGUMENT"
    );
    call_on(&runtime, &set(""), &policy).unwrap();
    assert_eq!(call_on(&runtime, &get, &policy).unwrap().bytes(), b"");
}

#[test]
fn memory_of_the_whole_host_is_exact_and_comes_back() {
    let runtime = Runtime::builder().memory_bytes(5 * 65_536).build().unwrap();
    let executor = tokio::runtime::Builder::new_current_thread().build().unwrap();
    executor.block_on(async {
        let grows = Guest {
            command: "(if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable)) i64.const 0",
            ..Guest::default()
        };
        let first = grows.load(&runtime).await.unwrap();
        let second = Guest::default().load(&runtime).await.unwrap();
        first.call("go", b"").await.unwrap();
        let error = first.call("go", b"").await.unwrap_err();
        assert_eq!(error.code(), Code::ResourceExhausted);
        assert_eq!(error.details()["resource"], "memory");
        drop(second);
        first.call("go", b"").await.unwrap();
        first.call("go", b"").await.unwrap();
    });
}

#[test]
fn four_fifths_of_the_fuel_are_told_once_and_the_end_of_it_too() {
    let (runtime, events) = events();
    let guest = Guest {
        command: "
          (local $i i32)
          (local.set $i (local.get $len))
          (block $done (loop $again
            (br_if $done (i32.eqz (local.get $i)))
            (local.set $i (i32.sub (local.get $i) (i32.const 1)))
            (br $again)))
          i64.const 0",
        ..Guest::default()
    };
    let plugin = pollster::block_on(guest.load_with(&runtime, &Policy::deny_all().limits(fuel(10_000)))).unwrap();
    for length in [10, 1_130, 1_130, 10, 1_130, 5_000] {
        let _ = plugin.call_blocking("go", &vec![0; length]);
    }
    let kinds: Vec<_> = events.take().into_iter().map(|event| event.kind).collect();
    let words: Vec<_> = kinds
        .iter()
        .map(|kind| match kind {
            EventKind::ResourceThreshold { resource: "fuel", .. } => "near",
            EventKind::ResourceExceeded {
                resource: "fuel",
                limit: 10_000,
            } => "exceeded",
            _ => "other",
        })
        .collect();
    assert_eq!(words, ["near", "near", "exceeded"], "{kinds:?}");
}

#[test]
fn the_new_limits_are_the_documented_ones() {
    let limits = Limits::DEFAULT;
    assert_eq!(limits.storage_bytes, 10 << 20);
    assert_eq!(limits.storage_keys, 10_000);
    assert_eq!(limits.requests_per_minute, 100);
    assert_eq!((limits.request_bytes, limits.response_bytes), (10 << 20, 10 << 20));
    assert_eq!(limits.request_time, Duration::from_secs(30));
    assert_eq!((limits.requests_in_flight, limits.host_calls_in_flight), (10, 16));
    assert_eq!(limits.open_files, 256);
}

#[test]
fn a_plugin_without_grants_cannot_flood_the_log_or_the_events() {
    let (events, log) = (
        Arc::new(MemoryEvents::new(10_000)),
        Arc::new(palisade::MemoryLog::new()),
    );
    let services = HostServices {
        events: Arc::clone(&events) as _,
        log: Arc::clone(&log) as _,
        ..HostServices::default()
    };
    let runtime = Runtime::builder().services(services).build().unwrap();
    // `tests:aa`, `tests:ab`, … are each a permission of their own.
    let guest = Guest {
        command: "
          (local $i i32)
          (loop $again
            (i32.store8 (i32.const 262) (i32.add (i32.const 97) (i32.rem_u (local.get $i) (i32.const 26))))
            (i32.store8 (i32.const 263) (i32.add (i32.const 97) (i32.div_u (local.get $i) (i32.const 26))))
            (drop (call $call (i32.const 256) (i32.const 8) (i32.const 0) (i32.const 0)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 600))))
          i64.const 0",
        ..Guest::calling(("host_call", TWO_PAIRS), "tests:aa", "")
    };
    call_on(&runtime, &guest, &Policy::deny_all().limits(fuel(10_000_000))).unwrap();
    assert_eq!(events.take().len(), 16);
    assert_eq!(log.take().len(), 16);
}

#[test]
fn what_the_guest_says_in_a_refusal_is_made_safe_to_read() {
    let log = Arc::new(palisade::MemoryLog::new());
    let services = HostServices {
        log: Arc::clone(&log) as _,
        ..HostServices::default()
    };
    let runtime = Runtime::builder().services(services).build().unwrap();
    let guest = Guest {
        manifest: json!({"permissions": ["events:publish"]}),
        ..Guest::calling(("publish", TWO_PAIRS), "", "")
    };
    let policy = Policy::deny_all().allow("events:publish").unwrap();
    let guest = Guest {
        command: "
          (memory.fill (i32.const 1024) (i32.const 27) (i32.const 20000))
          (call $finish (call $call (i32.const 1024) (i32.const 20000) (i32.const 0) (i32.const 0)))",
        ..guest
    };
    guest_error(call_on(&runtime, &guest, &policy));
    let lines = log.take();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].text.len() <= 8 * 1024 + 3);
    assert!(!lines[0].text.contains('\u{1b}'));
}

#[test]
fn a_host_function_runs_in_the_runtime_of_its_caller() {
    let spawns = |_, ()| async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Ok(tokio::spawn(async move { port > 0 }).await.unwrap())
    };
    let services = HostServices {
        functions: HostFunctions::default().register("tests:wait", spawns).unwrap(),
        ..HostServices::default()
    };
    let runtime = Runtime::builder().services(services).build().unwrap();
    let policy = Policy::deny_all().allow("custom:tests:wait").unwrap();
    let executor = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    executor.block_on(async {
        let plugin = waiting().load_with(&runtime, &policy).await.unwrap();
        assert_eq!(plugin.call("go", b"").await.unwrap().bytes(), b"true");
    });
}
