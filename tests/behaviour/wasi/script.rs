//! Guests that make one WASI call after another and tell what each answered.

use std::fmt::Write as _;

/// Flags of `path_open`.
pub(super) const CREATE: u32 = 1;
pub(super) const FOLDER: u32 = 2;
pub(super) const EXCLUSIVE: u32 = 4;
pub(super) const TRUNCATE: u32 = 8;

/// Where a script keeps what: descriptors, the list of buffers, where calls write, answers, texts, a large buffer.
const FDS: u32 = 2048;
const BUFFERS: u32 = 3072;
const OUT: u32 = 3088;
const ANSWERS: u32 = 4096;
const TEXTS: u32 = 16 * 1024;
const LARGE: u32 = 1024 * 1024;

/// Every function of WASI preview 1 that a script can call, with its parameters.
const IMPORTS: &[(&str, &str)] = &[
    ("args_sizes_get", "i32 i32"),
    ("environ_sizes_get", "i32 i32"),
    ("fd_advise", "i32 i64 i64 i32"),
    ("fd_allocate", "i32 i64 i64"),
    ("fd_close", "i32"),
    ("fd_datasync", "i32"),
    ("fd_fdstat_get", "i32 i32"),
    ("fd_fdstat_set_flags", "i32 i32"),
    ("fd_fdstat_set_rights", "i32 i64 i64"),
    ("fd_filestat_get", "i32 i32"),
    ("fd_filestat_set_size", "i32 i64"),
    ("fd_filestat_set_times", "i32 i64 i64 i32"),
    ("fd_pread", "i32 i32 i32 i64 i32"),
    ("fd_prestat_dir_name", "i32 i32 i32"),
    ("fd_prestat_get", "i32 i32"),
    ("fd_pwrite", "i32 i32 i32 i64 i32"),
    ("fd_read", "i32 i32 i32 i32"),
    ("fd_readdir", "i32 i32 i32 i64 i32"),
    ("fd_renumber", "i32 i32"),
    ("fd_seek", "i32 i64 i32 i32"),
    ("fd_sync", "i32"),
    ("fd_tell", "i32 i32"),
    ("fd_write", "i32 i32 i32 i32"),
    ("path_create_directory", "i32 i32 i32"),
    ("path_filestat_get", "i32 i32 i32 i32 i32"),
    ("path_filestat_set_times", "i32 i32 i32 i32 i64 i64 i32"),
    ("path_link", "i32 i32 i32 i32 i32 i32 i32"),
    ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32"),
    ("path_readlink", "i32 i32 i32 i32 i32 i32"),
    ("path_remove_directory", "i32 i32 i32"),
    ("path_rename", "i32 i32 i32 i32 i32 i32"),
    ("path_symlink", "i32 i32 i32 i32 i32"),
    ("path_unlink_file", "i32 i32 i32"),
    ("random_get", "i32 i32"),
];

/// A descriptor: a number, or the place where an `open` puts one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fd {
    Number(u32),
    Opened(u32),
}

impl Fd {
    pub(super) const fn number(number: u32) -> Self {
        Self::Number(number)
    }
}

impl std::fmt::Display for Fd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "(i32.const {number})"),
            Self::Opened(place) => write!(f, "(i32.load (i32.const {place}))"),
        }
    }
}

/// Calls, in order. Each adds one answer, an error number unless it says otherwise.
#[derive(Debug, Default)]
pub(super) struct Script {
    texts: Vec<String>,
    steps: Vec<String>,
    opened: u32,
}

impl Script {
    /// Any expression that leaves one `i32`.
    pub(super) fn step(&mut self, expression: impl Into<String>) {
        self.steps.push(expression.into());
    }

    /// Calls a function with these expressions.
    pub(super) fn call(&mut self, function: &str, arguments: impl std::fmt::Display) {
        self.step(format!("(call ${function} {arguments})"));
    }

    /// Address and length of a text.
    pub(super) fn text(&mut self, text: &str) -> String {
        let length = |text: &String| u32::try_from(text.len()).unwrap();
        let at = TEXTS + self.texts.iter().map(length).sum::<u32>();
        self.texts.push(text.to_owned());
        format!("(i32.const {at}) (i32.const {})", text.len())
    }

