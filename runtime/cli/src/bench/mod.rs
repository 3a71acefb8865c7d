//! `bench`: measures a command; `saved.rs` keeps the result and reads it back, `compared.rs` sets two against each other.

mod compared;
mod saved;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, value_parser};
use hdrhistogram::Histogram;
use palisade::{CallError, DiscardLog, Plugin, parse_duration};
use palisade_bundle::{Digest, Visible};
use palisade_signer::input::{Input, Kind};
use palisade_signer::output::{self, Audience, Existing};
use palisade_signer::{Answer, Conclusion, Failure, HostError, Surroundings, Terminal, style};
use serde::Serialize;

use self::compared::Compared;
use self::saved::{Latency, Measured};
use crate::plugin_options::{PluginOptions, Purpose};

/// Calls before the clock starts, so that caches and the allocator have settled. Fuel and memory are taken from these:
/// they are the first calls of a new instance, so the same plugin gives the same numbers however long the rest takes.
const WARM_UP: usize = 100;

/// Nobody waits longer, and a clock that goes further may not exist.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Calls of one caller before another one's turn.
const CALLS_PER_TURN: u64 = 64;

/// `bench`.
#[derive(Args, Debug)]
pub(crate) struct Bench {
    #[command(flatten)]
    plugin: PluginOptions,

    /// The command
    command: String,

    /// Read its arguments from FILE; - reads standard input
    #[arg(long, value_name = "FILE")]
    input_file: Option<Input>,

    /// How long to call it
    #[arg(long, value_name = "T", value_parser = parse_duration, default_value = "5s")]
    duration: Duration,

    /// How many callers at once, 256 at most
    #[arg(long, value_name = "N", default_value = "1", value_parser = value_parser!(u16).range(1..=256))]
    concurrency: u16,

    /// Write the result to FILE, for a later --compare
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,

    /// Compare with a saved result of the same command; ends with 20 when fuel is more than 1 % worse, memory 10 %,
    /// median or rate 25 %. Fuel is the plugin's own; times are also the machine's
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
}

/// What `bench` answers.
#[derive(Serialize)]
struct Benched {
    #[serde(flatten)]
    now: Measured,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<Compared>,
}

impl Bench {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let before = self.compare.as_deref().map(Measured::read).transpose()?;
        let arguments = self
            .input_file
            .as_ref()
            .map(|input| input.read(Kind::ARGUMENTS))
            .transpose()?;
        let arguments: Arc<[u8]> = arguments.unwrap_or_default().into();
        let writes: Vec<_> = self.save.iter().map(PathBuf::as_path).collect();
        let prepared = self.plugin.prepare(&writes, surroundings, terminal)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_time()
            .build()
            .map_err(HostError::Threads)?;
        let now = runtime.block_on(async {
            let log = Arc::new(DiscardLog);
            let plugin = self.plugin.load(prepared, log, Purpose::Live, terminal).await?;
            let measured = match before.as_ref().map(|before| self.is_about(before, &plugin, &arguments)) {
                Some(Err(error)) => Err(error),
                Some(Ok(())) | None => {
                    let _progress = terminal.progress("calling");
                    let measured = self.measure(&plugin, arguments).await;
                    measured.map_err(|error| Failure::from(error).about_plugin(plugin.manifest().id.to_string()))
                }
            };
            if let Err(error) = plugin.close().await {
                terminal.warn(format_args!(
                    "the plugin did not end in order: {}",
                    Visible(error.to_string())
                ));
            }
            measured
        })?;
        if let Some(path) = &self.save {
            let json = serde_json::to_vec_pretty(&now).map_err(HostError::Answer)?;
            output::write(path, &json, Audience::Everyone, Existing::Replace)?;
        }
        let compared = before.map(|before| Compared::new(&before, &now));
        let regressed = compared.as_ref().is_some_and(Compared::regressed);
        terminal.answer(&Benched { now, compared })?;
        Ok(if regressed {
            Conclusion::Findings
        } else {
            Conclusion::Done
        })
    }

    /// Two results can be compared when they say how the same work went.
    fn is_about(&self, before: &Measured, plugin: &Plugin, arguments: &[u8]) -> Result<(), Failure> {
        let Measured {
            plugin: id,
            command,
            arguments: digest,
            concurrency,
            ..
        } = before;
        let facts = [
            ("plugin", id.clone(), plugin.manifest().id.to_string()),
            ("command", command.clone(), self.command.clone()),
            ("input", digest.to_string(), Digest::of(arguments).to_string()),
            (
                "number of callers",
                concurrency.to_string(),
                self.concurrency.to_string(),
            ),
        ];
        let path = self.compare.as_deref().unwrap_or(Path::new(""));
        Ok(Measured::check_same(path, facts)?)
    }

    async fn measure(&self, plugin: &Plugin, arguments: Arc<[u8]>) -> Result<Measured, CallError> {
        let digest = Digest::of(&arguments);
        let (mut fuel, mut memory_bytes) = (Vec::with_capacity(WARM_UP), 0);
        for _ in 0..WARM_UP {
            let output = plugin.call(&self.command, &arguments).await?;
            fuel.push(output.receipt().fuel);
            memory_bytes = output.receipt().peak_memory_bytes.max(memory_bytes);
        }
        fuel.sort_unstable();
        let started = Instant::now();
        let deadline = started + self.duration.min(LONGEST);
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..self.concurrency {
            let caller = calls(plugin.clone(), self.command.clone(), Arc::clone(&arguments), deadline);
            callers.spawn(caller);
        }
        let mut all = histogram();
        for times in callers.join_all().await {
            // Every histogram has the same shape.
            let _ = all.add(times?);
        }
        let elapsed = started.elapsed();
        Ok(Measured {
            plugin: plugin.manifest().id.to_string(),
            version: plugin.manifest().version.to_string(),
            command: self.command.clone(),
            arguments: digest,
            concurrency: self.concurrency,
            calls: all.len(),
            duration_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            rate_per_s: rounded(rate(all.len(), elapsed)),
            latency_us: Latency::of(&all),
            fuel: fuel.get(WARM_UP / 2).copied().unwrap_or_default(),
            memory_bytes,
        })
    }
}

