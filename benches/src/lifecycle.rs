//! What the life of a plugin costs those who use it: reading while it is stopped, commands while it is replaced, the
//! start of a host that has many.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use palisade::{
    AuditEntry, AuditFailed, AuditSink, CacheSecret, CompiledCache, DisableOptions, HostFunctions, HostServices,
    InstallOptions, Limits, PluginData, Runtime, Supervisor, SupervisorSettings,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use crate::bundle;
use crate::measure::{Comparison, compare};
use crate::report::readable;

/// The plugin that is replaced and stopped.
const ID: &str = "bench.guest";

/// A host with many plugins.
const PLUGINS: usize = 500;

/// Reads of each kind.
const READS: usize = 10_000;

const RELOADS: u64 = 1_000;

/// 500 commands a second.
const PERIOD: Duration = Duration::from_millis(2);

/// The goals of the issue, in the order of the measurements.
const READ_GOAL: Duration = Duration::from_millis(1);
const GAP_GOAL: Duration = Duration::from_millis(50);
const START_GOAL: Duration = Duration::from_secs(2);

/// Commands may wait as long as a drain takes.
const DRAIN: Duration = Duration::from_secs(60);

/// What a disk takes to confirm a line of the trail is the disk's, not ours.
#[derive(Debug)]
struct Unkept;

impl AuditSink for Unkept {
    fn record(&self, _entry: &AuditEntry) -> Result<(), AuditFailed> {
        Ok(())
    }
}

/// A folder with a data directory and a cache of compiled code.
struct House {
    folder: TempDir,
    go_on: Arc<Notify>,
}

impl House {
    fn new() -> Result<Self> {
        Ok(Self {
            folder: tempfile::tempdir()?,
            go_on: Arc::default(),
        })
    }

    fn runtime(&self) -> Result<Runtime> {
        let go_on = Arc::clone(&self.go_on);
        let pause = move |_, ()| {
            let go_on = Arc::clone(&go_on);
            async move {
                go_on.notified().await;
                Ok(())
            }
        };
        let services = HostServices {
            functions: HostFunctions::default().register("benches:pause", pause)?,
            ..HostServices::default()
        };
        let cache = CompiledCache::open(
            self.folder.path().join("compiled"),
            CacheSecret::from_bytes([7; 32]),
            |_| {},
        );
        let mut ceiling = Limits::CEILING;
        ceiling.execution_time = 2 * DRAIN;
        Ok(Runtime::builder()
            .services(services)
            .cache(cache?)
            .ceiling(ceiling)
            .build()?)
    }

    fn open(&self) -> Result<Supervisor> {
        let settings = SupervisorSettings::new(Handle::current(), Arc::new(Unkept));
        Ok(Supervisor::open(
            self.data(),
            self.runtime()?,
            bundle::trust(),
            settings,
        )?)
    }

    fn data(&self) -> impl AsRef<Path> {
        self.folder.path().join("data")
    }
}

async fn run(supervisor: &Supervisor, bundle: Vec<u8>) -> Result<()> {
    let options = InstallOptions {
        grants: vec!["custom:benches:pause".to_owned()],
        config: None,
    };
    let id = supervisor.install(bundle, options).await?.id;
    supervisor.enable(&id).await?;
    Ok(())
}

/// A reload of a plugin that nobody calls, against loading it from the cache and starting it, twice.
pub(crate) fn idle_reload() -> Result<Comparison> {
    let executor = executor()?;
    let house = House::new()?;
    let wasm = crate::guest()?;
    let (supervisor, runtime) = executor.block_on(async {
        let supervisor = house.open()?;
        run(&supervisor, bundle::signed(&json!({}), &wasm)?).await?;
        anyhow::Ok((supervisor, house.runtime()?))
    })?;
    let admitted = bundle::admitted(&json!({}), &wasm)?;
    let what = (
        "idle reload: read, verify, load from the cache, init, swap, cleanup",
        "load from the cache and init",
        2.0,
    );
    Ok(compare(
        what,
        50,
        || drop(black_box(executor.block_on(supervisor.reload(ID)))),
        || drop(black_box(executor.block_on(runtime.load(admitted.clone())))),
    ))
}

/// Prints what is not a ratio.
pub(crate) fn measure() -> Result<()> {
    let executor = executor()?;
    executor.block_on(async {
        let house = House::new()?;
        start_many(&house).await?;
        reload_under_load().await
    })
}

