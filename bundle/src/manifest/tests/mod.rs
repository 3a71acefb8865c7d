//! Tests of the manifest as a whole: `fields` and `sections` walk the table of rules, `messages` what people read, `schema` the JSON Schema,
//! `hostile` input nobody meant well.

use serde_json::{Value, json};

use super::*;
use crate::{Code, Coded};

mod fields;
mod hostile;
mod messages;
mod schema;
mod sections;

/// A manifest with what is required.
fn minimal() -> Value {
    json!({ "id": "com.acme.weather", "name": "Weather", "version": "1.2.0", "author": "Acme" })
}

/// The minimal manifest with `members` added or replaced.
fn with(members: Value) -> Value {
    let mut manifest = minimal();
    if let (Value::Object(manifest), Value::Object(members)) = (&mut manifest, members) {
        manifest.extend(members);
    }
    manifest
}

fn parse(manifest: &Value) -> Result<Manifest, ManifestError> {
    Manifest::parse(&serde_json::to_vec_pretty(manifest).unwrap())
}

#[track_caller]
fn accepted(members: Value) -> Manifest {
    let manifest = parse(&with(members)).unwrap();
    assert_eq!(
        Manifest::parse(&manifest.to_json()),
        Ok(manifest.clone()),
        "what is printed reads back"
    );
    manifest
}

/// The only problem of a manifest: pointer and message.
#[track_caller]
fn refused(members: Value) -> ManifestProblem {
    let error = parse(&with(members)).unwrap_err();
    assert_eq!(error.problems().count(), 1, "{error}");
    error.first().clone()
}

#[track_caller]
fn refused_at(members: Value, pointer: &str) {
    assert_eq!(refused(members).pointer, pointer);
}

/// A manifest that uses every key there is.
fn complete() -> Value {
    json!({
        "$schema": "https://example.com/manifest.schema.json",
        "id": "com.acme.weather",
        "name": "Weather",
        "version": "1.2.0-rc.1+build.5",
        "author": "Acme Ltd.",
        "description": "Says what the weather will be.\nIn several languages.",
        "license": "MIT OR Apache-2.0",
        "homepage": "https://acme.example/weather",
        "repository": "https://git.acme.example/weather.git",
        "documentation": "http://docs.acme.example/?q=weather#top",
        "keywords": ["weather", "forecast"],
        "manifest_version": 1,
        "abi_version": "1.0",
        "min_core_version": "0.1.0",
        "max_core_version": "2.0.0",
        "entry_point": "wasm/weather.wasm",
        "permissions": [
            "storage",
            { "name": "network:https", "reason": "Asks the weather service.", "optional": true },
            "custom:maps:draw"
        ],
        "commands": [
            {
                "name": "forecast",
                "description": "The weather of the next days.",
                "input_schema": { "type": "object", "properties": { "days": { "type": "integer" } } },
                "output_schema": true,
                "idempotent": true,
                "encoding": "json"
            },
            { "name": "render-map", "encoding": "bytes" }
        ],
        "instance": { "mode": "fresh", "max": 4 },
        "resource_limits": {
            "memory": "64MB",
            "fuel": 500_000_000,
            "execution_time": "10s",
            "storage": 1_048_576,
            "output": "1.5MB",
            "network": { "requests_per_minute": 60, "request_size": "1MB", "response_size": "5MB", "timeout": 2.5 }
        },
        "network": {
            "hosts": ["api.weather.example", "*.tiles.example.com"],
            "methods": ["GET", "POST"],
            "ports": [443, 8443],
            "max_concurrent": 4,
            "credentials": [
                { "name": "forecasts", "header": "x-api-key", "hosts": ["api.weather.example"] },
                { "name": "tiles", "hosts": ["*.tiles.example.com"] }
            ]
        },
        "config": { "units": "metric" },
        "config_schema": {
            "type": "object",
            "required": ["api_key"],
            "properties": { "units": { "enum": ["metric", "imperial"] }, "api_key": { "type": "string" } }
        },
        "dependencies": [
            { "id": "com.acme.geo", "version": "^1.2" },
            { "id": "com.acme.old-weather", "version": "*", "kind": "conflict" }
        ],
        "events": { "publish": ["weather.changed"], "subscribe": ["clock.*"] },
        "schedule": [
            { "name": "morning", "cron": "0 6 * * MON-FRI", "command": "forecast" },
            { "name": "often", "every": "15m", "command": "forecast" }
        ],
        "health": { "interval": "1m", "timeout": "5s", "failure_threshold": 5, "success_threshold": 1 },
        "restart": { "delay": "1s", "max_delay": "1m", "max_failures": 3, "window": "10m" },
        "x-acme": { "team": ["weather", null, 1.5] }
    })
}

#[test]
fn reads_every_key_there_is() {
    let manifest = parse(&complete()).unwrap();
    let json = String::from_utf8(manifest.to_json()).unwrap();
    insta::assert_snapshot!(json);
    assert_eq!(Manifest::parse(json.as_bytes()).unwrap(), manifest);
    assert_eq!(
        manifest.command("forecast").map(|command| command.idempotent),
        Some(true)
    );
    assert_eq!(manifest.command("forecasts"), None);
}

#[test]
fn what_is_left_out_has_its_default() {
    let manifest = accepted(json!({}));
    assert_eq!(manifest.entry_point, "plugin.wasm");
    assert_eq!(
        (manifest.manifest_version, manifest.abi_version),
        (1, AbiVersion { major: 1, minor: 0 })
    );
    assert_eq!(
        (manifest.instance.mode, manifest.instance.max),
        (InstanceMode::Session, 1)
    );
    assert_eq!(manifest.health.interval.as_secs(), 30);
    assert_eq!(manifest.restart.max_failures, 5);
    let network = accepted(json!({ "network": { "hosts": ["a.example"] } }))
        .network
        .unwrap();
    assert_eq!(
        (network.methods, network.ports),
        (vec![HttpMethod::Get, HttpMethod::Head], vec![443])
    );
}

#[test]
fn both_spellings_of_a_key_mean_the_same() {
    let snake = accepted(json!({ "entry_point": "a.wasm", "resource_limits": { "execution_time": "3s" } }));
    let camel = accepted(json!({ "entryPoint": "a.wasm", "resourceLimits": { "executionTime": "3s" } }));
    assert_eq!(snake, camel);
    let both = refused(json!({ "entry_point": "a.wasm", "entryPoint": "a.wasm" }));
    insta::assert_snapshot!(both.to_string().split(" (line").next().unwrap(), @"`entryPoint` is another spelling of `entry_point`, which is there too");
    assert_eq!(both.pointer, "/entryPoint");
}

#[test]
fn extensions_are_kept_and_other_unknown_keys_refused() {
    let manifest = accepted(json!({ "x-acme": { "Any": ["thing"] }, "x-": null }));
    assert_eq!(manifest.extensions["x-acme"]["Any"][0], "thing");
    refused_at(json!({ "y-acme": 1 }), "/y-acme");
    refused_at(json!({ "X-acme": 1 }), "/X-acme");
    refused_at(json!({ "instance": { "x-acme": 1 } }), "/instance/x-acme");
}