    /// Opens for reading, and for writing when it creates or empties.
    pub(super) fn open(&mut self, folder: Fd, path: &str, how: u32) -> Fd {
        self.open_with(folder, path, how, if how & !FOLDER == 0 { 0x2 } else { 0x42 }, 0)
    }

    /// Opens for reading and writing what is there.
    pub(super) fn open_writable(&mut self, folder: Fd, path: &str) -> Fd {
        self.open_with(folder, path, 0, 0x42, 0)
    }

    /// Opens so that every write goes to the end.
    pub(super) fn open_appending(&mut self, folder: Fd, path: &str) -> Fd {
        self.open_with(folder, path, CREATE, 0x42, 1)
    }

    fn open_with(&mut self, folder: Fd, path: &str, how: u32, rights: u64, flags: u32) -> Fd {
        let place = FDS + 4 * self.opened;
        self.opened += 1;
        let path = self.text(path);
        self.call(
            "path_open",
            format!(
                "{folder} (i32.const 1) {path} (i32.const {how}) (i64.const {rights}) (i64.const {rights})
                 (i32.const {flags}) (i32.const {place})"
            ),
        );
        Fd::Opened(place)
    }

    pub(super) fn close(&mut self, fd: Fd) {
        self.call("fd_close", fd);
    }

    pub(super) fn write(&mut self, fd: Fd, text: &str) {
        let text = self.text(text);
        self.step(with_buffer(&text, &format!("(call $fd_write {fd} {}", list_and_out())));
    }

    /// Writes zeros.
    pub(super) fn write_bytes(&mut self, fd: Fd, bytes: u32) {
        let zeros = format!("(i32.const {LARGE}) (i32.const {bytes})");
        self.step(with_buffer(&zeros, &format!("(call $fd_write {fd} {}", list_and_out())));
    }

    pub(super) fn write_bytes_at(&mut self, fd: Fd, bytes: u32, offset: u64) {
        let zeros = format!("(i32.const {LARGE}) (i32.const {bytes})");
        let call = format!(
            "(call $fd_pwrite {fd} (i32.const {BUFFERS}) (i32.const 1) (i64.const {offset}) (i32.const {OUT}))"
        );
        self.step(with_buffer(&zeros, &call));
    }

    /// Reads into the large buffer.
    pub(super) fn read(&mut self, fd: Fd, bytes: u32) {
        let buffer = format!("(i32.const {LARGE}) (i32.const {bytes})");
        self.step(with_buffer(&buffer, &format!("(call $fd_read {fd} {}", list_and_out())));
    }

    /// The number that the last call wrote; the answer is that number.
    pub(super) fn out(&mut self) {
        self.step(format!("(i32.load (i32.const {OUT}))"));
    }

    /// Four bytes of the large buffer; the answer is that number.
    pub(super) fn word_read(&mut self, offset: u32) {
        self.step(format!("(i32.load (i32.const {}))", LARGE + offset));
    }

    /// `whence`: 0 from the start, 1 from here, 2 from the end.
    pub(super) fn seek(&mut self, fd: Fd, offset: i64, whence: u32) {
        self.call(
            "fd_seek",
            format!("{fd} (i64.const {offset}) (i32.const {whence}) (i32.const {OUT})"),
        );
    }

    pub(super) fn set_size(&mut self, fd: Fd, size: u64) {
        self.call("fd_filestat_set_size", format!("{fd} (i64.const {size})"));
    }

