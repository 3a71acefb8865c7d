//! What is refused, with which exit code, and what is left then.

use std::fs;

use palisade::DataDirectory;
use palisade_tests::Guest;
use serde_json::json;

use super::{ID, Workshop};
use crate::cli::exists;

#[test]
fn an_unknown_plugin_is_not_found_and_the_nearest_is_named() {
    let workshop = Workshop::with_echo();
    let bundle = workshop.version("1.1.0", 2, json!({}));
    for words in [
        &["status"][..],
        &["health"],
        &["enable"],
        &["disable"],
        &["restart"],
        &["reload"],
        &["rollback"],
        &["uninstall"],
        &["config", "get"],
        &["config", "history"],
        &["state", "get"],
        &["state", "export"],
        &["permissions"],
        &["inspect"],
    ] {
        let words = [words, &["com.acme.ecko", "--json"]].concat();
        let problem = workshop.run(&words).exits(3).problem();
        assert_eq!(problem["code"], "NOT_FOUND", "{words:?}");
        assert_eq!(problem["details"]["suggestion"], ID, "{words:?}");
    }
    assert_eq!(workshop.code(&["upgrade", "com.acme.ecko", &bundle], 3), "NOT_FOUND");
    assert_eq!(workshop.code(&["call", "com.acme.ecko", "any"], 3), "NOT_FOUND");
    assert_eq!(workshop.code(&["grant", "com.acme.ecko", "storage"], 3), "NOT_FOUND");
    assert_eq!(workshop.code(&["install", "no.zip"], 3), "NOT_FOUND");
}

#[test]
fn a_mistyped_file_makes_no_data_directory() {
    let workshop = Workshop::new();
    let told = workshop.run(&["call", "com.acme.echo", "any"]).exits(3).stderr;
    assert!(told.contains("no bundle file of this name"), "{told}");
    assert!(!exists(workshop.desk.path("data")));
}

#[test]
fn nobody_elses_bundle_is_installed_or_started() {
    let workshop = Workshop::with_echo();
    workshop.run(&["key", "generate", "--out", "other"]).exits(0);
    workshop.desk.plugin(
        "other",
        &Guest {
            manifest: json!({"version": "9.0.0"}),
            ..Guest::default()
        },
    );
    workshop.run(&["pack", "other", "-o", "other.zip"]).exits(0);
    workshop.run(&["sign", "other.zip", "--key", "other.key"]).exits(0);
    assert_eq!(workshop.code(&["install", "other.zip"], 4), "UNTRUSTED_KEY");
    assert_eq!(workshop.code(&["upgrade", ID, "other.zip"], 4), "UNTRUSTED_KEY");
    let told = workshop.run(&["install", "other.zip"]).exits(4).stderr;
    assert!(told.contains("palisade trust add"), "{told}");
    // Trusted, and still not the publisher that the id belongs to.
    let both = ["upgrade", ID, "other.zip", "--trust", "me.pub", "--trust", "other.pub"];
    workshop.run(&both).exits(4);
    workshop.is("1.0.0", "active");
    // Nobody is trusted who was when it was installed.
    workshop.run(&["call", ID, "any", "--trust", "other.pub"]).exits(4);
    assert_eq!(workshop.run(&["call", ID, "any", "hi"]).exits(0).stdout, b"hi");
}

#[test]
fn a_tampered_bundle_is_refused_and_leaves_nothing() {
    let workshop = Workshop::new();
    let bundle = workshop.version("1.0.0", 1, json!({}));
    let whole = workshop.desk.read(&bundle);
    let middle = whole.len() / 2;
    for (at, exits) in [(middle, [4, 5]), (whole.len() - 30, [4, 5]), (100, [4, 5])] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        workshop.desk.write("tampered.zip", bytes);
        let code = workshop.run(&["install", "tampered.zip"]).code.unwrap();
        assert!(exits.contains(&code), "byte {at}: {code}");
    }
    workshop.desk.write("cut.zip", &whole[..whole.len() - 1]);
    workshop.run(&["install", "cut.zip"]).exits(5);
    assert!(workshop.listed().is_empty());
    let bundles = fs::read_dir(workshop.desk.path("data/palisade/bundles")).unwrap();
    assert_eq!(bundles.count(), 0);
    workshop.run(&["install", &bundle]).exits(0);
}

