//! `trust add`, `list`, `remove`, `revoke`, `import`.

use std::fs;

use super::{Desk, exists};

/// A desk with `echo.zip` (com.acme.echo) and a trust store in `store` that trusts its signer.
fn trusting() -> Desk {
    let desk = Desk::with_echo();
    desk.run([
        "trust",
        "add",
        "me.pub",
        "--ids",
        "com.acme.*",
        "--trust-store",
        "store",
    ])
    .exits(0);
    desk
}

#[track_caller]
fn refused(desk: &Desk) -> String {
    let problem = desk
        .run(["verify", "echo.zip", "--trust-store", "store", "--json"])
        .exits(4)
        .problem();
    problem["code"].as_str().unwrap().to_owned()
}

#[track_caller]
fn accepted(desk: &Desk) {
    desk.run(["verify", "echo.zip", "--trust-store", "store"]).exits(0);
}

fn key_id(desk: &Desk, file: &str) -> String {
    desk.run(["key", "show", file, "--json"]).exits(0).json()["key_id"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn an_empty_store_trusts_nobody_and_says_how_to_add_a_key() {
    let desk = Desk::with_echo();
    let ended = desk.run(["verify", "echo.zip"]).exits(4);
    assert!(ended.stderr.contains("error[UNTRUSTED_KEY]"), "{}", ended.stderr);
    assert!(ended.stderr.contains("palisade trust add"), "{}", ended.stderr);
    assert!(!exists(desk.path("config/palisade")), "looking made a store");
}

#[test]
fn the_default_store_is_in_the_configuration_folder_and_moves_with_the_variable() {
    let desk = Desk::with_echo();
    desk.run(["trust", "add", "me.pub", "--ids", "*"]).exits(0);
    assert!(exists(desk.path("config/palisade/trust/trust.json")));
    desk.run(["verify", "echo.zip"]).exits(0);
    let mut command = desk.command();
    command
        .args(["verify", "echo.zip"])
        .env("PALISADE_TRUST_STORE", desk.path("elsewhere"));
    super::Ended::of(command, b"").exits(4);
    // What the command line says wins.
    let mut command = desk.command();
    command
        .args(["verify", "echo.zip", "--trust", "me.pub"])
        .env("PALISADE_TRUST_STORE", desk.path("elsewhere"));
    super::Ended::of(command, b"").exits(0);
}

#[cfg(unix)]
#[test]
fn the_root_key_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let desk = trusting();
    let mode = |name: &str| fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("store/root.key"), 0o600);
    assert_eq!(mode("store"), 0o700);
}

#[test]
fn a_publisher_signs_for_its_ids_and_no_others() {
    let desk = trusting();
    accepted(&desk);
    let narrow = [
        "trust",
        "add",
        "me.pub",
        "--ids",
        "com.acme.other",
        "--trust-store",
        "narrow",
    ];
    desk.run(narrow).exits(0);
    desk.run(["verify", "echo.zip", "--trust-store", "narrow"]).exits(4);
    // The near miss: the name before the star is no plugin of its own.
    desk.run([
        "trust",
        "add",
        "me.pub",
        "--ids",
        "com.acme.echo.*",
        "--trust-store",
        "near",
    ])
    .exits(0);
    desk.run(["verify", "echo.zip", "--trust-store", "near"]).exits(4);
    desk.run([
        "trust",
        "add",
        "me.pub",
        "--ids",
        "com.acme.echo",
        "--trust-store",
        "exact",
    ])
    .exits(0);
    desk.run(["verify", "echo.zip", "--trust-store", "exact"]).exits(0);
    desk.run(["trust", "add", "me.pub", "--ids", "com.*.echo", "--trust-store", "odd"])
        .exits(2);
    assert!(!exists(desk.path("odd")), "a refused argument made a store");
}

#[test]
fn list_names_publishers_keys_and_ids() {
    let desk = trusting();
    let add = [
        "trust",
        "add",
        "me.pub",
        "--ids",
        "org.*",
        "--permission",
        "storage",
        "--trust-store",
        "store",
    ];
    desk.run(add.iter().chain(&["--not-after", "2030-01-01"])).exits(0);
    let listed = desk
        .run(["trust", "list", "--trust-store", "store", "--json"])
        .exits(0)
        .json();
    assert_eq!(listed["version"], 2);
    let publisher = &listed["publishers"][0];
    assert_eq!(publisher["name"], "me");
    assert_eq!(publisher["ids"], serde_json::json!(["com.acme.*", "org.*"]));
    assert_eq!(publisher["permission_ceiling"].as_array().unwrap().len(), 3);
    assert_eq!(publisher["keys"].as_array().unwrap().len(), 1);
    assert_eq!(publisher["keys"][0]["key_id"], key_id(&desk, "me.pub"));
    assert_eq!(publisher["keys"][0]["not_after"], "2030-01-01T00:00:00Z");
    accepted(&desk);
}

