//! `palisade debug wasi-run`: command modules in the sandbox that plugins get.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use palisade_tests::palisade;

use super::script::{CREATE, EXCLUSIVE, FOLDER, Fd, Script, TRUNCATE, numbers};
use super::{DIR, errno, folder_with_ways_out, tree, try_everything_outside};

/// Runs a module in a folder of its own.
fn run_module(wasm: &[u8], options: &[&str], arguments: &[&str], input: &[u8]) -> Output {
    let place = tempfile::tempdir().unwrap();
    let module = place.path().join("module.wasm");
    fs::write(&module, wasm).unwrap();
    let mut child = Command::new(palisade())
        .args(["debug", "wasi-run"])
        .args(options)
        .arg(&module)
        .args(arguments)
        .current_dir(place.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[track_caller]
fn run(script: &Script, options: &[&str]) -> Vec<u32> {
    let output = run_module(&script.command(), options, &[], b"");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers = numbers(&output.stdout);
    assert_eq!(answers.len(), script.len());
    answers
}

/// Runs with a folder as `/data`.
#[track_caller]
fn run_in(folder: &Path, script: &Script, options: &[&str]) -> Vec<u32> {
    let mapping = format!("{}::/data", folder.display());
    let options = [&["--dir", mapping.as_str()], options].concat();
    run(script, &options)
}

#[test]
fn without_a_folder_no_call_touches_a_file() {
    let mut script = Script::default();
    // Two paths, so that every call has what it takes; the folders do not exist, nor do the files.
    for fd in [3, 4, 100, u32::MAX] {
        let fd = Fd::number(fd);
        script.open(fd, "file", 0);
        script.open(fd, "/etc/passwd", 0);
        script.open(fd, "file", CREATE | TRUNCATE);
        script.open(fd, ".", FOLDER);
        script.mkdir(fd, "folder");
        script.rmdir(fd, "folder");
        script.unlink(fd, "file");
        script.write(fd, "text");
        script.write_bytes_at(fd, 1, 0);
        script.read(fd, 10);
        script.call(
            "fd_pread",
            format!("{fd} (i32.const 3072) (i32.const 1) (i64.const 0) (i32.const 64)"),
        );
        script.set_size(fd, 10);
        script.seek(fd, 0, 0);
        script.list(fd, 100);
        script.close(fd);
        script.call("fd_advise", format!("{fd} (i64.const 0) (i64.const 1) (i32.const 0)"));
        script.call("fd_allocate", format!("{fd} (i64.const 0) (i64.const 1)"));
        script.call("fd_datasync", fd);
        script.call("fd_sync", fd);
        script.call("fd_fdstat_get", format!("{fd} (i32.const 64)"));
        script.call("fd_fdstat_set_flags", format!("{fd} (i32.const 1)"));
        script.call("fd_filestat_get", format!("{fd} (i32.const 64)"));
        script.call(
            "fd_filestat_set_times",
            format!("{fd} (i64.const 0) (i64.const 0) (i32.const 2)"),
        );
        script.call("fd_prestat_get", format!("{fd} (i32.const 64)"));
        script.call("fd_renumber", format!("{fd} (i32.const 1)"));
        script.call("fd_renumber", format!("(i32.const 1) {fd}"));
        script.call("fd_tell", format!("{fd} (i32.const 64)"));
        let path = script.text("file");
        script.call("path_filestat_get", format!("{fd} (i32.const 1) {path} (i32.const 64)"));
        script.call(
            "path_filestat_set_times",
            format!("{fd} (i32.const 1) {path} (i64.const 0) (i64.const 0) (i32.const 2)"),
        );
        script.call(
            "path_readlink",
            format!("{fd} {path} (i32.const 64) (i32.const 64) (i32.const 60)"),
        );
    }
    assert!(run(&script, &[]).iter().all(|answer| *answer == errno::BADF));
    let mut links = Script::default();
    links.rename(DIR, "file", "other");
    links.hard_link(DIR, "file", "other");
    links.symlink(DIR, "file", "other");
    assert_eq!(run(&links, &[]), [errno::PERM; 3]);
}

#[test]
fn files_can_be_made_written_read_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let file = script.open(DIR, "file", CREATE | EXCLUSIVE);
    script.write(file, "hello world");
    script.seek(file, -5, 2);
    script.read(file, 100);
    script.out();
    script.word_read(0);
    script.set_size(file, 4);
    script.size(file);
    script.close(file);
    script.mkdir(DIR, "folder");
    script.open(DIR, "folder/empty", CREATE);
    script.mkdir(DIR, "folder/gone");
    script.rmdir(DIR, "folder/gone");
    script.open(DIR, "gone", CREATE);
    script.unlink(DIR, "gone");
    let word = u32::from_le_bytes(*b"worl");
    assert_eq!(
        run_in(folder.path(), &script, &[]),
        [0, 0, 0, 0, 5, word, 0, 4, 0, 0, 0, 0, 0, 0, 0]
    );
    let expected = [("file", Some("hell")), ("folder", None), ("folder/empty", Some(""))];
    let expected = expected.map(|(name, text)| (name.to_owned(), text.map(str::to_owned)));
    assert_eq!(tree(folder.path()), expected);
}

#[test]
fn a_folder_is_listed_and_existing_files_are_appended_to_and_emptied() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("one"), "12345").unwrap();
    fs::write(folder.path().join("two"), "12345").unwrap();
    let mut script = Script::default();
    script.list(DIR, 1000);
    script.out();
    let one = script.open_appending(DIR, "one");
    script.write(one, "678");
    script.open(DIR, "two", TRUNCATE);
    script.open(DIR, "two", CREATE | EXCLUSIVE);
    // Four entries of 24 bytes each: `.`, `..`, `one` and `two`.
    assert_eq!(
        run_in(folder.path(), &script, &[]),
        [0, 4 * 24 + 1 + 2 + 3 + 3, 0, 0, 0, 20]
    );
    assert_eq!(fs::read_to_string(folder.path().join("one")).unwrap(), "12345678");
    assert_eq!(fs::read_to_string(folder.path().join("two")).unwrap(), "");
}

