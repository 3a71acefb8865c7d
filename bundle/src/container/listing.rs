//! The second reader: the `zip` crate lists what our own walk found, and both must see the same.

use std::io::Cursor;

use zip::ZipArchive;

use super::{Entry, StructureError, StructureReason};

/// Compares the entries with the list an ordinary ZIP reader makes of the same bytes. After the rebuilt directory was
/// compared there is nothing left for two readers to disagree about; this notices if that is ever not so.
pub(crate) fn compare_listing(bytes: &[u8], entries: &[Entry]) -> Result<(), StructureError> {
    let mismatch = || StructureError::whole(StructureReason::DirectoryMismatch);
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| mismatch())?;
    if archive.len() != entries.len() {
        return Err(mismatch());
    }
    for (index, entry) in entries.iter().enumerate() {
        let listed = archive.by_index_raw(index).map_err(|_| mismatch())?;
        let same = listed.name().is_ok_and(|name| name == entry.name)
            && listed.header_start() == entry.header_start
            && listed.crc32() == entry.crc32
            && listed.compressed_size() == entry.packed_bytes
            && listed.size() == entry.size_bytes;
        if !same {
            return Err(StructureError::of(&entry.name, StructureReason::DirectoryMismatch));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Archive, write};
    use super::*;

    fn bundle() -> Vec<u8> {
        write(&[("plugin.json", b"{}".as_slice()), ("plugin.wasm", b"wasm")]).unwrap()
    }

    #[test]
    fn both_readers_see_the_same_entries() {
        let bytes = bundle();
        let archive = Archive::parse(&bytes).unwrap();
        assert_eq!(compare_listing(&bytes, archive.entries()), Ok(()));
    }

    #[test]
    fn an_entry_too_few_or_another_size_is_noticed() {
        let bytes = bundle();
        let archive = Archive::parse(&bytes).unwrap();
        assert!(compare_listing(&bytes, &archive.entries()[..1]).is_err());
        let mut entries = archive.entries().to_vec();
        entries[1].size_bytes += 1;
        assert!(compare_listing(&bytes, &entries).is_err());
    }
}
