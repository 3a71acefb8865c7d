//! `pack`, `sign`, `verify`, `inspect`.

use std::fs;

use palisade_tests::Guest;

use super::{Desk, exists};

#[test]
fn packing_depends_on_the_files_alone() {
    let desk = Desk::new();
    desk.plugin("one", &Guest::default());
    desk.write("one/assets/b.txt", "b");
    desk.write("one/assets/a.txt", "a");
    // The same files, made in another order and a folder of another name, at another time.
    desk.write("two/assets/a.txt", "a");
    desk.write("two/assets/b.txt", "b");
    desk.plugin("two", &Guest::default());
    desk.run(["pack", "one", "-o", "one.zip"]).exits(0);
    let mut command = desk.command();
    command
        .args(["pack", "two", "-o", "two.zip"])
        .env("TZ", "Asia/Tokyo")
        .env("LC_ALL", "C");
    super::Ended::of(command, b"").exits(0);
    assert_eq!(desk.read("one.zip"), desk.read("two.zip"));
}

#[test]
fn a_bundle_in_its_own_folder_does_not_become_part_of_the_next_one() {
    let desk = Desk::new();
    desk.plugin(".", &Guest::default());
    desk.run(["pack", "."]).exits(0);
    let first = desk.read("echo-1.2.3.zip");
    desk.run(["pack", "."]).exits(0);
    assert_eq!(desk.read("echo-1.2.3.zip"), first);
}

#[test]
fn hidden_files_are_left_out_and_named() {
    let desk = Desk::new();
    desk.plugin("echo", &Guest::default());
    desk.write("echo/.env", "SECRET=1");
    let answer = desk.run(["pack", "echo", "--json"]).exits(0).json();
    assert_eq!(answer["left_out"][0], ".env");
    assert_eq!(answer["entries"], 2);
    let ended = desk.run(["pack", "echo"]).exits(0);
    assert!(ended.text().contains("without .env"), "{}", ended.text());
}

#[test]
fn a_name_outside_the_profile_is_refused_by_name() {
    let desk = Desk::new();
    desk.plugin("echo", &Guest::default());
    desk.write("echo/read me.txt", "");
    let ended = desk.run(["pack", "echo"]).exits(5);
    assert!(ended.stderr.contains("read me.txt"), "{}", ended.stderr);
    assert!(!exists(desk.path("echo-1.2.3.zip")));
}

#[cfg(unix)]
#[test]
fn a_link_that_leaves_the_folder_is_refused() {
    let desk = Desk::new();
    desk.plugin("echo", &Guest::default());
    desk.write("secret", "s");
    std::os::unix::fs::symlink("../secret", desk.path("echo/notes.txt")).unwrap();
    let problem = desk.run(["pack", "echo", "--json"]).exits(5).problem();
    assert_eq!(problem["code"], "CORRUPTED_DATA");
    assert_eq!(problem["details"]["reason"], "link_outside");
}

#[test]
fn a_folder_that_is_no_plugin_is_told() {
    let desk = Desk::new();
    fs::create_dir(desk.path("empty")).unwrap();
    assert_eq!(
        desk.run(["pack", "empty", "--json"]).exits(3).problem()["details"]["name"],
        "plugin.json"
    );
    desk.run(["pack", "absent"]).exits(3);
    desk.write("file", "");
    desk.run(["pack", "file"]).exits(3);
}

#[test]
fn signing_in_place_and_beside() {
    let desk = Desk::with_echo();
    desk.run(["key", "generate", "--out", "you"]).exits(0);
    desk.run(["sign", "unsigned.zip", "--key", "you.key"]).exits(0);
    desk.run(["verify", "unsigned.zip", "--trust", "you.pub"]).exits(0);
    desk.run(["sign", "unsigned.zip", "--key", "me.key"]).exits(2);
    desk.run(["sign", "unsigned.zip", "--key", "me.key", "--append"])
        .exits(0);
    let both = [
        "verify",
        "unsigned.zip",
        "--trust",
        "you.pub",
        "--trust",
        "me.pub",
        "--require",
    ];
    desk.run(both.iter().chain(&["2"])).exits(0);
    desk.run(both.iter().chain(&["3"])).exits(4);
    desk.run(["verify", "unsigned.zip", "--trust", "me.pub", "--require", "2"])
        .exits(4);
}

