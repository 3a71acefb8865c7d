//! Whose word counts, for what, until when.

mod documents;
mod errors;
mod integrity;
mod keys;
mod publishers;

use super::{
    KeyStatus, PublisherDeclaration, PublisherKey, Revocations, Root, RootKey, TrustDeclaration, TrustDocument,
    TrustStore,
};
use crate::bundle::Bundle;
use crate::problem::{Code, Coded as _};
use crate::sign::sign_trust;
use crate::testing::{at, clock, key, signed};
use crate::verified::VerifiedBundle;

const ID: &str = "com.acme.weather";
const NOW: &str = "2026-12-01T12:00:00Z";
const ROOT: u8 = 200;

/// Every key of these seeds, bare.
fn bare(seeds: &[u8]) -> TrustStore {
    TrustStore::new(seeds.iter().map(|seed| key(*seed).public()))
}

fn publisher(seeds: &[u8], threshold: usize, patterns: &[&str]) -> PublisherDeclaration {
    PublisherDeclaration {
        epoch: 0,
        id_patterns: patterns.iter().map(|pattern| pattern.parse().unwrap()).collect(),
        keys: seeds
            .iter()
            .map(|seed| PublisherKey::from(key(*seed).public()))
            .collect(),
        permission_ceiling: None,
        threshold,
    }
}

fn root(seeds: &[u8], threshold: usize) -> Root {
    Root {
        keys: seeds.iter().map(|seed| RootKey::from(key(*seed).public())).collect(),
        threshold,
    }
}

fn declaration(publishers: Vec<(&str, PublisherDeclaration)>) -> TrustDeclaration {
    TrustDeclaration {
        created: Some(at("2026-11-01T00:00:00Z")),
        expires: at("2027-11-01T00:00:00Z"),
        publishers: publishers
            .into_iter()
            .map(|(name, publisher)| (name.to_owned(), publisher))
            .collect(),
        revoked: Revocations::default(),
        root: root(&[ROOT], 1),
        version: 1,
    }
}

fn sign_declaration(declaration: &TrustDeclaration, seeds: &[u8]) -> Vec<u8> {
    let keys: Vec<_> = seeds.iter().map(|seed| key(*seed)).collect();
    sign_trust(declaration, &keys.iter().collect::<Vec<_>>()).unwrap()
}

fn store(declaration: &TrustDeclaration) -> TrustStore {
    TrustStore::from_document(&TrustDocument::self_rooted(&sign_declaration(declaration, &[ROOT])).unwrap())
}

/// A store with the publisher `acme`, who has key 1 for `com.acme.*`.
fn acme(change: impl Fn(&mut PublisherDeclaration)) -> TrustStore {
    let mut acme = publisher(&[1], 1, &["com.acme.*"]);
    change(&mut acme);
    store(&declaration(vec![("acme", acme)]))
}

#[track_caller]
fn accepts(trust: &TrustStore, bundle: &Bundle, now: &str) -> VerifiedBundle {
    trust.verify(bundle.clone(), clock(now)).unwrap()
}

#[track_caller]
fn refuses(trust: &TrustStore, bundle: &Bundle, now: &str, expected: Code) {
    match trust.verify(bundle.clone(), clock(now)) {
        Ok(_) => panic!("accepted instead of {expected}"),
        Err(error) => assert_eq!(error.code(), expected, "{error}"),
    }
}
