//! Compiling once: the cache that `call` and `bench` use, and what is said when it cannot be used.

#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::{Desk, exists};

const CALL: [&str; 6] = ["call", "echo.zip", "any", "hi", "--trust", "me.pub"];

/// The files of compiled code.
fn entries(desk: &Desk) -> Vec<PathBuf> {
    let folder = fs::read_dir(desk.path("cache/palisade/compiled")).unwrap();
    folder.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_module_is_compiled_once_and_what_is_kept_is_private() {
    let desk = Desk::with_echo();
    for _ in 0..2 {
        let ended = desk.run(CALL).exits(0);
        assert_eq!((&*ended.stdout, &*ended.stderr), (&b"hi"[..], ""));
        assert_eq!(entries(&desk).len(), 1);
    }
    let secret = desk.path("cache/palisade/compiled.secret");
    for file in entries(&desk).into_iter().chain([secret]) {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_spoilt_entry_is_a_warning_and_the_answer_is_right() {
    let desk = Desk::with_echo();
    desk.run(CALL).exits(0);
    let [entry] = entries(&desk).try_into().unwrap();
    let mut bytes = fs::read(&entry).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&entry, bytes).unwrap();
    let ended = desk.run(CALL).exits(0);
    assert_eq!(ended.stdout, b"hi");
    assert!(ended.stderr.contains("warning"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("is not as it was written: compiled again"),
        "{}",
        ended.stderr
    );
    assert_eq!(desk.run(CALL).exits(0).stderr, "");
}

#[test]
fn without_a_cache_nothing_is_read_or_kept() {
    let desk = Desk::with_echo();
    let ended = desk.run(CALL.iter().chain(&["--no-cache"])).exits(0);
    assert_eq!((&*ended.stdout, &*ended.stderr), (&b"hi"[..], ""));
    assert!(!exists(desk.path("cache")));
}

#[test]
fn a_folder_that_cannot_be_used_is_one_warning_and_no_failure() {
    let desk = Desk::with_echo();
    let folder = desk.path("mine");
    fs::create_dir_all(folder.join("compiled")).unwrap();
    fs::set_permissions(folder.join("compiled"), Permissions::from_mode(0o755)).unwrap();
    let mut command = desk.command();
    command.args(CALL).env("PALISADE_CACHE_DIR", &folder);
    let ended = super::Ended::of(command, b"").exits(0);
    assert_eq!(ended.stdout, b"hi");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .ends_with("compiled code is not kept: the folder of the cache is open to other users\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_secret_that_others_can_read_is_not_used() {
    let desk = Desk::with_echo();
    desk.run(CALL).exits(0);
    let secret = desk.path("cache/palisade/compiled.secret");
    fs::set_permissions(secret, Permissions::from_mode(0o644)).unwrap();
    let ended = desk.run(CALL).exits(0);
    assert_eq!(ended.stdout, b"hi");
    assert!(
        ended
            .stderr
            .contains("the file of the cache's secret is open to other users"),
        "{}",
        ended.stderr
    );
}