/// Fills a host, starts it anew, and reads from it while a drain runs.
async fn start_many(house: &House) -> Result<()> {
    let supervisor = house.open()?;
    for number in 0..PLUGINS {
        // A module of its own each, so that each has its own entry in the cache.
        let guest =
            include_str!("guest.wat").replacen("(module", &format!("(module (global i32 (i32.const {number}))"), 1);
        let members = json!({"id": format!("bench.guest-{number}")});
        run(&supervisor, bundle::signed(&members, &wat::parse_str(guest)?)?).await?;
    }
    let pausing = wat::parse_str(include_str!("pausing.wat"))?;
    let limits = json!({"execution_time": "120s"});
    let members = json!({"permissions": ["custom:benches:pause"], "resource_limits": limits});
    run(&supervisor, bundle::signed(&members, &pausing)?).await?;
    supervisor.shutdown(DRAIN).await;
    drop(supervisor);

    let begun = Instant::now();
    let supervisor = house.open()?;
    let failed = supervisor.start().await;
    told(
        &format!("start of a host with {PLUGINS} plugins, warm cache"),
        begun.elapsed(),
        START_GOAL,
    );
    ensure!(failed.is_empty(), "{failed:?}");
    read_while_draining(house, &supervisor).await
}

async fn read_while_draining(house: &House, supervisor: &Supervisor) -> Result<()> {
    let spawn_call = |supervisor: Supervisor| tokio::spawn(async move { supervisor.call(ID, "pause", b"").await });
    let command = spawn_call(supervisor.clone());
    while supervisor.status(ID)?.active_requests == 0 {
        tokio::task::yield_now().await;
    }
    let stopping = supervisor.clone();
    let stopping = tokio::spawn(async move {
        stopping
            .disable(
                ID,
                DisableOptions {
                    timeout: DRAIN,
                    ..DisableOptions::default()
                },
            )
            .await
    });
    while supervisor.status(ID)?.draining.is_none() {
        tokio::task::yield_now().await;
    }
    percentiles("status while a drain runs", || drop(black_box(supervisor.status(ID))));
    percentiles(&format!("list of {} plugins while a drain runs", PLUGINS + 1), || {
        drop(black_box(supervisor.list()));
    });
    ensure!(supervisor.status(ID)?.draining.is_some(), "the drain was over too soon");
    house.go_on.notify_one();
    command.await??;
    stopping.await??;
    supervisor.shutdown(DRAIN).await;
    Ok(())
}

/// Commands at a steady pace while a plugin is replaced again and again.
async fn reload_under_load() -> Result<()> {
    let house = House::new()?;
    let supervisor = house.open()?;
    run(&supervisor, bundle::signed(&json!({}), &crate::guest()?)?).await?;
    let reloading = supervisor.clone();
    let reloads = tokio::spawn(async move {
        for _ in 0..RELOADS {
            reloading.reload(ID).await?;
        }
        anyhow::Ok(())
    });
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut commands = Vec::new();
    while !reloads.is_finished() {
        ticks.tick().await;
        let supervisor = supervisor.clone();
        commands.push(tokio::spawn(async move {
            let answered = supervisor.call(ID, "echo", &crate::SMALL).await;
            (answered.is_ok(), Instant::now())
        }));
    }
    reloads.await??;
    let mut answers = Vec::new();
    let mut lost = 0_usize;
    for command in commands {
        match command.await? {
            (true, at) => answers.push(at),
            (false, _) => lost += 1,
        }
    }
    answers.sort_unstable();
    let gaps = answers
        .iter()
        .zip(answers.iter().skip(1))
        .map(|(one, next)| *next - *one);
    let largest = gaps.max().context("nothing was answered")?;
    println!(
        "{RELOADS} reloads under 500 commands a second: {} answered, {lost} lost",
        answers.len()
    );
    told("largest gap between two answers", largest, GAP_GOAL);
    supervisor.uninstall(ID, PluginData::Discard).await?;
    Ok(())
}

/// Times each read by itself.
fn percentiles(what: &str, read: impl Fn()) {
    let time = |()| {
        let begun = Instant::now();
        read();
        begun.elapsed()
    };
    let mut times: Vec<_> = std::iter::repeat_n((), READS).map(time).collect();
    times.sort_unstable();
    let at = |share: usize| times.get(READS * share / 100).copied().unwrap_or_default();
    told(&format!("{what}: median {}, 99 %", readable(at(50))), at(99), READ_GOAL);
}

fn told(what: &str, time: Duration, goal: Duration) {
    let missed = if time <= goal { "" } else { ", missed" };
    println!("{what}: {} (goal {}{missed})", readable(time), readable(goal));
}

fn executor() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(2).enable_time().build()?)
}
