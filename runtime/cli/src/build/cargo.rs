//! Rust plugins: cargo compiles, once to ask the plugin for its commands and once to ship it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use palisade::{Blame, Code, Coded, DescribeError, LoadError, Runtime};
use palisade_abi::Description;
use palisade_signer::input::{self, Kind};
use palisade_signer::{Failure, Format, HostError, Terminal};
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::module::Built;
use super::{PackageFacts, Profile};
use crate::toolchain::{TARGET, ToolError, ask};

/// What the linker makes, before anything is checked; the sandbox's own limit is lower and has its own message.
const MODULE: Kind = Kind::new("module", 64 * 1024 * 1024);

/// A release build as small and fast as stable Rust makes it. Names stay in, so that a trap says where it was.
const RELEASE: [&str; 5] = [
    "profile.release.lto=\"fat\"",
    "profile.release.codegen-units=1",
    "profile.release.panic=\"abort\"",
    "profile.release.debug=false",
    "profile.release.strip=\"debuginfo\"",
];

/// The package in a folder.
pub(crate) struct Package {
    pub(crate) facts: PackageFacts,
    manifest_path: PathBuf,
    target_directory: PathBuf,
    has_cdylib: bool,
    uses_sdk: bool,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    #[serde(flatten)]
    facts: PackageFacts,
    manifest_path: PathBuf,
    targets: Vec<Target>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

impl Package {
    /// Asks cargo.
    pub(crate) fn find(dir: &Path) -> Result<Self, ToolError> {
        let arguments = ["metadata", "--no-deps", "--format-version=1", "--quiet"];
        let metadata = ask("cargo", arguments, dir)?;
        let wanted = fs::canonicalize(dir.join("Cargo.toml")).unwrap_or_default();
        let metadata: Metadata = serde_json::from_str(&metadata).map_err(|_| ToolError::NoPackage)?;
        let is_wanted =
            |package: &MetadataPackage| fs::canonicalize(&package.manifest_path).ok().as_ref() == Some(&wanted);
        let package = metadata
            .packages
            .into_iter()
            .find(is_wanted)
            .ok_or(ToolError::NoPackage)?;
        let is_cdylib = |target: &Target| target.crate_types.iter().any(|kind| kind == "cdylib");
        Ok(Self {
            manifest_path: package.manifest_path,
            target_directory: metadata.target_directory,
            has_cdylib: package.targets.iter().any(is_cdylib),
            uses_sdk: package
                .dependencies
                .iter()
                .any(|used| used.name == "palisade-sdk" && used.kind.is_none()),
            facts: package.facts,
        })
    }
}

/// Compiles the package in `dir`.
pub(super) fn build(dir: &Path, profile: Profile, terminal: &Terminal) -> Result<Built, Failure> {
    let package = Package::find(dir)?;
    if !package.has_cdylib {
        return Err(CargoError::NoCdylib.into());
    }
    // Both builds end in the same file, and another `palisade build` may be at it too.
    let _turn = wait_for_turn(&package.target_directory)?;
    let commands = if package.uses_sdk {
        let described = compile(
            dir,
            &package,
            profile,
            &["--features", "palisade-sdk/describe"],
            terminal,
        )?;
        describe(described)?
    } else {
        None
    };
    let wasm = compile(dir, &package, profile, &[], terminal)?;
    Ok(Built {
        wasm,
        facts: package.facts,
        commands,
    })
}

fn wait_for_turn(target_directory: &Path) -> Result<File, CargoError> {
    let lock = || {
        fs::create_dir_all(target_directory)?;
        let file = File::create(target_directory.join(".palisade-build-lock"))?;
        file.lock()?;
        Ok(file)
    };
    lock().map_err(CargoError::Lock)
}

/// Asks the module, in the sandbox and with no powers, what its commands are.
fn describe(wasm: Vec<u8>) -> Result<Option<Description>, Failure> {
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(HostError::Threads)?;
    match tokio.block_on(Runtime::new().map_err(LoadError::from)?.describe(wasm)) {
        Ok(json) => Ok(Some(serde_json::from_slice(&json).map_err(CargoError::Description)?)),
        Err(DescribeError::NoDescription) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn compile(
    dir: &Path,
    package: &Package,
    profile: Profile,
    more: &[&str],
    terminal: &Terminal,
) -> Result<Vec<u8>, Failure> {
    let mut command = Command::new("cargo");
    command
        .args([
            "build",
            "--lib",
            "--target",
            TARGET,
            "--message-format=json-render-diagnostics",
        ])
        .args(more);
    command
        .arg("--manifest-path")
        .arg(&package.manifest_path)
        .current_dir(dir)
        .stdin(Stdio::null());
    if profile == Profile::Release {
        command.arg("--release");
        RELEASE
            .iter()
            .for_each(|setting| _ = command.args(["--config", setting]));
        command.arg("--config").arg(without_host_paths(&package.manifest_path));
    }
    let output = match terminal.format() {
        // The compiler speaks for itself.
        Format::People => command.stderr(Stdio::inherit()).output(),
        Format::Json => command.arg("--quiet").output(),
    };
    let output = output.map_err(|error| ToolError::starting("cargo", error))?;
    if !output.status.success() {
        return Err(ToolError::failed("cargo", &output).into());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let module = module_among(&messages, &package.manifest_path).ok_or(CargoError::NoModule)?;
    Ok(input::read_file(&module, MODULE)?)
}

/// Panic messages hold the path of the source; readers of a bundle need not know whose machine made it. The last
/// prefix that fits counts, so the package comes after the repository it may be part of.
fn without_host_paths(manifest_path: &Path) -> OsString {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().ok();
    let folders = [
        (repository, "palisade"),
        (manifest_path.parent().map(Path::to_owned), "plugin"),
        (home_of_cargo().ok(), "cargo"),
    ];
    let remapped = folders.into_iter().filter_map(|(folder, name)| Some((folder?, name)));
    let flags = remapped.map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display()));
    format!("target.{TARGET}.rustflags={}", Value::from(flags.collect::<Vec<_>>())).into()
}

fn home_of_cargo() -> Result<PathBuf, std::env::VarError> {
    match std::env::var("CARGO_HOME") {
        Ok(home) => Ok(home.into()),
        Err(_) => Ok(Path::new(&std::env::var("HOME")?).join(".cargo")),
    }
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The module among cargo's messages, one JSON object a line.
fn module_among(messages: &str, manifest_path: &Path) -> Option<PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let mut ours = messages.filter(|message| message.manifest_path == manifest_path);
    ours.find_map(|message| {
        message
            .filenames
            .into_iter()
            .find(|file| file.extension().is_some_and(|end| end == "wasm"))
    })
}

/// Why a package is no plugin.
#[derive(Debug, Error)]
#[non_exhaustive]
enum CargoError {
    #[error("the package makes no module: its library is no `cdylib`")]
    NoCdylib,
    #[error("cargo made no module")]
    NoModule,
    #[error("the build folder cannot be locked")]
    Lock(#[source] std::io::Error),
    #[error("the module describes its commands in a way this program does not understand")]
    Description(#[source] serde_json::Error),
}

impl Coded for CargoError {
    fn code(&self) -> Code {
        match self {
            Self::NoCdylib | Self::NoModule => Code::CorruptedData,
            Self::Lock(_) => Code::InternalError,
            Self::Description(_) => Code::AbiViolation,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NoCdylib | Self::NoModule | Self::Description(_) => Blame::Bundle,
            Self::Lock(_) => Blame::Host,
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::NoCdylib => Map::from_iter([("entry".to_owned(), "Cargo.toml".into())]),
            Self::NoModule | Self::Lock(_) | Self::Description(_) => Map::new(),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::NoCdylib => vec!["add to Cargo.toml: [lib] crate-type = [\"cdylib\", \"rlib\"]".to_owned()],
            Self::Description(_) => vec!["build it with the palisade-sdk of this program's version".to_owned()],
            Self::NoModule | Self::Lock(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_module_of_this_package_among_cargos_messages() {
        let messages = r#"
            {"reason":"compiler-artifact","manifest_path":"/dep/Cargo.toml","filenames":["/t/other.wasm"]}
            {"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml","filenames":["/t/libp.rlib","/t/p.wasm"]}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(
            module_among(messages, Path::new("/p/Cargo.toml")),
            Some(PathBuf::from("/t/p.wasm"))
        );
        assert_eq!(module_among(messages, Path::new("/q/Cargo.toml")), None);
    }
}
