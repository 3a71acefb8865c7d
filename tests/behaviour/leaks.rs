//! What a host does again and again leaves nothing behind: no memory, no descriptor, no thread.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use palisade::{
    AuditEntry, AuditFailed, AuditSink, Bundle, CacheSecret, CompiledCache, DisableOptions, InstallOptions, PluginData,
    Policy, Runtime, Supervisor, SupervisorSettings,
};
use palisade_tests::{Guest, now, signed, trust};
use tokio::runtime::{Builder, Handle};

/// Set in the process that is measured, which is one of its own: other tests use memory as well.
const MEASURED: &str = "PALISADE_TEST_LEAKS";

/// By then every pool has its size and every cache is full.
const WARM_UP: usize = 500;

/// What may be added to the resident memory after the warm-up: an allocator does not give back every page at once.
const MOST_GROWTH_BYTES: u64 = 16 << 20;

/// Longer than an executor keeps a thread that has nothing to do, which is 10 s for tokio's.
const IDLE_THREAD: Duration = Duration::from_secs(60);

/// A trail that would grow by itself is none for this.
#[derive(Debug)]
struct Unkept;

impl AuditSink for Unkept {
    fn record(&self, _entry: &AuditEntry) -> Result<(), AuditFailed> {
        Ok(())
    }
}

/// What a process has of its machine.
#[derive(Debug)]
struct Held {
    resident_bytes: u64,
    descriptors: usize,
    threads: usize,
}

impl Held {
    fn now() -> Self {
        let statm = fs::read_to_string("/proc/self/statm").unwrap();
        // In pages of 4 KiB.
        let resident: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
        Self {
            resident_bytes: resident * 4096,
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            threads: fs::read_dir("/proc/self/task").unwrap().count(),
        }
    }

    /// What is held now is no more than this, and a little memory.
    #[track_caller]
    fn has_not_grown(&self) {
        let begun = Instant::now();
        while Self::now().threads > self.threads && begun.elapsed() < IDLE_THREAD {
            thread::yield_now();
        }
        let now = Self::now();
        let is_as_before = now.descriptors <= self.descriptors && now.threads <= self.threads;
        let most_bytes = self.resident_bytes + MOST_GROWTH_BYTES;
        assert!(
            is_as_before && now.resident_bytes <= most_bytes,
            "{self:?}, and then {now:?}"
        );
    }
}

/// Runs the test of this name in a process of its own, or is that process and does the work.
fn alone(name: &str, work: impl FnOnce()) {
    if std::env::var_os(MEASURED).is_some() {
        return work();
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("leaks::{name}"), "--nocapture"])
        .env(MEASURED, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && printed.contains("1 passed"), "{printed}");
}

fn runtime(compiled: &Path) -> Runtime {
    let cache = CompiledCache::open(compiled, CacheSecret::from_bytes([7; 32]), |warning| {
        panic!("{warning}")
    });
    Runtime::builder().cache(cache.unwrap()).build().unwrap()
}

#[test]
fn twenty_thousand_plugins_that_were_loaded_called_and_unloaded_leave_nothing_behind() {
    alone(
        "twenty_thousand_plugins_that_were_loaded_called_and_unloaded_leave_nothing_behind",
        || {
            let folder = tempfile::tempdir().unwrap();
            let runtime = runtime(&folder.path().join("compiled"));
            let guest = Guest::default();
            let bundle = signed(&guest.manifest, &guest.wasm());
            let cycle = || {
                let verified = trust().verify(Bundle::open(bundle.clone()).unwrap(), now()).unwrap();
                let admitted = Policy::deny_all().admit(verified).unwrap();
                pollster::block_on(async {
                    let plugin = runtime.load(admitted).await.unwrap();
                    assert_eq!(plugin.call("any", b"hello").await.unwrap().bytes(), b"hello");
                    plugin.close().await.unwrap();
                });
            };
            (0..WARM_UP).for_each(|_| cycle());
            let before = Held::now();
            (0..20_000).for_each(|_| cycle());
            before.has_not_grown();
        },
    );
}

#[test]
fn two_thousand_plugins_that_were_installed_run_and_removed_leave_nothing_behind() {
    alone(
        "two_thousand_plugins_that_were_installed_run_and_removed_leave_nothing_behind",
        || {
            let executor = Builder::new_multi_thread()
                .worker_threads(2)
                .enable_time()
                .build()
                .unwrap();
            executor.block_on(async {
                let folder = tempfile::tempdir().unwrap();
                let settings = SupervisorSettings::new(Handle::current(), Arc::new(Unkept));
                let runtime = runtime(&folder.path().join("compiled"));
                let supervisor = Supervisor::open(folder.path().join("data"), runtime, trust(), settings).unwrap();
                let guest = Guest::default();
                let bundle = signed(&guest.manifest, &guest.wasm());
                for _ in 0..WARM_UP {
                    live(&supervisor, &bundle).await;
                }
                let before = Held::now();
                for _ in 0..2_000 {
                    live(&supervisor, &bundle).await;
                }
                before.has_not_grown();
            });
        },
    );
}

async fn live(supervisor: &Supervisor, bundle: &[u8]) {
    let installed = supervisor.install(bundle.to_vec(), InstallOptions::default()).await;
    let id = installed.unwrap().id;
    supervisor.enable(&id).await.unwrap();
    let output = supervisor.call(&id, "any", b"hello").await.unwrap();
    assert_eq!(output.bytes(), b"hello");
    drop(output);
    supervisor.disable(&id, DisableOptions::default()).await.unwrap();
    supervisor.uninstall(&id, PluginData::Archive).await.unwrap();
}
