//! Upgrades a plugin that is being called, rolls it back, and counts.
//!
//! ```text
//! under_load DATA_DIR PUBLIC_KEY ID NEWER_BUNDLE COMMAND
//! ```
//!
//! `DATA_DIR` is one that `palisade` made, with the plugin in it. Four callers call its command without a pause, each with
//! a number of its own, which has to come back. Not one call may fail.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use palisade::{
    AuditLog, CheckpointKey, HostServices, PublicKey, Runtime, SqliteStorage, Supervisor, SupervisorSettings,
    SystemClock, TrustStore, UpgradeOptions,
};

/// Callers at once.
const CALLERS: usize = 4;

/// Answers that are waited for before and after each change.
const BETWEEN: usize = 500;

type Answered = BTreeMap<String, usize>;

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Runtime::new()?.block_on(under_load())
}

async fn under_load() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, key, id, newer, command] = &arguments[..] else {
        return Err("usage: under_load DATA_DIR PUBLIC_KEY ID NEWER_BUNDLE COMMAND".into());
    };
    let supervisor = open(folder, key)?;
    if let Some((id, error)) = supervisor.start().await.into_iter().next() {
        return Err(format!("{id} did not start: {error}").into());
    }
    let (answered, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (supervisor, id, command) = (supervisor.clone(), id.clone(), command.clone());
            let (answered, is_over) = (Arc::clone(&answered), Arc::clone(&is_over));
            tokio::spawn(async move { call(caller, &supervisor, &id, &command, &answered, &is_over).await })
        })
        .collect();
    let go_on = async || {
        let until = answered.load(Ordering::Relaxed) + BETWEEN;
        while answered.load(Ordering::Relaxed) < until && !callers.iter().all(tokio::task::JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
    };
    go_on().await;
    let upgraded = supervisor
        .upgrade(id, fs::read(newer)?, UpgradeOptions::default())
        .await?;
    println!("upgraded to {} while it was called", upgraded.version);
    go_on().await;
    let rolled_back = supervisor.rollback(id).await?;
    println!("rolled back to {} while it was called", rolled_back.version);
    go_on().await;
    is_over.store(true, Ordering::Relaxed);
    let mut by_generation = Answered::new();
    for caller in callers {
        for (generation, count) in caller.await?? {
            *by_generation.entry(generation).or_default() += count;
        }
    }
    for (generation, count) in &by_generation {
        println!("{count} calls were answered by {generation}");
    }
    println!("0 of {} calls were lost", answered.load(Ordering::Relaxed));
    supervisor.shutdown(std::time::Duration::from_secs(10)).await;
    Ok(())
}

fn open(folder: &str, key: &str) -> Result<Supervisor, Box<dyn Error>> {
    let clock = Arc::new(SystemClock);
    let checkpoint = CheckpointKey::from_pem(&fs::read_to_string(format!("{folder}/audit.key"))?)?;
    let audit = AuditLog::open(folder, clock.clone(), checkpoint)?;
    let services = HostServices {
        storage: Arc::new(SqliteStorage::open(format!("{folder}/storage.db"), clock)?),
        ..HostServices::default()
    };
    let trust = TrustStore::new([PublicKey::from_pem(&fs::read_to_string(key)?)?]);
    let settings = SupervisorSettings::new(tokio::runtime::Handle::current(), Arc::new(audit));
    let runtime = Runtime::builder().services(services).build()?;
    Ok(Supervisor::open(folder, runtime, trust, settings)?.acting_as("example"))
}

/// Calls until it is over, and counts who answered. Every answer has to be the caller's own number.
async fn call(
    caller: usize,
    supervisor: &Supervisor,
    id: &str,
    command: &str,
    answered: &AtomicUsize,
    is_over: &AtomicBool,
) -> Result<Answered, String> {
    let mut by_generation = Answered::new();
    for number in (0_usize..).take_while(|_| !is_over.load(Ordering::Relaxed)) {
        let input = format!("{caller}.{number}");
        let output = supervisor.call(id, command, input.as_bytes()).await;
        let output = output.map_err(|error| format!("call {input} was lost: {error}"))?;
        if output.bytes() != input.as_bytes() {
            return Err(format!("call {input} got the answer of another one"));
        }
        *by_generation
            .entry(format!("generation {}", output.receipt().generation))
            .or_default() += 1;
        answered.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
    Ok(by_generation)
}