#[test]
fn a_key_has_one_publisher() {
    let desk = trusting();
    let again = [
        "trust",
        "add",
        "me.pub",
        "--ids",
        "*",
        "--publisher",
        "other",
        "--trust-store",
        "store",
    ];
    desk.run(again).exits(2);
    desk.run(["trust", "remove", "me", "--trust-store", "store"]).exits(0);
    desk.run(again).exits(0);
    accepted(&desk);
}

#[test]
fn what_was_removed_is_not_trusted() {
    for subject in ["me", "me.pub", "ID"] {
        let desk = trusting();
        let id = key_id(&desk, "me.pub");
        let subject = if subject == "ID" { &id } else { subject };
        desk.run(["trust", "remove", subject, "--trust-store", "store"])
            .exits(0);
        assert_eq!(refused(&desk), "UNTRUSTED_KEY", "{subject}");
    }
    let desk = trusting();
    let ended = desk.run(["trust", "remove", "mee", "--trust-store", "store"]).exits(3);
    assert!(ended.stderr.contains("did you mean `me`?"), "{}", ended.stderr);
    accepted(&desk);
}

#[test]
fn revoked_keys_and_bundles_are_refused_by_name() {
    let desk = trusting();
    desk.run(["trust", "revoke", "echo.zip", "--trust-store", "store"])
        .exits(0);
    assert_eq!(refused(&desk), "BUNDLE_REVOKED");

    let desk = trusting();
    let digest = desk.run(["verify", "echo.zip", "--trust", "me.pub", "--json"]).json()["digest"].clone();
    desk.run(["trust", "revoke", digest.as_str().unwrap(), "--trust-store", "store"])
        .exits(0);
    assert_eq!(refused(&desk), "BUNDLE_REVOKED");

    let desk = trusting();
    desk.run([
        "trust",
        "revoke",
        "me.pub",
        "--reason",
        "laptop stolen",
        "--trust-store",
        "store",
    ])
    .exits(0);
    assert_eq!(refused(&desk), "KEY_REVOKED");
    let ended = desk.run(["verify", "echo.zip", "--trust-store", "store"]);
    assert!(ended.stderr.contains("laptop stolen"), "{}", ended.stderr);

    let desk = trusting();
    desk.run(["trust", "revoke", "me.pub", "--retire", "--trust-store", "store"])
        .exits(0);
    desk.run(["verify", "echo.zip", "--trust-store", "store"]).exits(4);
}

#[test]
fn an_altered_document_is_refused() {
    let desk = trusting();
    let mut document = desk.read("store/trust.json");
    let middle = document.len() / 2;
    document[middle] = if document[middle] == b'A' { b'B' } else { b'A' };
    desk.write("store/trust.json", &document);
    let ended = desk.run(["verify", "echo.zip", "--trust-store", "store"]);
    assert!(matches!(ended.code, Some(4 | 5)), "{:?} {}", ended.code, ended.stderr);
    assert!(ended.stdout.is_empty());
}

#[test]
fn a_document_from_elsewhere_needs_a_root_that_somebody_named() {
    let desk = trusting();
    let listed = desk.run(["trust", "list", "--trust-store", "store", "--json"]).json();
    let root = listed["root"][0].as_str().unwrap();
    let import = ["trust", "import", "store/trust.json", "--trust-store", "copy"];
    let ended = desk.run(import).exits(4);
    assert!(ended.stderr.contains(&format!("--root {root}")), "{}", ended.stderr);
    assert!(!exists(desk.path("copy/trust.json")));
    desk.run(import.iter().chain(&["--root", root])).exits(0);
    desk.run(["verify", "echo.zip", "--trust-store", "copy"]).exits(0);

    // The copy has no root key: it cannot be changed here, only followed.
    let add = ["trust", "add", "me.pub", "--ids", "org.*", "--trust-store"];
    desk.run(add.iter().chain(&["copy"])).exits(4);
    let first = desk.read("store/trust.json");
    desk.run(add.iter().chain(&["store"])).exits(0);
    desk.run(import).exits(0);
    // And never back.
    desk.write("first.json", first);
    desk.run(["trust", "import", "first.json", "--trust-store", "copy"])
        .exits(4);
}

#[test]
fn a_document_by_another_root_is_no_successor() {
    let desk = trusting();
    desk.run(["trust", "add", "me.pub", "--ids", "*", "--trust-store", "other"])
        .exits(0);
    desk.run(["trust", "add", "me.pub", "--ids", "*", "--trust-store", "other"])
        .exits(0);
    desk.run(["trust", "import", "other/trust.json", "--trust-store", "store"])
        .exits(4);
}
