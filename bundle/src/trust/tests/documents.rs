//! Trust documents: roots, rotation, rollback, and what they may say.

use super::*;
use crate::sign::cosign_trust;
use crate::trust::{RevokedKey, TrustError};

fn version(version: u64, root: Root) -> TrustDeclaration {
    let mut declaration = declaration(vec![("acme", publisher(&[1], 1, &["com.acme.*"]))]);
    declaration.version = version;
    declaration.root = root;
    declaration
}

#[track_caller]
fn check(verdict: Result<TrustDocument, TrustError>, expected: Code) {
    match verdict {
        Ok(document) => panic!("version {} accepted instead of {expected}", document.version()),
        Err(error) => assert_eq!(error.code(), expected, "{error}"),
    }
}

#[test]
fn a_document_is_signed_by_the_root_it_names() {
    let declaration = version(1, root(&[10, 11], 2));
    assert!(TrustDocument::self_rooted(&sign_declaration(&declaration, &[10, 11])).is_ok());
    assert!(TrustDocument::self_rooted(&sign_declaration(&declaration, &[10, 11, 99])).is_ok());
    check(
        TrustDocument::self_rooted(&sign_declaration(&declaration, &[10])),
        Code::InvalidSignature,
    );
    check(
        TrustDocument::self_rooted(&sign_declaration(&declaration, &[10, 99])),
        Code::InvalidSignature,
    );
    check(
        TrustDocument::self_rooted(&sign_declaration(&declaration, &[98, 99])),
        Code::UntrustedKey,
    );
}

#[test]
fn a_document_whose_root_was_given_is_signed_by_both_roots() {
    let declaration = version(1, root(&[10], 1));
    let bytes = sign_declaration(&declaration, &[10]);
    assert!(TrustDocument::rooted_in(&bytes, &root(&[10], 1)).is_ok());
    check(TrustDocument::rooted_in(&bytes, &root(&[11], 1)), Code::UntrustedKey);
    check(
        TrustDocument::rooted_in(&bytes, &root(&[10, 11], 2)),
        Code::InvalidSignature,
    );
    let both = cosign_trust(&bytes, &key(11)).unwrap();
    assert!(TrustDocument::rooted_in(&both, &root(&[11], 1)).is_ok());
}

#[test]
fn one_bad_root_signature_spoils_the_document() {
    let declaration = version(1, root(&[10, 11], 1));
    let bytes = sign_declaration(&declaration, &[10, 11]);
    let envelope = TrustDocument::unverified_envelope(&bytes).unwrap();
    for index in 0..2 {
        let mut signatures = envelope.signatures().to_vec();
        signatures[index].bytes[40] ^= 1;
        let spoiled = crate::Envelope::new(crate::PayloadType::Trust, envelope.payload().to_vec(), signatures).unwrap();
        check(
            TrustDocument::self_rooted(&spoiled.to_bytes().unwrap()),
            Code::InvalidSignature,
        );
    }
}

#[test]
fn the_next_version_is_signed_by_the_old_root_and_the_new() {
    let first = TrustDocument::self_rooted(&sign_declaration(&version(1, root(&[10], 1)), &[10])).unwrap();
    let next = version(2, root(&[20], 1));
    let second = first.successor(&sign_declaration(&next, &[10, 20])).unwrap();
    assert_eq!(second.version(), 2);
    check(first.successor(&sign_declaration(&next, &[20])), Code::UntrustedKey);
    check(first.successor(&sign_declaration(&next, &[10])), Code::UntrustedKey);
    // After the rotation the old root alone changes nothing.
    check(
        second.successor(&sign_declaration(&version(3, root(&[10], 1)), &[10])),
        Code::UntrustedKey,
    );
    assert!(
        second
            .successor(&sign_declaration(&version(3, root(&[20], 1)), &[20]))
            .is_ok()
    );
}

#[test]
fn the_threshold_of_either_root_holds_during_rotation() {
    let first = TrustDocument::self_rooted(&sign_declaration(&version(1, root(&[10, 11, 12], 2)), &[10, 11])).unwrap();
    let next = version(2, root(&[20, 21], 2));
    assert!(first.successor(&sign_declaration(&next, &[10, 12, 20, 21])).is_ok());
    check(
        first.successor(&sign_declaration(&next, &[10, 20, 21])),
        Code::InvalidSignature,
    );
    check(
        first.successor(&sign_declaration(&next, &[10, 11, 20])),
        Code::InvalidSignature,
    );
}

#[test]
fn versions_rise_one_by_one() {
    let document = |number| sign_declaration(&version(number, root(&[10], 1)), &[10]);
    let current = TrustDocument::self_rooted(&document(5)).unwrap();
    assert!(current.successor(&document(6)).is_ok());
    assert_eq!(
        current.successor(&document(7)),
        Err(TrustError::Gap { current: 5, offered: 7 })
    );
    assert_eq!(
        current.successor(&document(4)),
        Err(TrustError::Rollback { current: 5, offered: 4 })
    );
    // The same document again changes nothing; another one of the same version is refused.
    assert_eq!(current.successor(&document(5)), Ok(current.clone()));
    let mut twin = version(5, root(&[10], 1));
    twin.publishers.clear();
    let refusal = current.successor(&sign_declaration(&twin, &[10]));
    assert_eq!(refusal, Err(TrustError::Rollback { current: 5, offered: 5 }));
}

