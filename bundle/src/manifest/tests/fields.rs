//! The table of bundle.md, row by row: what a rule allows, refuses, and refuses as a near miss.

use super::*;

/// One row: values a key may have, and values it may not, each with the pointer of the complaint below the key.
#[track_caller]
pub(super) fn row(key: &str, allowed: &[Value], refused_values: &[(Value, &str)]) {
    let member = |value: &Value| Value::Object([(key.to_owned(), value.clone())].into_iter().collect());
    for value in allowed {
        accepted(member(value));
    }
    for (value, below) in refused_values {
        let problem = refused(member(value));
        assert_eq!(problem.pointer, format!("/{key}{below}"), "{value}: {problem}");
    }
}

#[test]
fn required_keys_are_required() {
    for key in ["id", "name", "version", "author"] {
        let mut manifest = minimal();
        manifest.as_object_mut().unwrap().remove(key);
        let error = parse(&manifest).unwrap_err();
        assert_eq!(error.first().fault, ManifestFault::MissingKey { key: key.to_owned() });
        assert_eq!(error.code(), Code::InvalidManifest);
    }
}

#[test]
fn id() {
    row(
        "id",
        &[json!("greeter"), json!("a.b-2")],
        &[
            (json!("Greeter"), ""),
            (json!("nul"), ""),
            (json!(1), ""),
            (json!(null), ""),
        ],
    );
    assert_eq!(
        refused(json!({ "id": "com.Acme_Weather" })).suggestion(),
        Some("com.acme-weather")
    );
    assert_eq!(refused(json!({ "id": "con" })).suggestion(), None);
}

#[test]
fn name_and_author() {
    for key in ["name", "author"] {
        let refusals = [
            json!(""),
            json!("   "),
            json!("ß".repeat(129)),
            json!("a\nb"),
            json!("a\u{202e}b"),
            json!(["a"]),
        ];
        row(
            key,
            &[json!("Ä"), json!("ß".repeat(128)), json!("Acme <a@b.example>")],
            &refusals.map(|value| (value, "")),
        );
    }
}

#[test]
fn versions() {
    for key in ["version", "min_core_version", "max_core_version"] {
        let refusals = [
            json!("1.2"),
            json!("01.2.3"),
            json!("1.2.3.4"),
            json!("v1.2.3"),
            json!(""),
            json!(1),
            json!("1.2.3 "),
        ];
        row(
            key,
            &[json!("0.0.0"), json!("1.2.3-alpha.1+b")],
            &refusals.map(|value| (value, "")),
        );
    }
    assert_eq!(refused(json!({ "version": "v1.2" })).suggestion(), Some("1.2.0"));
    assert_eq!(refused(json!({ "version": "latest" })).suggestion(), None);
    accepted(json!({ "min_core_version": "1.0.0", "max_core_version": "1.0.0" }));
    refused_at(
        json!({ "min_core_version": "1.0.1", "max_core_version": "1.0.0" }),
        "/max_core_version",
    );
    refused_at(
        json!({ "minCoreVersion": "1.0.1", "maxCoreVersion": "1.0.0" }),
        "/maxCoreVersion",
    );
}

#[test]
fn description_and_keywords() {
    row(
        "description",
        &[json!(""), json!("two\nlines"), json!("x".repeat(4_096))],
        &[
            (json!("x".repeat(4_097)), ""),
            (json!("a\u{1b}[31m"), ""),
            (json!(1), ""),
        ],
    );
    row(
        "keywords",
        &[json!([]), json!(["a b"])],
        &[
            (json!("a"), ""),
            (json!([""]), "/0"),
            (json!(["a", "a"]), "/1"),
            (json!(["x".repeat(65)]), "/0"),
        ],
    );
}

#[test]
fn license() {
    row(
        "license",
        &[json!("MIT"), json!("(MIT OR Apache-2.0) AND BSD-3-Clause")],
        &[(json!("MIT OR"), ""), (json!(""), ""), (json!(["MIT"]), "")],
    );
    assert_eq!(
        refused(json!({ "license": "MIT/Apache-2.0" })).suggestion(),
        Some("MIT OR Apache-2.0")
    );
}

#[test]
fn links() {
    for key in ["homepage", "repository", "documentation"] {
        let refusals = [
            json!("ftp://acme.example"),
            json!("javascript:alert(1)"),
            json!("https://"),
            json!("https:///path"),
            json!("https://user:secret@acme.example"),
            json!("https://acme.example/a b"),
            json!(" https://acme.example"),
            json!("//acme.example"),
            json!(format!("https://acme.example/{}", "a".repeat(2_048))),
        ];
        row(
            key,
            &[json!("https://acme.example"), json!("HTTP://acme.example:8080/a?b#c")],
            &refusals.map(|value| (value, "")),
        );
    }
    assert_eq!(
        refused(json!({ "homepage": "acme.example/x" })).suggestion(),
        Some("https://acme.example/x")
    );
}

