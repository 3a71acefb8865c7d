//! No byte of a signed bundle can be changed, taken away or added.

use super::*;
use crate::statement::Statement;
use crate::testing::{unsigned, with_payload};

fn small() -> Bundle {
    signed(ID, &[1])
}

fn is_accepted(trust: &TrustStore, bytes: Vec<u8>) -> bool {
    Bundle::open(bytes).is_ok_and(|bundle| trust.verify(bundle, clock(NOW)).is_ok())
}

#[test]
fn refuses_every_flipped_bit() {
    let (trust, bundle) = (bare(&[1]), small());
    assert!(is_accepted(&trust, bundle.bytes().to_vec()));
    let mut bytes = bundle.bytes().to_vec();
    for position in 0..bytes.len() {
        for bit in 0..8 {
            bytes[position] ^= 1 << bit;
            assert!(!is_accepted(&trust, bytes.clone()), "bit {bit} of byte {position}");
            bytes[position] ^= 1 << bit;
        }
    }
}

#[test]
fn refuses_every_truncation() {
    let (trust, bundle) = (bare(&[1]), small());
    let bytes = bundle.bytes();
    for length in 0..bytes.len() {
        assert!(!is_accepted(&trust, bytes[..length].to_vec()), "first {length} bytes");
        assert!(
            !is_accepted(&trust, bytes[bytes.len() - length..].to_vec()),
            "last {length} bytes"
        );
    }
}

#[test]
fn refuses_every_byte_added_at_either_end() {
    let (trust, bundle) = (bare(&[1]), small());
    for byte in 0..=u8::MAX {
        assert!(
            !is_accepted(&trust, [&[byte], bundle.bytes()].concat()),
            "{byte} in front"
        );
        assert!(
            !is_accepted(&trust, [bundle.bytes(), &[byte]].concat()),
            "{byte} behind"
        );
    }
}

#[test]
fn refuses_every_missing_byte() {
    let (trust, bundle) = (bare(&[1]), small());
    for position in 0..bundle.bytes().len() {
        let mut bytes = bundle.bytes().to_vec();
        bytes.remove(position);
        assert!(!is_accepted(&trust, bytes), "without byte {position}");
    }
}

#[test]
fn refuses_the_envelope_of_another_bundle() {
    let other = signed("com.acme.clock", &[1]);
    let swapped = with_payload(&other, small().envelope().unwrap().payload().to_vec(), &[1]);
    refuses(&bare(&[1]), &swapped, NOW, Code::InvalidSignature);
}

/// A bundle whose statement was changed and signed again by a trusted key: a signer that lies, or has a bug.
#[track_caller]
fn check_lie(expected: Code, reason: &str, change: impl Fn(&mut Statement)) {
    let bundle = small();
    let mut statement = bundle.unverified_statement().unwrap().clone();
    change(&mut statement);
    let bundle = with_payload(&bundle, statement.to_bytes().unwrap(), &[1]);
    let error = bare(&[1]).verify(bundle, clock(NOW)).unwrap_err();
    assert_eq!(error.code(), expected, "{error}");
    let details = error.details();
    let found = details.get("reason").or(details.get("pointer")).unwrap();
    assert_eq!(found, reason, "{error}");
}

#[test]
fn refuses_a_statement_that_is_not_true() {
    let (corrupted, forged) = (Code::CorruptedData, Code::InvalidSignature);
    check_lie(forged, "content_length", |statement| statement.content.length += 1);
    check_lie(forged, "content_length", |statement| statement.content.length -= 1);
    check_lie(forged, "content_digest", |statement| {
        statement.content.sha256 = crate::Digest::of(b"other")
    });
    check_lie(corrupted, "file_not_signed", |statement| statement.files[1].size += 1);
    check_lie(corrupted, "file_not_signed", |statement| statement.files.swap(1, 2));
    check_lie(corrupted, "file_not_signed", |statement| {
        statement.files[1].path.push('x')
    });
    check_lie(corrupted, "file_not_signed", |statement| drop(statement.files.pop()));
    check_lie(corrupted, "file_missing", |statement| {
        statement.files.push(statement.files[0].clone())
    });
    for index in 0..3 {
        check_lie(corrupted, "file_digest", |statement| {
            statement.files[index].sha256 = crate::Digest::of(b"other")
        });
    }
    check_lie(Code::InvalidManifest, "/id", |statement| {
        statement.id = "com.acme.clock".parse().unwrap()
    });
    check_lie(Code::InvalidManifest, "/version", |statement| {
        statement.version.patch += 1
    });
    check_lie(Code::InvalidManifest, "/abi_version", |statement| {
        statement.abi = "palisade-2".to_owned()
    });
}

#[test]
fn looking_without_trust_finds_the_same_lies() {
    let bundle = small();
    assert!(bundle.unverified_contents().is_ok());
    let mut statement = bundle.unverified_statement().unwrap().clone();
    statement.files[2].sha256 = crate::Digest::of(b"other");
    let lying = with_payload(&bundle, statement.to_bytes().unwrap(), &[1]);
    assert_eq!(lying.unverified_contents().unwrap_err().code(), Code::CorruptedData);
    assert_eq!(
        unsigned(ID).unverified_contents().unwrap().files(),
        bundle.unverified_contents().unwrap().files()
    );
}

#[test]
fn refuses_a_huge_manifest_before_it_is_unpacked_into_memory() {
    let manifest = vec![b' '; 1024 * 1024];
    let bytes = crate::container::write(&[("plugin.json", manifest)]).unwrap();
    let error = Bundle::open(bytes).unwrap().unverified_contents().unwrap_err();
    assert!(
        matches!(
            error,
            crate::ContentsError::ManifestTooLarge {
                actual_bytes: 1_048_576,
                ..
            }
        ),
        "{error}"
    );
}
