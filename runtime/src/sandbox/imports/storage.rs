//! `storage_get`, `storage_put`, `storage_delete`, `storage_cas` and `storage_list`: a key-value namespace per plugin.

use std::time::{Duration, SystemTime};

use palisade_abi::KeyPage;
use palisade_bundle::Permission;

use super::super::host::PluginLinker;
use super::super::powers::Powers;
use super::HostCallError;
use super::offer::{Answer, Offered, Outcome, Request, Span, text};
use crate::event::EventKind;
use crate::receipt::HostCall;
use crate::services::{MAX_KEY_BYTES, MAX_PAGE_KEYS, MAX_VALUE_BYTES, StorageCondition, StorageWrite, StorageWritten};

/// More than a key may have, so that the storage tells of one that is too long.
const KEY_BYTES: u64 = 4 * MAX_KEY_BYTES as u64;

/// A key and a value, likewise.
const ENTRY_BYTES: u64 = KEY_BYTES + MAX_VALUE_BYTES as u64;

pub(super) fn link(linker: &mut PluginLinker) -> wasmtime::Result<()> {
    Offered {
        call: HostCall::StorageGet,
        permission: Some(Permission::StorageRead),
        most_bytes: |_| KEY_BYTES,
        read: |(key, key_len): (i32, i32)| ([Span::new(key, key_len)], ()),
        work: |request| Box::pin(get(request)),
    }
    .link(linker)?;
    Offered {
        call: HostCall::StoragePut,
        permission: Some(Permission::StorageWrite),
        most_bytes: |_| ENTRY_BYTES,
        read: |(key, key_len, value, value_len, ttl_ms): (i32, i32, i32, i32, i64)| {
            ([Span::new(key, key_len), Span::new(value, value_len)], ttl_ms)
        },
        work: |request| Box::pin(put(request)),
    }
    .link(linker)?;
    Offered {
        call: HostCall::StorageDelete,
        permission: Some(Permission::StorageDelete),
        most_bytes: |_| KEY_BYTES,
        read: |(key, key_len): (i32, i32)| ([Span::new(key, key_len)], ()),
        work: |request| Box::pin(delete(request)),
    }
    .link(linker)?;
    Offered {
        call: HostCall::StorageCas,
        permission: Some(Permission::StorageWrite),
        most_bytes: |_| 2 * ENTRY_BYTES,
        read: swap_arguments,
        work: |request| Box::pin(swap(request)),
    }
    .link(linker)?;
    Offered {
        call: HostCall::StorageList,
        permission: Some(Permission::StorageRead),
        most_bytes: |_| 2 * KEY_BYTES,
        read: |(prefix, prefix_len, after, after_len, limit): (i32, i32, i32, i32, i32)| {
            ([Span::new(prefix, prefix_len), Span::new(after, after_len)], limit)
        },
        work: |request| Box::pin(list(request)),
    }
    .link(linker)
}

/// How `storage_cas` is called: key, expected value, value, and how long it lasts.
type SwapParams = (i32, i32, i32, i32, i32, i32, i64);

/// Numbers of `storage_cas`.
struct Swap {
    expects_nothing: bool,
    ttl_ms: i64,
}

fn swap_arguments((key, key_len, expected, expected_len, value, value_len, ttl_ms): SwapParams) -> ([Span; 3], Swap) {
    let expects_nothing = expected_len == -1;
    let expected = match expects_nothing {
        true => Span::new(0, 0),
        false => Span::new(expected, expected_len),
    };
    let spans = [Span::new(key, key_len), expected, Span::new(value, value_len)];
    (
        spans,
        Swap {
            expects_nothing,
            ttl_ms,
        },
    )
}

async fn get(request: Request<1, ()>) -> Outcome {
    let powers = &request.powers;
    let [key] = request.bytes;
    let key = text(key, "key")?;
    Ok(Answer::found(
        powers.services.storage.get(&powers.namespace, &key).await?,
    ))
}

async fn put(request: Request<2, i64>) -> Outcome {
    let powers = &request.powers;
    let [key, value] = request.bytes;
    let write = StorageWrite {
        key: text(key, "key")?,
        value: Some(value),
        condition: StorageCondition::Always,
        expires: expiry(powers, request.rest)?,
    };
    Ok(Answer::yes(change(powers, write).await?.existed))
}

async fn delete(request: Request<1, ()>) -> Outcome {
    let powers = &request.powers;
    let [key] = request.bytes;
    let write = StorageWrite {
        key: text(key, "key")?,
        value: None,
        condition: StorageCondition::Always,
        expires: None,
    };
    Ok(Answer::yes(change(powers, write).await?.existed))
}

async fn swap(request: Request<3, Swap>) -> Outcome {
    let powers = &request.powers;
    let [key, expected, value] = request.bytes;
    let write = StorageWrite {
        key: text(key, "key")?,
        value: Some(value),
        condition: match request.rest.expects_nothing {
            true => StorageCondition::Absent,
            false => StorageCondition::Equals(expected),
        },
        expires: expiry(powers, request.rest.ttl_ms)?,
    };
    Ok(Answer::yes(change(powers, write).await?.applied))
}

async fn list(request: Request<2, i32>) -> Outcome {
    let powers = &request.powers;
    let [prefix, after] = request.bytes;
    let (prefix, after) = (text(prefix, "prefix")?, text(after, "key")?);
    let limit = usize::try_from(request.rest).unwrap_or(0).min(MAX_PAGE_KEYS);
    let page = powers.services.storage.list(&powers.namespace, &prefix, &after, limit);
    let page = page.await?;
    let page = KeyPage {
        keys: page.keys,
        more: page.more,
    };
    Ok(Answer::bytes(serde_json::to_vec(&page).unwrap_or_default()))
}

async fn change(powers: &Powers, write: StorageWrite) -> Result<StorageWritten, HostCallError> {
    let quota = powers.storage_quota();
    let written = powers.services.storage.write(&powers.namespace, write, quota).await?;
    if powers.shares.storage_crossed(written.usage.bytes, quota.bytes) {
        powers.tell(EventKind::ResourceThreshold {
            resource: "storage",
            used: written.usage.bytes,
            limit: quota.bytes,
        });
    }
    Ok(written)
}

/// When something put now is gone; 0 is never.
fn expiry(powers: &Powers, ttl_ms: i64) -> Result<Option<SystemTime>, HostCallError> {
    let ttl = u64::try_from(ttl_ms).map_err(|_| HostCallError::argument("a time to live is not negative"))?;
    if ttl == 0 {
        return Ok(None);
    }
    let expires = powers.services.clock.wall().checked_add(Duration::from_millis(ttl));
    expires
        .map(Some)
        .ok_or_else(|| HostCallError::argument("this time to live ends after the end of time"))
}
