//! Single keys: known, valid, revoked, for development.

use super::*;
use crate::steps::{Check, Step};
use crate::testing::{CREATED, options, signed_with, unsigned, with_payload, with_signatures};
use crate::trust::{DEVELOPMENT_KEYS, RevokedKey, VerifyError};
use crate::verified::TrustWarning;
use crate::{PublicKey, SignOptions, SigningKey};

#[test]
fn accepts_a_bundle_signed_by_a_key_it_knows() {
    let bundle = accepts(&bare(&[1]), &signed(ID, &[1]), NOW);
    assert_eq!(bundle.id().as_str(), ID);
    assert_eq!(bundle.publisher(), Some(key(1).public().id().to_string().as_str()));
    assert_eq!(bundle.statement().unwrap().sequence, 17);
    assert_eq!(bundle.digest(), bundle.bundle().envelope().unwrap().payload_digest());
    assert_eq!(bundle.permission_ceiling(), None);
    assert!(bundle.is_signed() && bundle.warnings().is_empty());
    assert_eq!(&*bundle.module().unwrap(), crate::testing::MODULE);
}

#[test]
fn refuses_a_bundle_signed_by_an_unknown_key() {
    refuses(&bare(&[2]), &signed(ID, &[1]), NOW, Code::UntrustedKey);
    refuses(&TrustStore::empty(), &signed(ID, &[1]), NOW, Code::UntrustedKey);
}

#[test]
fn refuses_an_unsigned_bundle_unless_allowed() {
    refuses(&bare(&[1]), &unsigned(ID), NOW, Code::SignatureMissing);
    let bundle = accepts(&bare(&[1]).allow_unsigned(true), &unsigned(ID), NOW);
    assert!(!bundle.is_signed());
    assert_eq!(bundle.warnings(), [TrustWarning::Unsigned]);
    assert_eq!(bundle.publisher(), None);
    assert_eq!(bundle.digest(), bundle.bundle().file_digest());
}

#[test]
fn allowing_unsigned_bundles_does_not_allow_badly_signed_ones() {
    refuses(
        &bare(&[2]).allow_unsigned(true),
        &signed(ID, &[1]),
        NOW,
        Code::UntrustedKey,
    );
    refuses(
        &TrustStore::empty().allow_unsigned(true),
        &signed(ID, &[1]),
        NOW,
        Code::UntrustedKey,
    );
}

#[test]
fn ignores_signatures_by_unknown_keys() {
    let bundle = accepts(&bare(&[1]), &signed(ID, &[1, 2, 3]), NOW);
    let trusted: Vec<_> = bundle
        .signatures()
        .iter()
        .filter(|status| status.trusted)
        .map(|status| status.key_id)
        .collect();
    assert_eq!((bundle.signatures().len(), trusted), (3, vec![key(1).public().id()]));
}

#[test]
fn one_bad_signature_by_a_known_key_refuses_the_bundle() {
    let bundle = signed(ID, &[1, 2]);
    accepts(&bare(&[1, 2]), &bundle, NOW);
    let envelope = bundle.envelope().unwrap();
    let mut signatures = envelope.signatures().to_vec();
    let bad = signatures
        .iter()
        .position(|signature| signature.key_id == key(2).public().id())
        .unwrap();
    signatures[bad].bytes[0] ^= 1;
    let bundle = with_signatures(&bundle, envelope.payload().to_vec(), signatures);
    refuses(&bare(&[1, 2]), &bundle, NOW, Code::InvalidSignature);
    refuses(&bare(&[2]), &bundle, NOW, Code::InvalidSignature);
    // To a store that does not know the second key its signature is as good as absent.
    accepts(&bare(&[1]), &bundle, NOW);
}

