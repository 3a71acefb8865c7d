//! `key generate`, `key show`, passphrases.

use std::fs;
use std::process::Stdio;

use super::{Desk, Ended, members};

#[test]
fn generate_writes_a_pair_and_names_it() {
    let desk = Desk::new();
    let answer = desk.run(["key", "generate", "--out", "me", "--json"]).exits(0).json();
    assert_eq!(members(&answer), ["key_id", "private_key", "public_key"]);
    assert_eq!(answer["private_key"], "me.key");
    assert_eq!(answer["public_key"], "me.pub");
    assert!(desk.read("me.key").starts_with(b"-----BEGIN PRIVATE KEY-----"));
    assert!(desk.read("me.pub").starts_with(b"-----BEGIN PUBLIC KEY-----"));
    for file in ["me.key", "me.pub"] {
        let shown = desk.run(["key", "show", file, "--json"]).exits(0).json();
        assert_eq!(shown["key_id"], answer["key_id"], "{file}");
        assert_eq!(
            shown["public_pem"].as_str().unwrap().as_bytes(),
            desk.read("me.pub"),
            "{file}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_private_key_is_its_owners_alone_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    let script = format!(
        "umask 000; exec {} key generate --out me",
        palisade_tests::palisade().display()
    );
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &script]).current_dir(desk.folder.path());
    Ended::of(command, b"").exits(0);
    let mode = |name: &str| fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("me.key"), 0o600);

    fs::set_permissions(desk.path("me.key"), fs::Permissions::from_mode(0o640)).unwrap();
    let problem = desk.run(["key", "show", "me.key", "--json"]).exits(2).problem();
    assert_eq!(problem["code"], "INVALID_ARGUMENT");
    assert_eq!(problem["details"]["expected"], "mode 0600");
    // The near miss: the owner may have it read-only.
    fs::set_permissions(desk.path("me.key"), fs::Permissions::from_mode(0o400)).unwrap();
    desk.run(["key", "show", "me.key"]).exits(0);
}

#[test]
fn a_key_is_never_replaced_by_accident() {
    let desk = Desk::new();
    desk.run(["key", "generate", "--out", "me"]).exits(0);
    let before = (desk.read("me.key"), desk.read("me.pub"));
    desk.run(["key", "generate", "--out", "me"]).exits(2);
    fs::remove_file(desk.path("me.key")).unwrap();
    desk.run(["key", "generate", "--out", "me"]).exits(2);
    assert!(!super::exists(desk.path("me.key")), "half a pair was written");
    assert_eq!(desk.read("me.pub"), before.1);
    desk.run(["key", "generate", "--out", "me", "--force"]).exits(0);
    assert_ne!((desk.read("me.key"), desk.read("me.pub")), before);
}

#[test]
fn a_passphrase_comes_from_a_file_and_only_the_right_one_opens_the_key() {
    let desk = Desk::new();
    desk.write("right", "correct horse\n");
    desk.write("wrong", "correct horsf\n");
    desk.write("empty", "\n");
    desk.run(["key", "generate", "--out", "me", "--passphrase-file", "right"])
        .exits(0);
    assert!(
        desk.read("me.key")
            .starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    );
    desk.run(["key", "show", "me.key", "--passphrase-file", "right"])
        .exits(0);
    desk.run(["key", "show", "me.key", "--passphrase-file", "wrong"])
        .exits(2);
    desk.run(["key", "show", "me.key", "--passphrase-file", "empty"])
        .exits(2);
    desk.run(["key", "show", "me.key", "--passphrase-file", "absent"])
        .exits(3);
}

#[cfg(target_os = "linux")]
#[test]
fn a_passphrase_comes_from_a_descriptor() {
    let desk = Desk::new();
    let palisade = palisade_tests::palisade();
    let script = format!(
        "{0} key generate --out me --passphrase-file /dev/fd/3 3<<X\nsecret words\nX\n\
         {0} key show me.key --passphrase-file /dev/stdin",
        palisade.display()
    );
    let mut command = std::process::Command::new("bash");
    command.args(["-c", &script]).current_dir(desk.folder.path());
    Ended::of(command, b"secret words\n").exits(0);
}

#[test]
fn nobody_is_asked_when_nobody_is_there_and_the_flag_is_named() {
    let desk = Desk::new();
    desk.write("right", "correct horse\n");
    desk.run(["key", "generate", "--out", "me", "--passphrase-file", "right"])
        .exits(0);
    let ended = desk.run(["key", "show", "me.key"]).exits(2);
    assert!(
        ended.stderr.contains("standard input is no terminal"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("--passphrase-file"), "{}", ended.stderr);
    let ended = desk.run(["key", "show", "me.key", "--no-input"]).exits(2);
    assert!(ended.stderr.contains("--no-input was given"), "{}", ended.stderr);
    let mut command = desk.command();
    command
        .args(["key", "show", "me.key"])
        .env("CI", "true")
        .stdin(Stdio::null());
    let ended = Ended::of(command, b"").exits(2);
    assert!(ended.stderr.contains("CI is set"), "{}", ended.stderr);
}

#[test]
fn the_wrong_half_of_a_pair_is_told_apart() {
    let desk = Desk::with_echo();
    let ended = desk.run(["verify", "echo.zip", "--trust", "me.key"]).exits(2);
    assert!(ended.stderr.contains("try `me.pub`"), "{}", ended.stderr);
    let ended = desk.run(["sign", "unsigned.zip", "--key", "me.pub"]).exits(2);
    assert!(ended.stderr.contains("try `me.key`"), "{}", ended.stderr);
    desk.write(
        "noise.pub",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    );
    desk.run(["verify", "echo.zip", "--trust", "noise.pub"]).exits(2);
}
