//! `call`.

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Args;
use palisade::{CallError, LogRecord, LogSink, MemoryLog, Output, Plugin, Receipt, Recording};
use palisade_bundle::Visible;
use palisade_signer::input::{Input, Kind, read_file};
use palisade_signer::output::{self, Audience, Existing};
use palisade_signer::{Bytes, Conclusion, Failure, Format, HostError, Surroundings, Terminal, UsageError, style};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::data_dir::DataDirOption;
use crate::operate::{Installed, InstalledCall, Reference};
use crate::plugin_options::{PluginOptions, Prepared, Purpose};

/// A recording holds every response of a command, base64.
const RECORDING: Kind = Kind::new("recording", 1024 * 1024 * 1024);

/// `call`.
#[derive(Args, Debug)]
pub(crate) struct Call {
    #[command(flatten)]
    plugin: PluginOptions,

    #[command(flatten)]
    data: DataDirOption,

    /// The command
    command: String,

    /// Its arguments, JSON for most commands; - reads them from standard input
    #[arg(value_name = "ARGS", conflicts_with = "input_file", allow_negative_numbers = true)]
    args: Option<String>,

    /// Read the arguments from FILE
    #[arg(long, value_name = "FILE")]
    input_file: Option<Input>,

    /// Call it N times; the last answer is printed
    #[arg(long, value_name = "N", default_value = "1", hide_default_value = true)]
    repeat: NonZeroU32,

    /// Keep everything the command hears from outside, host calls, random numbers and clocks, in FILE
    #[arg(long, value_name = "FILE", conflicts_with_all = ["replay", "repeat"])]
    record: Option<PathBuf>,

    /// Let the command hear what was recorded in FILE, and reach nothing: same answer, same fuel
    #[arg(long, value_name = "FILE", conflicts_with = "repeat")]
    replay: Option<PathBuf>,

    /// Print the receipt on standard error: fuel, memory, time, bytes
    #[arg(long)]
    stats: bool,
}

#[derive(Serialize)]
struct Called<'a> {
    status: &'static str,
    result: Box<RawValue>,
    receipt: &'a Receipt,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logs: Vec<Value>,
}

impl Call {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let arguments = self.arguments()?;
        if let Reference::Installed(installed) = Reference::of(&self.plugin.bundle) {
            return self.call_installed(&installed, &arguments, surroundings, terminal);
        }
        let replayed = self.replay.as_deref().map(recording).transpose()?;
        if self.record.is_some() && self.plugin.powers.maps_folders() {
            let message = "what a plugin reads from folders is not on a recording, so it could not be played back";
            return Err(UsageError::new("--record", message).into());
        }
        let writes: Vec<_> = self.record.iter().map(PathBuf::as_path).collect();
        let prepared = self.plugin.prepare(&writes, surroundings, terminal)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(HostError::Threads)?;
        runtime.block_on(self.call(&arguments, prepared, replayed.as_ref(), terminal))
    }

    async fn call(
        &self,
        arguments: &[u8],
        prepared: Prepared,
        replayed: Option<&Recording>,
        terminal: &mut Terminal,
    ) -> Result<Conclusion, Failure> {
        let kept = Arc::new(MemoryLog::new());
        let log: Arc<dyn LogSink> = match terminal.format() {
            Format::Json => Arc::clone(&kept) as _,
            Format::People => Arc::new(StderrLog),
        };
        let purpose = match replayed {
            Some(_) => Purpose::Replay,
            None => Purpose::Live,
        };
        let loaded = self.plugin.load(prepared, log, purpose, terminal).await;
        let plugin = loaded.map_err(|failure| with_logs(failure, &kept))?;
        let id = plugin.manifest().id.to_string();
        let called = match (replayed, &self.record) {
            (Some(recording), _) => plugin
                .replay(recording, &self.command, arguments)
                .await
                .map_err(Failure::from),
            (None, Some(path)) => self.recorded(&plugin, arguments, path).await,
            (None, None) => self.repeated(&plugin, arguments, terminal).await.map_err(Failure::from),
        };
        let closed = plugin.close().await;
        let output = called.map_err(|failure| with_logs(failure.about_plugin(id), &kept))?;
        if let Err(error) = closed {
            terminal.warn(format_args!(
                "the plugin did not end in order: {}",
                Visible(error.to_string())
            ));
        }
        answer(&output, logs_of(&kept), terminal)
    }

    /// Calls a plugin of the data directory, as its operator set it up.
    fn call_installed(
        &self,
        installed: &Installed,
        arguments: &[u8],
        surroundings: &Surroundings,
        terminal: &mut Terminal,
    ) -> Result<Conclusion, Failure> {
        if self.record.is_some() || self.replay.is_some() {
            let message = "a recording is of a bundle file, not of an installed plugin";
            return Err(UsageError::new("REF", message).into());
        }
        let call = InstalledCall {
            installed,
            command: &self.command,
            arguments,
            repeat: self.repeat,
        };
        let needs = self.plugin.of_installed(self.data.path(surroundings)?, surroundings)?;
        let called = call.run(needs, surroundings, terminal);
        let called = called.map_err(|failure| self.plugin.explain(failure))?;
        if self.stats && terminal.format() == Format::People {
            show_receipt(called.output.receipt(), &called.fuel, self.repeat, terminal);
        }
        answer(&called.output, called.logs, terminal)
    }

    /// Calls once and keeps what the command heard.
    async fn recorded(&self, plugin: &Plugin, arguments: &[u8], path: &Path) -> Result<Output, Failure> {
        let (output, recording) = plugin.record(&self.command, arguments).await?;
        output::write(path, &recording.to_json(), Audience::Owner, Existing::Replace)?;
        Ok(output)
    }

    /// Calls as often as asked and returns the last answer.
    async fn repeated(&self, plugin: &Plugin, arguments: &[u8], terminal: &mut Terminal) -> Result<Output, CallError> {
        let mut fuel = FuelRange::default();
        let mut output = plugin.call(&self.command, arguments).await?;
        fuel.add(output.receipt());
        for _ in 1..self.repeat.get() {
            output = plugin.call(&self.command, arguments).await?;
            fuel.add(output.receipt());
        }
        if self.stats && terminal.format() == Format::People {
            show_receipt(output.receipt(), &fuel, self.repeat, terminal);
        }
        Ok(output)
    }

    fn arguments(&self) -> Result<Vec<u8>, Failure> {
        let input = match (&self.args, &self.input_file) {
            (Some(text), _) if text == "-" => &Input::Stdin,
            (Some(text), _) => return Ok(text.clone().into_bytes()),
            (None, Some(input)) => input,
            (None, None) => return Ok(Vec::new()),
        };
        if *input == Input::Stdin && self.plugin.bundle == Input::Stdin {
            let message = "standard input cannot be the bundle and the arguments at once";
            return Err(UsageError::new("ARGS", message).into());
        }
        Ok(input.read(Kind::ARGUMENTS)?)
    }
}

