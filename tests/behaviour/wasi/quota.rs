//! The quota of a writable folder: exact at its boundary, whatever way a file grows and however many do it at once.

use std::fs;
use std::path::Path;

use palisade::{DirectoryMapping, Runtime};

use super::plugin::{Setting, call};
use super::script::{CREATE, Script, TRUNCATE};
use super::{DIR, errno};

/// Bytes a folder may hold in these tests.
const BYTES: u64 = 1000;

fn size(folder: &Path, name: &str) -> u64 {
    fs::metadata(folder.join(name)).unwrap().len()
}

#[test]
fn the_last_byte_is_written_and_a_write_that_needs_one_more_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let file = script.open(DIR, "file", CREATE);
    script.write_bytes(file, 1001);
    script.size(file);
    script.write_bytes(file, 1000);
    script.write_bytes(file, 1);
    script.seek(file, 0, 0);
    script.write_bytes(file, 1000);
    script.size(file);
    assert_eq!(
        Setting::writable(folder.path(), BYTES, 10).run(&script),
        [0, errno::DQUOT, 0, 0, errno::DQUOT, 0, 0, 1000]
    );
    assert_eq!(size(folder.path(), "file"), 1000);
}

#[test]
fn what_was_there_before_counts() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("old")).unwrap();
    fs::write(folder.path().join("old/file"), [0; 600]).unwrap();
    let mut script = Script::default();
    let file = script.open(DIR, "file", CREATE);
    script.write_bytes(file, 401);
    script.write_bytes(file, 400);
    // Two entries were there, this is the third.
    script.open(DIR, "another", CREATE);
    assert_eq!(
        Setting::writable(folder.path(), BYTES, 3).run(&script),
        [0, errno::DQUOT, 0, errno::DQUOT]
    );
}

#[test]
fn a_hole_counts_like_what_surrounds_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let file = script.open(DIR, "file", CREATE);
    script.write_bytes_at(file, 1, 1000);
    script.write_bytes_at(file, 1, 1 << 40);
    script.write_bytes_at(file, 1, 1 << 63);
    script.write_bytes_at(file, 1, u64::MAX);
    script.write_bytes_at(file, 0, 1 << 40);
    script.seek(file, 1000, 0);
    script.write_bytes(file, 1);
    script.set_size(file, 1001);
    script.set_size(file, u64::MAX);
    script.size(file);
    script.write_bytes_at(file, 1, 999);
    script.size(file);
    let answers = Setting::writable(folder.path(), BYTES, 10).run(&script);
    let full = errno::DQUOT;
    assert_eq!(
        answers,
        [0, full, full, full, errno::FBIG, 0, 0, full, full, full, 0, 0, 1000]
    );
    assert_eq!(size(folder.path(), "file"), 1000);
}

#[test]
fn appending_counts_from_the_end_whatever_the_position() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let file = script.open_appending(DIR, "file");
    script.write_bytes(file, 600);
    script.seek(file, 0, 0);
    script.write_bytes(file, 401);
    script.write_bytes_at(file, 401, 0);
    script.write_bytes_at(file, 400, 0);
    script.size(file);
    // The same by a flag that is set later.
    let other = script.open_writable(DIR, "file");
    script.call("fd_fdstat_set_flags", format!("{other} (i32.const 1)"));
    script.write_bytes(other, 1);
    script.call("fd_fdstat_set_flags", format!("{other} (i32.const 0)"));
    script.write_bytes(other, 1);
    let full = errno::DQUOT;
    assert_eq!(
        Setting::writable(folder.path(), BYTES, 10).run(&script),
        [0, 0, 0, full, full, 0, 1000, 0, 0, full, 0, 0]
    );
}

#[test]
fn what_is_given_up_can_be_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let one = script.open(DIR, "one", CREATE);
    script.write_bytes(one, 1000);
    script.set_size(one, 100);
    let two = script.open(DIR, "two", CREATE);
    script.write_bytes(two, 901);
    script.write_bytes(two, 900);
    script.open(DIR, "one", TRUNCATE);
    script.write_bytes(two, 101);
    script.write_bytes(two, 100);
    script.close(two);
    script.unlink(DIR, "two");
    script.write_bytes_at(one, 1000, 0);
    let full = errno::DQUOT;
    assert_eq!(
        Setting::writable(folder.path(), BYTES, 10).run(&script),
        [0, 0, 0, 0, full, 0, 0, full, 0, 0, 0, 0]
    );
}

