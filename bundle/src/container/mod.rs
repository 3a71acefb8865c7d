//! The container: a ZIP that ordinary tools open, in the one form that only our writer makes.
//!
//! Given names and data, central directory and end record are a function, so the reader rebuilds them and compares
//! bytes: there is nothing left for two readers to disagree about. Layout, names and limits are those of
//! `docs/bundle-format.md`.

mod error;
mod inflate;
mod listing;
mod name;
mod read;
mod record;
#[cfg(any(test, feature = "sign"))]
mod rewrap;
#[cfg(test)]
mod tests;
mod write;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

pub use self::error::{StructureError, StructureReason};
pub use self::name::NameFault;
pub use self::write::write;

pub(crate) use self::inflate::{read_entry, scan_entry};
pub(crate) use self::name::check_name;
pub(crate) use self::read::{FirstEntry, Tail, compare_tail, first_entry, tail, walk};
#[cfg(any(test, feature = "sign"))]
pub(crate) use self::rewrap::{file_content, replace_signature};

/// The envelope: entry 0 of a signed bundle.
pub const SIGNATURE_PATH: &str = "META-INF/signature.json";

/// The manifest: entry 0 of an unsigned bundle, entry 1 of a signed one.
pub const MANIFEST_PATH: &str = "plugin.json";

/// A plugin is code and a few assets; more is read by nobody and costs every host that verifies it.
pub const MAX_FILE_BYTES: u64 = 50 * 1024 * 1024;

/// Bounds the structure walk and the central directory (at most 250 KiB).
pub const MAX_ENTRIES: usize = 1_000;

/// All entries unpacked: twice the file, because code compresses to about half.
pub const MAX_UNPACKED_BYTES: u64 = 100 * 1024 * 1024;

/// One entry unpacked; the largest module a host compiles has 16 MiB.
pub const MAX_ENTRY_BYTES: u64 = 64 * 1024 * 1024;

/// The envelope names every file: 1,000 of them with the longest names fit.
pub const MAX_SIGNATURE_BYTES: u64 = 512 * 1024;

/// Unpacked by packed size. Real modules stay below 20; deflate cannot exceed 1032.
pub const MAX_RATIO: u64 = 200;

/// Below this size a ratio says nothing: a small file of zeros is no bomb.
pub const RATIO_EXEMPT_BYTES: u64 = 1024 * 1024;

/// A container whose structure has been checked: what it says of itself is true, except for the data.
///
/// The data of an entry is checked when it is read.
#[derive(Clone)]
pub struct Archive<'a> {
    bytes: &'a [u8],
    entries: Vec<Entry>,
}

impl<'a> Archive<'a> {
    /// Checks every byte that is not data of an entry.
    ///
    /// # Errors
    ///
    /// The first rule of the container profile that is broken.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, StructureError> {
        let tail = tail(bytes)?;
        let entries = walk(bytes, &tail)?;
        compare_tail(bytes, &tail, &entries)?;
        Ok(Self { bytes, entries })
    }

    /// The entries in file order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of this name.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The unpacked bytes of an entry; never more than its header says.
    ///
    /// # Errors
    ///
    /// The data is not what the header says: see the last variants of [`StructureReason`].
    pub fn read(&self, entry: &Entry) -> Result<Cow<'a, [u8]>, StructureError> {
        read_entry(self.bytes, entry, &mut |_| {})
    }
}

impl fmt::Debug for Archive<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}

/// One file of a container, as its local header describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative path with `/` between levels.
    pub name: String,
    /// How the data is packed.
    pub method: Method,
    /// CRC-32 of the unpacked data.
    pub crc32: u32,
    /// Size of the data in the file.
    pub packed_bytes: u64,
    /// Size of the data once unpacked.
    pub size_bytes: u64,
    header_start: u64,
    data: Range<usize>,
}

/// How the data of an entry is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// As it is.
    Stored,
    /// Raw deflate (RFC 1951).
    Deflated,
}

impl Method {
    fn number(self) -> u16 {
        match self {
            Self::Stored => 0,
            Self::Deflated => 8,
        }
    }
}

/// The rules about sizes that hold for one entry, on reading and on writing.
fn check_size(name: &str, packed_bytes: u64, size_bytes: u64) -> Result<(), StructureError> {
    let refuse = |reason| Err(StructureError::of(name, reason));
    if size_bytes > MAX_ENTRY_BYTES {
        return refuse(StructureReason::EntryTooLarge {
            actual_bytes: size_bytes,
            limit_bytes: MAX_ENTRY_BYTES,
        });
    }
    if size_bytes > RATIO_EXEMPT_BYTES && size_bytes > packed_bytes.saturating_mul(MAX_RATIO) {
        return refuse(StructureReason::Ratio {
            packed_bytes,
            size_bytes,
        });
    }
    if name == SIGNATURE_PATH && size_bytes > MAX_SIGNATURE_BYTES {
        let limit_bytes = MAX_SIGNATURE_BYTES;
        return refuse(StructureReason::SignatureTooLarge {
            actual_bytes: size_bytes,
            limit_bytes,
        });
    }
    Ok(())
}

/// The rule about the sum of sizes, on reading and on writing.
fn check_total(total_bytes: u64) -> Result<(), StructureError> {
    if total_bytes > MAX_UNPACKED_BYTES {
        let limit_bytes = MAX_UNPACKED_BYTES;
        return Err(StructureError::whole(StructureReason::UnpackedTooLarge {
            actual_bytes: total_bytes,
            limit_bytes,
        }));
    }
    Ok(())
}
