//! `log`: granted to everyone, bounded by the log limits.

use palisade_abi::{IMPORT_MODULE, Level, import};
use palisade_bundle::Permission;
use wasmtime::Caller;

use super::super::host::{Host, PluginLinker};
use super::super::log::LINE_BYTES;
use super::super::trap::{AbiBreach, ImportMisused};
use super::super::wasi::memory_of;
use crate::receipt::HostCall;

/// Most bytes of one message that are looked at; what is longer is cut off, as in a line.
const MESSAGE_BYTES: usize = 10 * LINE_BYTES;

pub(super) fn link(linker: &mut PluginLinker) -> wasmtime::Result<()> {
    linker.func_wrap(IMPORT_MODULE, import::LOG, log)?;
    Ok(())
}

fn log(mut caller: Caller<'_, Host>, level: i32, address: i32, length: i32) -> wasmtime::Result<()> {
    let host = caller.data_mut();
    host.calls.count(HostCall::Log, u64::from(length.cast_unsigned()));
    host.meter.owe_host_call();
    if let Err(refused) = host.powers.check(&Permission::LogWrite) {
        host.tell_denied(&refused, import::LOG);
        return Ok(());
    }
    let level = Level::try_from(level).unwrap_or(Level::Error);
    let memory = memory_of(&mut caller)?;
    let (address, length) = (address.cast_unsigned(), length.cast_unsigned());
    let text = memory
        .read(&caller, address, length)
        .map_err(|range| misused(range.into()))?;
    let text = text.get(..MESSAGE_BYTES).unwrap_or(text);
    caller.data().log.say(level, text);
    Ok(())
}

fn misused(breach: AbiBreach) -> wasmtime::Error {
    ImportMisused {
        import: import::LOG,
        breach,
    }
    .into()
}
