//! Plugins reach each other through the bus: with permissions at both ends, a sender the host vouches for, and an end.

use std::sync::Arc;

use palisade::{
    Bus, CallError, EventKind, HostServices, LocalBus, MemoryEvents, MemoryStorage, Plugin, Policy, Runtime, Storage,
    SystemClock,
};
use palisade_tests::Guest;
use serde_json::{Value, json};

/// A host with a bus.
struct World {
    runtime: Runtime,
    bus: Arc<LocalBus>,
    events: Arc<MemoryEvents>,
    storage: Arc<MemoryStorage>,
    executor: tokio::runtime::Runtime,
}

impl World {
    fn new() -> Self {
        let executor = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bus = Arc::new(LocalBus::new(executor.handle().clone(), Arc::new(SystemClock)));
        let events = Arc::new(MemoryEvents::new(1_000));
        let storage = Arc::new(MemoryStorage::new(Arc::new(SystemClock)));
        let services = HostServices {
            bus: Arc::clone(&bus) as _,
            events: Arc::clone(&events) as _,
            storage: Arc::clone(&storage) as _,
            ..HostServices::default()
        };
        let runtime = Runtime::builder().services(services).build().unwrap();
        Self {
            runtime,
            bus,
            events,
            storage,
            executor,
        }
    }

    fn attach(&self, guest: &Guest) -> Plugin {
        self.attach_with(guest, &everything())
    }

    fn attach_with(&self, guest: &Guest, policy: &Policy) -> Plugin {
        let plugin = self.executor.block_on(guest.load_with(&self.runtime, policy)).unwrap();
        self.bus.attach(plugin.address());
        plugin
    }

    fn call(&self, plugin: &Plugin) -> Result<Vec<u8>, String> {
        match self.executor.block_on(plugin.call("go", b"{}")) {
            Ok(output) => Ok(output.into_bytes()),
            Err(CallError::Guest { error, .. }) => Err(error.code),
            Err(other) => panic!("{other}"),
        }
    }

    /// Lets deliveries run, and reads what a `receiver` kept.
    fn received(&self, receiver: &Plugin) -> Option<Value> {
        self.executor.block_on(async {
            for _ in 0..100 {
                palisade_tests::give_way().await;
            }
            let kept = self.storage.state(receiver.namespace()).await.unwrap();
            kept.map(|json| serde_json::from_slice(&json).unwrap())
        })
    }
}

fn everything() -> Policy {
    [
        "events:publish",
        "events:subscribe",
        "message:send",
        "message:receive",
        "plugin:call",
    ]
    .into_iter()
    .fold(Policy::deny_all(), |policy, permission| {
        policy.allow(permission).unwrap()
    })
}

/// Keeps the last event as its state.
fn receiver(id: &str) -> Guest {
    Guest {
        imports: r#"(import "palisade_v1" "state_set" (func $set (param i32 i32) (result i64)))"#,
        extra: r#"(func (export "plugin_on_event") (param i32 i32) (result i64)
                    (drop (call $set (local.get 0) (local.get 1))) i64.const 0)"#,
        manifest: json!({
            "id": id,
            "permissions": [
                {"name": "events:subscribe", "optional": true},
                {"name": "message:receive", "optional": true},
            ],
            "events": {"subscribe": ["orders.*"]},
        }),
        ..Guest::default()
    }
}

