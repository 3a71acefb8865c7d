//! Headers, end record, limits.

use super::{allows, refuses, refuses_changed};
use crate::container::{Archive, MAX_ENTRIES, MAX_ENTRY_BYTES, MAX_UNPACKED_BYTES, RATIO_EXEMPT_BYTES};
use crate::testing::{RawEntry, RawZip};

#[test]
fn allows_nothing_before_the_first_entry() {
    refuses_changed("local_header_missing", |zip| zip.before = b"#".to_vec());
    refuses_changed("local_header_missing", |zip| {
        zip.before = b"#!/usr/bin/env python\n".repeat(4)
    });
    // Offsets that do not count the bytes before: what self-extracting archives do.
    refuses_changed("directory_bounds", |zip| {
        zip.before = b"#".to_vec();
        zip.end.directory_start = 0_u32.wrapping_sub(1);
    });
}

#[test]
fn allows_nothing_between_entries() {
    refuses_changed("local_header_missing", |zip| zip.entries[0].after = vec![0; 64]);
    refuses_changed("entry_count", |zip| zip.entries[1].after = vec![0]);
    refuses_changed("entry_count", |zip| zip.before_directory = vec![0; 29]);
    refuses_changed("entry_count", |zip| zip.before_directory = vec![0; 64]);
    refuses_changed("directory_bounds", |zip| zip.before_end = vec![0]);
}

#[test]
fn allows_nothing_after_the_end_record() {
    refuses_changed("end_record_missing", |zip| zip.after = vec![0]);
    refuses_changed("end_record_missing", |zip| zip.after = b"\n".to_vec());
    // A second end record of the same file.
    refuses_changed("directory_bounds", |zip| {
        let file = zip.build();
        zip.after = file[file.len() - 22..].to_vec();
    });
}

#[test]
fn refuses_a_comment() {
    refuses_changed("end_record_missing", |zip| zip.end.comment = b"!".to_vec());
    refuses_changed("comment", |zip| zip.end.comment_bytes = Some(1));
    // A comment that ends with an end record of its own: the oldest trick to show two readers two archives.
    refuses_changed("directory_bounds", |zip| zip.end.comment = RawZip::plugin().build());
    refuses_changed("directory_mismatch", |zip| {
        zip.entries[1].central.comment = b"!".to_vec()
    });
}

#[test]
fn refuses_a_set_of_disks() {
    refuses_changed("several_disks", |zip| zip.end.disk = 1);
    refuses_changed("several_disks", |zip| zip.end.directory_disk = 1);
    refuses_changed("directory_mismatch", |zip| zip.entries[0].central.disk = 1);
}

#[test]
fn refuses_a_count_that_is_off_by_one() {
    for difference in [1, u16::MAX] {
        refuses_changed("entry_count", |zip| zip.end.count = difference);
        refuses_changed("entry_count", |zip| zip.end.count_here = difference);
        refuses_changed("entry_count", |zip| {
            zip.end.count = difference;
            zip.end.count_here = difference;
        });
    }
}

#[test]
fn refuses_a_directory_that_is_not_exactly_in_its_place() {
    for difference in [1, u32::MAX] {
        refuses_changed("directory_bounds", |zip| zip.end.directory_start = difference);
        refuses_changed("directory_bounds", |zip| zip.end.directory_bytes = difference);
    }
    // Start and length that add up, but one byte of an entry counted into the directory.
    refuses_changed("truncated", |zip| {
        zip.end.directory_start = u32::MAX;
        zip.end.directory_bytes = 1;
    });
    refuses_changed("directory_bounds", |zip| {
        let length = u32::try_from(zip.build().len()).unwrap();
        zip.end.directory_start = u32::MAX - length;
        zip.end.directory_bytes = u32::MAX / 2;
    });
}

#[test]
fn refuses_every_version_but_2_0() {
    for version in [0, 10, 19, 21, 45, 51, 63, 20 << 8] {
        refuses_changed("version_needed", |zip| {
            zip.entries[0].both(|header| header.version_needed = version)
        });
    }
    refuses_changed("directory_mismatch", |zip| zip.entries[0].central.version_needed = 10);
}

