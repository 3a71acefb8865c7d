//! A host over a data directory with everything that it keeps on disk, and the five operations on it.

use std::path::Path;
use std::sync::Arc;

use palisade::{
    AuditAction, AuditLog, CacheSecret, CheckpointKey, Clock, Coded, CompiledCache, HostServices, InstallOptions,
    Namespace, PluginData, Runtime, SqliteStorage, Storage, Supervisor, SupervisorSettings, SystemClock,
    UpgradeOptions,
};
use palisade_tests::{Guest, release, trust};
use serde_json::{Map, Value, json};
use tokio::runtime::{Builder, Handle};

/// The only plugin.
pub(super) const ID: &str = "test.guest";

/// Where tokio does what blocks: in one thread, so that its calls come in one order.
pub(super) const BLOCKING_THREAD: &str = "blocking";

/// What the release numbers of this test count from.
const FIRST: u64 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Install,
    Upgrade,
    UpdateConfig,
    Rollback,
    Uninstall,
}

impl Operation {
    /// Makes the directory that the operation starts from.
    pub(super) async fn prepare(self, data: &Path, compiled: &Path) {
        std::fs::create_dir(data).unwrap();
        let house = House::open(data, compiled);
        house.install("1.0.0", FIRST).await.unwrap();
        house.supervisor.enable(ID).await.unwrap();
        if matches!(self, Self::Install | Self::Rollback) {
            // Of an install, it fills the cache of compiled code.
            house.upgrade("1.1.0", FIRST + 1).await.unwrap();
        }
        match self {
            Self::Install => drop(house.supervisor.uninstall(ID, PluginData::Discard).await.unwrap()),
            Self::UpdateConfig => house.configure(1).await.unwrap(),
            Self::Upgrade | Self::Rollback | Self::Uninstall => {}
        }
        house.close().await;
    }

    /// Does it; the stable word is what it failed with.
    pub(super) async fn run(self, house: &House) -> Result<(), String> {
        match self {
            Self::Install => house.install("1.2.0", FIRST + 2).await,
            Self::Upgrade => house.upgrade("1.1.0", FIRST + 1).await,
            Self::UpdateConfig => house.configure(2).await,
            Self::Rollback => coded(house.supervisor.rollback(ID).await),
            Self::Uninstall => coded(house.supervisor.uninstall(ID, PluginData::Archive).await),
        }
    }

    /// The highest release that was seen before the operation and after it.
    pub(super) fn seen(self) -> (u64, u64) {
        match self {
            Self::Install => (FIRST + 1, FIRST + 2),
            Self::Upgrade => (FIRST, FIRST + 1),
            Self::UpdateConfig | Self::Uninstall => (FIRST, FIRST),
            Self::Rollback => (FIRST + 1, FIRST + 1),
        }
    }

    pub(super) fn action(self) -> AuditAction {
        match self {
            Self::Install => AuditAction::Install,
            Self::Upgrade => AuditAction::Upgrade,
            Self::UpdateConfig => AuditAction::ConfigUpdate,
            Self::Rollback => AuditAction::Rollback,
            Self::Uninstall => AuditAction::Uninstall,
        }
    }
}

pub(super) struct House {
    pub(super) supervisor: Supervisor,
    pub(super) audit: AuditLog,
    storage: Arc<dyn Storage>,
}

