//! Every permission opens what it is for, and without it the same call is an error value and an event.

use std::sync::Arc;

use palisade::{
    Bus, CallError, Code, EventKind, HostFunctions, HostServices, HttpBounds, HttpError, HttpRequest, HttpResponse,
    HttpTransport, LocalBus, MemoryEvents, MemoryLog, Namespace, Permission, Plugin, Policy, Runtime, ServiceFuture,
    SystemClock,
};
use palisade_tests::Guest;
use serde_json::json;

const PAIR: &str = "(param i32 i32) (result i64)";
const TWO_PAIRS: &str = "(param i32 i32 i32 i32) (result i64)";
const THREE_PAIRS: &str = "(param i32 i32 i32 i32 i32 i32) (result i64)";

/// A host with everything behind its permissions, and what it heard.
struct World {
    runtime: Runtime,
    events: Arc<MemoryEvents>,
    log: Arc<MemoryLog>,
    bus: Arc<LocalBus>,
    executor: tokio::runtime::Runtime,
}

impl World {
    fn new() -> Self {
        let executor = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let events = Arc::new(MemoryEvents::new(1_000));
        let log = Arc::new(MemoryLog::new());
        let bus = Arc::new(LocalBus::new(executor.handle().clone(), Arc::new(SystemClock)));
        let echo = |_caller, input: serde_json::Value| async move { Ok(input) };
        let services = HostServices {
            events: Arc::clone(&events) as _,
            log: Arc::clone(&log) as _,
            bus: Arc::clone(&bus) as _,
            http: Arc::new(Answering),
            functions: HostFunctions::default().register("tests:echo", echo).unwrap(),
            ..HostServices::default()
        };
        Self {
            runtime: Runtime::builder().services(services).build().unwrap(),
            events,
            log,
            bus,
            executor,
        }
    }

    fn load(&self, guest: &Guest, policy: &Policy) -> Plugin {
        self.executor.block_on(guest.load_with(&self.runtime, policy)).unwrap()
    }

    fn call(&self, plugin: &Plugin) -> Result<palisade::Output, CallError> {
        self.executor.block_on(plugin.call("go", b"{}"))
    }

    /// The permissions whose refusal was told since the last time.
    fn denied(&self) -> Vec<String> {
        let events = self.events.take().into_iter();
        let denied = events.filter_map(|event| match event.kind {
            EventKind::PermissionDenied { permission, .. } => Some(permission.to_string()),
            _ => None,
        });
        denied.collect()
    }
}

/// Answers every request.
#[derive(Debug)]
struct Answering;

impl HttpTransport for Answering {
    fn send<'a>(
        &'a self,
        _by: &'a Namespace,
        _request: HttpRequest,
        _bounds: HttpBounds,
    ) -> ServiceFuture<'a, Result<HttpResponse, HttpError>> {
        Box::pin(std::future::ready(Ok(HttpResponse {
            status: 200,
            headers: Default::default(),
            body: b"hello".to_vec(),
            received_bytes: 5,
        })))
    }
}

