//! Others read what we write, and we read what they write: Info-ZIP, Python, OpenSSL.
//!
//! A tool that is missing is told and skipped on a developer's machine; on CI it fails the test.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tempfile::TempDir;

const MANIFEST: &str = r#"{
  "id": "com.example.echo",
  "name": "Echo",
  "version": "1.2.3",
  "author": "Example",
  "manifest_version": 1,
  "abi_version": 1
}"#;

/// The smallest module with every export the ABI asks for.
const MODULE: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "palisade_abi_v1"))
  (func (export "plugin_buffer") (param i32) (result i32) (i32.const 1024))
  (func (export "plugin_init") (param i32 i32) (result i64) (i64.const 0))
  (func (export "plugin_command") (param i32 i32 i32 i32) (result i64) (i64.const 0))
  (func (export "plugin_cleanup") (result i64) (i64.const 0)))"#;

/// A folder with the key pair `mine`, another one `other`, and `signed.zip`, signed by `mine`.
struct Workshop {
    folder: TempDir,
}

impl Workshop {
    fn new() -> Self {
        let workshop = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        write_plugin(
            &workshop.path("source"),
            &["plugin.json", "plugin.wasm", "assets/a.txt", "assets/b/long.txt"],
        );
        workshop.palisade(["key", "generate", "--out", "mine"]);
        workshop.palisade(["key", "generate", "--out", "other"]);
        workshop.palisade(["pack", "source", "-o", "unsigned.zip"]);
        workshop.palisade(["sign", "unsigned.zip", "--key", "mine.key", "-o", "signed.zip"]);
        workshop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    #[track_caller]
    fn palisade<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        let mut command = Command::new(palisade_tests::palisade());
        accepted(&self.run(command.args(arguments)))
    }

    fn run(&self, command: &mut Command) -> Output {
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// A copy of the signed bundle with one bit changed in its middle.
    fn tampered(&self) -> &'static str {
        let mut bytes = fs::read(self.path("signed.zip")).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(self.path("tampered.zip"), bytes).unwrap();
        "tampered.zip"
    }
}

fn content(name: &str) -> Vec<u8> {
    match name {
        "plugin.json" => MANIFEST.into(),
        "plugin.wasm" => wat::parse_str(MODULE).unwrap(),
        "assets/b/long.txt" => b"The same line again and again.\n".repeat(500),
        other => other.into(),
    }
}

/// Writes the files in the given order, which is the order some file systems list them in.
fn write_plugin(folder: &Path, names: &[&str]) {
    for name in names {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content(name)).unwrap();
    }
}

#[track_caller]
pub(super) fn accepted(output: &Output) -> String {
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "ended with {}: {said}", output.status);
    said
}