#[test]
fn a_stored_bundle_that_was_changed_is_not_run() {
    let workshop = Workshop::with_echo();
    let folder = workshop.desk.path("data/palisade/bundles");
    let stored = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&stored).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&stored, bytes).unwrap();
    assert_eq!(workshop.code(&["call", ID, "any"], 1), "CORRUPTED_DATA");
    workshop.is("1.0.0", "failed");
    assert_eq!(
        workshop.run(&["health", "--json"]).exits(20).json()["overall_status"],
        "unhealthy"
    );
    // The way out is another version.
    let bundle = workshop.version("1.0.1", 2, json!({}));
    workshop.run(&["upgrade", ID, &bundle]).exits(0);
    assert_eq!(workshop.run(&["call", ID, "any", "hi"]).exits(0).stdout, b"hi");
}

#[test]
fn states_that_do_not_fit_are_conflicts() {
    let workshop = Workshop::with_echo();
    assert_eq!(workshop.code(&["enable", ID], 9), "INVALID_STATE");
    assert_eq!(workshop.code(&["install", "echo-1.0.0-1.zip"], 9), "ALREADY_INSTALLED");
    assert_eq!(workshop.code(&["rollback", ID], 9), "NO_ROLLBACK_VERSION");
    workshop.run(&["disable", ID]).exits(0);
    let problem = workshop.run(&["disable", ID, "--json"]).exits(9).problem();
    assert_eq!(problem["code"], "INVALID_STATE");
    assert_eq!(problem["details"]["from"], "disabled");
    assert_eq!(problem["plugin"], ID);
    assert_eq!(workshop.code(&["reload", ID], 9), "INVALID_STATE");
}

#[test]
fn a_directory_that_another_process_has_is_refused() {
    let workshop = Workshop::with_echo();
    let held = DataDirectory::open(workshop.desk.path("data/palisade")).unwrap();
    for words in [
        &["list"][..],
        &["disable", ID],
        &["call", ID, "any"],
        &["audit", "export"],
    ] {
        assert_eq!(workshop.code(words, 9), "OPERATION_IN_PROGRESS", "{words:?}");
    }
    // Reading the audit trail does not take it.
    workshop.run(&["audit", "list"]).exits(0);
    workshop.run(&["audit", "verify"]).exits(0);
    drop(held);
    workshop.is("1.0.0", "active");
}

#[test]
fn a_plugin_that_does_not_start_stays_and_says_why() {
    let workshop = Workshop::new();
    let sick = Guest {
        init: "unreachable",
        ..Guest::default()
    };
    let bundle = workshop.guest("1.0.0", 1, json!({}), sick);
    assert_eq!(workshop.code(&["install", &bundle, "--enable"], 7), "GUEST_TRAP");
    workshop.is("1.0.0", "failed");
    let status = workshop.run(&["status", ID]).exits(0).text();
    assert!(status.contains("GUEST_TRAP during enable"), "{status}");
    assert_eq!(workshop.code(&["enable", ID], 7), "GUEST_TRAP");
    workshop.run(&["disable", ID]).exits(0);
    workshop.is("1.0.0", "disabled");
}

#[test]
fn an_upgrade_that_does_not_start_leaves_the_old_version() {
    let workshop = Workshop::with_echo();
    let sick = Guest {
        init: "unreachable",
        ..Guest::default()
    };
    let bundle = workshop.guest("1.1.0", 2, json!({}), sick);
    let problem = workshop.run(&["upgrade", ID, &bundle, "--json"]).exits(7).problem();
    assert_eq!(
        (&problem["code"], &problem["details"]["rolled_back"]),
        (&json!("RELOAD_FAILED"), &json!(true))
    );
    workshop.is("1.0.0", "active");
}

#[test]
fn options_of_a_bundle_file_are_refused_for_an_installed_plugin() {
    let workshop = Workshop::with_echo();
    let call = |more: &[&str]| workshop.code(&[&["call", ID, "any", "x"], more].concat(), 2);
    for more in [&["--storage", "s.db"][..], &["--record", "r.json"], &["--no-cache"]] {
        assert_eq!(call(more), "INVALID_ARGUMENT", "{more:?}");
    }
    // The limits of one call are not the plugin's.
    assert_eq!(
        workshop.code(&["call", ID, "any", "x", "--fuel", "1"], 7),
        "FUEL_EXHAUSTED"
    );
    assert_eq!(
        workshop.run(&["call", ID, "any", "x", "--repeat", "3"]).exits(0).stdout,
        b"x"
    );
}