#[test]
fn refuses_every_flag() {
    for bit in 0..16 {
        refuses_changed("flags", |zip| zip.entries[1].both(|header| header.flags = 1 << bit));
        refuses_changed("directory_mismatch", |zip| zip.entries[1].central.flags = 1 << bit);
    }
}

#[test]
fn refuses_a_data_descriptor() {
    refuses_changed("flags", |zip| {
        let entry = &mut zip.entries[1];
        entry.after = [b"PK\x07\x08".as_slice(), &[0; 12]].concat();
        entry.both(|header| header.flags = 1 << 3);
    });
    refuses_changed("entry_count", |zip| {
        zip.entries[1].after = [b"PK\x07\x08".as_slice(), &[0; 12]].concat()
    });
}

#[test]
fn refuses_every_method_but_stored_and_deflated() {
    let mut zip = RawZip::plugin();
    zip.entries[1] = RawEntry::deflated(b"plugin.wasm", &[0; 100]);
    allows(&zip);
    for method in [1, 6, 7, 9, 12, 14, 93, 95, 98, 99, 0x0800] {
        refuses_changed("method", |zip| zip.entries[1].both(|header| header.method = method));
    }
    refuses_changed("directory_mismatch", |zip| zip.entries[1].central.method = 8);
}

#[test]
fn refuses_every_other_time() {
    for time in [1, 0x8000] {
        refuses_changed("modification_time", |zip| {
            zip.entries[0].both(|header| header.time = time)
        });
    }
    for date in [0, 0x0020, 0x0022, 0x5b75] {
        refuses_changed("modification_date", |zip| {
            zip.entries[0].both(|header| header.date = date)
        });
    }
    refuses_changed("directory_mismatch", |zip| zip.entries[0].central.time = 1);
    refuses_changed("directory_mismatch", |zip| zip.entries[0].central.date = 0x0022);
}

#[test]
fn refuses_an_extra_field() {
    let timestamp = [b"UT\x05\0\x01".as_slice(), &[0; 4]].concat();
    refuses_changed("extra_field", |zip| {
        zip.entries[0].both(|header| header.extra.clone_from(&timestamp))
    });
    refuses_changed("extra_field", |zip| zip.entries[0].local.extra = vec![0]);
    refuses_changed("directory_mismatch", |zip| {
        zip.entries[0].central.extra.clone_from(&timestamp)
    });
}

#[test]
fn refuses_zip64() {
    let sizes = [b"\x01\0\x10\0".as_slice(), &8_u64.to_le_bytes(), &8_u64.to_le_bytes()].concat();
    refuses_changed("extra_field", |zip| {
        zip.entries[1].both(|header| {
            header.extra.clone_from(&sizes);
            header.packed_bytes = u32::MAX;
            header.size_bytes = u32::MAX;
        });
    });
    refuses_changed("truncated", |zip| {
        zip.entries[1].both(|header| {
            header.packed_bytes = u32::MAX;
            header.size_bytes = u32::MAX;
        });
    });
    refuses_changed("too_many_entries", |zip| {
        zip.end.count = u16::MAX - 2;
        zip.end.count_here = u16::MAX - 2;
    });
}

#[test]
fn refuses_a_central_header_that_tells_another_story() {
    refuses_changed("directory_mismatch", |zip| zip.entries[1].central.made_by = 0x0014);
    refuses_changed("directory_mismatch", |zip| zip.entries[1].central.crc32 ^= 1);
    refuses_changed("directory_mismatch", |zip| zip.entries[1].central.packed_bytes -= 1);
    refuses_changed("directory_mismatch", |zip| zip.entries[1].central.size_bytes += 1);
    refuses_changed("directory_mismatch", |zip| zip.entries[1].central.internal = 1);
    refuses_changed("directory_mismatch", |zip| {
        zip.entries[1].central.name = b"plugin.wasn".to_vec()
    });
    refuses_changed("directory_mismatch", |zip| {
        zip.entries[1].central.signature = *b"PK\x01\x03"
    });
    // A symbolic link, an executable, a folder.
    for mode in [0o120_777, 0o100_755, 0o040_755] {
        refuses_changed("directory_mismatch", |zip| zip.entries[1].central.external = mode << 16);
    }
    // Another local header, inside or outside the file.
    for shift in [1, u32::MAX, 1 << 20] {
        refuses_changed("directory_mismatch", |zip| zip.entries[1].central.offset_shift = shift);
    }
}

