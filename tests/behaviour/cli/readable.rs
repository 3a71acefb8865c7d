//! What people read: help, topics, errors.

use palisade_tests::Guest;

use super::{Desk, Ended};

fn help(words: &[&str]) -> String {
    Desk::new().run(words).exits(0).text()
}

#[test]
fn the_list_of_commands() {
    insta::assert_snapshot!(help(&["--help"]));
}

#[test]
fn every_way_to_ask_for_help_gives_the_same() {
    assert_eq!(help(&["help"]), help(&["--help"]));
    assert_eq!(help(&["help", "key", "generate"]), help(&["key", "generate", "--help"]));
}

#[test]
fn help_of_commands() {
    for words in [
        &["doctor"][..],
        &["new"],
        &["build"],
        &["check"],
        &["pack"],
        &["call"],
        &["dev"],
        &["bench"],
        &["logs"],
        &["events"],
        &["top"],
        &["key", "generate"],
        &["sign"],
        &["verify"],
        &["inspect"],
        &["trust"],
        &["trust", "add"],
    ] {
        let line: Vec<_> = words.iter().copied().chain(["--help"]).collect();
        insta::assert_snapshot!(format!("help_{}", words.join("_")), help(&line));
    }
}

#[test]
fn the_small_program_has_the_trust_commands_alone() {
    let desk = Desk::new();
    let signer = palisade_tests::palisade().with_file_name(format!("palisade-signer{}", std::env::consts::EXE_SUFFIX));
    let mut command = std::process::Command::new(signer);
    command
        .arg("--help")
        .env_remove("COLUMNS")
        .current_dir(desk.folder.path());
    insta::assert_snapshot!(Ended::of(command, b"").exits(0).text());
}

#[test]
fn topics() {
    for topic in ["exit-codes", "permissions", "limits", "env"] {
        insta::assert_snapshot!(format!("topic_{topic}"), help(&["help", topic]));
    }
}

#[test]
fn debug_commands_are_hidden() {
    assert!(!help(&["--help"]).contains("debug"));
    assert!(help(&["debug", "--help"]).contains("verify-ed25519"));
}

#[test]
fn errors() {
    let desk = Desk::with_echo();
    desk.run(["key", "generate", "--out", "other"]).exits(0);
    desk.plugin("bad", &Guest::default());
    desk.write(
        "bad/plugin.json",
        "{\n  \"id\": \"com.acme.Echo\",\n  \"naem\": \"Echo\",\n  \"version\": \"1.2\",\n  \"author\": \"Acme\"\n}\n",
    );
    let said = |words: &[&str]| desk.run(words).said(&desk);
    insta::assert_snapshot!("error_usage", said(&["verify"]));
    insta::assert_snapshot!("error_unknown_command", said(&["verfiy", "x"]));
    insta::assert_snapshot!("error_missing", said(&["verify", "ehco.zip"]));
    insta::assert_snapshot!("error_manifest", said(&["pack", "bad"]));
    insta::assert_snapshot!("error_command", {
        let commands = Guest {
            manifest: serde_json::json!({"commands": [{"name": "greet"}]}),
            ..Guest::default()
        };
        desk.bundle("guest", &commands);
        said(&["call", "guest.zip", "gret", "--trust", "me.pub"])
    });
    insta::assert_snapshot!("error_unsigned", said(&["verify", "unsigned.zip"]));
}