/// The guest that can do nothing without this permission, where one call shows it.
fn guest_of(permission: &Permission) -> Option<Guest> {
    let key = "(call $call (i32.const 256) (i32.const 1))";
    let (import, data, call) = match permission.as_str() {
        "state:read" => (("state_get", "(result i64)"), "", "(call $call)"),
        "state:write" => (("state_set", PAIR), "{}", "(call $call (i32.const 256) (i32.const 2))"),
        "storage:read" => (("storage_get", PAIR), "k", key),
        "storage:write" => (
            ("storage_put", "(param i32 i32 i32 i32 i64) (result i64)"),
            "kv",
            "(call $call (i32.const 256) (i32.const 1) (i32.const 257) (i32.const 1) (i64.const 0))",
        ),
        "storage:delete" => (("storage_delete", PAIR), "k", key),
        "network:http" => request_to("http://example.com/"),
        "network:https" => request_to("https://example.com/"),
        "events:publish" => (
            ("publish", TWO_PAIRS),
            "news{}",
            "(call $call (i32.const 256) (i32.const 4) (i32.const 260) (i32.const 2))",
        ),
        "message:send" => (
            ("message_send", TWO_PAIRS),
            "test.peer{}",
            "(call $call (i32.const 256) (i32.const 9) (i32.const 265) (i32.const 2))",
        ),
        "plugin:call" => (
            ("plugin_call", THREE_PAIRS),
            "test.peergo{}",
            "(call $call (i32.const 256) (i32.const 9) (i32.const 265) (i32.const 2) (i32.const 267) (i32.const 2))",
        ),
        "system:info" => (("system_info", "(result i64)"), "", "(call $call)"),
        "custom:tests:echo" => (
            ("host_call", TWO_PAIRS),
            "tests:echo{}",
            "(call $call (i32.const 256) (i32.const 10) (i32.const 266) (i32.const 2))",
        ),
        _ => return None,
    };
    let manifest = json!({
        "permissions": [{"name": permission, "optional": true}],
        "events": {"publish": ["news"]},
        "dependencies": [{"id": "test.peer", "version": "*"}],
        "network": {"hosts": ["example.com"], "ports": [80, 443]},
    });
    Some(Guest {
        manifest,
        ..Guest::calling(import, data, call)
    })
}

fn request_to(url: &str) -> ((&'static str, &'static str), &'static str, &'static str) {
    let head = format!(r#"{{\"method\":\"GET\",\"url\":\"{url}\"}}"#);
    let length = head.replace('\\', "").len();
    let call = format!("(call $call (i32.const 256) (i32.const {length}) (i32.const 0) (i32.const 0))");
    (("http_request", TWO_PAIRS), head.leak(), call.leak())
}

fn allowed(permission: &Permission) -> Policy {
    Policy::deny_all().allow(permission.as_str()).unwrap()
}

fn withheld(permission: &Permission) -> Policy {
    Policy::deny_all().withhold(permission.as_str()).unwrap()
}

/// Takes whatever reaches it.
fn peer(world: &World) -> Plugin {
    let guest = Guest {
        extra: r#"(func (export "plugin_on_event") (param i32 i32) (result i64) i64.const 0)"#,
        manifest: json!({"id": "test.peer", "permissions": ["message:receive"]}),
        ..Guest::default()
    };
    let plugin = world.load(&guest, &allowed(&Permission::MessageReceive));
    world.bus.attach(plugin.address());
    plugin
}

fn all_permissions() -> Vec<Permission> {
    let custom = Permission::parse("custom:tests:echo").unwrap();
    Permission::ALL.iter().cloned().chain([custom]).collect()
}

#[test]
fn with_it_the_call_works_and_without_it_the_guest_gets_an_error_and_the_host_an_event() {
    let world = World::new();
    let _peer = peer(&world);
    let mut seen = Vec::new();
    for permission in all_permissions() {
        let Some(guest) = guest_of(&permission) else { continue };
        let plugin = world.load(&guest, &allowed(&permission));
        let answered = world.call(&plugin);
        assert!(answered.is_ok(), "{permission}: {}", answered.unwrap_err());
        assert_eq!(world.denied(), [""; 0], "{permission}");

        let plugin = world.load(&guest, &withheld(&permission));
        let CallError::Guest { error, .. } = world.call(&plugin).unwrap_err() else {
            panic!("{permission}: a refused call is an error value");
        };
        assert_eq!(error.code, "PERMISSION_DENIED", "{permission}: {}", error.message);
        assert_eq!(error.details["permission"], permission.as_str());
        assert_eq!(world.denied(), [permission.as_str()]);
        world.call(&plugin).unwrap_err();
        assert_eq!(world.denied(), [permission.as_str()], "each command tells anew");
        seen.push(permission.to_string());
    }
    // What has no call of its own is shown by the tests below, and in `wasi` and `peers`; schedules are for hosts that run them.
    let others = [
        "log:write",
        "config:read",
        "filesystem:read",
        "filesystem:write",
        "events:subscribe",
        "message:receive",
        "schedule:run",
        "clock:precise",
    ];
    assert_eq!(seen.len() + others.len(), all_permissions().len(), "{seen:?}");
}

#[test]
fn a_permission_that_was_granted_and_not_asked_for_opens_nothing() {
    let world = World::new();
    let mut guest = guest_of(&Permission::StorageRead).unwrap();
    guest.manifest = json!({});
    let plugin = world.load(&guest, &allowed(&Permission::StorageRead));
    world.call(&plugin).unwrap_err();
    assert_eq!(world.denied(), ["storage:read"]);
}

#[test]
fn a_required_permission_that_is_withheld_refuses_the_load() {
    let guest = Guest {
        manifest: json!({"permissions": ["storage:read"]}),
        ..Guest::default()
    };
    let bundle = palisade_tests::verified(&guest.manifest, &guest.wasm());
    let policy = allowed(&Permission::StorageRead).withhold("storage").unwrap();
    let error = policy.admit(bundle).unwrap_err();
    assert_eq!(palisade::Coded::code(&error), Code::PermissionDenied);
}

#[test]
fn log_write_is_what_lets_a_line_through() {
    let world = World::new();
    let mut guest = Guest::calling(
        ("log", "(param i32 i32 i32)"),
        "a line",
        "(call $call (i32.const 2) (i32.const 256) (i32.const 6)) (i64.const 0)",
    );
    guest.command = "(call $call (i32.const 2) (i32.const 256) (i32.const 6)) (i64.const 0)";
    let plugin = world.load(&guest, &Policy::deny_all());
    world.call(&plugin).unwrap();
    assert_eq!(world.log.take()[0].text, "a line");

    let plugin = world.load(&guest, &withheld(&Permission::LogWrite));
    world.call(&plugin).unwrap();
    let texts: Vec<_> = world.log.take().into_iter().map(|line| line.text).collect();
    assert!(!texts.iter().any(|text| text == "a line"), "{texts:?}");
    assert_eq!(world.denied(), ["log:write"]);
}

#[test]
fn config_read_is_what_hands_over_the_configuration() {
    let world = World::new();
    let guest = Guest {
        // The error of a start is what it was handed.
        init: "(i64.or
                 (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32))
                 (i64.or (i64.const 0x80000000) (i64.extend_i32_u (local.get $len))))",
        manifest: json!({"config": {"color": "green"}}),
        ..Guest::default()
    };
    let handed = |policy: &Policy| {
        let started = world.executor.block_on(guest.load_with(&world.runtime, policy));
        started.unwrap_err().to_string()
    };
    assert!(handed(&Policy::deny_all()).contains("green"));
    assert!(!handed(&withheld(&Permission::ConfigRead)).contains("green"));
}

