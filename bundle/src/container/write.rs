//! The writer: names and data in, the one form out.

use flate2::{Compress, Compression, FlushCompress, Status};

use super::name::{check_name, check_names};
use super::read::check_order;
use super::record::{local_header, tail_bytes, too_large};
use super::{
    Entry, MANIFEST_PATH, MAX_ENTRIES, MAX_RATIO, Method, RATIO_EXEMPT_BYTES, SIGNATURE_PATH, StructureError,
    StructureReason, check_size, check_total,
};

/// The best deflate offers: a bundle is packed once and fetched often.
const LEVEL: u32 = 9;

/// Writes the container with these entries, whatever order they come in.
///
/// The same names and data give the same bytes on every machine. Data is deflated when that makes it smaller and not
/// suspiciously small, else stored. The size of the whole is for the caller to check.
///
/// # Errors
///
/// The first rule of the container profile that these entries break.
pub fn write<N: AsRef<str>, B: AsRef<[u8]>>(entries: &[(N, B)]) -> Result<Vec<u8>, StructureError> {
    if entries.len() > MAX_ENTRIES {
        let reason = StructureReason::TooManyEntries {
            actual: entries.len(),
            limit: MAX_ENTRIES,
        };
        return Err(StructureError::whole(reason));
    }
    let mut entries: Vec<(&str, &[u8])> = entries
        .iter()
        .map(|(name, data)| (name.as_ref(), data.as_ref()))
        .collect();
    entries.sort_by_key(|(name, _)| (place(name), *name));
    let mut bytes = Vec::new();
    let mut written = Vec::with_capacity(entries.len());
    let mut total_bytes: u64 = 0;
    for (name, data) in entries {
        let entry = write_entry(name, data, &mut bytes)?;
        total_bytes = total_bytes.saturating_add(entry.size_bytes);
        check_total(total_bytes)?;
        written.push(entry);
    }
    check_names(&written)?;
    check_order(&written)?;
    bytes.extend_from_slice(&tail_bytes(&written)?);
    Ok(bytes)
}

fn place(name: &str) -> u8 {
    match name {
        SIGNATURE_PATH => 0,
        MANIFEST_PATH => 1,
        _ => 2,
    }
}

pub(super) fn write_entry(name: &str, data: &[u8], bytes: &mut Vec<u8>) -> Result<Entry, StructureError> {
    check_name(name.as_bytes())
        .map_err(|fault| StructureError::of(name.escape_default().to_string(), StructureReason::Name { fault }))?;
    let size_bytes = u64::try_from(data.len()).map_err(|_| too_large())?;
    // Before the work of deflating it; stored, because the ratio is for the packer to keep.
    check_size(name, size_bytes, size_bytes)?;
    let deflated = if name == SIGNATURE_PATH { None } else { deflate(data) };
    let (method, packed) = match &deflated {
        Some(deflated) => (Method::Deflated, deflated.as_slice()),
        None => (Method::Stored, data),
    };
    let mut entry = Entry {
        name: name.to_owned(),
        method,
        crc32: crc32fast::hash(data),
        packed_bytes: u64::try_from(packed.len()).map_err(|_| too_large())?,
        size_bytes,
        header_start: u64::try_from(bytes.len()).map_err(|_| too_large())?,
        data: 0..0,
    };
    bytes.extend_from_slice(&local_header(&entry)?);
    let data_start = bytes.len();
    bytes.extend_from_slice(packed);
    entry.data = data_start..bytes.len();
    Ok(entry)
}

/// Deflates `data`; `None` when the result is not smaller, or so small that a reader takes it for a bomb.
fn deflate(data: &[u8]) -> Option<Vec<u8>> {
    let mut stream = Compress::new(Compression::new(LEVEL), false);
    // Room for one byte less than the data: a result that does not fit is not wanted.
    let mut packed = Vec::with_capacity(data.len().checked_sub(1)?);
    if stream.compress_vec(data, &mut packed, FlushCompress::Finish).ok()? != Status::StreamEnd {
        return None;
    }
    let packed_bytes = u64::try_from(packed.len()).ok()?;
    let size_bytes = u64::try_from(data.len()).ok()?;
    let is_bomb = size_bytes > RATIO_EXEMPT_BYTES && size_bytes > packed_bytes.saturating_mul(MAX_RATIO);
    (!is_bomb && packed_bytes < size_bytes).then_some(packed)
}
