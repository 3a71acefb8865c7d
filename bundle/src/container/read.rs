//! The strict reader: from the end record to the rebuilt central directory.

use std::ops::Range;

use super::listing::compare_listing;
use super::name::{check_name, check_names};
use super::record::{DATE, END_RECORD_BYTES, END_SIGNATURE, Fields, LOCAL_SIGNATURE, VERSION_NEEDED, tail_bytes};
use super::{
    Entry, MANIFEST_PATH, MAX_ENTRIES, Method, SIGNATURE_PATH, StructureError, StructureReason, check_size, check_total,
};

/// What a bundle begins with.
#[derive(Clone, Debug)]
pub(crate) enum FirstEntry {
    /// The envelope is at `envelope`, the signed content begins at its end.
    Signature { envelope: Range<usize> },
    /// The manifest: the bundle is unsigned.
    Manifest,
}

/// Reads the fixed header of entry 0 and nothing else.
pub(crate) fn first_entry(bytes: &[u8]) -> Result<FirstEntry, StructureError> {
    let entry = local_entry(bytes, 0)?;
    match entry.name.as_str() {
        SIGNATURE_PATH => {
            check_signature_entry(&entry)?;
            Ok(FirstEntry::Signature { envelope: entry.data })
        }
        MANIFEST_PATH => Ok(FirstEntry::Manifest),
        _ => Err(StructureError::of(entry.name, StructureReason::ManifestMissing)),
    }
}

fn check_signature_entry(entry: &Entry) -> Result<(), StructureError> {
    if entry.method != Method::Stored {
        return Err(StructureError::of(&entry.name, StructureReason::SignatureCompressed));
    }
    check_size(&entry.name, entry.packed_bytes, entry.size_bytes)
}

/// Where the end record says the central directory is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tail {
    pub(crate) directory_start: usize,
    entries: usize,
}

/// Reads the end record: the last 22 bytes.
pub(crate) fn tail(bytes: &[u8]) -> Result<Tail, StructureError> {
    let refuse = StructureError::whole;
    let record_start = bytes.len().checked_sub(END_RECORD_BYTES);
    let record_start = record_start.ok_or_else(|| refuse(StructureReason::EndRecordMissing))?;
    let record = bytes.get(record_start..).unwrap_or_default();
    let end_record = end_record(record).ok_or_else(|| refuse(StructureReason::EndRecordMissing))?;
    if end_record.comment_bytes != 0 {
        return Err(refuse(StructureReason::Comment));
    }
    if end_record.disks != [0, 0] {
        return Err(refuse(StructureReason::SeveralDisks));
    }
    let [on_this_disk, entries] = end_record.counts;
    if on_this_disk != entries {
        return Err(refuse(StructureReason::EntryCount));
    }
    let entries = usize::from(entries);
    if entries > MAX_ENTRIES {
        return Err(refuse(StructureReason::TooManyEntries {
            actual: entries,
            limit: MAX_ENTRIES,
        }));
    }
    let directory_start = usize::try_from(end_record.directory_start).ok();
    let directory_bytes = usize::try_from(end_record.directory_bytes).ok();
    match (directory_start, directory_bytes) {
        (Some(start), Some(length)) if start.checked_add(length) == Some(record_start) => Ok(Tail {
            directory_start: start,
            entries,
        }),
        _ => Err(refuse(StructureReason::DirectoryBounds)),
    }
}

struct EndRecord {
    disks: [u16; 2],
    counts: [u16; 2],
    directory_bytes: u32,
    directory_start: u32,
    comment_bytes: u16,
}

fn end_record(record: &[u8]) -> Option<EndRecord> {
    let mut fields = Fields::new(record);
    if fields.array()? != END_SIGNATURE {
        return None;
    }
    Some(EndRecord {
        disks: [fields.u16()?, fields.u16()?],
        counts: [fields.u16()?, fields.u16()?],
        directory_bytes: fields.u32()?,
        directory_start: fields.u32()?,
        comment_bytes: fields.u16()?,
    })
}

/// Walks the local headers from the first byte to the central directory and checks every rule about them.
pub(crate) fn walk(bytes: &[u8], tail: &Tail) -> Result<Vec<Entry>, StructureError> {
    let contents = bytes.get(..tail.directory_start);
    let contents = contents.ok_or_else(|| StructureError::whole(StructureReason::DirectoryBounds))?;
    let mut entries = Vec::with_capacity(tail.entries);
    let mut position = 0;
    let mut total_bytes: u64 = 0;
    while position < contents.len() {
        if entries.len() == tail.entries {
            return Err(StructureError::whole(StructureReason::EntryCount));
        }
        let entry = local_entry(contents, position)?;
        check_size(&entry.name, entry.packed_bytes, entry.size_bytes)?;
        total_bytes = total_bytes.saturating_add(entry.size_bytes);
        check_total(total_bytes)?;
        position = entry.data.end;
        entries.push(entry);
    }
    if entries.len() != tail.entries {
        return Err(StructureError::whole(StructureReason::EntryCount));
    }
    check_names(&entries)?;
    check_order(&entries)?;
    Ok(entries)
}

