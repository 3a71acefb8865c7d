//! `system_info`: what a plugin may learn about the host.

use palisade_abi::SystemInfo;
use palisade_bundle::Permission;

use super::super::host::PluginLinker;
use super::offer::{Answer, Offered};
use crate::receipt::HostCall;

pub(super) fn link(linker: &mut PluginLinker) -> wasmtime::Result<()> {
    Offered {
        call: HostCall::SystemInfo,
        permission: Some(Permission::SystemInfo),
        most_bytes: |_| 0,
        read: |()| ([], ()),
        work: |_: super::offer::Request<0, ()>| Box::pin(std::future::ready(Ok(Answer::bytes(info())))),
    }
    .link(linker)
}

fn info() -> Vec<u8> {
    let info = SystemInfo {
        host_version: env!("CARGO_PKG_VERSION").to_owned(),
        abi_version: format!("{}.{}", palisade_abi::VERSION_MAJOR, palisade_abi::VERSION_MINOR),
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
    };
    serde_json::to_vec(&info).unwrap_or_default()
}