#[test]
fn a_host_reopens_exactly_the_document_it_accepted() {
    let document = |number| sign_declaration(&version(number, root(&[10], 1)), &[10]);
    let record = TrustDocument::self_rooted(&document(5)).unwrap().record();
    assert!(TrustDocument::reopen(&document(5), &record).is_ok());
    check(TrustDocument::reopen(&document(4), &record), Code::DowngradeRefused);
    check(TrustDocument::reopen(&document(6), &record), Code::DowngradeRefused);
    let mut twin = version(5, root(&[10], 1));
    twin.expires = at("2099-01-01T00:00:00Z");
    check(
        TrustDocument::reopen(&sign_declaration(&twin, &[10]), &record),
        Code::DowngradeRefused,
    );
}

#[test]
fn a_bundle_is_no_trust_document() {
    let envelope = signed(ID, &[10]).envelope().unwrap().to_bytes().unwrap();
    check(TrustDocument::self_rooted(&envelope), Code::CorruptedData);
    check(TrustDocument::self_rooted(b"{}"), Code::CorruptedData);
}

#[test]
fn every_bit_of_a_trust_document_counts() {
    let bytes = sign_declaration(&version(1, root(&[10], 1)), &[10]);
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[position] ^= 1 << bit;
            assert!(
                TrustDocument::self_rooted(&changed).is_err(),
                "bit {bit} of byte {position}"
            );
        }
    }
}

#[test]
fn says_where_a_declaration_is_wrong() {
    #[track_caller]
    fn check(pointer: &str, change: impl Fn(&mut TrustDeclaration)) {
        let mut declaration = version(1, root(&[10, 11], 1));
        declaration.check().unwrap();
        change(&mut declaration);
        match declaration.check() {
            Err(TrustError::Declaration { pointer: actual, .. }) => assert_eq!(actual, pointer),
            other => panic!("{other:?}"),
        }
    }
    fn acme(declaration: &mut TrustDeclaration) -> &mut PublisherDeclaration {
        declaration.publishers.get_mut("acme").unwrap()
    }
    check("/version", |declaration| declaration.version = 0);
    check("/expires", |declaration| {
        declaration.created = Some(declaration.expires)
    });
    check("/root/threshold", |declaration| declaration.root.threshold = 0);
    check("/root/threshold", |declaration| declaration.root.threshold = 3);
    check("/root/threshold", |declaration| declaration.root.keys.clear());
    check("/root/keys/1", |declaration| {
        declaration.root.keys[1] = declaration.root.keys[0].clone()
    });
    check("/root/keys/1/keyid", |declaration| {
        declaration.root.keys[1].keyid = declaration.root.keys[0].keyid
    });
    check("/publishers", |declaration| {
        let publisher = publisher(&[2], 1, &["*"]);
        declaration.publishers.insert("ed25519:abc".to_owned(), publisher);
    });
    check("/publishers/acme/threshold", |declaration| {
        acme(declaration).threshold = 2
    });
    check("/publishers/acme/id_patterns", |declaration| {
        acme(declaration).id_patterns.clear()
    });
    check("/publishers/acme/keys/0/keyid", |declaration| {
        acme(declaration).keys[0].keyid = key(9).public().id()
    });
    check("/publishers/acme/keys/0/not_after", |declaration| {
        acme(declaration).keys[0].not_before = Some(at("2027-01-01T00:00:01Z"));
        acme(declaration).keys[0].not_after = Some(at("2027-01-01T00:00:00Z"));
    });
    for reason in ["x".repeat(201), "\u{1b}[2J".to_owned()] {
        check("/revoked/keys/0/reason", |declaration| {
            let (keyid, since) = (key(1).public().id(), declaration.expires);
            declaration.revoked.keys.push(RevokedKey {
                keyid,
                reason: reason.clone(),
                since,
            });
        });
    }
    check("/publishers/twin/keys/0", |declaration| {
        let twin = acme(declaration).clone();
        declaration.publishers.insert("twin".to_owned(), twin);
    });
}

#[test]
fn a_declaration_has_no_member_twice_and_none_unknown() {
    let text = String::from_utf8(crate::canonical_json::to_bytes(&version(1, root(&[10], 1))).unwrap()).unwrap();
    assert!(TrustDeclaration::parse(text.as_bytes()).is_ok());
    let twice = text.replacen("\"publishers\":{", "\"publishers\":{\"acme\":null,", 1);
    let unknown = text.replacen("\"publishers\":{", "\"extra\":1,\"publishers\":{", 1);
    let weak = text.replacen(&base64_of(10), "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", 1);
    for changed in [twice, unknown, weak] {
        assert_ne!(changed, text);
        assert!(TrustDeclaration::parse(changed.as_bytes()).is_err(), "{changed}");
    }
}

fn base64_of(seed: u8) -> String {
    serde_json::to_value(key(seed).public())
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}