#[test]
fn a_bad_signature_refuses_the_bundle_even_when_its_key_does_not_count() {
    let bundle = signed(ID, &[1, 2]);
    let envelope = bundle.envelope().unwrap();
    let mut signatures = envelope.signatures().to_vec();
    let bad = signatures
        .iter()
        .position(|signature| signature.key_id == key(2).public().id())
        .unwrap();
    signatures[bad].bytes[0] ^= 1;
    let spoiled = with_signatures(&bundle, envelope.payload().to_vec(), signatures);
    for status in [KeyStatus::Retired, KeyStatus::Compromised] {
        let mut acme = publisher(&[1, 2], 1, &["com.acme.*"]);
        acme.keys[1].status = status;
        let trust = store(&declaration(vec![("acme", acme)]));
        accepts(&trust, &bundle, NOW);
        refuses(&trust, &spoiled, NOW, Code::InvalidSignature);
    }
}

#[test]
fn a_key_id_is_only_a_hint() {
    // The signature of key 2 under the name of key 1, and the other way round.
    let bundle = signed(ID, &[2]);
    let envelope = bundle.envelope().unwrap();
    let mut signatures = envelope.signatures().to_vec();
    signatures[0].key_id = key(1).public().id();
    let bundle = with_signatures(&bundle, envelope.payload().to_vec(), signatures);
    refuses(&bare(&[1]), &bundle, NOW, Code::InvalidSignature);
    refuses(&bare(&[2]), &bundle, NOW, Code::UntrustedKey);
}

#[test]
fn a_signature_is_for_one_payload_type_only() {
    let bundle = signed(ID, &[1]);
    let payload = bundle.envelope().unwrap().payload().to_vec();
    for payload_type in [
        "application/vnd.palisade.trust.v1+json",
        "application/vnd.palisade.bundle.v2+json",
        "",
    ] {
        let message = crate::envelope::pre_authentication_encoding(payload_type, &payload);
        let signature = crate::EnvelopeSignature {
            key_id: key(1).public().id(),
            bytes: key(1).sign(&message),
        };
        let bundle = with_signatures(&bundle, payload.clone(), vec![signature]);
        refuses(&bare(&[1]), &bundle, NOW, Code::InvalidSignature);
    }
    let bare_payload = crate::EnvelopeSignature {
        key_id: key(1).public().id(),
        bytes: key(1).sign(&payload),
    };
    refuses(
        &bare(&[1]),
        &with_signatures(&bundle, payload, vec![bare_payload]),
        NOW,
        Code::InvalidSignature,
    );
}

#[test]
fn a_key_is_good_from_its_first_second_through_its_last() {
    let trust = acme(|acme| {
        acme.keys[0].not_before = Some(at("2026-12-01T00:00:00Z"));
        acme.keys[0].not_after = Some(at("2026-12-31T23:59:59Z"));
    });
    let bundle = signed(ID, &[1]);
    refuses(&trust, &bundle, "2026-11-30T23:59:59Z", Code::KeyExpired);
    accepts(&trust, &bundle, "2026-12-01T00:00:00Z");
    accepts(&trust, &bundle, "2026-12-31T23:59:59Z");
    refuses(&trust, &bundle, "2027-01-01T00:00:00Z", Code::KeyExpired);
    let within_the_last_second = clock("2026-12-31T23:59:59Z") + std::time::Duration::from_nanos(999_999_999);
    assert!(trust.verify(bundle.clone(), within_the_last_second).is_ok());
    assert!(
        trust
            .verify_installed(bundle.clone(), clock("2027-01-01T00:00:00Z"))
            .is_ok()
    );
    assert!(trust.verify_installed(bundle, clock("2026-11-30T23:59:59Z")).is_err());
}

#[test]
fn a_retired_key_installs_nothing_new_and_stops_nothing_old() {
    let trust = acme(|acme| acme.keys[0].status = KeyStatus::Retired);
    let bundle = signed(ID, &[1]);
    refuses(&trust, &bundle, NOW, Code::KeyExpired);
    assert!(trust.verify_installed(bundle, clock(NOW)).is_ok());
}

