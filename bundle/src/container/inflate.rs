//! Unpacking: bounded by the size in the header, and ending exactly there.
//!
//! `flate2` decides what the bytes mean. It is driven directly, not through the reader of the `zip` crate, because
//! that reader does not tell whether the compressed data was used up to its last byte.

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress, Status};

use super::{Entry, Method, StructureError, StructureReason};

/// Small enough for the second level cache, so that hashing finds the bytes still there.
const CHUNK_BYTES: usize = 64 * 1024;

/// Unpacks an entry and shows it to `observe` piece by piece. Copies nothing when the entry is stored.
pub(crate) fn read_entry<'a>(
    bytes: &'a [u8],
    entry: &Entry,
    observe: &mut dyn FnMut(&[u8]),
) -> Result<Cow<'a, [u8]>, StructureError> {
    let refuse = |reason| StructureError::of(&entry.name, reason);
    let packed = bytes
        .get(entry.data.clone())
        .ok_or_else(|| refuse(StructureReason::Truncated))?;
    if entry.method == Method::Stored {
        observe_checked(packed, entry, observe).map_err(refuse)?;
        return Ok(Cow::Borrowed(packed));
    }
    let size = usize::try_from(entry.size_bytes).map_err(|_| refuse(StructureReason::TooLong))?;
    let mut unpacked = vec![0; size];
    inflate(packed, entry, unpacked.chunks_mut(CHUNK_BYTES), observe).map_err(refuse)?;
    Ok(Cow::Owned(unpacked))
}

/// Unpacks an entry into one small buffer, only to show it to `observe`.
pub(crate) fn scan_entry(bytes: &[u8], entry: &Entry, observe: &mut dyn FnMut(&[u8])) -> Result<(), StructureError> {
    let refuse = |reason| StructureError::of(&entry.name, reason);
    let packed = bytes
        .get(entry.data.clone())
        .ok_or_else(|| refuse(StructureReason::Truncated))?;
    if entry.method == Method::Stored {
        return observe_checked(packed, entry, observe).map_err(refuse);
    }
    let mut inflater = Inflater::new(packed);
    let mut checksum = crc32fast::Hasher::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut missing_bytes = entry.size_bytes;
    while missing_bytes > 0 {
        let wanted = usize::try_from(missing_bytes).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let chunk = buffer.get_mut(..wanted).unwrap_or_default();
        inflater.fill(chunk).map_err(refuse)?;
        checksum.update(chunk);
        observe(chunk);
        missing_bytes = missing_bytes.saturating_sub(u64::try_from(wanted).unwrap_or(u64::MAX));
    }
    inflater.finish().map_err(refuse)?;
    check_sum(checksum, entry).map_err(refuse)
}

fn observe_checked(data: &[u8], entry: &Entry, observe: &mut dyn FnMut(&[u8])) -> Result<(), StructureReason> {
    let mut checksum = crc32fast::Hasher::new();
    for chunk in data.chunks(CHUNK_BYTES) {
        checksum.update(chunk);
        observe(chunk);
    }
    check_sum(checksum, entry)
}

fn inflate<'b>(
    packed: &[u8],
    entry: &Entry,
    chunks: impl Iterator<Item = &'b mut [u8]>,
    observe: &mut dyn FnMut(&[u8]),
) -> Result<(), StructureReason> {
    let mut inflater = Inflater::new(packed);
    let mut checksum = crc32fast::Hasher::new();
    for chunk in chunks {
        inflater.fill(chunk)?;
        checksum.update(chunk);
        observe(chunk);
    }
    inflater.finish()?;
    check_sum(checksum, entry)
}

fn check_sum(checksum: crc32fast::Hasher, entry: &Entry) -> Result<(), StructureReason> {
    if checksum.finalize() == entry.crc32 {
        Ok(())
    } else {
        Err(StructureReason::Checksum)
    }
}

struct Inflater<'a> {
    stream: Decompress,
    packed: &'a [u8],
    ended: bool,
}

impl<'a> Inflater<'a> {
    fn new(packed: &'a [u8]) -> Self {
        Self {
            stream: Decompress::new(false),
            packed,
            ended: false,
        }
    }

    /// Fills all of `chunk`.
    fn fill(&mut self, mut chunk: &mut [u8]) -> Result<(), StructureReason> {
        while !chunk.is_empty() {
            let produced = self.step(chunk)?;
            if produced == 0 {
                return Err(if self.ended {
                    StructureReason::TooShort
                } else {
                    StructureReason::Deflate
                });
            }
            chunk = chunk.get_mut(produced..).ok_or(StructureReason::Deflate)?;
        }
        Ok(())
    }

    /// Makes sure that nothing more comes out and nothing more goes in.
    fn finish(mut self) -> Result<(), StructureReason> {
        let mut spare = [0];
        if self.step(&mut spare)? != 0 {
            return Err(StructureReason::TooLong);
        }
        match (self.ended, self.packed) {
            (true, []) => Ok(()),
            (true, _) => Err(StructureReason::TrailingData),
            (false, _) => Err(StructureReason::Deflate),
        }
    }

    /// One call of the decompressor; returns how many bytes it produced, 0 when no more can come.
    fn step(&mut self, chunk: &mut [u8]) -> Result<usize, StructureReason> {
        if self.ended {
            return Ok(0);
        }
        let (consumed_before, produced_before) = (self.stream.total_in(), self.stream.total_out());
        let status = self.stream.decompress(self.packed, chunk, FlushDecompress::None);
        let status = status.map_err(|_| StructureReason::Deflate)?;
        let consumed = difference(self.stream.total_in(), consumed_before)?;
        let produced = difference(self.stream.total_out(), produced_before)?;
        self.packed = self.packed.get(consumed..).ok_or(StructureReason::Deflate)?;
        self.ended = matches!(status, Status::StreamEnd);
        Ok(produced)
    }
}

fn difference(now: u64, before: u64) -> Result<usize, StructureReason> {
    let difference = now.checked_sub(before).ok_or(StructureReason::Deflate)?;
    usize::try_from(difference).map_err(|_| StructureReason::Deflate)
}
