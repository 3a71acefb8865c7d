//! `result_take`: hands out what the last host call answered, so that the host never enters a guest to ask for room.

use palisade_abi::{IMPORT_MODULE, import};
use wasmtime::Caller;

use super::super::host::{Host, PluginLinker};
use super::super::trap::ImportMisused;
use super::super::wasi::memory_of;

pub(super) fn link(linker: &mut PluginLinker) -> wasmtime::Result<()> {
    linker.func_wrap(IMPORT_MODULE, import::RESULT_TAKE, take)?;
    Ok(())
}

fn take(mut caller: Caller<'_, Host>, address: i32, capacity: i32) -> wasmtime::Result<i32> {
    let host = caller.data_mut();
    host.meter.owe_host_call();
    let result = host.result.take().unwrap_or_default();
    let memory = memory_of(&mut caller)?;
    let capacity = usize::try_from(capacity.cast_unsigned()).unwrap_or(usize::MAX);
    let taken = result.get(..capacity).unwrap_or(&result);
    memory
        .write(&mut caller, address.cast_unsigned(), taken)
        .map_err(|range| ImportMisused {
            import: import::RESULT_TAKE,
            breach: range.into(),
        })?;
    Ok(i32::try_from(taken.len()).unwrap_or(i32::MAX))
}
