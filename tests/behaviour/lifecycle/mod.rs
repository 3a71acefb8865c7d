//! The life of plugins: a data directory, operations on it, and commands meanwhile.

mod bus;
mod data;
mod dependencies;
mod disk;
mod failure;
mod health;
mod model;
mod reload;
mod schedule;
mod shutdown;
mod state;
mod trusted;
mod verbs;
mod versions;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use palisade::{
    AuditEntry, AuditFailed, AuditSink, Clock, EventKind, HostFunctions, HostServices, InstallOptions, LocalBus,
    MemoryAudit, MemoryStorage, PluginStatus, Replay, Runtime, Storage, Subscription, Supervisor, SupervisorSettings,
    SystemClock,
};
use palisade_tests::{Guest, release, trust};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

/// The plugin most tests are about.
const ID: &str = "test.guest";

/// Waits for a function of the host, which answers when it is told to or never.
const WAITS: (&str, &str) = ("host_call", "(param i32 i32 i32 i32) (result i64)");

/// An audit trail that can be broken.
#[derive(Debug, Default)]
struct Trail {
    kept: MemoryAudit,
    is_broken: AtomicBool,
}

impl AuditSink for Trail {
    fn record(&self, entry: &AuditEntry) -> Result<(), AuditFailed> {
        match self.is_broken.load(Ordering::Relaxed) {
            false => self.kept.record(entry),
            true => Err(AuditFailed("broken on purpose".into())),
        }
    }
}

/// A host with a data directory.
pub(crate) struct House {
    pub(crate) folder: TempDir,
    runtime: Runtime,
    storage: Arc<dyn Storage>,
    trail: Arc<Trail>,
    pub(crate) supervisor: Supervisor,
    /// Tells every command that waits to go on.
    pub(crate) go_on: Arc<Notify>,
    /// Told by every command that has begun to wait.
    pub(crate) waits: Arc<Notify>,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut SupervisorSettings)) -> Self {
        Self::by(Arc::new(SystemClock), change)
    }

    /// A host that goes by another clock.
    pub(crate) fn by(clock: Arc<dyn Clock>, change: impl FnOnce(&mut SupervisorSettings)) -> Self {
        let (go_on, waits) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new(Arc::clone(&clock)));
        let services = HostServices {
            clock: Arc::clone(&clock),
            storage: Arc::clone(&storage),
            functions: functions(&go_on, &waits),
            bus: Arc::new(LocalBus::new(Handle::current(), clock)),
            ..HostServices::default()
        };
        let runtime = Runtime::builder().services(services).build().unwrap();
        let (folder, trail) = (tempfile::tempdir().unwrap(), Arc::new(Trail::default()));
        let mut settings = settings(&trail);
        change(&mut settings);
        let supervisor = Supervisor::open(folder.path(), runtime.clone(), trust(), settings).unwrap();
        Self {
            folder,
            runtime,
            storage,
            trail,
            supervisor,
            go_on,
            waits,
        }
    }

    /// Installs and starts a guest.
    pub(crate) async fn run(&self, guest: &Guest) -> PluginStatus {
        let bundle = release(&guest.manifest, &guest.wasm(), 1);
        let options = InstallOptions {
            grants: vec!["custom:tests:wait".to_owned()],
            config: None,
        };
        let id = self.supervisor.install(bundle, options).await.unwrap().id;
        self.supervisor.enable(&id).await.unwrap()
    }

    async fn answer(&self, args: &str) -> String {
        let output = self.supervisor.call(ID, "echo", args.as_bytes()).await.unwrap();
        output.text().unwrap().to_owned()
    }

    fn listen(&self) -> Subscription {
        self.supervisor.subscribe(None, Replay::Nothing)
    }

    /// Everything below the data directory but the registry's log, with its bytes.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for folder in ["bundles", "staging", "archives"] {
            files.extend(listing(&self.folder.path().join(folder)));
        }
        files
    }
}

fn listing(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| (path.display().to_string(), std::fs::read(path).unwrap());
    let mut files: Vec<_> = entries.map(read).collect();
    files.sort();
    files
}

fn functions(go_on: &Arc<Notify>, waits: &Arc<Notify>) -> HostFunctions {
    let (go_on, waits) = (Arc::clone(go_on), Arc::clone(waits));
    let wait = move |_, ()| {
        let (go_on, waits) = (Arc::clone(&go_on), Arc::clone(&waits));
        async move {
            let told = go_on.notified();
            waits.notify_one();
            told.await;
            Ok(())
        }
    };
    HostFunctions::default().register("tests:wait", wait).unwrap()
}

fn settings(trail: &Arc<Trail>) -> SupervisorSettings {
    let trail: Arc<dyn AuditSink> = Arc::<Trail>::clone(trail);
    SupervisorSettings::new(Handle::current(), trail)
}

/// A guest whose commands wait for the host.
pub(crate) fn waiting() -> Guest {
    let call = "(call $call (i32.const 256) (i32.const 10) (i32.const 0) (i32.const 0))";
    Guest {
        manifest: json!({"permissions": ["custom:tests:wait"], "instance": {"max": 4}}),
        ..Guest::calling(WAITS, "tests:wait", call)
    }
}

/// A guest that is known by its manifest alone.
pub(crate) fn guest(version: &str) -> Guest {
    Guest {
        manifest: json!({"version": version}),
        ..Guest::default()
    }
}

/// A guest that leaves something in the state record and then does not start.
pub(crate) fn spoiler(version: &str) -> Guest {
    Guest {
        imports: r#"(import "palisade_v1" "state_set" (func $set (param i32 i32) (result i64)))"#,
        extra: r#"(data (i32.const 256) "\"new\"")"#,
        init: "(drop (call $set (i32.const 256) (i32.const 5))) unreachable",
        manifest: json!({"version": version}),
        ..Guest::default()
    }
}

/// What was told, each event in a few words.
fn told(subscription: &mut Subscription) -> Vec<String> {
    let events = std::iter::from_fn(|| subscription.try_next());
    let words = events.map(|event| match &event.kind {
        EventKind::StateChanged { from, to, .. } => format!("{from} to {to}"),
        EventKind::Error { error } => format!("error {}", error.code),
        EventKind::Rollback { cause } => format!("rollback {}", cause.code),
        EventKind::Warning { code, .. } => format!("warning {code}"),
        EventKind::Executed { status, .. } => format!("executed {status}"),
        EventKind::HealthChanged { from, to } => format!("{from:?} to {to:?}"),
        kind => {
            let kind = serde_json::to_value(kind).unwrap();
            kind["event"].as_str().unwrap().replace("plugin:", "")
        }
    });
    words.collect()
}

pub(crate) fn on_one_thread<T>(test: impl Future<Output = T>) -> T {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(test)
}

pub(crate) fn on_threads<T>(test: impl Future<Output = T>) -> T {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build();
    runtime.unwrap().block_on(test)
}

/// Longer than any test, and short of for ever.
const LONG: Duration = Duration::from_secs(600);
