//! The host functions of module `palisade_v1`: one file per capability, and the only place a grant is checked.
//!
//! `offer` is how every call goes; a capability says what it needs, how its parameters are meant, and what it does.

mod asset;
mod bus;
mod failure;
mod function;
mod http;
mod log;
mod network;
mod offer;
mod result;
mod state;
mod storage;
mod system;

pub(super) use failure::HostCallError;
pub use http::MalformedSecret;
pub(super) use http::{Credential, Network, NetworkGrant, NetworkShares, RequestLimits};
pub(super) use offer::{Answer, Outcome};

use super::host::PluginLinker;

/// Adds every host function to what plugins are linked against.
pub(super) fn link(linker: &mut PluginLinker) -> wasmtime::Result<()> {
    log::link(linker)?;
    result::link(linker)?;
    state::link(linker)?;
    storage::link(linker)?;
    network::link(linker)?;
    asset::link(linker)?;
    bus::link(linker)?;
    system::link(linker)?;
    function::link(linker)
}
