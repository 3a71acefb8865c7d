//! The host functions of module `palisade_v1`: one file per capability, and the only place a grant is checked.

mod log;

use super::host::PluginLinker;

/// Adds every host function to what plugins are linked against.
pub(super) fn link(linker: &mut PluginLinker) -> wasmtime::Result<()> {
    log::link(linker)
}
