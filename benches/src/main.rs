//! Palisade against the same work done by hand, in one process: `cargo xtask bench`.
//!
//! Every figure is a ratio, pair by pair, because absolute times on a shared machine say little. With `--write FILE`
//! the table replaces what stands between the markers in that file.

mod bundle;
mod by_hand;
mod lifecycle;
mod measure;
mod report;
mod waiting;

use std::hint::black_box;

use anyhow::Result;
use palisade::{Plugin, Runtime};
use serde_json::json;

use crate::by_hand::ByHand;
use crate::measure::{Comparison, compare};

/// What a command of the smallest useful size carries.
const SMALL: [u8; 64] = [b'x'; 64];

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == waiting::SERVE) {
        return waiting::serve();
    }
    let option = |name: &str| arguments.iter().skip_while(|given| *given != name).nth(1);
    let mut rows = Vec::new();
    for (name, measure) in MEASUREMENTS {
        if option("--only").is_none_or(|only| only == name) {
            rows.push(measure()?);
        }
    }
    let table = report::table(&rows);
    println!("{table}");
    if option("--only").is_none_or(|only| only == "waiting") {
        waiting::measure()?;
    }
    if option("--only").is_none_or(|only| only == "lifecycle") {
        lifecycle::measure()?;
    }
    if let Some(path) = option("--write") {
        report::write(path, &table)?;
    }
    for missed in rows.iter().filter(|row| !row.met()) {
        println!(
            "goal missed: {} is {:.2} x, and {:.2} x is the goal",
            missed.what, missed.ratio, missed.goal
        );
    }
    Ok(())
}

type Measure = fn() -> Result<Comparison>;

/// What `--only NAME` can choose from.
const MEASUREMENTS: [(&str, Measure); 5] = [
    ("warm", warm_echo),
    ("large", large_echo),
    ("fresh", fresh_instance),
    ("verify", bundle::verify_and_unpack),
    ("reload", lifecycle::idle_reload),
];

fn warm_echo() -> Result<Comparison> {
    let executor = executor()?;
    let plugin = executor.block_on(echo(json!({})))?;
    let mut live = executor.block_on(by_hand()?.start()).map_err(by_engine)?;
    let what = (
        "warm command, 64 B echo, every limit on",
        "`call_async` by hand, same limits",
        2.0,
    );
    Ok(compare(
        what,
        20_000,
        || drop(black_box(executor.block_on(plugin.call("echo", &SMALL)))),
        || drop(black_box(executor.block_on(live.call("echo", &SMALL)))),
    ))
}

fn large_echo() -> Result<Comparison> {
    let executor = executor()?;
    let plugin = executor.block_on(echo(json!({})))?;
    let args = vec![b'x'; 1 << 20];
    let mut guest_memory = vec![0; args.len()];
    let what = ("1 MiB echo", "two copies of 1 MiB", 1.5);
    Ok(compare(
        what,
        50,
        || drop(black_box(executor.block_on(plugin.call("echo", &args)))),
        || {
            guest_memory.copy_from_slice(black_box(&args));
            drop(black_box(guest_memory.to_vec()));
        },
    ))
}

fn fresh_instance() -> Result<Comparison> {
    let executor = executor()?;
    let plugin = executor.block_on(echo(json!({"instance": {"mode": "fresh"}})))?;
    let by_hand = by_hand()?;
    let once = async |by_hand: &ByHand| -> wasmtime::Result<Vec<u8>> {
        let mut live = by_hand.start().await?;
        let reply = live.call("echo", &SMALL).await?;
        live.cleanup().await?;
        Ok(reply)
    };
    let what = (
        "fresh instance, init, command, cleanup, drop",
        "tuned pooling by hand",
        1.5,
    );
    Ok(compare(
        what,
        1_000,
        || drop(black_box(executor.block_on(plugin.call("echo", &SMALL)))),
        || drop(black_box(executor.block_on(once(&by_hand)))),
    ))
}

async fn echo(members: serde_json::Value) -> Result<Plugin> {
    Ok(Runtime::new()?.load(bundle::admitted(&members, &guest()?)?).await?)
}

fn by_hand() -> Result<ByHand> {
    ByHand::new(&guest()?).map_err(by_engine)
}

fn by_engine(error: wasmtime::Error) -> anyhow::Error {
    anyhow::Error::from_boxed(error.into())
}

fn guest() -> Result<Vec<u8>> {
    Ok(wat::parse_str(include_str!("guest.wat"))?)
}

fn executor() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().build()?)
}