#[test]
fn refuses_a_directory_that_lists_other_entries() {
    refuses_changed("directory_mismatch", |zip| zip.directory.reverse());
    refuses_changed("directory_mismatch", |zip| zip.directory = vec![0, 0]);
    refuses_changed("directory_mismatch", |zip| zip.directory = vec![1, 1]);
    refuses_changed("entry_count", |zip| zip.directory = vec![0]);
    refuses_changed("entry_count", |zip| zip.directory = vec![0, 1, 1]);
    refuses_changed("entry_count", |zip| zip.directory.clear());
}

#[test]
fn refuses_a_stored_entry_with_two_sizes() {
    refuses_changed("stored_size", |zip| {
        zip.entries[1].both(|header| header.size_bytes += 1)
    });
    refuses_changed("stored_size", |zip| {
        zip.entries[1].both(|header| header.size_bytes -= 1)
    });
}

#[test]
fn allows_a_thousand_entries_and_not_one_more() {
    let mut zip = RawZip::plugin();
    let names = (2..MAX_ENTRIES).map(|number| format!("z/{number:04}"));
    for name in names {
        zip.push(RawEntry::stored(name.as_bytes(), b""));
    }
    assert_eq!(zip.entries.len(), 1_000);
    allows(&zip);
    zip.push(RawEntry::stored(b"z/9999", b""));
    refuses(&zip, "too_many_entries");
}

/// An entry whose header promises `size_bytes`; only the structure is looked at.
fn promising(name: &str, packed_bytes: usize, size_bytes: u64) -> RawEntry {
    RawEntry::packed(
        name.as_bytes(),
        8,
        &vec![0; packed_bytes],
        0,
        size_bytes.try_into().unwrap(),
    )
}

#[track_caller]
fn check_promises(entries: &[RawEntry], expected: Result<(), &str>) {
    let mut zip = RawZip::stored(&[("plugin.json", b"")]);
    for entry in entries {
        zip.push(entry.clone());
    }
    assert_eq!(
        Archive::parse(&zip.build())
            .map(|_| ())
            .map_err(|error| error.reason.as_str()),
        expected
    );
}

#[test]
fn allows_64_mib_an_entry_and_not_one_byte_more() {
    let packed = 400_000;
    check_promises(&[promising("a", packed, MAX_ENTRY_BYTES)], Ok(()));
    check_promises(&[promising("a", packed, MAX_ENTRY_BYTES + 1)], Err("entry_too_large"));
    check_promises(&[promising("a", packed, u64::from(u32::MAX))], Err("entry_too_large"));
}

#[test]
fn allows_100_mib_in_all_and_not_one_byte_more() {
    let packed = 400_000;
    let rest = MAX_UNPACKED_BYTES - MAX_ENTRY_BYTES;
    check_promises(
        &[promising("a", packed, MAX_ENTRY_BYTES), promising("b", packed, rest)],
        Ok(()),
    );
    let over = [
        promising("a", packed, MAX_ENTRY_BYTES),
        promising("b", packed, rest),
        promising("c", 1, 1),
    ];
    check_promises(&over, Err("unpacked_too_large"));
}

#[test]
fn allows_a_ratio_of_200_above_1_mib_and_any_below() {
    check_promises(&[promising("a", 1, RATIO_EXEMPT_BYTES)], Ok(()));
    check_promises(&[promising("a", 1, RATIO_EXEMPT_BYTES + 1)], Err("ratio"));
    check_promises(&[promising("a", 10_000, 2_000_000)], Ok(()));
    check_promises(&[promising("a", 10_000, 2_000_001)], Err("ratio"));
    check_promises(&[promising("a", 0, 2_000_000)], Err("ratio"));
}

#[test]
fn refuses_every_truncation() {
    let file = RawZip::plugin().build();
    for length in 0..file.len() {
        assert!(Archive::parse(&file[..length]).is_err(), "{length}");
    }
}

#[test]
fn refuses_what_is_no_zip_at_all() {
    for bytes in [b"".as_slice(), b"PK", b"PK\x05\x06", &[0; 22], &[0xff; 400]] {
        assert!(Archive::parse(bytes).is_err());
    }
    refuses(&RawZip::stored(&[]), "manifest_missing");
}