    /// The size of an open file; the answer is that size.
    pub(super) fn size(&mut self, fd: Fd) {
        self.step(format!(
            "(block (result i32) (drop (call $fd_filestat_get {fd} (i32.const {LARGE})))
               (i32.load (i32.const {})))",
            LARGE + 32
        ));
    }

    /// Lists a folder into the large buffer; `out` is how many bytes that took.
    pub(super) fn list(&mut self, fd: Fd, bytes: u32) {
        self.call(
            "fd_readdir",
            format!("{fd} (i32.const {LARGE}) (i32.const {bytes}) (i64.const 0) (i32.const {OUT})"),
        );
    }

    pub(super) fn mkdir(&mut self, folder: Fd, path: &str) {
        let path = self.text(path);
        self.call("path_create_directory", format!("{folder} {path}"));
    }

    pub(super) fn rmdir(&mut self, folder: Fd, path: &str) {
        let path = self.text(path);
        self.call("path_remove_directory", format!("{folder} {path}"));
    }

    pub(super) fn unlink(&mut self, folder: Fd, path: &str) {
        let path = self.text(path);
        self.call("path_unlink_file", format!("{folder} {path}"));
    }

    pub(super) fn rename(&mut self, folder: Fd, from: &str, to: &str) {
        self.rename_between((folder, from), (folder, to));
    }

    pub(super) fn rename_between(&mut self, (from_folder, from): (Fd, &str), (to_folder, to): (Fd, &str)) {
        let (from, to) = (self.text(from), self.text(to));
        self.call("path_rename", format!("{from_folder} {from} {to_folder} {to}"));
    }

    pub(super) fn hard_link(&mut self, folder: Fd, from: &str, to: &str) {
        let (from, to) = (self.text(from), self.text(to));
        self.call("path_link", format!("{folder} (i32.const 0) {from} {folder} {to}"));
    }

    pub(super) fn symlink(&mut self, folder: Fd, target: &str, path: &str) {
        let (target, path) = (self.text(target), self.text(path));
        self.call("path_symlink", format!("{target} {folder} {path}"));
    }

    /// Opens the same file until that fails; the answer is how often it did not. `out` is why.
    pub(super) fn open_until_refused(&mut self, folder: Fd, path: &str) {
        let path = self.text(path);
        self.step(format!(
            "(block (result i32) (local.set $count (i32.const 0))
               (loop $again
                 (i32.store (i32.const {OUT})
                   (call $path_open {folder} (i32.const 0) {path} (i32.const 0) (i64.const 2) (i64.const 2) (i32.const 0)
                     (i32.const {FDS})))
                 (if (i32.eqz (i32.load (i32.const {OUT})))
                   (then (local.set $count (i32.add (local.get $count) (i32.const 1)))
                     (br_if $again (i32.lt_u (local.get $count) (i32.const 1000))))))
               (local.get $count))"
        ));
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The imports of a module that runs the script.
    pub(super) fn imports() -> String {
        let import = |(name, parameters): &(&str, &str)| {
            format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} (param {parameters}) (result i32)))\n")
        };
        IMPORTS.iter().map(import).collect()
    }

    /// The texts, and a function `$run` that makes the calls.
    pub(super) fn functions(&self) -> String {
        let texts = self.texts.concat();
        let bytes = texts.bytes().fold(String::new(), |mut escaped, byte| {
            let _ = write!(escaped, "\\{byte:02x}");
            escaped
        });
        let steps: String = (ANSWERS..)
            .step_by(4)
            .zip(&self.steps)
            .map(|(place, step)| format!("(i32.store (i32.const {place}) {step})\n"))
            .collect();
        format!(
            "(data (i32.const {TEXTS}) \"{bytes}\")
             (func $list_one (param $at i32) (param $length i32)
               (i32.store (i32.const {BUFFERS}) (local.get $at))
               (i32.store (i32.const {}) (local.get $length)))
             (func $run (local $count i32) {steps})",
            BUFFERS + 4
        )
    }

    /// Address and length of the answers.
    pub(super) fn answers(&self) -> (u32, u32) {
        (ANSWERS, u32::try_from(4 * self.steps.len()).unwrap())
    }

    /// A command module that prints the answers.
    pub(super) fn command(&self) -> Vec<u8> {
        let (at, length) = self.answers();
        let print = with_buffer(
            &format!("(i32.const {at}) (i32.const {length})"),
            &format!("(call $fd_write (i32.const 1) {}", list_and_out()),
        );
        let text = format!(
            "(module {} (memory (export \"memory\") 40) {} (func (export \"_start\") (call $run) (drop {print})))",
            Self::imports(),
            self.functions()
        );
        wat::parse_str(text).unwrap()
    }
}

/// Answers out of the bytes they travel in.
pub(super) fn numbers(bytes: &[u8]) -> Vec<u32> {
    bytes
        .chunks_exact(4)
        .map(|chunk| u32::from_le_bytes(chunk.try_into().unwrap()))
        .collect()
}

/// A call with a list of one buffer: address and length.
fn with_buffer(buffer: &str, call: &str) -> String {
    format!("(block (result i32) (call $list_one {buffer}) {call})")
}

/// The end of a call of `fd_read` or `fd_write`.
fn list_and_out() -> String {
    format!("(i32.const {BUFFERS}) (i32.const 1) (i32.const {OUT}))")
}
