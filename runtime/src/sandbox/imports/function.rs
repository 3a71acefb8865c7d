//! `host_call`: functions of the host application, each behind its own permission.

use palisade_bundle::Code;

use super::super::host::PluginLinker;
use super::HostCallError;
use super::offer::{Answer, Offered, Outcome, Request, Span, text};
use crate::receipt::HostCall;
use crate::services::HostFunctions;

/// Longest `area:action`: two words of 64 bytes.
const NAME_BYTES: u64 = 129;

pub(super) fn link(linker: &mut PluginLinker) -> wasmtime::Result<()> {
    Offered {
        call: HostCall::Function,
        permission: None,
        most_bytes: |powers| powers.limits.args_bytes.saturating_add(NAME_BYTES),
        read: |(name, name_len, input, input_len): (i32, i32, i32, i32)| {
            ([Span::new(name, name_len), Span::new(input, input_len)], ())
        },
        work: |request| Box::pin(call(request)),
    }
    .link(linker)
}

async fn call(request: Request<2, ()>) -> Outcome {
    let powers = &request.powers;
    let [name, input] = request.bytes;
    let name = text(name, "name")?;
    let permission = HostFunctions::permission(&name)?;
    powers.check(&permission)?;
    let answer = powers
        .services
        .functions
        .call(&permission, powers.plugin_id().clone(), input);
    let Some(answer) = answer else {
        let missing = HostCallError::new(Code::NotFound, format!("the host has no function `{name}`"));
        return Err(missing.with("kind", "function").with("name", name));
    };
    let answer = answer.await.map_err(HostCallError::foreign)?;
    let (actual_bytes, limit_bytes) = (
        u64::try_from(answer.len()).unwrap_or(u64::MAX),
        powers.limits.output_bytes,
    );
    if actual_bytes > limit_bytes {
        let too_large = format!("an answer of {actual_bytes} bytes, and {limit_bytes} are allowed");
        return Err(HostCallError::new(Code::PayloadTooLarge, too_large)
            .with("actual_bytes", actual_bytes)
            .with("limit_bytes", limit_bytes));
    }
    Ok(Answer::bytes(answer))
}