/// Tells what the plugin said.
fn answer(output: &Output, logs: Vec<Value>, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
    match terminal.format() {
        Format::People => terminal.plugin_bytes(output.bytes())?,
        Format::Json => terminal.json_line(&Called {
            status: "success",
            result: json_of(output.bytes())?,
            receipt: output.receipt(),
            logs,
        })?,
    }
    Ok(Conclusion::Done)
}

/// Reads what `--record` wrote.
fn recording(path: &Path) -> Result<Recording, Failure> {
    let json = read_file(path, RECORDING)?;
    Ok(Recording::from_json(&json)?)
}

/// The reply as JSON, its numbers as they were written; bytes that are none become `{"base64": …}`, nothing becomes null.
pub(crate) fn json_of(bytes: &[u8]) -> Result<Box<RawValue>, Failure> {
    let value = match serde_json::from_slice(bytes) {
        Ok(reply) => return Ok(reply),
        Err(_) if bytes.is_empty() => Value::Null,
        Err(_) => json!({ "base64": BASE64.encode(bytes) }),
    };
    Ok(to_raw_value(&value).map_err(HostError::Answer)?)
}

/// In JSON mode standard error is one problem object, so what the plugin logged travels in it.
pub(crate) fn with_logs(failure: Failure, kept: &MemoryLog) -> Failure {
    match logs_of(kept) {
        logs if logs.is_empty() => failure,
        logs => failure.with_detail("logs", logs),
    }
}

pub(crate) fn logs_of(kept: &MemoryLog) -> Vec<Value> {
    let lines = kept.take().into_iter();
    lines
        .map(|line| json!({ "level": line.level.as_str(), "source": line.source, "text": line.text }))
        .collect()
}

/// Shows log lines as they come.
#[derive(Debug)]
struct StderrLog;

impl LogSink for StderrLog {
    fn write(&self, record: &LogRecord<'_>) {
        let line = format!("{:>5} {}\n", record.level.as_str(), Visible(record.text));
        // Nobody to tell when standard error is closed.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}

/// The least and the most fuel of several calls: one number when the plugin's work is the same every time.
#[derive(Default)]
pub(crate) struct FuelRange(Option<(u64, u64)>);

impl FuelRange {
    pub(crate) fn add(&mut self, receipt: &Receipt) {
        let fuel = receipt.fuel;
        let (least, most) = self.0.unwrap_or((fuel, fuel));
        self.0 = Some((least.min(fuel), most.max(fuel)));
    }
}

fn show_receipt(receipt: &Receipt, fuel: &FuelRange, repeat: NonZeroU32, terminal: &mut Terminal) {
    let made = receipt.host_calls.iter().zip(receipt.host_calls.bytes());
    let host_calls: Vec<_> = made
        .map(|((name, count), (_, bytes))| format!("{name} {count} ({})", Bytes(bytes)))
        .collect();
    terminal.note(style::heading("receipt"));
    match fuel.0 {
        Some((least, most)) if least != most => {
            terminal.note(format_args!(
                "  fuel     {} (from {least} to {most} in {repeat} calls)",
                receipt.fuel
            ));
        }
        _ if repeat.get() > 1 => {
            terminal.note(format_args!(
                "  fuel     {} (the same in all {repeat} calls)",
                receipt.fuel
            ));
        }
        _ => terminal.note(format_args!("  fuel     {}", receipt.fuel)),
    }
    terminal.note(format_args!("  memory   {}", Bytes(receipt.peak_memory_bytes)));
    terminal.note(format_args!("  time     {:?}", receipt.duration));
    terminal.note(format_args!(
        "  bytes    {} in, {} out",
        receipt.bytes_in, receipt.bytes_out
    ));
    if !host_calls.is_empty() {
        terminal.note(format_args!("  calls    {}", host_calls.join(", ")));
    }
    terminal.note(format_args!("  digest   sha256:{}", receipt.digest));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_json_or_base64_or_nothing() {
        let json = |bytes: &[u8]| json_of(bytes).unwrap().get().to_owned();
        assert_eq!(
            json(br#"{"a": 1.10, "b": 123456789012345678901234567890}"#),
            r#"{"a": 1.10, "b": 123456789012345678901234567890}"#
        );
        assert_eq!(json(b"\xff\x00"), r#"{"base64":"/wA="}"#);
        assert_eq!(json(b""), "null");
    }
}
