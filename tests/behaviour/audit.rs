//! What a guest is refused is an event and a record, and others can verify the records.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use palisade::{
    AuditAction, AuditEntry, AuditEvents, AuditFilter, AuditLog, AuditOutcome, AuditReader, AuditRecord, Bus,
    CheckpointKey, EventKind, HostServices, LocalBus, ManualClock, MemoryEvents, Plugin, Policy, Runtime, SystemClock,
    verify_export,
};
use palisade_tests::{Guest, SPIN};
use serde_json::{Map, json};
use tempfile::TempDir;

use crate::interop::{accepted, refused, tool};

const SEED: [u8; 32] = [7; 32];

fn key() -> CheckpointKey {
    CheckpointKey::from_seed(&SEED).unwrap()
}

/// A host that records, and what it heard.
struct World {
    directory: TempDir,
    runtime: Runtime,
    log: AuditLog,
    events: Arc<MemoryEvents>,
    bus: Arc<LocalBus>,
    executor: tokio::runtime::Runtime,
}

impl World {
    fn new() -> Self {
        let executor = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let log = AuditLog::open(&directory, Arc::new(SystemClock), key()).unwrap();
        let events = Arc::new(MemoryEvents::new(1_000));
        let bus = Arc::new(LocalBus::new(executor.handle().clone(), Arc::new(SystemClock)));
        let services = HostServices {
            events: Arc::new(AuditEvents::new(log.clone(), Arc::clone(&events) as _)),
            bus: Arc::clone(&bus) as _,
            ..HostServices::default()
        };
        Self {
            directory,
            runtime: Runtime::builder().services(services).build().unwrap(),
            log,
            events,
            bus,
            executor,
        }
    }

    fn load(&self, guest: &Guest, policy: &Policy) -> Plugin {
        self.executor.block_on(guest.load_with(&self.runtime, policy)).unwrap()
    }

    fn call(&self, plugin: &Plugin) {
        self.executor.block_on(plugin.call("go", b"{}")).unwrap_err();
    }

    /// The one event and the one record that the last call left.
    #[track_caller]
    fn told(&self) -> (EventKind, AuditRecord) {
        let [event] = self.events.take().try_into().unwrap();
        let seq = self.log.checkpoint().unwrap().seq;
        let [record] = self
            .log
            .records(seq, 10, &AuditFilter::default())
            .unwrap()
            .records
            .try_into()
            .unwrap();
        assert_eq!(record.plugin_id.as_deref(), Some(event.plugin_id.as_ref()));
        assert_eq!(record.details["event_seq"], event.seq);
        assert_eq!(record.outcome, AuditOutcome::Denied);
        (event.kind, record)
    }
}

/// Calls `other`.
fn caller(id: &str, other: &'static str) -> Guest {
    let call = "(call $call (i32.const 256) (i32.const 6) (i32.const 262) (i32.const 2) (i32.const 264) (i32.const 2))";
    Guest {
        manifest: json!({"id": id, "permissions": ["plugin:call"], "dependencies": [{"id": other, "version": "*"}]}),
        ..Guest::calling(
            ("plugin_call", "(param i32 i32 i32 i32 i32 i32) (result i64)"),
            format!("{other}go{{}}").leak(),
            call,
        )
    }
}

#[test]
fn every_kind_of_refusal_is_an_event_and_a_record_and_outlives_the_host() {
    let world = World::new();
    let denied = Guest {
        manifest: json!({"permissions": [{"name": "system:info", "optional": true}]}),
        ..Guest::calling(("system_info", "(result i64)"), "", "(call $call)")
    };
    world.call(&world.load(&denied, &Policy::deny_all()));
    let (kind, record) = world.told();
    assert!(matches!(kind, EventKind::PermissionDenied { .. }), "{kind:?}");
    assert_eq!(
        (record.seq, record.action, record.resource.as_str()),
        (1, AuditAction::SecurityViolation, "system:info")
    );

    let endless = Guest {
        command: SPIN,
        ..Guest::default()
    };
    world.call(&world.load(&endless, &Policy::deny_all()));
    let events = world.events.take();
    assert!(
        events
            .iter()
            .any(|event| matches!(event.kind, EventKind::ResourceExceeded { resource: "fuel", .. }))
    );
    world.log.checkpoint().unwrap();

    let policy = Policy::deny_all().allow("plugin:call").unwrap();
    let peers = [caller("test.a", "test.b"), caller("test.b", "test.a")].map(|guest| {
        let plugin = world.load(&guest, &policy);
        world.bus.attach(plugin.address());
        plugin
    });
    world.call(&peers[0]);
    let (kind, record) = world.told();
    assert_eq!(kind, EventKind::SecurityViolation { kind: "reentrant_call" });
    assert_eq!(
        (record.seq, record.action, record.resource.as_str()),
        (3, AuditAction::SecurityViolation, "reentrant_call")
    );

    let directory = world.directory.path().to_owned();
    assert_eq!(world.log.lost(), 0);
    let World {
        directory: _kept,
        runtime,
        log,
        events,
        bus,
        executor,
    } = world;
    drop((peers, runtime, log, events, bus, executor));
    let reader = AuditReader::open(directory, key().public().clone()).unwrap();
    assert_eq!(reader.verify().unwrap().records, 3);
    let exhausted = AuditFilter {
        action: Some(AuditAction::ResourceExhaustion),
        ..AuditFilter::default()
    };
    let [record] = reader.records(1, 10, &exhausted).unwrap().records.try_into().unwrap();
    assert_eq!((record.seq, record.resource.as_str()), (2, "fuel"));
    assert_eq!(record.plugin_id.as_deref(), Some("test.guest"));
}

