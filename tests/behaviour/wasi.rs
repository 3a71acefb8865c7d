//! Files through WASI preview 1: what plugins and command modules can do with them, and what not.

mod call;
mod command;
mod plugin;
mod quota;
mod script;

use std::fs;
use std::path::Path;

use self::script::{CREATE, Fd, Script};

/// Error numbers of WASI preview 1.
mod errno {
    pub(super) const OK: u32 = 0;
    pub(super) const BADF: u32 = 8;
    pub(super) const DQUOT: u32 = 19;
    pub(super) const FBIG: u32 = 22;
    pub(super) const INVAL: u32 = 28;
    pub(super) const LOOP: u32 = 32;
    pub(super) const NFILE: u32 = 41;
    pub(super) const NOENT: u32 = 44;
    pub(super) const PERM: u32 = 63;
    pub(super) const XDEV: u32 = 75;
}

/// The folder that a module is given first.
const DIR: Fd = Fd::number(3);

/// A folder with a file `inside`, a file `secret` beside it, and ways from one to the other.
#[cfg(unix)]
fn folder_with_ways_out() -> tempfile::TempDir {
    use std::os::unix::fs::symlink;
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(outer.path().join("secret"), "secret").unwrap();
    fs::write(folder.join("inside"), "inside").unwrap();
    symlink("../secret", folder.join("link")).unwrap();
    symlink(outer.path().join("secret"), folder.join("absolute")).unwrap();
    symlink("..", folder.join("up")).unwrap();
    symlink("/proc/self/root", folder.join("magic")).unwrap();
    symlink("../new", folder.join("dangling")).unwrap();
    outer
}

/// Tries to read, make and remove what is outside, and says how many steps that takes.
fn try_everything_outside(script: &mut Script) {
    for path in [
        "../secret",
        "/etc/passwd",
        "link",
        "absolute",
        "up/secret",
        "magic/etc/passwd",
        "up/../../etc/passwd",
    ] {
        script.open(DIR, path, 0);
    }
    for path in ["../new", "up/new", "dangling", "/tmp/new", "link", "new\0file"] {
        script.open(DIR, path, CREATE);
    }
    script.mkdir(DIR, "../folder2");
    script.mkdir(DIR, "up/folder2");
    script.unlink(DIR, "../secret");
    script.unlink(DIR, "up/secret");
    script.rmdir(DIR, "../folder");
}

/// Everything below a folder, by name, with what the files hold.
fn tree(root: &Path) -> Vec<(String, Option<String>)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let kind = entry.file_type().unwrap();
            found.push((name, kind.is_file().then(|| fs::read_to_string(&path).unwrap())));
            if kind.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}
