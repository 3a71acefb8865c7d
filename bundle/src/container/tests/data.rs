//! The data of entries: what unpacking allows.

use super::{allows, refuses};
use crate::container::{Archive, Method, scan_entry, write};
use crate::testing::{RawEntry, RawZip};

fn with(entry: RawEntry) -> RawZip {
    let mut zip = RawZip::stored(&[("plugin.json", b"{}")]);
    zip.push(entry);
    zip
}

fn text() -> Vec<u8> {
    b"the quick brown fox jumps over the lazy dog ".repeat(40)
}

/// The entry with its size in the header changed.
fn resized(difference: i32) -> RawZip {
    let mut entry = RawEntry::deflated(b"x", &text());
    entry.both(|header| header.size_bytes = header.size_bytes.checked_add_signed(difference).unwrap());
    with(entry)
}

#[test]
fn ends_exactly_at_the_size_in_the_header() {
    allows(&resized(0));
    refuses(&resized(1), "too_short");
    refuses(&resized(1_000_000), "too_short");
    refuses(&resized(-1), "too_long");
    refuses(&resized(-1_759), "too_long");
    refuses(&resized(-1_760), "too_long");
}

#[test]
fn ends_exactly_at_a_chunk_of_the_reader_too() {
    for size in [65_535, 65_536, 65_537, 131_072] {
        let data = vec![7; size];
        allows(&with(RawEntry::deflated(b"x", &data)));
        let mut long = RawEntry::deflated(b"x", &data);
        long.both(|header| header.size_bytes -= 1);
        refuses(&with(long), "too_long");
        let mut short = RawEntry::deflated(b"x", &data);
        short.both(|header| header.size_bytes += 1);
        refuses(&with(short), "too_short");
    }
}

#[test]
fn uses_the_compressed_data_up_to_its_last_byte() {
    let entry = RawEntry::deflated(b"x", &text());
    allows(&with(entry.clone()));
    for trailing in [b"\0".as_slice(), b"PK\x03\x04", &entry.data] {
        let mut longer = entry.clone();
        longer.data.extend_from_slice(trailing);
        let packed_bytes = u32::try_from(longer.data.len()).unwrap();
        longer.both(|header| header.packed_bytes = packed_bytes);
        refuses(&with(longer), "trailing_data");
    }
}

#[test]
fn refuses_compressed_data_that_is_cut_off() {
    let entry = RawEntry::deflated(b"x", &text());
    for length in 0..entry.data.len() {
        let mut shorter = entry.clone();
        shorter.data.truncate(length);
        shorter.both(|header| header.packed_bytes = u32::try_from(length).unwrap());
        refuses(&with(shorter), "deflate");
    }
}

#[test]
fn refuses_data_that_is_no_deflate() {
    // Block type 3 does not exist; a stored block whose length and its complement disagree; a distance too far back.
    for packed in [b"\x07".as_slice(), b"\x01\x01\0\xff\xff!", b"\x4b\x04\x82\0"] {
        refuses(&with(RawEntry::packed(b"x", 8, packed, 0, 100)), "deflate");
    }
}

#[test]
fn allows_empty_data_either_way() {
    allows(&with(RawEntry::stored(b"x", b"")));
    allows(&with(RawEntry::deflated(b"x", b"")));
    refuses(&with(RawEntry::packed(b"x", 8, b"", 0, 0)), "deflate");
}

#[test]
fn compares_the_checksum() {
    for entry in [
        RawEntry::stored(b"x", b"abc"),
        RawEntry::deflated(b"x", &text()),
        RawEntry::stored(b"x", b""),
    ] {
        allows(&with(entry.clone()));
        for bit in 0..32 {
            let mut other = entry.clone();
            other.both(|header| header.crc32 ^= 1 << bit);
            refuses(&with(other), "checksum");
        }
    }
}

#[test]
fn scans_what_it_reads() {
    let text = text();
    for entry in [
        RawEntry::stored(b"x", &text),
        RawEntry::deflated(b"x", &text),
        RawEntry::deflated(b"x", &[1; 200_000]),
    ] {
        let bytes = with(entry).build();
        let archive = Archive::parse(&bytes).unwrap();
        let entry = archive.entry("x").unwrap();
        let mut seen = Vec::new();
        scan_entry(&bytes, entry, &mut |chunk| seen.extend_from_slice(chunk)).unwrap();
        assert_eq!(seen, &*archive.read(entry).unwrap());
    }
}

#[test]
fn scanning_refuses_what_reading_refuses() {
    for zip in [resized(1), resized(-1)] {
        let bytes = zip.build();
        let archive = Archive::parse(&bytes).unwrap();
        let entry = archive.entry("x").unwrap();
        assert_eq!(scan_entry(&bytes, entry, &mut |_| {}).err(), archive.read(entry).err());
    }
}

#[test]
fn writes_deflate_when_it_helps_and_a_reader_believes_it() {
    let zeros = vec![0; 3_000_000];
    let entries = [
        ("plugin.json", b"{}".to_vec()),
        ("bomb", zeros),
        ("text", text()),
        ("one", b"1".to_vec()),
    ];
    let bytes = write(&entries).unwrap();
    let archive = Archive::parse(&bytes).unwrap();
    let method = |name| archive.entry(name).unwrap().method;
    assert_eq!(method("text"), Method::Deflated);
    assert_eq!(method("one"), Method::Stored);
    // Deflate would make 3 KB of it, which no reader of the profile accepts.
    assert_eq!(method("bomb"), Method::Stored);
    for (name, data) in &entries {
        assert_eq!(&*archive.read(archive.entry(name).unwrap()).unwrap(), data);
    }
}