/// Rebuilds central directory and end record from the entries, compares bytes, and asks a second reader.
pub(crate) fn compare_tail(bytes: &[u8], tail: &Tail, entries: &[Entry]) -> Result<(), StructureError> {
    if bytes.get(tail.directory_start..) != Some(&tail_bytes(entries)?) {
        return Err(StructureError::whole(StructureReason::DirectoryMismatch));
    }
    compare_listing(bytes, entries)
}

/// Reads the local header at `position`, which must be the one way we write it.
fn local_entry(contents: &[u8], position: usize) -> Result<Entry, StructureError> {
    let truncated = || StructureError::whole(StructureReason::Truncated);
    let header = contents.get(position..).ok_or_else(truncated)?;
    if !header.starts_with(&LOCAL_SIGNATURE) {
        return Err(StructureError::whole(StructureReason::LocalHeaderMissing));
    }
    let header = local_header(header).ok_or_else(truncated)?;
    let name = check_name(header.name)
        .map_err(|fault| StructureError::of(header.name.escape_ascii().to_string(), StructureReason::Name { fault }))?;
    let refuse = |reason| StructureError::of(name, reason);
    check_fixed_fields(&header).map_err(refuse)?;
    let method = Method::from_number(header.method);
    let method = method.ok_or_else(|| refuse(StructureReason::Method { actual: header.method }))?;
    if method == Method::Stored && header.packed_bytes != header.size_bytes {
        return Err(refuse(StructureReason::StoredSize));
    }
    let data_start = position.checked_add(header.length).ok_or_else(truncated)?;
    let packed_bytes = usize::try_from(header.packed_bytes).ok();
    let data_end = packed_bytes.and_then(|packed| data_start.checked_add(packed));
    match data_end {
        Some(data_end) if data_end <= contents.len() => Ok(Entry {
            name: name.to_owned(),
            method,
            crc32: header.crc32,
            packed_bytes: header.packed_bytes.into(),
            size_bytes: header.size_bytes.into(),
            header_start: u64::try_from(position).map_err(|_| truncated())?,
            data: data_start..data_end,
        }),
        _ => Err(refuse(StructureReason::Truncated)),
    }
}

struct LocalHeader<'a> {
    version_needed: u16,
    flags: u16,
    method: u16,
    time: u16,
    date: u16,
    crc32: u32,
    packed_bytes: u32,
    size_bytes: u32,
    extra_bytes: u16,
    name: &'a [u8],
    /// From the signature to the end of the name.
    length: usize,
}

fn local_header(bytes: &[u8]) -> Option<LocalHeader<'_>> {
    let mut fields = Fields::new(bytes);
    let _signature: [u8; 4] = fields.array()?;
    let [version_needed, flags, method] = [fields.u16()?, fields.u16()?, fields.u16()?];
    let [time, date] = [fields.u16()?, fields.u16()?];
    let [crc32, packed_bytes, size_bytes] = [fields.u32()?, fields.u32()?, fields.u32()?];
    let [name_bytes, extra_bytes] = [fields.u16()?, fields.u16()?];
    let name = fields.bytes(usize::from(name_bytes))?;
    let length = bytes.len().checked_sub(fields.remaining())?;
    Some(LocalHeader {
        version_needed,
        flags,
        method,
        time,
        date,
        crc32,
        packed_bytes,
        size_bytes,
        extra_bytes,
        name,
        length,
    })
}

fn check_fixed_fields(header: &LocalHeader<'_>) -> Result<(), StructureReason> {
    if header.version_needed != VERSION_NEEDED {
        return Err(StructureReason::VersionNeeded {
            actual: header.version_needed,
        });
    }
    if header.flags != 0 {
        return Err(StructureReason::Flags { actual: header.flags });
    }
    if header.time != 0 {
        return Err(StructureReason::ModificationTime);
    }
    if header.date != DATE {
        return Err(StructureReason::ModificationDate);
    }
    if header.extra_bytes != 0 {
        return Err(StructureReason::ExtraField);
    }
    Ok(())
}

/// The order of entries: envelope, manifest, the rest bytewise.
pub(super) fn check_order(entries: &[Entry]) -> Result<(), StructureError> {
    let (signature, files) = match entries.split_first() {
        Some((first, rest)) if first.name == SIGNATURE_PATH => (Some(first), rest),
        _ => (None, entries),
    };
    if let Some(signature) = signature {
        check_signature_entry(signature)?;
    }
    let Some((manifest, rest)) = files.split_first() else {
        return Err(StructureError::whole(StructureReason::ManifestMissing));
    };
    if manifest.name != MANIFEST_PATH {
        return Err(StructureError::of(&manifest.name, StructureReason::ManifestMissing));
    }
    for pair in rest.windows(2) {
        if let [before, after] = pair
            && before.name >= after.name
        {
            return Err(StructureError::of(&after.name, StructureReason::Order));
        }
    }
    Ok(())
}