#[test]
fn clock_precise_is_what_makes_a_clock_finer_than_a_millisecond() {
    let world = World::new();
    let guest = Guest {
        imports: r#"(import "wasi_snapshot_preview1" "clock_res_get" (func $resolution (param i32 i32) (result i32)))"#,
        command: "(drop (call $resolution (i32.const 1) (i32.const 512))) (i64.const 0x0000020000000008)",
        manifest: json!({"permissions": [{"name": "clock:precise", "optional": true}]}),
        ..Guest::default()
    };
    let resolution = |policy: &Policy| {
        let output = world.call(&world.load(&guest, policy)).unwrap();
        u64::from_le_bytes(output.bytes().try_into().unwrap())
    };
    assert_eq!(resolution(&Policy::deny_all()), 1_000_000);
    assert_eq!(resolution(&allowed(&Permission::ClockPrecise)), 1);
}

#[test]
fn a_function_the_host_does_not_have_is_found_at_load() {
    let guest = Guest {
        manifest: json!({"permissions": ["custom:tests:other"]}),
        ..Guest::default()
    };
    let world = World::new();
    let policy = Policy::deny_all().allow("custom:tests:other").unwrap();
    let error = world
        .executor
        .block_on(guest.load_with(&world.runtime, &policy))
        .unwrap_err();
    assert_eq!(palisade::Coded::code(&error), Code::AbiViolation);
    assert_eq!(
        palisade::Coded::details(&error)["offered"],
        json!(["custom:tests:echo"])
    );
}