#[test]
fn manifest_and_abi_version() {
    row(
        "manifest_version",
        &[json!(1)],
        &[(json!("1"), ""), (json!(1.5), ""), (json!(-1), "")],
    );
    row(
        "abi_version",
        &[json!(1), json!("1"), json!("1.7"), json!(2)],
        &[
            (json!("1.0.0"), ""),
            (json!(1.1), ""),
            (json!(-1), ""),
            (json!("01"), ""),
        ],
    );
    let error = parse(&with(json!({ "manifest_version": 2 }))).unwrap_err();
    assert_eq!(error.code(), Code::UnsupportedVersion);
    assert_eq!(
        (&error.details()["required"], &error.details()["actual"]),
        (&json!("2"), &json!("1"))
    );
}

#[test]
fn entry_point() {
    let refusals = [
        json!("plugin.wat"),
        json!("plugin"),
        json!("/plugin.wasm"),
        json!("../plugin.wasm"),
        json!("a//b.wasm"),
        json!("a\\b.wasm"),
        json!("plugin.WASM"),
        json!("nul.wasm"),
        json!("ü.wasm"),
        json!(format!("{}.wasm", "a".repeat(196))),
        json!(""),
    ];
    row(
        "entry_point",
        &[json!("a/b.wasm"), json!(format!("{}.wasm", "a".repeat(195)))],
        &refusals.map(|value| (value, "")),
    );
    assert_eq!(
        refused(json!({ "entry_point": "./plugin.wat" })).suggestion(),
        Some("plugin.wasm")
    );
    assert_eq!(
        refused(json!({ "entry_point": "a\\b.wasm" })).suggestion(),
        Some("a/b.wasm")
    );
}

#[test]
fn permissions() {
    row(
        "permissions",
        &[
            json!([]),
            json!(["log:write", { "name": "read:storage", "reason": "why", "optional": true }]),
            json!([{ "name": "custom:a:b" }]),
        ],
        &[
            (json!("storage:read"), ""),
            (json!([1]), "/0"),
            (json!([{}]), "/0"),
            (json!([{ "name": "storage:read", "why": "x" }]), "/0/why"),
            (json!([{ "name": "storage:read", "optional": "true" }]), "/0/optional"),
            (json!(["storage:read", "read:storage"]), "/1"),
            (json!(["storage:read", "storage"]), "/1"),
            (json!(["storage:reed"]), "/0"),
            (json!([{ "name": "sockets:listen" }]), "/0/name"),
        ],
    );
    let requests =
        accepted(json!({ "permissions": [{ "name": "network", "reason": "asks", "optional": true }] })).permissions;
    let expanded: Vec<_> = requests
        .iter()
        .map(|request| (request.name.as_str(), request.reason.as_deref(), request.optional))
        .collect();
    assert_eq!(
        expanded,
        [
            ("network:http", Some("asks"), true),
            ("network:https", Some("asks"), true)
        ]
    );
    assert_eq!(
        parse(&with(json!({ "permissions": ["storage:reed"] })))
            .unwrap_err()
            .code(),
        Code::UnknownPermission
    );
}

#[test]
fn commands() {
    let longest = "a".repeat(64);
    row(
        "commands",
        &[
            json!([{ "name": longest }]),
            json!([{ "name": "a" }, { "name": "a-b_2", "description": "x", "encoding": "bytes" }]),
        ],
        &[
            (json!([]), ""),
            (json!({ "a": {} }), ""),
            (json!(["a"]), "/0"),
            (json!([{}]), "/0"),
            (json!([{ "name": "" }]), "/0/name"),
            (json!([{ "name": "2a" }]), "/0/name"),
            (json!([{ "name": "Greet" }]), "/0/name"),
            (json!([{ "name": "a".repeat(65) }]), "/0/name"),
            (json!([{ "name": "a" }, { "name": "a" }]), "/1"),
            (json!([{ "name": "a", "encoding": "text" }]), "/0/encoding"),
            (json!([{ "name": "a", "idempotent": 1 }]), "/0/idempotent"),
            (
                json!([{ "name": "a", "input_schema": { "type": "strin" } }]),
                "/0/input_schema/type",
            ),
            (json!([{ "name": "a", "output_schema": "string" }]), "/0/output_schema"),
            (
                json!([{ "name": "a", "input_schema": { "$ref": "https://a.example" } }]),
                "/0/input_schema/$ref",
            ),
            (
                json!([{ "name": "a", "encoding": "bytes", "input_schema": true }]),
                "/0/input_schema",
            ),
        ],
    );
    assert_eq!(
        refused(json!({ "commands": [{ "name": "wordCount" }] })).suggestion(),
        Some("word_count")
    );
}

#[test]
fn instance() {
    row(
        "instance",
        &[
            json!({}),
            json!({ "mode": "session", "max": 1 }),
            json!({ "max": 4_294_967_295_u32 }),
        ],
        &[
            (json!({ "max": 0 }), "/max"),
            (json!({ "max": -1 }), "/max"),
            (json!({ "max": 4_294_967_296_u64 }), "/max"),
            (json!({ "max": 1.5 }), "/max"),
            (json!({ "mode": "Session" }), "/mode"),
            (json!({ "mode": "pool" }), "/mode"),
            (json!("fresh"), ""),
        ],
    );
}