#[cfg(unix)]
#[test]
fn no_path_leads_out_of_a_folder() {
    let outer = folder_with_ways_out();
    let before = tree(outer.path());
    for options in [&[][..], &["--allow-links"]] {
        let mut script = Script::default();
        try_everything_outside(&mut script);
        let answers = run_in(&outer.path().join("folder"), &script, options);
        let refused = [errno::PERM, errno::INVAL, errno::NOENT, errno::LOOP];
        assert!(answers.iter().all(|answer| refused.contains(answer)), "{answers:?}");
        assert_eq!(tree(outer.path()), before);
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_ordinary_file_is_not_opened_and_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let made = Command::new("mkfifo").arg(folder.path().join("fifo")).status().unwrap();
    assert!(made.success());
    std::os::unix::fs::symlink("fifo", folder.path().join("link")).unwrap();
    let mut script = Script::default();
    for name in ["fifo", "link", "socket"] {
        script.open(DIR, name, 0);
        script.open_writable(DIR, name);
        script.open(DIR, name, CREATE | TRUNCATE);
    }
    assert_eq!(run_in(folder.path(), &script, &[]), [errno::PERM; 9]);
}

#[cfg(unix)]
#[test]
fn links_and_renames_work_where_they_are_allowed_and_stay_inside() {
    let outer = folder_with_ways_out();
    let folder = outer.path().join("folder");
    let mut script = Script::default();
    script.rename(DIR, "inside", "renamed");
    script.hard_link(DIR, "renamed", "twin");
    script.symlink(DIR, "renamed", "pointer");
    script.open(DIR, "pointer", 0);
    let before = tree(outer.path());
    assert_eq!(
        run_in(&folder, &script, &[]),
        [errno::PERM, errno::PERM, errno::PERM, errno::NOENT]
    );
    assert_eq!(tree(outer.path()), before);
    assert_eq!(run_in(&folder, &script, &["--allow-links"]), [0; 4]);
    let inside = Some("inside".to_owned());
    assert!(tree(&folder).contains(&("renamed".to_owned(), inside.clone())));
    assert!(tree(&folder).contains(&("twin".to_owned(), inside)));

    let before = tree(outer.path());
    let mut hostile = Script::default();
    hostile.rename(DIR, "renamed", "../stolen");
    hostile.rename(DIR, "../secret", "stolen");
    hostile.hard_link(DIR, "../secret", "stolen");
    hostile.hard_link(DIR, "up/secret", "stolen");
    hostile.symlink(DIR, "/etc/passwd", "passwords");
    assert_eq!(run_in(&folder, &hostile, &["--allow-links"]), [errno::PERM; 5]);
    assert_eq!(tree(outer.path()), before);
}

#[test]
fn nothing_moves_from_one_folder_to_another() {
    let [one, other] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    fs::write(one.path().join("file"), "text").unwrap();
    let mut script = Script::default();
    script.rename_between((DIR, "file"), (Fd::number(4), "file"));
    let mapping = format!("{}::/other", other.path().display());
    let answers = run_in(one.path(), &script, &["--dir", &mapping, "--allow-links"]);
    assert_eq!(answers, [errno::XDEV]);
}

#[test]
fn the_256th_file_opens_and_the_next_one_only_when_one_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let mut script = Script::default();
    script.open_until_refused(DIR, "file");
    script.out();
    script.open(DIR, "new", CREATE);
    script.close(Fd::number(17));
    script.call("fd_renumber", "(i32.const 18) (i32.const 19)");
    script.open_until_refused(DIR, "file");
    script.out();
    assert_eq!(
        run_in(folder.path(), &script, &[]),
        [256, errno::NFILE, errno::NFILE, 0, 0, 2, errno::NFILE]
    );
    assert!(
        !folder.path().join("new").exists(),
        "nothing was made before it was refused"
    );
}

