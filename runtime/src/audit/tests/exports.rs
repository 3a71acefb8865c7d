//! Exports: what was written verifies, and nothing else does.

use proptest::prelude::*;

use super::super::{AuditBreak, AuditReadError, AuditVerified, CheckpointKey, verify_export};
use super::{Place, entry, key};

fn export_of(place: &Place) -> Vec<u8> {
    let mut export = Vec::new();
    place.log().export(&mut export).unwrap();
    export
}

fn verify(export: &[u8]) -> Result<AuditVerified, AuditBreak> {
    verify_export(export, key().public())
}

#[track_caller]
fn check(lines: &[&str], how: &str, seq: u64) {
    let export = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let broken = verify(export.as_bytes()).unwrap_err();
    assert_eq!((broken.as_str(), broken.seq().unwrap_or_default()), (how, seq));
}

#[test]
fn an_export_verifies_with_the_key_alone() {
    for records in [0, 1, 9] {
        let verified = verify(&export_of(&Place::with(records, &[]))).unwrap();
        assert_eq!((verified.records, verified.signed_seq), (records, records));
    }
    let other = CheckpointKey::from_seed(&[8; 32]).unwrap();
    let broken = verify_export(export_of(&Place::with(1, &[])).as_slice(), other.public()).unwrap_err();
    assert_eq!(broken.as_str(), "forged_checkpoint");
}

#[test]
fn names_what_was_done_to_its_lines() {
    let export = String::from_utf8(export_of(&Place::with(5, &[]))).unwrap();
    let lines: Vec<_> = export.lines().collect();
    let [head, one, two, three, four, five] = lines[..] else {
        panic!()
    };
    let edited = three.replace("user:0", "user:1");
    check(&[head, one, two, &edited, four, five], "edited", 3);
    check(&[head, one, two, four, five], "deleted", 3);
    check(&[head, one, two, four, three, five], "reordered", 3);
    check(&[head, two, one, three, four, five], "reordered", 1);
    check(&[head, one, two, two, three, four, five], "inserted", 2);
    check(&[head, one, two, three, four, five, five], "inserted", 5);
    check(&[head, one, two, three], "cut_tail", 4);
    check(&[head], "cut_tail", 1);
    check(&[head, one, two, "", three, four, five], "edited", 3);
    check(&[head, one, two, "{}", four, five], "edited", 3);
    check(&[head, one, two, &format!(" {three}"), four, five], "edited", 3);
    check(&[head, one, two, &format!("{three}\r"), four, five], "edited", 3);
    check(&[head, one, two, &"x".repeat(1_000_000), four, five], "edited", 3);
    check(&[one, two, three, four, five], "no_checkpoint", 0);
    check(&[&format!(" {head}"), one, two, three, four, five], "no_checkpoint", 0);
    check(&[], "no_checkpoint", 0);
}

#[test]
fn a_record_after_the_signed_end_is_refused() {
    let place = Place::with(4, &[]);
    let short = String::from_utf8(export_of(&place)).unwrap();
    place.log().append(entry(5)).unwrap();
    let long = String::from_utf8(export_of(&place)).unwrap();
    let grown = format!("{short}{}\n", long.lines().last().unwrap());
    assert!(matches!(verify(grown.as_bytes()), Err(AuditBreak::Inserted { seq: 5 })));
}

#[test]
fn a_missing_line_end_is_a_cut() {
    let export = export_of(&Place::with(3, &[]));
    let (_, cut) = export.split_last().unwrap();
    assert!(matches!(verify(cut), Err(AuditBreak::Edited { seq: 3 })));
}

#[test]
fn a_broken_log_is_not_exported_under_a_new_signature() {
    let place = Place::with(5, &[]);
    place.tamper("UPDATE records SET actor = 'x' WHERE seq = 2");
    let mut export = Vec::new();
    let refused = place.log().export(&mut export).unwrap_err();
    assert!(matches!(refused, AuditReadError::Broken(AuditBreak::Edited { seq: 2 })));
    assert!(export.is_empty());
}

