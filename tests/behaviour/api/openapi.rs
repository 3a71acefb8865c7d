//! The document that describes the API.

use std::path::Path;

use serde_json::Value;

use super::Api;
use crate::lifecycle::on_one_thread;

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let committed: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(committed, palisade_server::openapi(), "run `cargo xtask codegen`");
    on_one_thread(async {
        assert_eq!(Api::new().get("/openapi.json").await.ok(), committed);
    });
}

#[test]
fn every_reference_leads_somewhere_and_every_name_is_used_once() {
    let document = palisade_server::openapi();
    assert_eq!(document["openapi"], "3.1.0");
    let mut names = std::collections::BTreeSet::new();
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            assert!(names.insert(operation["operationId"].as_str().unwrap()), "{operation}");
            assert!(operation["summary"].as_str().is_some_and(|summary| summary.len() > 5));
        }
    }
    each_reference(&document, &mut |reference| {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    });
}

fn each_reference(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                found(reference);
            }
            members.values().for_each(|value| each_reference(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| each_reference(value, found)),
        _ => {}
    }
}