#[test]
fn a_compromised_key_counts_for_nothing() {
    let mut acme = publisher(&[1, 2], 1, &["com.acme.*"]);
    acme.keys[0].status = KeyStatus::Compromised;
    let trust = store(&declaration(vec![("acme", acme)]));
    let alone = signed(ID, &[1]);
    refuses(&trust, &alone, NOW, Code::KeyRevoked);
    assert_eq!(
        trust.verify_installed(alone, clock(NOW)).unwrap_err().code(),
        Code::KeyRevoked
    );
    let bundle = accepts(&trust, &signed(ID, &[1, 2]), NOW);
    assert_eq!(bundle.signatures().iter().filter(|status| status.trusted).count(), 1);
}

#[test]
fn a_revoked_key_is_refused_whatever_the_date() {
    let mut declaration = declaration(vec![("acme", publisher(&[1], 1, &["com.acme.*"]))]);
    let revoked = RevokedKey {
        keyid: key(1).public().id(),
        reason: "stolen".to_owned(),
        since: at("2026-11-30T00:00:00Z"),
    };
    declaration.revoked.keys = vec![revoked.clone()];
    let trust = store(&declaration);
    let bundle = signed(ID, &[1]);
    refuses(&trust, &bundle, NOW, Code::KeyRevoked);
    refuses(&trust, &bundle, "2026-11-02T00:00:00Z", Code::KeyRevoked);
    let error = trust.verify_installed(bundle, clock(NOW)).unwrap_err();
    assert_eq!(error, VerifyError::KeyRevoked(revoked.clone()));
    assert_eq!(error.details()["key_id"], revoked.keyid.to_string());
    // A neighbour of the revoked key is not touched.
    declaration.revoked.keys[0].keyid = key(2).public().id();
    accepts(&store(&declaration), &signed(ID, &[1]), NOW);
}

#[test]
fn a_revoked_bundle_is_refused_whoever_signs_it() {
    let bundle = signed(ID, &[1]);
    let mut declaration = declaration(vec![("acme", publisher(&[1, 2], 1, &["com.acme.*"]))]);
    declaration.revoked.bundles = vec![bundle.digest()];
    let trust = store(&declaration);
    refuses(&trust, &bundle, NOW, Code::BundleRevoked);
    let signed_again = SignOptions {
        append: true,
        ..options(17)
    };
    let both = Bundle::open(crate::sign::sign(&bundle, &key(2), &signed_again).unwrap()).unwrap();
    refuses(&trust, &both, NOW, Code::BundleRevoked);
    accepts(&trust, &signed_with(ID, &[1], options(18)), NOW);
}

#[test]
fn a_bundle_may_be_used_through_its_last_second() {
    let not_after = Some(at("2026-12-24T18:00:00Z"));
    let bundle = signed_with(
        ID,
        &[1],
        SignOptions {
            not_after,
            ..options(17)
        },
    );
    accepts(&bare(&[1]), &bundle, "2026-12-24T18:00:00Z");
    refuses(&bare(&[1]), &bundle, "2026-12-24T18:00:01Z", Code::KeyExpired);
    assert!(
        bare(&[1])
            .verify_installed(bundle, clock("2026-12-24T18:00:01Z"))
            .is_err()
    );
}

#[test]
fn refuses_a_signed_payload_that_is_no_statement() {
    for payload in [b"{}".as_slice(), b"", b"[]", b"\xff"] {
        let bundle = with_payload(&signed(ID, &[1]), payload.to_vec(), &[1]);
        refuses(&bare(&[1]), &bundle, NOW, Code::CorruptedData);
        assert_eq!(bundle.unverified_statement(), None);
    }
}