fn publisher(topic: &'static str) -> Guest {
    let length = topic.len();
    let data = format!(r#"{topic}{{\"n\":1}}"#).leak();
    let call = format!(
        "(call $call (i32.const 256) (i32.const {length}) (i32.const {}) (i32.const 7))",
        256 + length
    );
    Guest {
        manifest: json!({
            "id": "test.publisher",
            "permissions": ["events:publish"],
            "events": {"publish": ["orders.created", "orders", "other.created"]},
        }),
        ..Guest::calling(("publish", "(param i32 i32 i32 i32) (result i64)"), data, call.leak())
    }
}

fn sender(to: &'static str) -> Guest {
    let length = to.len();
    let call = format!(
        "(call $call (i32.const 256) (i32.const {length}) (i32.const {}) (i32.const 2))",
        256 + length
    );
    Guest {
        manifest: json!({"id": "test.sender", "permissions": ["message:send"]}),
        ..Guest::calling(
            ("message_send", "(param i32 i32 i32 i32) (result i64)"),
            format!("{to}42").leak(),
            call.leak(),
        )
    }
}

/// A plugin whose command calls that of another.
fn caller(id: &str, to: &'static str) -> Guest {
    let length = to.len();
    let call = format!(
        "(call $call (i32.const 256) (i32.const {length}) (i32.const {}) (i32.const 2) (i32.const {}) (i32.const 4))",
        256 + length,
        258 + length
    );
    Guest {
        manifest: json!({
            "id": id,
            "permissions": ["plugin:call"],
            "dependencies": [{"id": to, "version": "^1"}],
        }),
        ..Guest::calling(
            ("plugin_call", "(param i32 i32 i32 i32 i32 i32) (result i64)"),
            format!("{to}go1234").leak(),
            call.leak(),
        )
    }
}

#[test]
fn what_is_published_reaches_those_who_subscribed_and_may() {
    let world = World::new();
    let (yes, no) = (receiver("test.yes"), receiver("test.no"));
    let subscriber = world.attach(&yes);
    let denied = world.attach_with(&no, &Policy::deny_all());
    let publisher = world.attach(&publisher("orders.created"));
    world.call(&publisher).unwrap();
    assert_eq!(
        world.received(&subscriber),
        Some(json!({"kind": "topic", "topic": "orders.created", "from": "test.publisher", "data": {"n": 1}}))
    );
    assert_eq!(world.received(&denied), None);
}

#[test]
fn a_topic_that_nobody_asked_for_reaches_nobody_and_one_the_manifest_does_not_name_is_refused() {
    let world = World::new();
    let subscriber = world.attach(&receiver("test.yes"));
    for topic in ["orders", "other.created"] {
        world.call(&world.attach(&publisher(topic))).unwrap();
        assert_eq!(world.received(&subscriber), None, "{topic}");
    }
    let refused = world.call(&world.attach(&publisher("orders.deleted")));
    assert_eq!(refused, Err("PERMISSION_DENIED".to_owned()));
    assert_eq!(world.received(&subscriber), None);
}

#[test]
fn a_message_names_its_sender_and_one_that_nobody_takes_is_not_found() {
    let world = World::new();
    let taker = world.attach(&receiver("test.taker"));
    let _closed = world.attach_with(&receiver("test.closed"), &Policy::deny_all());
    world.call(&world.attach(&sender("test.taker"))).unwrap();
    assert_eq!(
        world.received(&taker),
        Some(json!({"kind": "message", "from": "test.sender", "data": 42}))
    );
    for nobody in ["test.absent", "test.closed"] {
        let error = world.call(&world.attach(&sender(nobody)));
        assert_eq!(error, Err("NOT_FOUND".to_owned()), "a sender is not to learn which");
    }
}

#[test]
fn a_plugin_that_is_gone_receives_nothing() {
    let world = World::new();
    let taker = world.attach(&receiver("test.taker"));
    drop(taker);
    let error = world.call(&world.attach(&sender("test.taker")));
    assert_eq!(error, Err("NOT_FOUND".to_owned()));
}

#[test]
fn the_257th_delivery_that_waits_is_refused() {
    let world = World::new();
    let taker = world.attach(&receiver("test.taker"));
    let sender = world.attach(&sender("test.taker"));
    // Deliveries run only while this executor is idle, and a call that never waits leaves it no time to.
    world.executor.block_on(async {
        for _ in 0..256 {
            sender.call("go", b"").await.unwrap();
        }
        let CallError::Guest { error, .. } = sender.call("go", b"").await.unwrap_err() else {
            panic!("an error value");
        };
        assert_eq!(error.code, "PLUGIN_UNAVAILABLE");
    });
    assert!(world.received(&taker).is_some());
    world.call(&sender).unwrap();
}

#[test]
fn the_257th_event_that_waits_is_kept_as_a_dead_letter() {
    let world = World::new();
    let taker = world.attach(&receiver("test.taker"));
    let publisher = world.attach(&publisher("orders.created"));
    world.executor.block_on(async {
        for _ in 0..257 {
            publisher.call("go", b"").await.unwrap();
        }
    });
    let letters = world.bus.dead_letters("test.taker");
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].code, letters[0].tries), ("PLUGIN_UNAVAILABLE", 0));
    assert!(world.received(&taker).is_some());
    world.bus.forget("test.taker");
    assert_eq!(world.bus.dead_letters("test.taker"), []);
}

#[test]
fn what_a_plugin_without_on_event_is_sent_is_told() {
    let world = World::new();
    let deaf = Guest {
        extra: "",
        ..receiver("test.deaf")
    };
    let deaf = world.attach(&deaf);
    world.call(&world.attach(&sender("test.deaf"))).unwrap();
    assert_eq!(world.received(&deaf), None);
    let kinds: Vec<_> = world.events.take().into_iter().map(|event| event.kind).collect();
    assert!(
        matches!(&kinds[..], [EventKind::Undelivered { from, code: "ABI_VIOLATION", .. }] if &**from == "test.sender"),
        "{kinds:?}"
    );
}