/// One caller: calls until the deadline, at least once.
async fn calls(
    plugin: Plugin,
    command: String,
    arguments: Arc<[u8]>,
    deadline: Instant,
) -> Result<Histogram<u64>, CallError> {
    let mut times = histogram();
    loop {
        let started = Instant::now();
        plugin.call(&command, &arguments).await?;
        let ended = Instant::now();
        let nanoseconds = u64::try_from((ended - started).as_nanos()).unwrap_or(u64::MAX);
        times.saturating_record(nanoseconds);
        if ended >= deadline {
            return Ok(times);
        }
        // A command that never waits is done at its first poll, and the other callers want their turn; giving way
        // takes several times as long as a small command, so not after each.
        if times.len().is_multiple_of(CALLS_PER_TURN) {
            tokio::task::yield_now().await;
        }
    }
}

/// Nanoseconds up to a minute, to three digits: 200 KiB, whatever the number of calls.
#[expect(clippy::expect_used, reason = "the bounds are constants that the library takes")]
fn histogram() -> Histogram<u64> {
    const MINUTE: u64 = 60_000_000_000;
    Histogram::new_with_bounds(1, MINUTE, 3).expect("bounds are in order")
}

#[expect(clippy::cast_precision_loss, reason = "a count of calls stays far below 2^53")]
fn rate(calls: u64, elapsed: Duration) -> f64 {
    calls as f64 / elapsed.as_secs_f64().max(f64::EPSILON)
}

/// Three digits after the point are more than a clock can tell.
fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

impl Latency {
    #[expect(clippy::cast_precision_loss, reason = "a minute of nanoseconds is below 2^53")]
    fn of(times: &Histogram<u64>) -> Self {
        let us = |nanoseconds: u64| rounded(nanoseconds as f64 / 1_000.0);
        let quantile = |quantile| us(times.value_at_quantile(quantile));
        Self {
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: us(times.max()),
        }
    }
}

impl Answer for Benched {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let Measured {
            calls,
            duration_ms,
            rate_per_s,
            latency_us,
            fuel,
            memory_bytes,
            ..
        } = &self.now;
        writeln!(
            out,
            "{}",
            style::heading(Visible(format!("{} {}", self.now.plugin, self.now.command)))
        )?;
        writeln!(
            out,
            "  calls    {calls} in {duration_ms} ms, {} at once",
            self.now.concurrency
        )?;
        writeln!(out, "  rate     {rate_per_s:.0} per second")?;
        let Latency {
            p50,
            p90,
            p99,
            p999,
            max,
        } = latency_us;
        writeln!(
            out,
            "  latency  p50 {p50} µs, p90 {p90} µs, p99 {p99} µs, p99.9 {p999} µs, max {max} µs"
        )?;
        writeln!(out, "  fuel     {fuel}")?;
        writeln!(out, "  memory   {memory_bytes} bytes")?;
        self.compared.iter().try_for_each(|compared| compared.write(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_microseconds() {
        let mut times = histogram();
        (1..=1000).for_each(|us| times.saturating_record(us * 1_000));
        let latency = Latency::of(&times);
        assert!((latency.p50 - 500.0).abs() < 1.0, "{latency:?}");
        assert!((latency.p99 - 990.0).abs() < 1.0, "{latency:?}");
    }
}