impl House {
    pub(super) fn open(data: &Path, compiled: &Path) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let audit = AuditLog::open(data, Arc::clone(&clock), CheckpointKey::from_seed(&[7; 32]).unwrap()).unwrap();
        let storage: Arc<dyn Storage> = Arc::new(SqliteStorage::open(data.join("storage.db"), clock).unwrap());
        let services = HostServices {
            storage: Arc::clone(&storage),
            ..HostServices::default()
        };
        let cache = CompiledCache::open(compiled, CacheSecret::from_bytes([7; 32]), |warning| {
            panic!("{warning}")
        });
        let runtime = Runtime::builder()
            .services(services)
            .cache(cache.unwrap())
            .build()
            .unwrap();
        let settings = SupervisorSettings::new(Handle::current(), Arc::new(audit.clone()));
        Self {
            supervisor: Supervisor::open(data, runtime, trust(), settings).unwrap(),
            audit,
            storage,
        }
    }

    /// Ends in order.
    pub(super) async fn close(self) {
        let left = self.supervisor.shutdown(std::time::Duration::from_secs(60)).await;
        assert!(left.is_empty(), "{left:?}");
    }

    pub(super) async fn install(&self, version: &str, sequence: u64) -> Result<(), String> {
        let options = InstallOptions {
            grants: vec!["config:read".to_owned()],
            config: None,
        };
        coded(self.supervisor.install(bundle(version, sequence), options).await)
    }

    pub(super) async fn upgrade(&self, version: &str, sequence: u64) -> Result<(), String> {
        let options = UpgradeOptions::default();
        coded(self.supervisor.upgrade(ID, bundle(version, sequence), options).await)
    }

    async fn configure(&self, value: u32) -> Result<(), String> {
        let config = Map::from_iter([("a".to_owned(), json!(value))]);
        coded(self.supervisor.update_config(ID, config).await)
    }

    /// What the plugin is, and what its code says that it was started with.
    pub(super) async fn answer(&self) -> String {
        let Ok(status) = self.supervisor.status(ID) else {
            return "gone".to_owned();
        };
        let config = self.supervisor.config(ID).unwrap();
        let said = match self.supervisor.call(ID, "any", b"").await {
            Ok(output) => {
                let input: Value = serde_json::from_slice(output.bytes()).unwrap();
                format!("{} with {}", input["version"], input["config"])
            }
            Err(error) => error.code().as_str().to_owned(),
        };
        format!("{} {} {config:?}: {said}", status.state, status.version)
    }

    /// The state record that the plugin was started with, if it runs.
    pub(super) async fn started_with(&self) -> Option<String> {
        let output = self.supervisor.call(ID, "state", b"").await.ok()?;
        Some(output.text().unwrap().to_owned())
    }

    /// The plugin's state record, which names the version that wrote it.
    pub(super) async fn record(&self) -> Option<String> {
        let namespace = Namespace {
            plugin_id: Arc::from(ID),
            publisher: Some(Arc::from(palisade_tests::key().public().id().to_string())),
        };
        let record = self.storage.state(&namespace).await.unwrap();
        record.map(|record| String::from_utf8(record).unwrap())
    }
}

fn coded<T, E: Coded>(result: Result<T, E>) -> Result<(), String> {
    result.map(drop).map_err(|error| error.code().as_str().to_owned())
}

/// A plugin that reads its state record when it starts, writes its version there, and does not start without. It answers
/// the command `state` with what it read, and every other one with what it was started with.
fn bundle(version: &str, sequence: u64) -> Vec<u8> {
    let guest = Guest {
        imports: r#"(import "palisade_v1" "state_get" (func $get (result i64)))
                    (import "palisade_v1" "state_set" (func $set (param i32 i32) (result i64)))
                    (import "palisade_v1" "result_take" (func $take (param i32 i32) (result i32)))"#,
        extra: format!(
            r#"(data (i32.const 256) "\"{version}\"")
               (global $input (mut i32) (i32.const 0))
               (global $state (mut i32) (i32.const 0))"#
        )
        .leak(),
        init: "(memory.copy (i32.const 8192) (local.get $ptr) (local.get $len))
               (global.set $input (local.get $len))
               (drop (call $get))
               (global.set $state (call $take (i32.const 16384) (i32.const 64)))
               (if (i64.ne (i64.and (call $set (i32.const 256) (i32.const 7)) (i64.const 0x80000000)) (i64.const 0))
                 (then unreachable))
               i64.const 0",
        command: "(if (result i64) (i32.eq (local.get $name_len) (i32.const 5))
                    (then (i64.or (i64.const 0x400000000000) (i64.extend_i32_u (global.get $state))))
                    (else (i64.or (i64.const 0x200000000000) (i64.extend_i32_u (global.get $input)))))",
        manifest: json!({"version": version, "permissions": ["config:read"]}),
        ..Guest::default()
    };
    release(&guest.manifest, &guest.wasm(), sequence)
}

pub(super) fn on_one_thread<T>(work: impl Future<Output = T>) -> T {
    let mut builder = Builder::new_current_thread();
    builder
        .enable_time()
        .max_blocking_threads(1)
        .thread_name(BLOCKING_THREAD);
    builder.build().unwrap().block_on(work)
}