#[test]
fn a_call_answers_with_what_the_other_command_answered() {
    let world = World::new();
    let _callee = world.attach(&Guest {
        manifest: json!({"id": "test.callee"}),
        ..Guest::default()
    });
    let caller = world.attach(&caller("test.caller", "test.callee"));
    assert_eq!(world.call(&caller), Ok(b"1234".to_vec()));
}

#[test]
fn a_plugin_calls_only_the_dependencies_it_declared_in_the_version_it_was_made_for() {
    let world = World::new();
    let undeclared = Guest {
        manifest: json!({"id": "test.caller", "permissions": ["plugin:call"]}),
        ..caller("test.caller", "test.callee")
    };
    assert_eq!(
        world.call(&world.attach(&undeclared)),
        Err("PERMISSION_DENIED".to_owned())
    );
    let caller = world.attach(&caller("test.caller", "test.callee"));
    assert_eq!(world.call(&caller), Err("NOT_FOUND".to_owned()));
    let _wrong = world.attach(&Guest {
        manifest: json!({"id": "test.callee", "version": "2.0.0"}),
        ..Guest::default()
    });
    assert_eq!(world.call(&caller), Err("DEPENDENCY_INCOMPATIBLE".to_owned()));
}

#[test]
fn a_call_that_would_come_back_is_refused_and_told() {
    let world = World::new();
    let first = world.attach(&caller("test.a", "test.b"));
    let _second = world.attach(&caller("test.b", "test.a"));
    assert_eq!(world.call(&first), Err("SECURITY_VIOLATION".to_owned()));
    let kinds: Vec<_> = world.events.take().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::SecurityViolation { kind: "reentrant_call" }]);
}

#[test]
fn eight_plugins_may_be_passed_and_no_ninth() {
    let world = World::new();
    const IDS: [&str; 10] = [
        "test.p0", "test.p1", "test.p2", "test.p3", "test.p4", "test.p5", "test.p6", "test.p7", "test.p8", "test.p9",
    ];
    let chain = |length: usize| {
        let mut plugins: Vec<_> = (0..length - 1)
            .map(|at| world.attach(&caller(IDS[at], IDS[at + 1])))
            .collect();
        plugins.push(world.attach(&Guest {
            manifest: json!({"id": IDS[length - 1]}),
            ..Guest::default()
        }));
        world.call(&plugins[0])
    };
    assert_eq!(chain(8), Ok(b"1234".to_vec()));
    assert_eq!(chain(9), Err("SECURITY_VIOLATION".to_owned()));
}

#[test]
fn a_command_from_outside_starts_a_trail_of_its_own_whatever_came_before() {
    let world = World::new();
    let asked = Guest {
        extra: Box::leak(
            format!(
                r#"{} (func (export "plugin_on_event") (param i32 i32) (result i64) i64.const 0)"#,
                caller("test.b", "test.sender").extra
            )
            .into_boxed_str(),
        ),
        manifest: json!({
            "id": "test.b",
            "permissions": ["plugin:call", "message:receive"],
            "dependencies": [{"id": "test.sender", "version": "^1"}],
        }),
        ..caller("test.b", "test.sender")
    };
    let asked = world.attach(&asked);
    let sender = world.attach(&sender("test.b"));
    world.call(&sender).unwrap();
    let _delivered = world.received(&asked);
    // The sender was on the trail of the message, and is not on that of this command.
    assert_eq!(world.call(&asked), Ok(Vec::new()));
}

#[test]
fn a_start_that_another_plugin_caused_is_on_its_trail() {
    let world = World::new();
    let first = world.attach(&caller("test.a", "test.b"));
    let back = caller("test.b", "test.a");
    // Every command gets an instance of its own, whose start calls back.
    let second = Guest {
        init: "(drop (call $call (i32.const 256) (i32.const 6) (i32.const 262) (i32.const 2) (i32.const 264) (i32.const 4)))
               i64.const 0",
        command: "i64.const 0",
        manifest: json!({
            "id": "test.b",
            "permissions": ["plugin:call"],
            "dependencies": [{"id": "test.a", "version": "^1"}],
            "instance": {"mode": "fresh"},
        }),
        ..back
    };
    let second = world.attach(&second);
    // The instance that was started at load is used up first.
    world.call(&second).unwrap();
    world.events.take();
    assert_eq!(world.call(&first), Ok(Vec::new()));
    let kinds: Vec<_> = world.events.take().into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::SecurityViolation { kind: "reentrant_call" }]);
}

#[test]
fn what_waits_for_a_plugin_is_delivered_to_the_one_that_replaces_it() {
    let world = World::new();
    let old = world.attach(&receiver("test.taker"));
    let sender = world.attach(&sender("test.taker"));
    world.call(&sender).unwrap();
    let new = world.attach(&receiver("test.taker"));
    drop(old);
    assert_eq!(
        world.received(&new),
        Some(json!({"kind": "message", "from": "test.sender", "data": 42}))
    );
}