#[test]
fn an_export_that_cannot_be_written_says_so() {
    let mut small = [0; 100];
    let refused = Place::with(5, &[]).log().export(small.as_mut_slice()).unwrap_err();
    assert!(matches!(refused, AuditReadError::Write(_)));
}

/// One thing somebody could do to a file; places are taken modulo its length.
#[derive(Clone, Debug)]
enum Tampering {
    Flip(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Copy(usize, usize, usize),
    SwapLines(usize, usize),
    RemoveLine(usize),
    CopyLine(usize, usize),
    Truncate(usize),
    /// Another record's value for a word of this one.
    Replace(&'static str, &'static str, usize),
}

fn any_tampering() -> impl Strategy<Value = Tampering> {
    let at = any::<usize>();
    let words = prop::sample::select(vec![
        ("user:1", "user:2"),
        ("user:", "User:"),
        ("1.0.", "1.0.0."),
        ("\"seq\":3", "\"seq\":4"),
        ("true", "false"),
        ("null", "\"\""),
        (",", ", "),
        ("failed", "denied"),
        ("T00", "T01"),
        ("ü", "\\u00fc"),
        ("com.acme.greeter", "com.acme.greeter2"),
    ]);
    prop_oneof![
        (at, 1..=u8::MAX).prop_map(|(at, bits)| Tampering::Flip(at, bits)),
        (at, prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Tampering::Insert(at, bytes)),
        (at, 1_usize..400).prop_map(|(at, length)| Tampering::Remove(at, length)),
        (at, at, 1_usize..400).prop_map(|(from, to, length)| Tampering::Copy(from, to, length)),
        (at, at).prop_map(|(a, b)| Tampering::SwapLines(a, b)),
        at.prop_map(Tampering::RemoveLine),
        (at, at).prop_map(|(from, to)| Tampering::CopyLine(from, to)),
        at.prop_map(Tampering::Truncate),
        (words, at).prop_map(|((old, new), nth)| Tampering::Replace(old, new, nth)),
    ]
}

impl Tampering {
    fn apply(&self, export: &mut Vec<u8>) {
        let length = export.len().max(1);
        let mut lines: Vec<Vec<u8>> = export
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect();
        let count = lines.len().max(1);
        if export.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, bits) => export[at % length] ^= bits,
            Self::Insert(at, bytes) => drop(export.splice(at % length..at % length, bytes.iter().copied())),
            Self::Remove(at, bytes) => drop(export.drain(at % length..(at % length + bytes).min(length))),
            Self::Copy(from, to, bytes) => {
                let copy = export[from % length..(from % length + bytes).min(length)].to_vec();
                drop(export.splice(to % length..to % length, copy));
            }
            Self::Truncate(at) => export.truncate(at % length),
            Self::SwapLines(a, b) => lines.swap(a % count, b % count),
            Self::RemoveLine(at) => drop(lines.remove(at % count)),
            Self::CopyLine(from, to) => lines.insert(to % count, lines[from % count].clone()),
            Self::Replace(old, new, nth) => {
                let text = String::from_utf8_lossy(export).into_owned();
                let places: Vec<_> = text.match_indices(old).map(|(at, _)| at).collect();
                if let Some(at) = places.get(nth % places.len().max(1)) {
                    let (before, rest) = text.split_at(*at);
                    let after = rest.strip_prefix(old).unwrap_or(rest);
                    *export = [before, new, after].concat().into_bytes();
                }
            }
        }
        if matches!(self, Self::SwapLines(..) | Self::RemoveLine(_) | Self::CopyLine(..)) {
            *export = lines.concat();
        }
    }
}

#[test]
fn no_tampering_with_an_export_is_accepted() {
    let whole = export_of(&Place::with(12, &[]));
    verify(&whole).unwrap();
    let config = ProptestConfig::with_cases(2_000);
    proptest!(config, |(tamperings in prop::collection::vec(any_tampering(), 1..4))| {
        let mut export = whole.clone();
        tamperings.iter().for_each(|tampering| tampering.apply(&mut export));
        prop_assert_eq!(verify(&export).is_ok(), export == whole);
    });
}
