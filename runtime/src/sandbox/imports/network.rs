//! `http_request` as plugins are offered it; what it may reach is decided in `http/`.

use super::super::host::PluginLinker;
use super::offer::{Answer, Offered, Outcome, Request, Span};
use crate::receipt::HostCall;

/// Most bytes of a head: a URL and headers, JSON, each bounded by itself to less.
const HEAD_BYTES: u64 = 256 * 1024;

pub(super) fn link(linker: &mut PluginLinker) -> wasmtime::Result<()> {
    Offered {
        call: HostCall::HttpRequest,
        // The URL decides which one it takes.
        permission: None,
        most_bytes: |powers| powers.limits.request_bytes.saturating_add(HEAD_BYTES),
        read: |(head, head_len, body, body_len): (i32, i32, i32, i32)| {
            ([Span::new(head, head_len), Span::new(body, body_len)], ())
        },
        work: |request| Box::pin(send(request)),
    }
    .link(linker)
}

async fn send(request: Request<2, ()>) -> Outcome {
    let [head, body] = request.bytes;
    Ok(Answer::bytes(request.powers.network.request(&head, body).await?))
}
