//! Folders mapped for a plugin: what it sees depends on what was mapped and on its permissions.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use palisade::{
    AdmittedBundle, Bundle, Code, Coded, DirectoryMapping, DirectoryQuota, LoadError, LogSource, MemoryLog, Plugin,
    Policy, Runtime,
};
use palisade_tests::{Guest, now, runtime_with_log, signed, trust};
use serde_json::json;

use super::script::{CREATE, FOLDER, Script, TRUNCATE, numbers};
use super::{DIR, errno, folder_with_ways_out, tree, try_everything_outside};

const BOTH: &[&str] = &["filesystem:read", "filesystem:write"];

/// What an operator says of a plugin's folders.
pub(super) struct Setting<'a> {
    pub(super) permissions: &'a [&'a str],
    pub(super) mappings: Vec<DirectoryMapping>,
    /// Instances that may run at once.
    pub(super) instances: u32,
}

impl Default for Setting<'_> {
    fn default() -> Self {
        Self {
            permissions: BOTH,
            mappings: Vec::new(),
            instances: 1,
        }
    }
}

impl Setting<'_> {
    /// One folder that can be written.
    pub(super) fn writable(folder: &Path, bytes: u64, files: u64) -> Self {
        let quota = DirectoryQuota { bytes, files };
        Self {
            mappings: vec![DirectoryMapping::writable(folder, "/data", quota)],
            ..Self::default()
        }
    }

    fn admitted(&self, wasm: &[u8]) -> AdmittedBundle {
        let asked: Vec<_> = BOTH
            .iter()
            .map(|name| json!({"name": name, "optional": true}))
            .collect();
        let manifest = json!({
            "permissions": asked,
            "instance": {"mode": "session", "max": self.instances},
            "resource_limits": {"fuel": 100_000_000}
        });
        let bundle = Bundle::open(signed(&manifest, wasm)).unwrap();
        let verified = trust().verify(bundle, now()).unwrap();
        let mut policy = Policy::deny_all();
        for permission in self.permissions {
            policy = policy.allow(permission).unwrap();
        }
        for mapping in &self.mappings {
            policy = policy.map_directory(mapping.clone()).unwrap();
        }
        policy.admit(verified).unwrap()
    }

    /// Loads a plugin that runs the script.
    pub(super) fn load(&self, runtime: &Runtime, script: &Script) -> Result<Plugin, LoadError> {
        pollster::block_on(runtime.load(self.admitted(&script_guest(script).wasm())))
    }

    #[track_caller]
    pub(super) fn run(&self, script: &Script) -> Vec<u32> {
        call(&self.load(&Runtime::new().unwrap(), script).unwrap())
    }
}

#[track_caller]
pub(super) fn call(plugin: &Plugin) -> Vec<u32> {
    numbers(plugin.call_blocking("x", b"").unwrap().bytes())
}

/// A plugin whose command runs the script and answers with its answers.
pub(super) fn script_guest(script: &Script) -> Guest {
    let (at, length) = script.answers();
    let command = format!("(call $run) (i64.or (i64.shl (i64.const {at}) (i64.const 32)) (i64.const {length}))");
    Guest {
        memory: r#"(memory (export "memory") 40)"#,
        imports: Script::imports().leak(),
        extra: script.functions().leak(),
        command: command.leak(),
        ..Guest::default()
    }
}

/// Tries to read `file` and to make `new`.
fn reader_and_writer() -> Script {
    let mut script = Script::default();
    script.open(DIR, "file", 0);
    script.open(DIR, "new", CREATE);
    script
}

fn folder_with_file() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "text").unwrap();
    folder
}

#[test]
fn a_plugin_without_permission_sees_no_folder_and_the_log_says_what_it_lacks() {
    let folder = folder_with_file();
    let (runtime, log) = runtime_with_log();
    let script = reader_and_writer();
    const READ: &str = "refused `path_open`: this needs the permission `filesystem:read`";
    for permissions in [&[][..], &["filesystem:write"]] {
        let setting = Setting {
            permissions,
            ..Setting::writable(folder.path(), 1000, 10)
        };
        let plugin = setting.load(&runtime, &script).unwrap();
        assert_eq!(call(&plugin), [errno::BADF; 2]);
        assert_eq!(call(&plugin), [errno::BADF; 2]);
        assert_eq!(notes(&log), [READ, READ], "once a command");
    }
    assert_eq!(tree(folder.path()).len(), 1);
}

fn notes(log: &Arc<MemoryLog>) -> Vec<String> {
    let lines = log.take().into_iter();
    lines
        .filter(|line| line.source == LogSource::Host)
        .map(|line| line.text)
        .collect()
}

#[test]
fn a_writable_folder_is_read_only_without_the_permission_to_write() {
    let folder = folder_with_file();
    let (runtime, log) = runtime_with_log();
    let setting = Setting {
        permissions: &["filesystem:read"],
        ..Setting::writable(folder.path(), 1000, 10)
    };
    assert_eq!(
        call(&setting.load(&runtime, &reader_and_writer()).unwrap()),
        [0, errno::PERM]
    );
    assert_eq!(
        notes(&log),
        ["refused `path_open`: this needs the permission `filesystem:write`"]
    );
    assert_eq!(tree(folder.path()).len(), 1);
}

