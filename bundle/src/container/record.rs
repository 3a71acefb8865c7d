//! The three records of a ZIP file (APPNOTE 6.3.10, sections 4.3.7, 4.3.12, 4.3.16), written the one way we write them.

use super::{Entry, Method, StructureError, StructureReason};

pub(super) const LOCAL_SIGNATURE: [u8; 4] = *b"PK\x03\x04";
const CENTRAL_SIGNATURE: [u8; 4] = *b"PK\x01\x02";
pub(super) const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";

pub(super) const END_RECORD_BYTES: usize = 22;

/// 2.0: deflate.
pub(super) const VERSION_NEEDED: u16 = 20;

/// 2.0 on Unix, so that the mode below means something.
const VERSION_MADE_BY: u16 = 0x0314;

/// 1980-01-01, the first day ZIP knows.
pub(super) const DATE: u16 = 0x0021;

/// A regular file, rw-r--r--.
const EXTERNAL_ATTRIBUTES: u32 = 0o100_644 << 16;

/// The header before the data of an entry.
pub(super) fn local_header(entry: &Entry) -> Result<Vec<u8>, StructureError> {
    let mut header = Vec::new();
    header.extend_from_slice(&LOCAL_SIGNATURE);
    put_shared_fields(entry, &mut header)?;
    header.extend_from_slice(entry.name.as_bytes());
    Ok(header)
}

/// Central directory and end record: everything behind the data of the last entry.
pub(super) fn tail_bytes(entries: &[Entry]) -> Result<Vec<u8>, StructureError> {
    let mut tail = Vec::new();
    for entry in entries {
        put_central_header(entry, &mut tail)?;
    }
    let directory_bytes = u32_of(tail.len())?;
    let directory_start = u32_of(entries.last().map_or(0, |entry| entry.data.end))?;
    let count = u16::try_from(entries.len()).map_err(|_| too_large())?;
    tail.extend_from_slice(&END_SIGNATURE);
    put_u16s(&mut tail, &[0, 0, count, count]);
    put_u32s(&mut tail, &[directory_bytes, directory_start]);
    put_u16s(&mut tail, &[0]);
    Ok(tail)
}

fn put_central_header(entry: &Entry, tail: &mut Vec<u8>) -> Result<(), StructureError> {
    tail.extend_from_slice(&CENTRAL_SIGNATURE);
    put_u16s(tail, &[VERSION_MADE_BY]);
    put_shared_fields(entry, tail)?;
    // Length of the comment, number of the disk, internal attributes.
    put_u16s(tail, &[0, 0, 0]);
    let header_start = u32::try_from(entry.header_start).map_err(|_| too_large())?;
    put_u32s(tail, &[EXTERNAL_ATTRIBUTES, header_start]);
    tail.extend_from_slice(entry.name.as_bytes());
    Ok(())
}

/// The fields that both headers have, in the same order: version needed to length of the extra field.
fn put_shared_fields(entry: &Entry, header: &mut Vec<u8>) -> Result<(), StructureError> {
    let packed_bytes = u32::try_from(entry.packed_bytes).map_err(|_| too_large())?;
    let size_bytes = u32::try_from(entry.size_bytes).map_err(|_| too_large())?;
    let name_bytes = u16::try_from(entry.name.len()).map_err(|_| too_large())?;
    put_u16s(header, &[VERSION_NEEDED, 0, entry.method.number(), 0, DATE]);
    put_u32s(header, &[entry.crc32, packed_bytes, size_bytes]);
    put_u16s(header, &[name_bytes, 0]);
    Ok(())
}

fn put_u16s(record: &mut Vec<u8>, numbers: &[u16]) {
    record.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn put_u32s(record: &mut Vec<u8>, numbers: &[u32]) {
    record.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn u32_of(number: usize) -> Result<u32, StructureError> {
    u32::try_from(number).map_err(|_| too_large())
}

/// Out of reach below the size cap.
pub(super) fn too_large() -> StructureError {
    StructureError::whole(StructureReason::DirectoryBounds)
}

/// Reads little-endian fields one after the other; `None` past the end.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
}

impl Method {
    pub(super) fn from_number(number: u16) -> Option<Self> {
        match number {
            0 => Some(Self::Stored),
            8 => Some(Self::Deflated),
            _ => None,
        }
    }
}
