//! A trust store that changes under plugins that run.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use palisade::{
    Code, Coded, Digest, KeyStatus, PublisherDeclaration, PublisherKey, Revocations, Root, RootKey, SigningKey, State,
    Timestamp, TrustDeclaration, TrustDocument, TrustStore,
};
use palisade_bundle::sign::sign_trust;
use palisade_tests::{Guest, key};
use serde_json::json;

use super::{House, ID, LONG, guest, on_one_thread, told, waiting};

const NEIGHBOUR: &str = "test.neighbour";

/// A store of the key that everything in here is signed with, and what it revokes.
fn store(status: KeyStatus, bundles: Vec<Digest>) -> TrustStore {
    let key_of_publisher = PublisherKey {
        status,
        ..PublisherKey::from(key().public())
    };
    let publisher = PublisherDeclaration {
        epoch: 0,
        id_patterns: vec!["test.*".parse().unwrap()],
        keys: vec![key_of_publisher],
        permission_ceiling: None,
        threshold: 1,
    };
    let root = SigningKey::from_seed(&[9; 32]);
    let declaration = TrustDeclaration {
        created: None,
        expires: Timestamp::from_unix_seconds(4_000_000_000).unwrap(),
        publishers: BTreeMap::from([("tests".to_owned(), publisher)]),
        revoked: Revocations {
            bundles,
            ..Revocations::default()
        },
        root: Root {
            keys: vec![RootKey::from(root.public())],
            threshold: 1,
        },
        version: 1,
    };
    let document = sign_trust(&declaration, &[&root]).unwrap();
    TrustStore::from_document(&TrustDocument::self_rooted(&document).unwrap())
}

async fn two_plugins() -> (House, Digest) {
    let house = House::with(|settings| settings.drain_timeout = LONG);
    let digest = house.run(&waiting()).await.digest;
    let mut neighbour = guest("1.0.0");
    neighbour.manifest["id"] = json!(NEIGHBOUR);
    house.run(&neighbour).await;
    (house, digest)
}

fn state(house: &House, id: &str) -> State {
    house.supervisor.status(id).unwrap().state
}

#[test]
fn a_plugin_whose_bundle_is_revoked_is_stopped_and_its_neighbour_goes_on() {
    on_one_thread(async {
        let (house, digest) = two_plugins().await;
        // It is in the middle of something, and nobody waits for that.
        let supervisor = house.supervisor.clone();
        let running = tokio::spawn(async move { supervisor.call(ID, "wait", b"").await });
        house.waits.notified().await;
        let mut events = house.listen();
        let operator = house.supervisor.acting_as("operator");
        let changed = operator.set_trust(store(KeyStatus::Active, vec![digest])).await;
        assert_eq!(changed.disabled, [ID]);
        assert!(changed.unrecorded.is_none());
        assert_eq!(running.await.unwrap().unwrap_err().code(), Code::DrainCancelled);
        let status = house.supervisor.status(ID).unwrap();
        assert_eq!((status.state, status.enabled), (State::Disabled, false));
        assert_eq!(state(&house, NEIGHBOUR), State::Active);
        let words = told(&mut events);
        assert_eq!(words.first().map(String::as_str), Some("security:violation"));
        assert_eq!(words.last().map(String::as_str), Some("disabled"));
        let mut entries = house.trail.kept.entries();
        let entry = entries.pop().unwrap();
        assert_eq!((entry.actor.as_str(), entry.action.as_str()), ("operator", "disable"));
        assert_eq!(entry.details["code"], "BUNDLE_REVOKED");
        let change = entries.pop().unwrap();
        assert_eq!(
            (change.actor.as_str(), change.action.as_str()),
            ("operator", "trust_change")
        );
        assert_eq!(
            house.supervisor.enable(ID).await.unwrap_err().code(),
            Code::BundleRevoked
        );
    });
}

#[test]
fn every_plugin_of_a_compromised_key_is_stopped_also_when_that_cannot_be_written_down() {
    on_one_thread(async {
        let (house, _digest) = two_plugins().await;
        house.trail.is_broken.store(true, Ordering::Relaxed);
        let changed = house
            .supervisor
            .set_trust(store(KeyStatus::Compromised, Vec::new()))
            .await;
        assert_eq!(changed.disabled, [ID, NEIGHBOUR]);
        assert_eq!(changed.unrecorded.unwrap().code(), Code::AuditLogFailed);
        house.trail.is_broken.store(false, Ordering::Relaxed);
        assert_eq!(house.supervisor.enable(ID).await.unwrap_err().code(), Code::KeyRevoked);
    });
}

#[test]
fn a_key_that_is_retired_or_not_named_any_more_stops_nothing() {
    on_one_thread(async {
        let (house, _digest) = two_plugins().await;
        for trust in [store(KeyStatus::Retired, Vec::new()), TrustStore::empty()] {
            assert!(house.supervisor.set_trust(trust).await.disabled.is_empty());
            assert_eq!(
                (state(&house, ID), state(&house, NEIGHBOUR)),
                (State::Active, State::Active)
            );
        }
        assert_eq!(
            house.supervisor.reload(ID).await.unwrap_err().code(),
            Code::UntrustedKey
        );
    });
}

#[test]
fn an_operation_under_way_does_not_save_a_plugin_that_is_revoked() {
    on_one_thread(async {
        let (house, digest) = two_plugins().await;
        let supervisor = house.supervisor.clone();
        let running = tokio::spawn(async move { supervisor.call(ID, "wait", b"").await.map(drop) });
        house.waits.notified().await;
        let supervisor = house.supervisor.clone();
        let reload = tokio::spawn(async move { supervisor.reload(ID).await.map(drop) });
        while state(&house, ID) != State::Reloading {
            tokio::task::yield_now().await;
        }
        let supervisor = house.supervisor.clone();
        let trust = store(KeyStatus::Active, vec![digest]);
        let revoke = tokio::spawn(async move { supervisor.set_trust(trust).await });
        palisade_tests::give_way().await;
        assert!(!revoke.is_finished());
        house.go_on.notify_waiters();
        running.await.unwrap().unwrap();
        reload.await.unwrap().unwrap();
        assert_eq!(revoke.await.unwrap().disabled, [ID]);
        assert_eq!(state(&house, ID), State::Disabled);
    });
}

#[test]
fn the_cleanup_of_a_revoked_plugin_does_not_run() {
    on_one_thread(async {
        let house = House::new();
        let digest = house
            .run(&Guest {
                cleanup: "unreachable",
                ..guest("1.0.0")
            })
            .await
            .digest;
        let mut events = house.listen();
        house.supervisor.set_trust(store(KeyStatus::Active, vec![digest])).await;
        assert!(!told(&mut events).contains(&"warning CLEANUP_FAILED".to_owned()));
        assert_eq!(state(&house, ID), State::Disabled);
    });
}
