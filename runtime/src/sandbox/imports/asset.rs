//! `asset_get`: a file of the plugin's own bundle. Needs no permission: it is the plugin's own, and was verified.

use palisade_bundle::Code;

use super::super::host::PluginLinker;
use super::HostCallError;
use super::offer::{Answer, Offered, Outcome, Request, Span, text};
use crate::receipt::HostCall;

/// Longest path in a bundle (bundle.md, "Container profile").
const PATH_BYTES: u64 = 200;

pub(super) fn link(linker: &mut PluginLinker) -> wasmtime::Result<()> {
    Offered {
        call: HostCall::AssetGet,
        permission: None,
        most_bytes: |_| PATH_BYTES,
        read: |(path, path_len): (i32, i32)| ([Span::new(path, path_len)], ()),
        work: |request| Box::pin(std::future::ready(get(request))),
    }
    .link(linker)
}

fn get(request: Request<1, ()>) -> Outcome {
    let [path] = request.bytes;
    let (path, limit_bytes) = (text(path, "path")?, request.powers.limits.output_bytes);
    match request.powers.asset_bytes(&path) {
        Some(actual_bytes) if actual_bytes > limit_bytes => Err(HostCallError::new(
            Code::PayloadTooLarge,
            format!("a file of {actual_bytes} bytes, and {limit_bytes} can be handed over"),
        )
        .with("actual_bytes", actual_bytes)
        .with("limit_bytes", limit_bytes)),
        Some(_) => Ok(Answer::found(request.powers.asset(&path))),
        None => Ok(Answer::found(None)),
    }
}