#[track_caller]
pub(super) fn refused(output: &Output) {
    assert!(
        !output.status.success(),
        "was accepted: {}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// A tool of the system; `probe` are arguments with which it ends well when all it needs is there.
#[track_caller]
pub(super) fn tool(name: &str, probe: &[&str]) -> Option<impl Fn() -> Command> {
    let works = Command::new(name)
        .args(probe)
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success());
    let on_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(
        works || !on_ci,
        "`{name} {}` does not work on this machine",
        probe.join(" ")
    );
    if !works {
        eprintln!("skipped: `{name} {}` does not work on this machine", probe.join(" "));
    }
    let name = name.to_owned();
    works.then_some(move || Command::new(&name))
}

#[test]
fn info_zip_opens_a_bundle() {
    let (Some(unzip), Some(zipinfo)) = (tool("unzip", &["-v"]), tool("zipinfo", &["-h"])) else {
        return;
    };
    let workshop = Workshop::new();
    for bundle in ["unsigned.zip", "signed.zip"] {
        let said = accepted(&workshop.run(unzip().args(["-t", bundle])));
        assert!(said.contains("No errors detected"), "{said}");
        let said = accepted(&workshop.run(zipinfo().args(["-1", bundle])));
        let files: Vec<_> = said.lines().filter(|name| *name != "META-INF/signature.json").collect();
        assert_eq!(
            files,
            ["plugin.json", "assets/a.txt", "assets/b/long.txt", "plugin.wasm"]
        );
    }
    accepted(&workshop.run(unzip().args(["-q", "signed.zip", "-d", "unpacked"])));
    for name in ["plugin.json", "plugin.wasm", "assets/a.txt", "assets/b/long.txt"] {
        assert_eq!(
            fs::read(workshop.path("unpacked").join(name)).unwrap(),
            content(name),
            "{name}"
        );
    }
}

#[test]
fn python_opens_a_bundle() {
    let Some(python) = tool("python3", &["-c", "import zipfile"]) else {
        return;
    };
    let workshop = Workshop::new();
    let script =
        "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print(z.namelist())";
    let said = accepted(&workshop.run(python().args(["-c", script, "signed.zip"])));
    assert!(said.contains("'META-INF/signature.json', 'plugin.json'"), "{said}");
}

#[test]
fn python_verifies_a_bundle_with_none_of_our_code() {
    let Some(python) = tool("python3", &["-c", "import cryptography"]) else {
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/verify.py");
    let workshop = Workshop::new();
    let verify = |bundle: &str, key: &str| workshop.run(python().arg(&script).args([bundle, key]));

    assert_eq!(
        accepted(&verify("signed.zip", "mine.pub")).trim(),
        "ok com.example.echo 1.2.3"
    );
    refused(&verify("signed.zip", "other.pub"));
    refused(&verify(workshop.tampered(), "mine.pub"));
}

#[test]
fn openssl_accepts_the_signature_over_the_bytes_that_inspect_writes() {
    let (Some(openssl), Some(unzip)) = (tool("openssl", &["version"]), tool("unzip", &["-v"])) else {
        return;
    };
    let workshop = Workshop::new();
    workshop.palisade(["inspect", "--dump-pae", "pae.bin", "signed.zip"]);

    let envelope = workshop
        .run(unzip().args(["-p", "signed.zip", "META-INF/signature.json"]))
        .stdout;
    let envelope: Value = serde_json::from_slice(&envelope).unwrap();
    fs::write(
        workshop.path("sig.txt"),
        envelope["signatures"][0]["sig"].as_str().unwrap(),
    )
    .unwrap();
    accepted(&workshop.run(openssl().args(["base64", "-d", "-A", "-in", "sig.txt", "-out", "sig.bin"])));

    let verify = |key: &str| {
        let arguments = [
            "pkeyutl", "-verify", "-rawin", "-in", "pae.bin", "-sigfile", "sig.bin", "-pubin", "-inkey", key,
        ];
        workshop.run(openssl().args(arguments))
    };
    let said = accepted(&verify("mine.pub"));
    assert!(said.contains("Signature Verified Successfully"), "{said}");
    refused(&verify("other.pub"));

    let mut pae = fs::read(workshop.path("pae.bin")).unwrap();
    pae[20] ^= 1;
    fs::write(workshop.path("pae.bin"), pae).unwrap();
    refused(&verify("mine.pub"));
}

#[test]
fn openssl_reads_our_keys_and_we_sign_with_its_keys() {
    let Some(openssl) = tool("openssl", &["version"]) else {
        return;
    };
    let workshop = Workshop::new();
    let public = workshop.run(openssl().args(["pkey", "-in", "mine.key", "-pubout"]));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().collect::<String>();
    assert_eq!(
        text(&public.stdout),
        text(&fs::read(workshop.path("mine.pub")).unwrap())
    );

    accepted(&workshop.run(openssl().args(["genpkey", "-algorithm", "ed25519", "-out", "theirs.key"])));
    only_mine(&workshop.path("theirs.key"));
    accepted(&workshop.run(openssl().args(["pkey", "-in", "theirs.key", "-pubout", "-out", "theirs.pub"])));
    workshop.palisade(["sign", "unsigned.zip", "--key", "theirs.key", "-o", "theirs.zip"]);
    workshop.palisade(["verify", "theirs.zip", "--trust", "theirs.pub"]);
}

#[cfg(unix)]
fn only_mine(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn only_mine(_: &Path) {}

#[cfg(unix)]
#[test]
fn packing_gives_the_same_bytes_in_any_surroundings() {
    use std::os::unix::fs::PermissionsExt as _;
    let workshop = Workshop::new();
    let reversed = ["assets/b/long.txt", "assets/a.txt", "plugin.wasm", "plugin.json"];
    write_plugin(&workshop.path("again"), &reversed);
    for name in reversed {
        let file = fs::File::options()
            .write(true)
            .open(workshop.path("again").join(name))
            .unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
            .unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o755)).unwrap();
    }
    let pack = |umask: &str, zone: &str, locale: &str, name: &str| {
        let script = format!("umask {umask}; exec \"$0\" pack again -o {name}");
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(script)
            .arg(palisade_tests::palisade())
            .env("TZ", zone)
            .env("LC_ALL", locale);
        accepted(&workshop.run(&mut shell));
        fs::read(workshop.path(name)).unwrap()
    };
    let first = fs::read(workshop.path("unsigned.zip")).unwrap();
    assert!(
        first == pack("077", "Pacific/Kiritimati", "tr_TR.UTF-8", "a.zip"),
        "another umask, time zone and locale"
    );
    assert!(first == pack("000", "America/Adak", "C", "b.zip"), "and another");
}
