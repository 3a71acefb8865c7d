//! The fixed answers that scripts rely on (cli.md), field by field.

use palisade_tests::Guest;
use serde_json::{Value, json};

use super::{Desk, members};

fn is_digest(value: &Value) -> bool {
    value
        .as_str()
        .and_then(|text| text.strip_prefix("sha256:"))
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[test]
fn pack_answers_with_bundle_digest_size_and_entries() {
    let desk = Desk::new();
    desk.plugin("echo", &Guest::default());
    let answer = desk.run(["pack", "echo", "--json"]).exits(0).json();
    assert_eq!(members(&answer), ["bundle", "digest", "entries", "size_bytes"]);
    assert_eq!(answer["bundle"], "echo-1.2.3.zip");
    assert_eq!(answer["size_bytes"], desk.read("echo-1.2.3.zip").len());
    assert_eq!(answer["entries"], 2);
    let digest = palisade_bundle::Digest::of(&desk.read("echo-1.2.3.zip"));
    assert_eq!(answer["digest"], format!("sha256:{digest}"));
}

#[test]
fn sign_answers_with_bundle_key_and_digest() {
    let desk = Desk::with_echo();
    let key = desk.run(["key", "show", "me.pub", "--json"]).json()["key_id"].clone();
    let answer = desk
        .run(["sign", "unsigned.zip", "--key", "me.key", "-o", "out.zip", "--json"])
        .exits(0)
        .json();
    assert_eq!(members(&answer), ["bundle", "digest", "key_id"]);
    assert_eq!(answer["bundle"], "out.zip");
    assert_eq!(answer["key_id"], key);
    let verified = desk
        .run(["verify", "out.zip", "--trust", "me.pub", "--json"])
        .exits(0)
        .json();
    assert_eq!(answer["digest"], verified["digest"]);
}

#[test]
fn verify_answers_with_everything_it_checked() {
    let desk = Desk::with_echo();
    let answer = desk
        .run(["verify", "echo.zip", "--trust", "me.pub", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        members(&answer),
        ["checks", "digest", "id", "signatures", "valid", "version"]
    );
    assert_eq!(answer["valid"], true);
    assert_eq!(answer["id"], "com.acme.echo");
    assert_eq!(answer["version"], "1.2.3");
    assert!(is_digest(&answer["digest"]));
    let signatures = answer["signatures"].as_array().unwrap();
    assert_eq!(signatures.len(), 1);
    assert_eq!(members(&signatures[0]), ["key_id", "trusted"]);
    assert_eq!(signatures[0]["trusted"], true);
    let checks = answer["checks"].as_array().unwrap();
    assert!(
        checks
            .iter()
            .all(|check| members(check) == ["name", "ok"] && check["ok"] == true)
    );
    let names: Vec<_> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"signature") && names.contains(&"digests"), "{names:?}");
}

#[test]
fn inspect_answers_with_what_a_bundle_holds() {
    let desk = Desk::with_echo();
    let answer = desk.run(["inspect", "echo.zip", "--json"]).exits(0).json();
    for member in ["manifest", "digest", "files", "signatures", "imports", "exports"] {
        assert!(!answer[member].is_null(), "{member}");
    }
    assert_eq!(answer["manifest"]["id"], "com.acme.echo");
    assert!(is_digest(&answer["digest"]));
    let files = answer["files"].as_array().unwrap();
    let names: Vec<_> = files.iter().map(|file| file["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["plugin.json", "plugin.wasm"]);
    assert_eq!(members(&files[0]), ["name", "sha256", "size_bytes"]);
    assert_eq!(answer["signatures"].as_array().unwrap().len(), 1);
    assert_eq!(answer["imports"], json!([]));
    let exports = answer["exports"].as_array().unwrap();
    assert!(exports.iter().any(|export| export["name"] == "plugin_command"));
}

#[test]
fn call_answers_with_result_and_receipt() {
    let desk = Desk::with_echo();
    let call = |arguments: &str| {
        let line = ["call", "echo.zip", "any", arguments, "--trust", "me.pub", "--json"];
        desk.run(line).exits(0).json()
    };
    let answer = call(r#"{"a":[1,2]}"#);
    assert_eq!(answer["status"], "success");
    assert_eq!(answer["result"], json!({"a": [1, 2]}));
    let receipt = &answer["receipt"];
    for member in ["fuel", "peak_memory_bytes", "bytes_in", "bytes_out", "digest"] {
        assert!(!receipt[member].is_null(), "{member} in {receipt}");
    }
    assert_eq!(call("no json")["result"], json!({"base64": "bm8ganNvbg=="}));
}