#[test]
fn one_call_moves_128_kib_and_the_rest_is_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let file = script.open(DIR, "file", CREATE);
    for _ in 0..2 {
        script.write_bytes(file, 1_000_000);
        script.out();
    }
    script.seek(file, 0, 0);
    script.read(file, 1_000_000);
    script.out();
    assert_eq!(
        run_in(folder.path(), &script, &[]),
        [0, 0, 131_072, 0, 131_072, 0, 0, 131_072]
    );
    assert_eq!(fs::metadata(folder.path().join("file")).unwrap().len(), 262_144);
}

#[test]
fn a_module_gets_its_arguments_its_variables_and_any_amount_of_random_bytes() {
    let mut script = Script::default();
    for function in ["args_sizes_get", "environ_sizes_get"] {
        script.call(function, "(i32.const 3088) (i32.const 3092)");
        script.out();
    }
    script.call("random_get", "(i32.const 1048576) (i32.const 1000000)");
    let output = run_module(
        &script.command(),
        &["--env", "A=1", "--env", "B="],
        &["--flag", "x"],
        b"",
    );
    assert_eq!(numbers(&output.stdout), [0, 3, 0, 2, 0]);
}

#[test]
fn standard_input_comes_in_and_the_exit_status_goes_out() {
    let echo = r#"(module
        (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\10\00\00\00\64\00\00\00")
        (func (export "_start")
          (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))
          (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
          (call $exit (i32.const 42))))"#;
    let output = run_module(&wat::parse_str(echo).unwrap(), &[], &[], b"hello");
    assert_eq!(
        (output.stdout.as_slice(), output.status.code()),
        (&b"hello"[..], Some(42))
    );
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let output = run_module(&Script::default().command(), &["--dir", "nowhere::/data"], &[], b"");
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/data"));
}
