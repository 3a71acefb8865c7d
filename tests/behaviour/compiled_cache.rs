//! The cache of compiled code: what is odd about a file means that the module is compiled again, and a warning.

#![cfg(unix)]

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Barrier};
use std::time::SystemTime;

use palisade::{
    Artifact, CacheError, CacheSecret, CacheWarning, CompileError, CompileJob, CompiledCache, Compiler,
    InProcessCompiler, Oddity, Runtime, ServiceFuture,
};
use palisade_tests::Guest;
use tempfile::TempDir;

/// Counts what is compiled.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

impl Compiler for Counting {
    fn compile(&self, job: CompileJob) -> ServiceFuture<'_, Result<Artifact, CompileError>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        InProcessCompiler.compile(job)
    }
}

/// A host with a cache in a folder.
struct Host {
    runtime: Runtime,
    compiler: Arc<Counting>,
    warnings: Receiver<CacheWarning>,
}

impl Host {
    fn new(folder: &Path) -> Self {
        Self::with(folder, CacheSecret::from_bytes([7; 32]), u64::MAX)
    }

    fn with(folder: &Path, secret: CacheSecret, max_bytes: u64) -> Self {
        let (warn, warnings) = mpsc::channel();
        let cache = CompiledCache::open(folder, secret, move |warning| warn.send(warning).unwrap()).unwrap();
        let compiler = Arc::new(Counting::default());
        let builder = Runtime::builder().compiler(Arc::clone(&compiler) as _);
        Self {
            runtime: builder.cache(cache.max_bytes(max_bytes)).build().unwrap(),
            compiler,
            warnings,
        }
    }

    /// Loads a guest and asks it something; says how many modules were compiled for it.
    #[track_caller]
    fn load(&self, guest: &Guest) -> usize {
        let before = self.compiler.0.load(Ordering::Relaxed);
        let plugin = pollster::block_on(guest.load(&self.runtime)).unwrap();
        assert_eq!(plugin.call_blocking("any", b"hello").unwrap().bytes(), b"hello");
        self.compiler.0.load(Ordering::Relaxed) - before
    }

    #[track_caller]
    fn warns_of_nothing(&self) {
        if let Ok(warning) = self.warnings.try_recv() {
            panic!("{warning}");
        }
    }
}

/// Another guest that answers in the same way.
fn other_guest() -> Guest {
    Guest {
        extra: "(global i32 (i32.const 7))",
        ..Guest::default()
    }
}

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("above/compiled");
    (folder, path)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    entries
}

/// After `spoil` the entry is not believed, and the one that replaces it is.
#[track_caller]
fn check(spoil: impl FnOnce(&Path), expected: fn(&Oddity) -> bool) {
    let (_kept, path) = folder();
    let host = Host::new(&path);
    assert_eq!(host.load(&Guest::default()), 1);
    assert_eq!(host.load(&Guest::default()), 0);
    host.warns_of_nothing();
    let [entry] = entries(&path).try_into().unwrap();
    spoil(&entry);
    assert_eq!(host.load(&Guest::default()), 1, "what was spoilt was loaded");
    let warning = host.warnings.try_recv().unwrap();
    let CacheWarning::Distrusted { entry: named, oddity } = &warning else {
        panic!("{warning}");
    };
    assert!(expected(oddity), "{warning}");
    assert_eq!(Path::new(named), entry.file_name().unwrap());
    assert!(warning.to_string().ends_with("compiled again"), "{warning}");
    host.warns_of_nothing();
    assert_eq!(host.load(&Guest::default()), 0, "the entry was replaced");
    host.warns_of_nothing();
}

fn change(entry: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(entry).unwrap();
    change(&mut bytes);
    fs::write(entry, bytes).unwrap();
}