#[test]
fn whoever_has_no_key_reaches_no_container() {
    let mut bytes = signed(ID, &[1]).bytes().to_vec();
    let content_start = Bundle::open(bytes.clone()).unwrap().content_start().unwrap();
    bytes.truncate(content_start);
    bytes.extend_from_slice(b"not a container at all");
    let bundle = Bundle::open(bytes).unwrap();
    refuses(&bare(&[2]), &bundle, NOW, Code::UntrustedKey);
    refuses(&bare(&[1]), &bundle, NOW, Code::CorruptedData);
}

#[test]
fn lists_every_check_in_order_and_stops_at_the_first_failure() {
    let mut checks = Vec::new();
    bare(&[1])
        .verify_traced(signed(ID, &[1]), clock(NOW), &mut checks)
        .unwrap();
    let all: Vec<_> = Step::ALL.iter().map(|step| Check { name: *step, ok: true }).collect();
    assert_eq!(checks, all);
    bare(&[2])
        .verify_traced(signed(ID, &[1]), clock(NOW), &mut checks)
        .unwrap_err();
    assert_eq!(
        checks.last(),
        Some(&Check {
            name: Step::Key,
            ok: false
        })
    );
    assert_eq!(checks.len(), 5);
    bare(&[1])
        .verify_traced(unsigned(ID), clock(NOW), &mut checks)
        .unwrap_err();
    assert_eq!(
        checks.last(),
        Some(&Check {
            name: Step::Envelope,
            ok: false
        })
    );
}

#[test]
fn development_keys_count_only_when_asked_for() {
    let key = SigningKey::from_pem(include_str!("../../../../keys/development.key")).unwrap();
    let bundle = Bundle::open(crate::sign::sign(&unsigned(ID), &key, &options(1)).unwrap()).unwrap();
    let trust = TrustStore::new([key.public()]);
    refuses(&trust, &bundle, NOW, Code::UntrustedKey);
    accepts(&trust.development_keys(true), &bundle, NOW);
    // Beside a real signature it is as good as absent.
    let beside = SignOptions {
        append: true,
        ..options(1)
    };
    let both = Bundle::open(crate::sign::sign(&bundle, &super::key(1), &beside).unwrap()).unwrap();
    let trust = TrustStore::new([key.public(), super::key(1).public()]);
    accepts(&trust, &both, NOW);
    refuses(&trust.require(2), &both, NOW, Code::InvalidSignature);
}

#[test]
fn a_trust_document_rooted_in_a_development_key_counts_only_when_asked_for() {
    let key = SigningKey::from_pem(include_str!("../../../../keys/development.key")).unwrap();
    let mut declaration = declaration(vec![("acme", publisher(&[1], 1, &["com.acme.*"]))]);
    declaration.root.keys = vec![key.public().into()];
    let document = TrustDocument::self_rooted(&sign_trust(&declaration, &[&key]).unwrap()).unwrap();
    let trust = TrustStore::from_document(&document);
    refuses(&trust, &signed(ID, &[1]), NOW, Code::UntrustedKey);
    accepts(&trust.development_keys(true), &signed(ID, &[1]), NOW);
}

#[test]
fn the_development_key_is_what_its_readme_says() {
    use sha2::Digest as _;
    let seed: [u8; 32] = sha2::Sha256::digest("palisade development key 1").into();
    let key = SigningKey::from_seed(&seed);
    assert_eq!(*key.to_pem(), include_str!("../../../../keys/development.key"));
    assert_eq!(key.public().to_pem(), include_str!("../../../../keys/development.pub"));
    let public = PublicKey::from_pem(include_str!("../../../../keys/development.pub")).unwrap();
    assert_eq!(DEVELOPMENT_KEYS, [public.id().to_string()]);
}

#[test]
fn a_clock_before_the_year_zero_is_refused() {
    let verdict = bare(&[1]).verify(
        signed(ID, &[1]),
        clock(CREATED) - std::time::Duration::from_secs(100_000_000_000),
    );
    assert_eq!(verdict.unwrap_err(), VerifyError::Clock);
}