#[test]
fn what_a_guest_may_do_leaves_no_record() {
    let world = World::new();
    let plugin = world.load(&Guest::default(), &Policy::deny_all());
    world.executor.block_on(plugin.call("go", b"{}")).unwrap();
    assert_eq!(world.log.checkpoint().unwrap().seq, 0);
}

/// The log that `docs/audit.md` shows: at a fixed time, of a key that everybody knows.
fn sample() -> String {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new());
    clock.advance(Duration::from_secs(1_800_000_000));
    let log = AuditLog::open(&directory, clock, key()).unwrap();
    let entry = AuditEntry {
        actor: "cli:ada".to_owned(),
        plugin_id: Some("com.acme.weather".to_owned()),
        action: AuditAction::Install,
        resource: "1.2.0".to_owned(),
        outcome: AuditOutcome::Succeeded,
        details: Map::from_iter([("publisher".to_owned(), json!("acme"))]),
    };
    log.append(entry.clone()).unwrap();
    let denied = AuditEntry {
        actor: "plugin:com.acme.weather".to_owned(),
        action: AuditAction::SecurityViolation,
        resource: "storage:read".to_owned(),
        outcome: AuditOutcome::Denied,
        details: Map::from_iter([
            ("event".to_owned(), json!("plugin:permission:denied")),
            ("call".to_owned(), json!("storage_get")),
        ]),
        ..entry
    };
    log.append(denied).unwrap();
    let trust = AuditEntry {
        actor: "cli:ada".to_owned(),
        plugin_id: None,
        action: AuditAction::TrustChange,
        resource: "publisher acme".to_owned(),
        outcome: AuditOutcome::Failed,
        details: Map::new(),
    };
    log.append(trust).unwrap();
    let mut export = Vec::new();
    log.export(&mut export).unwrap();
    String::from_utf8(export).unwrap()
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

#[test]
fn the_page_shows_the_export_and_the_key_that_the_code_makes() {
    let page = fs::read_to_string(repository("docs/audit.md")).unwrap();
    let block = |start: &str| {
        let (_, rest) = page.split_once(start).unwrap_or_else(|| panic!("no {start}"));
        rest.split_once("```").unwrap().0
    };
    let (export, pem) = (sample(), key().public().to_pem());
    assert_eq!(block("```jsonl\n"), export, "the export");
    assert_eq!(block("```text\n"), pem, "the key");
    assert_eq!(
        verify_export(block("```jsonl\n").as_bytes(), key().public())
            .unwrap()
            .records,
        3
    );
    for action in AuditAction::ALL {
        assert!(page.contains(&format!("`{action}`")), "{action}");
    }
    for outcome in AuditOutcome::ALL {
        assert!(page.contains(&format!("`{outcome}`")), "{outcome}");
    }
}

#[test]
fn python_verifies_an_export_with_none_of_our_code() {
    let Some(python) = tool("python3", &["-c", "import cryptography"]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let other = CheckpointKey::from_seed(&[8; 32]).unwrap();
    fs::write(folder.path().join("host.pub"), key().public().to_pem()).unwrap();
    fs::write(folder.path().join("other.pub"), other.public().to_pem()).unwrap();
    let verify = |export: &str, key: &str| -> Output {
        fs::write(folder.path().join("export.jsonl"), export).unwrap();
        let script = repository("tests/interop/verify_audit.py");
        let arguments = [folder.path().join("export.jsonl"), folder.path().join(key)];
        python().arg(script).args(arguments).output().unwrap()
    };

    let export = sample();
    assert_eq!(accepted(&verify(&export, "host.pub")).trim(), "ok 3");
    refused(&verify(&export, "other.pub"));
    refused(&verify(&export.replace("cli:ada", "cli:bob"), "host.pub"));
    let lines: Vec<_> = export.split_inclusive('\n').collect();
    let [head, one, two, three] = lines[..] else {
        panic!("{export}")
    };
    for tampered in [
        [head, one, three].concat(),
        [head, one, two].concat(),
        [head, two, one, three].concat(),
    ] {
        refused(&verify(&tampered, "host.pub"));
    }

    // Everything JSON can hold is spelled the same there.
    let directory = tempfile::tempdir().unwrap();
    let log = AuditLog::open(&directory, Arc::new(SystemClock), key()).unwrap();
    log.append(AuditEntry {
        actor: "\u{0}\u{1f}\u{7f}\"\\/\n\t\r\u{8}\u{c}ü€\u{1F600}\u{2028}".to_owned(),
        plugin_id: None,
        action: AuditAction::ConfigUpdate,
        resource: String::new(),
        outcome: AuditOutcome::Failed,
        details: Map::from_iter([
            ("\u{fb33}".to_owned(), json!(9_007_199_254_740_991_u64)),
            ("\u{1F600}".to_owned(), json!([null, true, {"b": 1, "a": []}])),
        ]),
    })
    .unwrap();
    let mut export = Vec::new();
    log.export(&mut export).unwrap();
    let said = accepted(&verify(&String::from_utf8(export).unwrap(), "host.pub"));
    assert_eq!(said.trim(), "ok 1");
}
