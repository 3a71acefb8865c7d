//! Names and their order.

use super::{allows, refuses};
use crate::container::{NameFault, SIGNATURE_PATH, check_name};
use crate::testing::{MODULE, RawEntry, RawZip};

#[track_caller]
fn check(name: &str, expected: Result<(), NameFault>) {
    assert_eq!(check_name(name.as_bytes()).map(|_| ()), expected, "{name}");
    let mut zip = RawZip::stored(&[("plugin.json", b"{}")]);
    zip.push(RawEntry::stored(name.as_bytes(), MODULE));
    match expected {
        Ok(()) => allows(&zip),
        Err(_) => refuses(&zip, "name"),
    }
}

#[test]
fn allows_the_portable_alphabet_only() {
    check("AZaz09._-/x", Ok(()));
    for name in [
        "a b",
        "a\\b",
        "a:b",
        "a*b",
        "a?b",
        "a\"b",
        "a<b",
        "a|b",
        "a\0b",
        "a\nb",
        "a~b",
        "a$b",
        "a+b",
        "ä",
        "a\u{202e}b",
    ] {
        check(name, Err(NameFault::Character));
    }
    assert_eq!(check_name(b"a\xff"), Err(NameFault::Character));
}

#[test]
fn allows_200_bytes_and_not_one_more() {
    check(&"a".repeat(200), Ok(()));
    check(&"a".repeat(201), Err(NameFault::TooLong));
    check("", Err(NameFault::Empty));
}

#[test]
fn allows_16_levels_and_not_one_more() {
    check(&["a"; 16].join("/"), Ok(()));
    check(&["a"; 17].join("/"), Err(NameFault::TooDeep));
}

#[test]
fn refuses_names_that_lead_out_of_the_bundle() {
    check("a/.b", Ok(()));
    check("a/b..c", Ok(()));
    check("...a", Ok(()));
    for name in ["..", ".", "../a", "a/../b", "a/..", "./a", "a/./b", "a/."] {
        check(name, Err(NameFault::Traversal));
    }
    check("/a", Err(NameFault::Absolute));
    check("/", Err(NameFault::Absolute));
}

#[test]
fn refuses_folders_and_empty_parts() {
    check("a/b", Ok(()));
    check("a/", Err(NameFault::EmptyPart));
    check("a//b", Err(NameFault::EmptyPart));
}

#[test]
fn refuses_a_dot_at_the_end_of_any_part() {
    check(".a", Ok(()));
    check("a.", Err(NameFault::TrailingDot));
    check("a./b", Err(NameFault::TrailingDot));
    check("...", Err(NameFault::TrailingDot));
}

#[test]
fn refuses_windows_devices_and_not_their_neighbours() {
    for name in [
        "console",
        "con-",
        "xcon",
        "com",
        "com10",
        "com-1",
        "lpta",
        "null",
        "auxiliary",
        "nul-nul.txt",
    ] {
        check(name, Ok(()));
    }
    for name in [
        "con",
        "PRN",
        "aux",
        "Nul",
        "com0",
        "com1",
        "COM9",
        "lpt1",
        "LPT9",
        "nul.txt",
        "con.tar.gz",
        "a/nul/b",
        "a/Com1.wasm",
    ] {
        check(name, Err(NameFault::Device));
    }
}

#[test]
fn says_which_entry_has_the_bad_name_without_repeating_control_characters() {
    let zip = RawZip::stored(&[("plugin.json", b"{}"), ("\u{1b}[31m", b"")]);
    let error = crate::container::Archive::parse(&zip.build()).unwrap_err();
    assert_eq!(error.entry.as_deref(), Some("\\x1b[31m"));
}

#[test]
fn refuses_names_that_differ_in_case_only() {
    allows(&RawZip::stored(&[("plugin.json", b""), ("A", b""), ("a1", b"")]));
    refuses(
        &RawZip::stored(&[("plugin.json", b""), ("A", b""), ("a", b"")]),
        "duplicate_name",
    );
    refuses(
        &RawZip::stored(&[("plugin.json", b""), ("Plugin.json", b"")]),
        "duplicate_name",
    );
    refuses(
        &RawZip::stored(&[("plugin.json", b""), ("a", b""), ("a", b"")]),
        "duplicate_name",
    );
}

#[test]
fn refuses_a_file_that_is_a_folder_too() {
    allows(&RawZip::stored(&[("plugin.json", b""), ("a-b", b""), ("a/b", b"")]));
    refuses(
        &RawZip::stored(&[("plugin.json", b""), ("a", b""), ("a/b", b"")]),
        "folder_clash",
    );
    refuses(
        &RawZip::stored(&[("plugin.json", b""), ("A", b""), ("a/b/c", b"")]),
        "folder_clash",
    );
    refuses(
        &RawZip::stored(&[("plugin.json", b""), ("plugin.json/a", b"")]),
        "folder_clash",
    );
}

#[test]
fn keeps_the_place_of_the_signature_free() {
    allows(&RawZip::stored(&[("plugin.json", b""), ("META-INF/other.json", b"")]));
    allows(&RawZip::stored(&[(SIGNATURE_PATH, b""), ("plugin.json", b"")]));
    refuses(&RawZip::stored(&[("plugin.json", b""), (SIGNATURE_PATH, b"")]), "order");
    refuses(
        &RawZip::stored(&[("plugin.json", b""), ("meta-inf/SIGNATURE.json", b"")]),
        "order",
    );
    refuses(
        &RawZip::stored(&[("plugin.json", b""), ("META-INF", b"")]),
        "folder_clash",
    );
    refuses(
        &RawZip::stored(&[("plugin.json", b""), ("meta-inf/signature.json/x", b"")]),
        "folder_clash",
    );
    refuses(
        &RawZip::stored(&[(SIGNATURE_PATH, b""), (SIGNATURE_PATH, b""), ("plugin.json", b"")]),
        "duplicate_name",
    );
}

#[test]
fn keeps_entries_in_their_order() {
    allows(&RawZip::stored(&[
        ("plugin.json", b""),
        ("A", b""),
        ("B", b""),
        ("a0", b""),
        ("plugin.wasm", b""),
    ]));
    refuses(
        &RawZip::stored(&[("plugin.json", b""), ("b", b""), ("a", b"")]),
        "order",
    );
    refuses(
        &RawZip::stored(&[("plugin.json", b""), ("a0", b""), ("B", b"")]),
        "order",
    );
    refuses(
        &RawZip::stored(&[("plugin.wasm", b""), ("plugin.json", b"")]),
        "manifest_missing",
    );
    refuses(
        &RawZip::stored(&[(SIGNATURE_PATH, b""), ("a", b""), ("plugin.json", b"")]),
        "manifest_missing",
    );
    refuses(&RawZip::stored(&[(SIGNATURE_PATH, b"")]), "manifest_missing");
}

#[test]
fn keeps_the_signature_stored_and_small() {
    let with = |entry| {
        let mut zip = RawZip::stored(&[]);
        zip.push(entry);
        zip.push(RawEntry::stored(b"plugin.json", b"{}"));
        zip
    };
    let name = SIGNATURE_PATH.as_bytes();
    allows(&with(RawEntry::stored(name, &vec![b' '; 512 * 1024])));
    refuses(
        &with(RawEntry::stored(name, &vec![b' '; 512 * 1024 + 1])),
        "signature_too_large",
    );
    refuses(
        &with(RawEntry::deflated(name, &vec![b' '; 1024])),
        "signature_compressed",
    );
}