#[test]
fn a_bundle_comes_from_standard_input_too() {
    let desk = Desk::with_echo();
    let bundle = desk.read("echo.zip");
    desk.run_with(["verify", "-", "--trust", "me.pub"], &bundle).exits(0);
    desk.run_with(["inspect", "-"], &bundle).exits(0);
    let unsigned = desk.read("unsigned.zip");
    desk.run_with(["sign", "-", "--key", "me.key"], &unsigned).exits(2);
    desk.run_with(["sign", "-", "--key", "me.key", "-o", "out.zip"], &unsigned)
        .exits(0);
    desk.run(["verify", "out.zip", "--trust", "me.pub"]).exits(0);
}

#[test]
fn trust_is_refused_with_four_and_damage_with_five() {
    let desk = Desk::with_echo();
    desk.run(["key", "generate", "--out", "other"]).exits(0);
    let code = |bundle: &str, key: &str, exit: i32| {
        let ended = desk.run(["verify", bundle, "--trust", key, "--json"]).exits(exit);
        ended.problem()["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code("echo.zip", "other.pub", 4), "UNTRUSTED_KEY");
    assert_eq!(code("unsigned.zip", "me.pub", 4), "SIGNATURE_MISSING");
    desk.write("noise.zip", [0x55; 4_000]);
    assert_eq!(code("noise.zip", "me.pub", 5), "CORRUPTED_DATA");
    desk.write("empty.zip", "");
    assert_eq!(code("empty.zip", "me.pub", 5), "CORRUPTED_DATA");

    let mut bytes = desk.read("echo.zip");
    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    desk.write("damaged.zip", bytes);
    assert_eq!(code("damaged.zip", "me.pub", 5), "CORRUPTED_DATA");
}

#[test]
fn a_failed_check_is_the_last_in_the_list() {
    let desk = Desk::with_echo();
    let ended = desk.run(["verify", "unsigned.zip", "--trust", "me.pub"]).exits(4);
    assert!(ended.stdout.is_empty());
    let problem = desk
        .run(["verify", "unsigned.zip", "--trust", "me.pub", "--json"])
        .exits(4)
        .problem();
    let checks = problem["details"]["checks"].as_array().unwrap();
    assert_eq!(checks.last().unwrap()["ok"], false);
    assert!(checks.iter().rev().skip(1).all(|check| check["ok"] == true));
}

#[test]
fn a_signature_that_expired_is_refused() {
    let desk = Desk::with_echo();
    let sign = [
        "sign",
        "unsigned.zip",
        "--key",
        "me.key",
        "-o",
        "old.zip",
        "--created",
        "2020-01-01",
    ];
    desk.run(sign.iter().chain(&["--not-after", "2021-01-01"])).exits(0);
    let problem = desk
        .run(["verify", "old.zip", "--trust", "me.pub", "--json"])
        .exits(4)
        .problem();
    assert_eq!(problem["code"], "KEY_EXPIRED");
    desk.run(sign.iter().chain(&["--not-after", "tomorrow"])).exits(2);
    desk.run(sign.iter().chain(&["--not-after", "9000-01-01T00:00:00+02:00"]))
        .exits(0);
    desk.run(["verify", "old.zip", "--trust", "me.pub"]).exits(0);
}

#[test]
fn what_a_bundle_says_cannot_repaint_the_screen() {
    let desk = Desk::new();
    let guest = Guest {
        manifest: serde_json::json!({"name": "nice\u{9b}2J\u{202e}txt", "author": "a\u{7f}b"}),
        ..Guest::default()
    };
    desk.plugin("evil", &guest);
    let ended = desk.run(["pack", "evil", "-o", "evil.zip"]);
    if ended.code == Some(0) {
        for mode in [&["inspect", "evil.zip"][..], &["inspect", "evil.zip", "--json"]] {
            let shown = desk.run(mode).exits(0).text();
            assert!(!shown.contains(['\u{9b}', '\u{202e}', '\u{7f}']), "{shown:?}");
        }
    } else {
        let shown = ended.exits(5).stderr;
        assert!(!shown.contains(['\u{9b}', '\u{202e}', '\u{7f}']), "{shown:?}");
    }
}

#[test]
fn inspect_writes_the_signed_bytes_of_signed_bundles_alone() {
    let desk = Desk::with_echo();
    desk.run(["inspect", "echo.zip", "--dump-pae", "pae"]).exits(0);
    assert!(desk.read("pae").starts_with(b"DSSEv1 "));
    desk.run(["inspect", "unsigned.zip", "--dump-pae", "none"]).exits(4);
    assert!(!exists(desk.path("none")));
}
