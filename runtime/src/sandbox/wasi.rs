//! WASI preview 1 with nothing given: no arguments, environment, directories or input. Output goes to the log.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use tokio::io::AsyncWrite;
use wasmtime::{Caller, Linker};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p1::{WasiP1Ctx, add_to_linker_async};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

use super::host::{Host, PluginLinker};
use super::log::{LINE_BYTES, SharedLog};
use super::memory::GuestMemory;
use super::meter::FUEL_PER_BYTE;
use super::trap::{AbiBreach, ImportMisused};
use crate::services::{Clock, LogSource};

/// Module name of WASI preview 1.
pub(super) const MODULE: &str = "wasi_snapshot_preview1";

/// Guests see clocks at this resolution: finer ones help to spy on neighbours through caches.
const CLOCK_RESOLUTION: Duration = Duration::from_millis(1);

/// `errno::perm` of WASI preview 1.
const NOT_PERMITTED: i32 = 63;

/// `errno::inval` of WASI preview 1.
const INVALID: i32 = 28;

/// Bytes of random numbers one call may ask for; the same as `getentropy` and more than any seed.
const RANDOM_BYTES: u32 = 64 * 1024;

/// Random bytes fetched from the operating system at a time.
const RANDOM_CHUNK_BYTES: usize = 4096;

/// Price of a random byte beyond that of a byte moved: the kernel's generator takes about a nanosecond for one.
const FUEL_PER_RANDOM_BYTE: u64 = 8 * FUEL_PER_BYTE;

/// Whether a guest may make links and rename files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    Refused,
}

/// Adds WASI preview 1 to what plugins are linked against.
pub(super) fn link(linker: &mut PluginLinker, links: Links) -> wasmtime::Result<()> {
    add_to_linker_async(linker, Host::wasi)?;
    linker.allow_shadowing(true);
    linker.func_wrap(MODULE, "random_get", random_get)?;
    match links {
        Links::Refused => refuse_links(linker, Host::count_wasi_call)?,
    }
    linker.allow_shadowing(false);
    Ok(())
}

/// Replaces the functions that make links or rename with ones that answer "not permitted", each call counted.
pub(super) fn refuse_links<T: 'static>(linker: &mut Linker<T>, count: fn(&mut T)) -> wasmtime::Result<()> {
    let refuse = move |mut caller: Caller<'_, T>| {
        count(caller.data_mut());
        NOT_PERMITTED
    };
    linker.func_wrap(
        MODULE,
        "path_symlink",
        move |caller: Caller<'_, T>, _: i32, _: i32, _: i32, _: i32, _: i32| refuse(caller),
    )?;
    linker.func_wrap(
        MODULE,
        "path_rename",
        move |caller: Caller<'_, T>, _: i32, _: i32, _: i32, _: i32, _: i32, _: i32| refuse(caller),
    )?;
    linker.func_wrap(
        MODULE,
        "path_link",
        move |caller: Caller<'_, T>, _: i32, _: i32, _: i32, _: i32, _: i32, _: i32, _: i32| refuse(caller),
    )?;
    Ok(())
}

/// A context that gives a guest nothing but a log, slow clocks and random numbers.
pub(super) fn context(log: &SharedLog, clocks: &Clocks) -> WasiP1Ctx {
    WasiCtxBuilder::new()
        .stdout(LogStream::new(log, LogSource::Stdout))
        .stderr(LogStream::new(log, LogSource::Stderr))
        .wall_clock(clocks.clone())
        .monotonic_clock(clocks.clone())
        .build_p1()
}

/// Fills guest memory with random bytes from the operating system, each paid for.
fn random_get(mut caller: Caller<'_, Host>, address: i32, length: i32) -> wasmtime::Result<i32> {
    caller.data_mut().count_wasi_call();
    let memory = memory_of(&mut caller)?;
    let (address, length) = (address.cast_unsigned(), length.cast_unsigned());
    let wanted = u64::from(length);
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    memory
        .check(&caller, address, size)
        .map_err(|range| misused(range.into()))?;
    caller
        .data_mut()
        .meter
        .owe_bytes(wanted.saturating_mul(FUEL_PER_RANDOM_BYTE));
    if length > RANDOM_BYTES {
        return Ok(INVALID);
    }
    let mut chunk = [0; RANDOM_CHUNK_BYTES];
    let end = u64::from(address) + wanted;
    for start in (u64::from(address)..end).step_by(RANDOM_CHUNK_BYTES) {
        let length = usize::try_from(end - start)
            .unwrap_or(usize::MAX)
            .min(RANDOM_CHUNK_BYTES);
        let bytes = chunk.get_mut(..length).unwrap_or_default();
        getrandom::fill(bytes).map_err(|error| wasmtime::Error::new(RandomFailed(error)))?;
        let start = u32::try_from(start).unwrap_or(u32::MAX);
        memory
            .write(&mut caller, start, bytes)
            .map_err(|range| misused(range.into()))?;
    }
    Ok(0)
}

#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes: {0}")]
pub(super) struct RandomFailed(getrandom::Error);

fn misused(breach: AbiBreach) -> wasmtime::Error {
    ImportMisused {
        import: "random_get",
        breach,
    }
    .into()
}

/// The calling guest's memory; looked up by name only while a start function runs.
pub(super) fn memory_of(caller: &mut Caller<'_, Host>) -> wasmtime::Result<GuestMemory> {
    if let Some(memory) = caller.data().memory {
        return Ok(memory);
    }
    let memory = caller.get_export("memory").and_then(wasmtime::Extern::into_memory);
    memory
        .map(GuestMemory::new)
        .ok_or_else(|| wasmtime::format_err!("no exported memory"))
}

/// The guest's clocks: the host's, starting at zero with the instance, at [`CLOCK_RESOLUTION`].
#[derive(Clone, Debug)]
pub(super) struct Clocks {
    clock: Arc<dyn Clock>,
    /// Read by the first use, because most commands read no clock.
    start: Arc<std::sync::OnceLock<Instant>>,
}

impl Clocks {
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Self {
        Self {
            clock: Arc::clone(clock),
            start: Arc::default(),
        }
    }
}

impl HostMonotonicClock for Clocks {
    fn resolution(&self) -> u64 {
        nanoseconds(CLOCK_RESOLUTION)
    }

    fn now(&self) -> u64 {
        let now = self.clock.now();
        let start = self.start.get_or_init(|| now);
        nanoseconds(coarse(now.duration_since(*start)))
    }
}

impl HostWallClock for Clocks {
    fn resolution(&self) -> Duration {
        CLOCK_RESOLUTION
    }

    fn now(&self) -> Duration {
        coarse(
            self.clock
                .wall()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
        )
    }
}

fn coarse(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A standard stream that ends in the plugin's log.
#[derive(Clone)]
struct LogStream {
    log: SharedLog,
    source: LogSource,
}

impl LogStream {
    fn new(log: &SharedLog, source: LogSource) -> Self {
        Self {
            log: log.clone(),
            source,
        }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.log.print(self.source, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LINE_BYTES)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.log.print(self.source, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
