//! WASI preview 1 with nothing given but folders: no arguments, environment or input. Output goes to the log.

mod accounts;
mod contents;
mod descriptors;
mod directories;
mod files;
mod measure;
mod names;
mod preview1;
mod quota;
mod transfer;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use palisade_bundle::Permission;
use tokio::io::AsyncWrite;
use wasmtime::{Caller, Linker};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::filesystem::WasiFilesystemView as _;
use wasmtime_wasi::p1::wasi_snapshot_preview1::add_to_linker;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

pub(super) use self::accounts::Accounts;
pub(super) use self::directories::Directories;
pub use self::directories::DirectoryError;
pub(super) use self::files::Wasi;
use super::host::{Host, PluginLinker};
use super::log::{LINE_BYTES, SharedLog};
use super::memory::GuestMemory;
use super::meter::FUEL_PER_BYTE;
use super::powers::Powers;
use super::tape::Tape;
use super::trap::{AbiBreach, ImportMisused};
#[cfg(feature = "developer")]
use crate::limits::Limits;
use crate::services::{Clock, LogSource};

/// Module name of WASI preview 1.
pub(super) const MODULE: &str = "wasi_snapshot_preview1";

/// Guests see clocks at this resolution: finer ones help to spy on neighbours through caches.
const CLOCK_RESOLUTION: Duration = Duration::from_millis(1);

/// `errno::inval` of WASI preview 1.
const INVALID: i32 = 28;

/// Bytes of random numbers one call may ask for; the same as `getentropy` and more than any seed.
const RANDOM_BYTES: u32 = 64 * 1024;

/// Random bytes fetched from the operating system at a time.
const RANDOM_CHUNK_BYTES: usize = 4096;

/// Price of a random byte beyond that of a byte moved: the kernel's generator takes about a nanosecond for one.
const FUEL_PER_RANDOM_BYTE: u64 = 8 * FUEL_PER_BYTE;

/// Adds WASI preview 1 to what plugins are linked against.
pub(super) fn link(linker: &mut PluginLinker) -> wasmtime::Result<()> {
    link_any(linker, Host::wasi)?;
    linker.allow_shadowing(true);
    linker.func_wrap(MODULE, "random_get", random_get)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Adds WASI preview 1 to a linker of any kind.
pub(super) fn link_any<T: Send + 'static>(
    linker: &mut Linker<T>,
    wasi: impl Fn(&mut T) -> &mut Wasi + Copy + Send + Sync + 'static,
) -> wasmtime::Result<()> {
    add_to_linker(linker, wasi)
}

/// A plugin's WASI: its folders, a log, slow clocks and random numbers.
pub(super) fn of_plugin(log: &SharedLog, clocks: Clocks, powers: &Powers) -> Wasi {
    let mut context = WasiCtxBuilder::new()
        .stdout(LogStream::new(log, LogSource::Stdout))
        .stderr(LogStream::new(log, LogSource::Stderr))
        .wall_clock(clocks.clone())
        .monotonic_clock(clocks)
        .build_p1();
    *context.filesystem().ctx = powers.directories.preopened();
    Wasi::new(context, Arc::clone(&powers.directories), powers.limits.open_files)
}

/// The WASI of a command module, with whatever `builder` has, and folders.
#[cfg(feature = "developer")]
pub(super) fn of_command(builder: &mut WasiCtxBuilder, directories: Directories) -> Wasi {
    let mut context = builder.build_p1();
    *context.filesystem().ctx = directories.preopened();
    Wasi::new(context, Arc::new(directories), Limits::DEFAULT.open_files)
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
        caller.data().tape.random(bytes)?;
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

/// The guest's clocks: the host's, starting at zero with the instance, at [`CLOCK_RESOLUTION`] unless granted better.
#[derive(Clone, Debug)]
pub(super) struct Clocks {
    clock: Arc<dyn Clock>,
    resolution: Duration,
    tape: Tape,
    /// Read by the first use, because most commands read no clock.
    start: Arc<std::sync::OnceLock<Instant>>,
}

impl Clocks {
    /// The clocks of a plugin.
    pub(super) fn new(powers: &Powers, tape: &Tape) -> Self {
        let resolution = match powers.check(&Permission::ClockPrecise) {
            Ok(()) => Duration::from_nanos(1),
            Err(_) => CLOCK_RESOLUTION,
        };
        Self {
            clock: Arc::clone(&powers.services.clock),
            resolution,
            tape: tape.clone(),
            start: Arc::default(),
        }
    }

    /// The clocks of a module that nobody admitted.
    #[cfg(feature = "developer")]
    pub(super) fn coarse(clock: &Arc<dyn Clock>) -> Self {
        Self {
            clock: Arc::clone(clock),
            resolution: CLOCK_RESOLUTION,
            tape: Tape::default(),
            start: Arc::default(),
        }
    }

    fn rounded(&self, time: Duration) -> u64 {
        let time = nanoseconds(time);
        time - time % nanoseconds(self.resolution).max(1)
    }
}

impl HostMonotonicClock for Clocks {
    fn resolution(&self) -> u64 {
        nanoseconds(self.resolution)
    }

    fn now(&self) -> u64 {
        self.tape.monotonic(|| {
            let now = self.clock.now();
            let start = self.start.get_or_init(|| now);
            self.rounded(now.duration_since(*start))
        })
    }
}

impl HostWallClock for Clocks {
    fn resolution(&self) -> Duration {
        self.resolution
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.tape.wall(|| {
            let since = self.clock.wall().duration_since(SystemTime::UNIX_EPOCH);
            self.rounded(since.unwrap_or_default())
        }))
    }
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
