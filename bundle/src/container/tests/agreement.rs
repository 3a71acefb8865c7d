//! What we write, others read; what we accept, has one meaning.

use std::io::{Cursor, Read as _};

use proptest::prelude::*;

use crate::container::record::{local_header, tail_bytes};
use crate::container::{Archive, write};
use crate::digest::Digest;
use crate::testing::RawZip;

fn any_entries() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let data = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..600),
        (any::<u8>(), 0_usize..5_000).prop_map(|(byte, length)| vec![byte; length]),
    ];
    prop::collection::btree_map("d[a-z]{1,3}/[0-9][A-Z0-9]{0,3}\\.x", data, 0..12).prop_map(|files| {
        let mut entries: Vec<_> = files.into_iter().collect();
        entries.push(("plugin.json".to_owned(), b"{}".to_vec()));
        entries
    })
}

/// Every byte of the file, made anew from what the reader understood.
fn rebuilt(bytes: &[u8]) -> Option<Vec<u8>> {
    let archive = Archive::parse(bytes).ok()?;
    let mut again = Vec::new();
    for entry in archive.entries() {
        again.extend(local_header(entry).ok()?);
        again.extend_from_slice(&bytes[entry.data.clone()]);
    }
    again.extend(tail_bytes(archive.entries()).ok()?);
    Some(again)
}

proptest! {
    #[test]
    fn the_zip_crate_reads_what_we_write(entries in any_entries()) {
        let bytes = write(&entries).unwrap();
        let ours = Archive::parse(&bytes).unwrap();
        let mut theirs = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
        prop_assert_eq!(theirs.len(), entries.len());
        for (index, entry) in ours.entries().iter().enumerate() {
            let mut file = theirs.by_index(index).unwrap();
            prop_assert_eq!(file.name().unwrap(), entry.name.as_str());
            let mut data = Vec::new();
            file.read_to_end(&mut data).unwrap();
            let read = ours.read(entry).unwrap();
            prop_assert_eq!(&*read, &data);
            let (_, written) = entries.iter().find(|(name, _)| *name == entry.name).unwrap();
            prop_assert_eq!(&data, written);
        }
    }

    #[test]
    fn the_order_of_files_does_not_show(entries in any_entries(), seed in any::<usize>()) {
        let bytes = write(&entries).unwrap();
        let mut shuffled = entries;
        let middle = seed % shuffled.len();
        shuffled.rotate_left(middle);
        shuffled.reverse();
        prop_assert_eq!(write(&shuffled).unwrap(), bytes);
    }

    #[test]
    fn every_accepted_file_is_the_one_its_meaning_gives(
        entries in any_entries(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = write(&entries).unwrap();
        for (index, byte) in edits {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        if let Some(again) = rebuilt(&bytes) {
            prop_assert_eq!(again, bytes);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Archive::parse(&bytes);
    }
}

#[test]
fn writes_what_an_independent_builder_writes() {
    let entries = [
        ("plugin.json", b"{}".as_slice()),
        ("plugin.wasm", crate::testing::MODULE),
    ];
    assert_eq!(write(&entries).unwrap(), RawZip::plugin().build());
}

#[test]
fn packs_the_same_bytes_on_every_machine() {
    let text: Vec<u8> = (0..20_000_u32)
        .flat_map(|number| (number * number).to_string().into_bytes())
        .collect();
    let bytes = write(&[("plugin.json", b"{}".as_slice()), ("numbers.txt", &text)]).unwrap();
    // A change here changes every bundle that is packed: it belongs into the changelog.
    assert_eq!(
        Digest::of(&bytes).to_string(),
        "e93d9eadc063ea1479a0ccc13b9f82d4dec8dc3efe035d5b4ddd3927b06400fa"
    );
}

#[test]
fn does_not_write_what_it_would_not_read() {
    let reason = |entries: &[(&str, &[u8])]| write(entries).unwrap_err().reason.as_str();
    assert_eq!(reason(&[]), "manifest_missing");
    assert_eq!(reason(&[("a", b"")]), "manifest_missing");
    assert_eq!(reason(&[("plugin.json", b""), ("../a", b"")]), "name");
    assert_eq!(
        reason(&[("plugin.json", b""), ("a", b""), ("A", b"")]),
        "duplicate_name"
    );
    assert_eq!(
        reason(&[("plugin.json", b""), ("a", b""), ("a/b", b"")]),
        "folder_clash"
    );
    let large = vec![0; 64 * 1024 * 1024 + 1];
    assert_eq!(reason(&[("plugin.json", b""), ("a", &large)]), "entry_too_large");
    let many: Vec<_> = (0..1_001).map(|number| (format!("{number}"), b"")).collect();
    assert_eq!(write(&many).unwrap_err().reason.as_str(), "too_many_entries");
}