#[test]
fn a_file_without_a_name_counts_until_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let ghost = script.open(DIR, "ghost", CREATE);
    script.write_bytes(ghost, 600);
    script.unlink(DIR, "ghost");
    script.write_bytes(ghost, 400);
    let file = script.open(DIR, "file", CREATE);
    script.write_bytes(file, 1);
    script.close(ghost);
    script.write_bytes(file, 1000);
    script.unlink(DIR, "file");
    let setting = Setting::writable(folder.path(), BYTES, 10);
    let plugin = setting.load(&Runtime::new().unwrap(), &script).unwrap();
    assert_eq!(call(&plugin), [0, 0, 0, 0, 0, errno::DQUOT, 0, 0, 0]);
    // The same instance still has `file` open, without a name.
    assert_eq!(call(&plugin)[..2], [0, errno::DQUOT]);
}

#[test]
fn an_instance_that_is_gone_has_nothing_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let ghost = script.open(DIR, "ghost", CREATE);
    script.write_bytes(ghost, 1000);
    script.unlink(DIR, "ghost");
    script.step("(block (result i32) (if (i32.load (i32.const 4100)) (then unreachable)) (i32.const 0))");
    let setting = Setting::writable(folder.path(), BYTES, 1);
    let plugin = setting.load(&Runtime::new().unwrap(), &script).unwrap();
    assert_eq!(call(&plugin), [0; 4]);
    // Full, so this one traps and is dropped with its file; the next is as good as new.
    assert!(plugin.call_blocking("x", b"").is_err());
    assert_eq!(call(&plugin), [0; 4]);
}

#[test]
fn files_folders_and_links_count_to_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    script.open(DIR, "file", CREATE);
    script.mkdir(DIR, "folder");
    script.symlink(DIR, "file", "link");
    script.open(DIR, "one-more", CREATE);
    script.mkdir(DIR, "one-more");
    script.symlink(DIR, "file", "one-more");
    script.hard_link(DIR, "file", "twin");
    script.mkdir(DIR, "folder");
    script.rename(DIR, "link", "twin");
    script.open(DIR, "one-more", CREATE);
    script.rmdir(DIR, "folder");
    script.open(DIR, "folder", CREATE);
    script.mkdir(DIR, "one-more");
    let mut setting = Setting::writable(folder.path(), BYTES, 3);
    setting.mappings = setting.mappings.into_iter().map(DirectoryMapping::with_links).collect();
    let full = errno::DQUOT;
    // Another name for a file is no other file, and one name less is none less.
    assert_eq!(
        setting.run(&script),
        [0, 0, 0, full, full, full, 0, full, 0, full, 0, 0, full]
    );
    assert!(!folder.path().join("one-more").exists());
}

#[test]
fn a_file_that_is_renamed_over_gives_its_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let one = script.open(DIR, "one", CREATE);
    script.write_bytes(one, 500);
    let two = script.open(DIR, "two", CREATE);
    script.write_bytes(two, 500);
    script.close(two);
    script.rename(DIR, "one", "two");
    script.write_bytes(one, 501);
    script.write_bytes(one, 500);
    script.open(DIR, "one", CREATE);
    script.open(DIR, "three", CREATE);
    let mut setting = Setting::writable(folder.path(), BYTES, 2);
    setting.mappings = setting.mappings.into_iter().map(DirectoryMapping::with_links).collect();
    assert_eq!(
        setting.run(&script),
        [0, 0, 0, 0, 0, 0, errno::DQUOT, 0, 0, errno::DQUOT]
    );
}

#[test]
fn instances_that_write_at_once_fill_the_folder_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    // Appends to one file that all share, and makes and removes another.
    let file = script.open_appending(DIR, "file");
    script.write_bytes(file, 7);
    script.close(file);
    let passing = script.open(DIR, "passing", CREATE);
    script.write_bytes(passing, 5);
    script.unlink(DIR, "passing");
    script.close(passing);
    let setting = Setting {
        instances: 4,
        ..Setting::writable(folder.path(), 7 * 100, 2)
    };
    let plugin = setting.load(&Runtime::new().unwrap(), &script).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    call(&plugin);
                }
            });
        }
    });
    // Room that `passing` took for a moment may have kept an append out, and nothing is left of it.
    for _ in 0..100 {
        call(&plugin);
    }
    assert_eq!(size(folder.path(), "file"), 700);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let answers = call(&plugin);
    assert_eq!((answers[1], answers[4]), (errno::DQUOT, errno::DQUOT));
}
