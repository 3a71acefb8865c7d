//! `state_get` and `state_set`: one JSON record per plugin, granted to everyone.

use palisade_bundle::Permission;

use super::super::host::PluginLinker;
use super::offer::{Answer, Offered, Outcome, Request, Span, check_json};
use crate::receipt::HostCall;
use crate::services::MAX_VALUE_BYTES;

/// The largest record.
const MOST_BYTES: u64 = MAX_VALUE_BYTES as u64;

pub(super) fn link(linker: &mut PluginLinker) -> wasmtime::Result<()> {
    let get = Offered {
        call: HostCall::StateGet,
        permission: Some(Permission::StateRead),
        most_bytes: |_| 0,
        read: |()| ([], ()),
        work: |request| Box::pin(get(request)),
    };
    get.link(linker)?;
    let set = Offered {
        call: HostCall::StateSet,
        permission: Some(Permission::StateWrite),
        most_bytes: |_| MOST_BYTES,
        read: |(address, length): (i32, i32)| ([Span::new(address, length)], ()),
        work: |request| Box::pin(set(request)),
    };
    set.link(linker)
}

async fn get(request: Request<0, ()>) -> Outcome {
    let powers = &request.powers;
    Ok(Answer::found(powers.services.storage.state(&powers.namespace).await?))
}

async fn set(request: Request<1, ()>) -> Outcome {
    let powers = &request.powers;
    powers.check_state_write()?;
    let [record] = request.bytes;
    let record = match record.is_empty() {
        true => None,
        false => {
            check_json(&record, "state record")?;
            Some(record)
        }
    };
    powers.shares.state.note();
    let set = powers.services.storage.set_state(&powers.namespace, record).await;
    powers.shares.state.note();
    set?;
    Ok(Answer::default())
}