#[test]
fn an_entry_is_believed_by_another_process_of_the_same_user() {
    let (_kept, path) = folder();
    assert_eq!(Host::new(&path).load(&Guest::default()), 1);
    let other = Host::new(&path);
    assert_eq!(other.load(&Guest::default()), 0);
    assert_eq!(other.load(&other_guest()), 1);
    other.warns_of_nothing();
    for entry in entries(&path) {
        assert_eq!(fs::metadata(entry).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let form = |oddity: &Oddity| matches!(oddity, Oddity::Form);
    let mac = |oddity: &Oddity| matches!(oddity, Oddity::Mac);
    check(|entry| change(entry, |bytes| bytes[0] ^= 1), form);
    check(|entry| change(entry, |bytes| bytes[15] ^= 0x80), form);
    // First and last byte of the MAC, of the code, and one in the middle of it.
    for at in [16, 47, 48] {
        check(|entry| change(entry, |bytes| bytes[at] ^= 1), mac);
    }
    check(|entry| change(entry, |bytes| *bytes.last_mut().unwrap() ^= 1), mac);
    let middle = |bytes: &mut Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
    };
    check(|entry| change(entry, middle), mac);
}

#[test]
fn another_length_is_noticed() {
    let cut = |entry: &Path, length: u64| {
        File::options()
            .write(true)
            .open(entry)
            .unwrap()
            .set_len(length)
            .unwrap()
    };
    for length in [0, 47] {
        check(|entry| cut(entry, length), |oddity| matches!(oddity, Oddity::Size));
    }
    check(|entry| cut(entry, 48), |oddity| matches!(oddity, Oddity::Mac));
    check(
        |entry| cut(entry, fs::metadata(entry).unwrap().len() - 1),
        |oddity| matches!(oddity, Oddity::Mac),
    );
    check(
        |entry| cut(entry, fs::metadata(entry).unwrap().len() + 1),
        |oddity| matches!(oddity, Oddity::Mac),
    );
    // A sparse file that is larger than any code.
    check(|entry| cut(entry, 1 << 40), |oddity| matches!(oddity, Oddity::Size));
}

#[test]
fn the_entry_of_another_module_is_noticed() {
    let swap = |entry: &Path| {
        let folder = entry.parent().unwrap();
        Host::new(folder).load(&other_guest());
        let other = entries(folder).into_iter().find(|path| path != entry).unwrap();
        fs::rename(other, entry).unwrap();
    };
    check(swap, |oddity| matches!(oddity, Oddity::Mac));
}

#[test]
fn an_entry_under_another_secret_is_noticed() {
    let forge = |entry: &Path| {
        fs::remove_file(entry).unwrap();
        let forger = Host::with(entry.parent().unwrap(), CacheSecret::from_bytes([8; 32]), u64::MAX);
        assert_eq!(forger.load(&Guest::default()), 1);
    };
    check(forge, |oddity| matches!(oddity, Oddity::Mac));
}

#[test]
fn a_symbolic_link_is_not_followed() {
    let link = |entry: &Path| {
        let elsewhere = entry.with_file_name("../elsewhere");
        fs::rename(entry, &elsewhere).unwrap();
        symlink(&elsewhere, entry).unwrap();
    };
    check(link, |oddity| matches!(oddity, Oddity::Link));
}

#[test]
fn what_a_link_leads_to_stays_as_it_was() {
    let (_kept, path) = folder();
    let host = Host::new(&path);
    host.load(&Guest::default());
    let [entry] = entries(&path).try_into().unwrap();
    let precious = path.join("../precious");
    fs::write(&precious, "precious").unwrap();
    fs::remove_file(&entry).unwrap();
    symlink(&precious, &entry).unwrap();
    host.load(&Guest::default());
    assert_eq!(fs::read(precious).unwrap(), b"precious");
    assert!(fs::symlink_metadata(entry).unwrap().is_file());
}

#[test]
fn a_second_name_is_noticed() {
    let link = |entry: &Path| fs::hard_link(entry, entry.with_file_name("../second")).unwrap();
    check(link, |oddity| matches!(oddity, Oddity::SecondName));
}

#[test]
fn a_file_that_others_can_touch_is_noticed() {
    for mode in [0o644, 0o620, 0o602] {
        check(
            |entry| fs::set_permissions(entry, Permissions::from_mode(mode)).unwrap(),
            |oddity| matches!(oddity, Oddity::Mode),
        );
    }
}

#[test]
fn a_foreign_owner_is_noticed() {
    let probe = tempfile::NamedTempFile::new().unwrap();
    if chown(probe.path(), Some(1), None).is_err() {
        println!("skipped: only root can give a file away");
        return;
    }
    check(
        |entry| chown(entry, Some(1), None).unwrap(),
        |oddity| matches!(oddity, Oddity::Owner),
    );
}

#[test]
fn a_pipe_is_not_waited_for() {
    let pipe = |entry: &Path| {
        fs::remove_file(entry).unwrap();
        assert!(
            Command::new("mkfifo")
                .args(["-m", "600"])
                .arg(entry)
                .status()
                .unwrap()
                .success()
        );
    };
    check(pipe, |oddity| matches!(oddity, Oddity::NotAFile));
}

#[test]
fn a_folder_in_the_place_of_an_entry_costs_a_warning_more() {
    let (_kept, path) = folder();
    let host = Host::new(&path);
    host.load(&Guest::default());
    let [entry] = entries(&path).try_into().unwrap();
    fs::remove_file(&entry).unwrap();
    fs::create_dir(&entry).unwrap();
    assert_eq!(host.load(&Guest::default()), 1);
    assert!(matches!(host.warnings.try_recv(), Ok(CacheWarning::Distrusted { .. })));
    assert!(matches!(host.warnings.try_recv(), Ok(CacheWarning::NotKept { .. })));
    assert_eq!(host.load(&Guest::default()), 1);
    assert_eq!(host.load(&Guest::default()), 0);
    host.warns_of_nothing();
}

#[test]
fn a_folder_that_went_away_is_a_warning_and_no_failure() {
    let (_kept, path) = folder();
    let host = Host::new(&path);
    fs::remove_dir(&path).unwrap();
    assert_eq!(host.load(&Guest::default()), 1);
    assert!(matches!(host.warnings.try_recv(), Ok(CacheWarning::NotKept { .. })));
}

#[test]
fn many_hosts_can_fill_one_folder_at_once() {
    let (_kept, path) = folder();
    let hosts: Vec<_> = (0..8).map(|_| Host::new(&path)).collect();
    let together = Barrier::new(hosts.len());
    std::thread::scope(|scope| {
        for host in hosts {
            let together = &together;
            scope.spawn(move || {
                together.wait();
                for _ in 0..3 {
                    host.load(&Guest::default());
                    host.load(&other_guest());
                }
                host.warns_of_nothing();
            });
        }
    });
    assert_eq!(entries(&path).len(), 2, "nothing else is left over");
    assert_eq!(Host::new(&path).load(&other_guest()), 0);
}

#[test]
fn what_was_used_last_stays_when_room_is_short() {
    let (_kept, path) = folder();
    let host = Host::new(&path);
    host.load(&Guest::default());
    let [first] = entries(&path).try_into().unwrap();
    let bytes = fs::metadata(&first).unwrap().len();
    // Used just now, whatever was before.
    File::open(&first)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(host.load(&Guest::default()), 0);
    assert_ne!(
        fs::metadata(&first).unwrap().modified().unwrap(),
        SystemTime::UNIX_EPOCH
    );
    // Room for one and a half.
    let narrow = Host::with(&path, CacheSecret::from_bytes([7; 32]), bytes + bytes / 2);
    File::open(&first)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(narrow.load(&other_guest()), 1);
    assert!(!first.exists());
    assert_eq!(entries(&path).len(), 1);
    assert_eq!(narrow.load(&other_guest()), 0);
    narrow.warns_of_nothing();
}

#[test]
fn a_folder_of_others_or_open_to_them_is_no_cache() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| CompiledCache::open(path, CacheSecret::from_bytes([7; 32]), |_| {});
    let wide = folder.path().join("wide");
    fs::create_dir(&wide).unwrap();
    fs::set_permissions(&wide, Permissions::from_mode(0o750)).unwrap();
    assert!(matches!(open(&wide), Err(CacheError::Mode)));
    fs::set_permissions(&wide, Permissions::from_mode(0o700)).unwrap();
    open(&wide).unwrap();
    let link = folder.path().join("link");
    symlink(&wide, &link).unwrap();
    assert!(matches!(open(&link), Err(CacheError::Folder(_))));
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(open(&file), Err(CacheError::Folder(_))));
    if chown(&wide, Some(1), None).is_ok() {
        assert!(matches!(open(&wide), Err(CacheError::Owner)));
    } else {
        println!("skipped: only root can give a folder away");
    }
}
