//! Publishers: patterns, thresholds, ceilings, and the age of the document.

use super::*;
use crate::permission::Permission;
use crate::trust::VerifyError;
use crate::verified::TrustWarning;

#[test]
fn a_publisher_signs_for_its_own_plugins_only() {
    let trust = acme(|_| {});
    let bundle = accepts(&trust, &signed(ID, &[1]), NOW);
    assert_eq!((bundle.publisher(), bundle.epoch()), (Some("acme"), Some(0)));
    for id in ["com.acmex.weather", "com.acme", "org.acme.weather"] {
        refuses(&trust, &signed(id, &[1]), NOW, Code::UntrustedKey);
    }
    let error = trust.verify(signed("com.acme", &[1]), clock(NOW)).unwrap_err();
    assert!(matches!(error, VerifyError::NotForThisId { .. }), "{error}");
}

#[test]
fn a_key_of_another_publisher_does_not_help() {
    let publishers = vec![
        ("acme", publisher(&[1], 1, &["com.acme.*"])),
        ("evil", publisher(&[2], 1, &["com.evil.*"])),
    ];
    let trust = store(&declaration(publishers));
    refuses(&trust, &signed(ID, &[2]), NOW, Code::UntrustedKey);
    let bundle = accepts(&trust, &signed(ID, &[1, 2]), NOW);
    let counted: Vec<_> = bundle
        .signatures()
        .iter()
        .filter(|status| status.trusted)
        .map(|status| status.key_id)
        .collect();
    assert_eq!(counted, [key(1).public().id()]);
}

#[test]
fn a_threshold_is_reached_by_different_keys_of_one_publisher() {
    let acme = publisher(&[1, 2, 3], 2, &["com.acme.*"]);
    let trust = store(&declaration(vec![
        ("acme", acme),
        ("mirror", publisher(&[4], 1, &["com.mirror.*"])),
    ]));
    accepts(&trust, &signed(ID, &[1, 3]), NOW);
    accepts(&trust, &signed(ID, &[1, 2, 3]), NOW);
    refuses(&trust, &signed(ID, &[1]), NOW, Code::InvalidSignature);
    refuses(&trust, &signed(ID, &[1, 4]), NOW, Code::InvalidSignature);
    refuses(&trust, &signed(ID, &[1, 9]), NOW, Code::InvalidSignature);
    let error = trust.verify(signed(ID, &[2]), clock(NOW)).unwrap_err();
    assert_eq!(
        error,
        VerifyError::Threshold {
            key_id: key(2).public().id(),
            valid: 1,
            required: 2
        }
    );
    assert_eq!(error.to_string(), "1 of 2 signatures needed");
}

#[test]
fn an_invalid_key_does_not_count_towards_the_threshold() {
    for change in [
        |acme: &mut PublisherDeclaration| acme.keys[1].status = KeyStatus::Retired,
        |acme: &mut PublisherDeclaration| acme.keys[1].status = KeyStatus::Compromised,
        |acme: &mut PublisherDeclaration| acme.keys[1].not_after = Some(at("2026-11-30T00:00:00Z")),
    ] {
        let mut acme = publisher(&[1, 2, 3], 2, &["com.acme.*"]);
        change(&mut acme);
        let trust = store(&declaration(vec![("acme", acme)]));
        refuses(&trust, &signed(ID, &[1, 2]), NOW, Code::InvalidSignature);
        accepts(&trust, &signed(ID, &[1, 3]), NOW);
    }
}

#[test]
fn a_required_number_of_signatures_counts_every_key_that_may_sign() {
    let trust = bare(&[1, 2, 3]).require(2);
    accepts(&trust, &signed(ID, &[1, 2]), NOW);
    refuses(&trust, &signed(ID, &[1]), NOW, Code::InvalidSignature);
    refuses(&trust, &signed(ID, &[1, 9]), NOW, Code::InvalidSignature);
    // It never lowers what the publisher asks for.
    let strict = store(&declaration(vec![("acme", publisher(&[1, 2], 2, &["com.acme.*"]))]));
    refuses(
        &strict.clone().require(1),
        &signed(ID, &[1]),
        NOW,
        Code::InvalidSignature,
    );
    refuses(&strict.require(3), &signed(ID, &[1, 2]), NOW, Code::InvalidSignature);
}

#[test]
fn the_publisher_with_the_narrowest_pattern_vouches() {
    let publishers = vec![
        ("acme", publisher(&[1], 1, &["com.acme.*"])),
        ("aaa-mirror", publisher(&[2], 1, &["*"])),
        ("weather-team", publisher(&[3], 1, &["com.acme.weather"])),
    ];
    let trust = store(&declaration(publishers));
    let who = |seeds: &[u8]| accepts(&trust, &signed(ID, seeds), NOW).publisher().unwrap().to_owned();
    assert_eq!(who(&[1, 2]), "acme");
    assert_eq!(who(&[2]), "aaa-mirror");
    assert_eq!(who(&[1, 2, 3]), "weather-team");
}

#[test]
fn the_ceiling_of_the_publisher_comes_with_the_bundle() {
    let storage = Permission::parse("storage:read").unwrap();
    let trust = acme(|acme| acme.permission_ceiling = Some(vec![storage.clone()]));
    assert_eq!(
        accepts(&trust, &signed(ID, &[1]), NOW).permission_ceiling(),
        Some([storage].as_slice())
    );
    let trust = acme(|acme| acme.permission_ceiling = Some(Vec::new()));
    assert_eq!(
        accepts(&trust, &signed(ID, &[1]), NOW).permission_ceiling(),
        Some([].as_slice())
    );
    assert_eq!(
        accepts(&acme(|_| {}), &signed(ID, &[1]), NOW).permission_ceiling(),
        None
    );
}

#[test]
fn a_document_warns_after_80_percent_of_its_life_and_installs_nothing_after_it() {
    let mut declaration = declaration(vec![("acme", publisher(&[1], 1, &["com.acme.*"]))]);
    declaration.created = Some(at("2026-12-01T00:00:00Z"));
    declaration.expires = at("2026-12-01T00:01:40Z");
    let trust = store(&declaration);
    let bundle = signed(ID, &[1]);
    let stale = [TrustWarning::TrustDocumentStale {
        expires: declaration.expires,
    }];
    assert_eq!(accepts(&trust, &bundle, "2026-12-01T00:01:19Z").warnings(), []);
    assert_eq!(accepts(&trust, &bundle, "2026-12-01T00:01:20Z").warnings(), stale);
    assert_eq!(accepts(&trust, &bundle, "2026-12-01T00:01:39Z").warnings(), stale);
    refuses(&trust, &bundle, "2026-12-01T00:01:40Z", Code::KeyExpired);
    let running = trust
        .verify_installed(bundle.clone(), clock("2026-12-01T00:01:40Z"))
        .unwrap();
    assert_eq!(
        running.warnings(),
        [TrustWarning::TrustDocumentExpired {
            expires: declaration.expires
        }]
    );
    // Without a beginning there is no 80 %, but there is an end.
    declaration.created = None;
    let trust = store(&declaration);
    assert_eq!(accepts(&trust, &bundle, "2026-12-01T00:01:39Z").warnings(), []);
    refuses(&trust, &bundle, "2026-12-01T00:01:40Z", Code::KeyExpired);
}