#[test]
fn a_read_only_folder_cannot_be_changed_by_any_call() {
    let folder = folder_with_file();
    let setting = Setting {
        mappings: vec![DirectoryMapping::read_only(folder.path(), "/data").with_links()],
        ..Setting::default()
    };
    let mut script = Script::default();
    let file = script.open(DIR, "file", 0);
    script.read(file, 10);
    script.out();
    let harmless = script.len();
    script.write(file, "x");
    script.set_size(file, 0);
    script.call(
        "fd_filestat_set_times",
        format!("{file} (i64.const 0) (i64.const 0) (i32.const 2)"),
    );
    script.open(DIR, "file", TRUNCATE);
    script.open_writable(DIR, "file");
    script.open(DIR, "new", CREATE);
    script.mkdir(DIR, "new");
    script.unlink(DIR, "file");
    script.rename(DIR, "file", "new");
    script.hard_link(DIR, "file", "new");
    script.symlink(DIR, "file", "new");
    let path = script.text("file");
    script.call(
        "path_filestat_set_times",
        format!("{DIR} (i32.const 1) {path} (i64.const 0) (i64.const 0) (i32.const 2)"),
    );
    let before = tree(folder.path());
    let answers = setting.run(&script);
    assert_eq!(answers[..harmless], [0, 0, 4]);
    let refused = [errno::PERM, errno::BADF];
    assert!(
        answers[harmless..].iter().all(|answer| refused.contains(answer)),
        "{answers:?}"
    );
    assert_eq!(tree(folder.path()), before);
}

#[cfg(unix)]
#[test]
fn no_path_leads_out_of_a_plugins_folder() {
    let outer = folder_with_ways_out();
    let before = tree(outer.path());
    let mut script = Script::default();
    try_everything_outside(&mut script);
    let setting = Setting::writable(&outer.path().join("folder"), 1000, 100);
    let answers = setting.run(&script);
    assert!(!answers.contains(&errno::OK), "{answers:?}");
    assert_eq!(tree(outer.path()), before);
}

#[test]
fn links_and_renames_take_a_grant_of_their_own() {
    let folder = folder_with_file();
    let mut script = Script::default();
    script.symlink(DIR, "file", "pointer");
    script.hard_link(DIR, "file", "twin");
    script.rename(DIR, "file", "renamed");
    assert_eq!(
        Setting::writable(folder.path(), 1000, 10).run(&script),
        [errno::PERM; 3]
    );
    let mut setting = Setting::writable(folder.path(), 1000, 10);
    setting.mappings = setting.mappings.into_iter().map(DirectoryMapping::with_links).collect();
    assert_eq!(setting.run(&script), [0; 3]);
}

#[test]
fn a_file_that_a_plugin_makes_cannot_be_executed() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    script.open(DIR, "program", CREATE);
    assert_eq!(Setting::writable(folder.path(), 1000, 10).run(&script), [0]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(folder.path().join("program"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o111, 0);
    }
}

#[test]
fn a_large_file_is_read_and_written_piece_by_piece() {
    let folder = tempfile::tempdir().unwrap();
    let mut script = Script::default();
    let file = script.open(DIR, "file", CREATE);
    script.write_bytes(file, 1_000_000);
    script.out();
    script.seek(file, 0, 0);
    script.read(file, 1_000_000);
    script.out();
    let setting = Setting::writable(folder.path(), 1_000_000, 10);
    assert_eq!(setting.run(&script), [0, 0, 131_072, 0, 0, 131_072]);
    let plugin = setting.load(&Runtime::new().unwrap(), &script).unwrap();
    let fuel = plugin.call_blocking("x", b"").unwrap().receipt().fuel;
    assert!(fuel > 262_144, "every byte that moved was paid for: {fuel}");
}

#[test]
fn a_folder_that_cannot_be_used_is_an_error_at_load() {
    let folder = folder_with_file();
    let script = Script::default();
    let runtime = Runtime::new().unwrap();
    let refused = |setting: &Setting<'_>, code: Code| {
        let error = setting.load(&runtime, &script).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(
            !error.to_string().contains(&folder.path().display().to_string()),
            "{error}"
        );
    };
    refused(
        &Setting::writable(&folder.path().join("nowhere"), 1000, 10),
        Code::NotFound,
    );
    refused(
        &Setting::writable(&folder.path().join("file"), 1000, 10),
        Code::InvalidArgument,
    );
    refused(&Setting::writable(folder.path(), 1000, 0), Code::StorageQuotaExceeded);
    assert!(
        Setting::writable(folder.path(), 1000, 1)
            .load(&runtime, &script)
            .is_ok()
    );
}

#[test]
fn folders_inside_each_other_are_refused_when_one_is_writable() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("inner")).unwrap();
    let script = Script::default();
    let runtime = Runtime::new().unwrap();
    let mut setting = Setting::writable(folder.path(), 1000, 10);
    let inner = DirectoryMapping::read_only(folder.path().join("inner"), "/inner");
    setting.mappings.push(inner.clone());
    let error = setting.load(&runtime, &script).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    setting.mappings = vec![DirectoryMapping::read_only(folder.path(), "/data"), inner];
    assert!(setting.load(&runtime, &script).is_ok());
}

#[cfg(unix)]
#[test]
fn nothing_may_be_renamed_beside_a_socket() {
    let folder = tempfile::tempdir().unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let mut script = Script::default();
    script.open(DIR, "socket", 0);
    script.list(DIR, 1000);
    script.open(DIR, ".", FOLDER);
    let mut setting = Setting::writable(folder.path(), 1000, 10);
    assert_eq!(setting.run(&script), [errno::PERM, 0, 0]);
    setting.mappings = setting.mappings.into_iter().map(DirectoryMapping::with_links).collect();
    let error = setting.load(&Runtime::new().unwrap(), &script).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}
