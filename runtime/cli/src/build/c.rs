//! C plugins: clang where it knows WASI, else zig, installed or as the Python package `ziglang`.

use std::path::Path;
use std::process::{Command, Stdio};

use palisade_signer::input::{self, Kind};
use palisade_signer::{Failure, Format, HostError, Terminal};

use super::Profile;
use crate::toolchain::ToolError;

/// What the linker makes, before anything is checked.
const MODULE: Kind = Kind::new("module", 64 * 1024 * 1024);

/// A compiler and how it is told what to make.
struct Compiler {
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// What it must be able to compile.
    probe: &'static str,
}

/// In the order they are tried. A reactor has no `main`: it is entered through its exports.
const COMPILERS: [Compiler; 4] = [
    Compiler {
        name: "clang with wasi-libc",
        program: "clang",
        arguments: &["--target=wasm32-wasi", "-mexec-model=reactor"],
        probe: WITH_LIBRARY,
    },
    Compiler {
        name: "zig",
        program: "zig",
        arguments: &["cc", "-target", "wasm32-wasi", "-mexec-model=reactor"],
        probe: WITH_LIBRARY,
    },
    Compiler {
        name: "zig from the Python package ziglang",
        program: "python3",
        arguments: &["-m", "ziglang", "cc", "-target", "wasm32-wasi", "-mexec-model=reactor"],
        probe: WITH_LIBRARY,
    },
    Compiler {
        name: "clang without a C library",
        program: "clang",
        arguments: &["--target=wasm32", "-nostdlib", "-ffreestanding", "-Wl,--no-entry"],
        probe: WITHOUT_LIBRARY,
    },
];

/// The smallest programs with and without the C library for WASI.
const WITH_LIBRARY: &str = "#include <stdlib.h>\nvoid *probe(size_t n) { return malloc(n); }\n";
const WITHOUT_LIBRARY: &str = "int probe(int n) { return n; }\n";

/// Compiles `plugin.c`, with the headers beside it.
pub(super) fn compile(dir: &Path, profile: Profile, terminal: &Terminal) -> Result<Vec<u8>, Failure> {
    let folder = tempfile::tempdir().map_err(HostError::TemporaryFolder)?;
    let compiler = COMPILERS
        .iter()
        .find(|compiler| compiler.works(folder.path()))
        .ok_or(ToolError::NoCompiler)?;
    let module = folder.path().join("plugin.wasm");
    let mut command = compiler.command(dir);
    match profile {
        Profile::Development => command.args(["-O1", "-g"]),
        Profile::Release => command.args(["-O2", "-g0", "-Wl,--strip-debug"]),
    };
    command.args(["-Wall", "-Wextra", "-I.", "plugin.c", "-o"]).arg(&module);
    let output = match terminal.format() {
        Format::People => command.stdout(Stdio::null()).stderr(Stdio::inherit()).output(),
        Format::Json => command.output(),
    };
    let output = output.map_err(|error| ToolError::starting(compiler.program, error))?;
    if !output.status.success() {
        return Err(ToolError::failed(compiler.program, &output).into());
    }
    Ok(input::read_file(&module, MODULE)?)
}

impl Compiler {
    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new(self.program);
        command.args(self.arguments).current_dir(folder).stdin(Stdio::null());
        command
    }

    /// Whether it is there and brings the C library: a clang alone does not.
    fn works(&self, folder: &Path) -> bool {
        let source = folder.join("probe.c");
        if std::fs::write(&source, self.probe).is_err() {
            return false;
        }
        let output = self.command(folder).args(["probe.c", "-o", "probe.wasm"]).output();
        output.is_ok_and(|output| output.status.success())
    }
}

/// The compiler for C that would be used here.
pub(crate) fn found() -> Option<&'static str> {
    let folder = tempfile::tempdir().ok()?;
    COMPILERS
        .iter()
        .find(|compiler| compiler.works(folder.path()))
        .map(|compiler| compiler.name)
}
