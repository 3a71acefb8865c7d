//! The programs that compile plugins: finding them, asking them, and what is missing.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use palisade::{Blame, Code, Coded};
use serde_json::{Map, Value, json};
use thiserror::Error;

/// What plugins are compiled for.
pub(crate) const TARGET: &str = "wasm32-wasip1";

/// Runs a program to its end and returns what it wrote to standard output.
pub(crate) fn ask<A: AsRef<OsStr>>(
    program: &'static str,
    arguments: impl IntoIterator<Item = A>,
    folder: &Path,
) -> Result<String, ToolError> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    let output = command.output().map_err(|error| ToolError::starting(program, error))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(ToolError::failed(program, &output))
    }
}

/// The folder of the standard library for [`TARGET`], where this toolchain has it.
pub(crate) fn target_library(folder: &Path) -> Result<PathBuf, ToolError> {
    let library = ask("rustc", ["--print", "target-libdir", "--target", TARGET], folder)?;
    let library = PathBuf::from(library.trim());
    if library.is_dir() {
        Ok(library)
    } else {
        Err(ToolError::TargetMissing)
    }
}

/// Why a tool did not do its part.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ToolError {
    /// It is not installed.
    #[error("the program `{program}` is not installed")]
    Missing {
        /// Its name.
        program: &'static str,
    },
    /// None of several that would do is installed.
    #[error("no compiler for C is installed")]
    NoCompiler,
    /// It cannot be started.
    #[error("cannot start `{program}`")]
    NotStarted {
        /// Its name.
        program: &'static str,
        /// What the operating system says.
        #[source]
        error: io::Error,
    },
    /// It ended with an error.
    #[error("`{program}` failed")]
    Failed {
        /// Its name.
        program: &'static str,
        /// The end of what it wrote to standard error, when it was not shown already.
        said: String,
    },
    /// Cargo knows no package in the folder.
    #[error("cargo finds no package in this folder")]
    NoPackage,
    /// The standard library for the target is not installed.
    #[error("the standard library for {TARGET} is not installed")]
    TargetMissing,
}

/// The end of a compiler's words that goes into a problem object.
const SAID_BYTES: usize = 16 * 1024;

impl ToolError {
    pub(crate) fn starting(program: &'static str, error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::Missing { program }
        } else {
            Self::NotStarted { program, error }
        }
    }

    pub(crate) fn failed(program: &'static str, output: &Output) -> Self {
        let end = output.stderr.len().saturating_sub(SAID_BYTES);
        let said = output.stderr.get(end..).unwrap_or_default();
        Self::Failed {
            program,
            said: String::from_utf8_lossy(said).trim().to_owned(),
        }
    }
}

impl Coded for ToolError {
    fn code(&self) -> Code {
        match self {
            Self::Missing { .. } | Self::NoCompiler | Self::NoPackage | Self::TargetMissing => Code::NotFound,
            Self::NotStarted { .. } => Code::InternalError,
            Self::Failed { .. } => Code::CorruptedData,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Missing { .. } | Self::NoCompiler | Self::NoPackage | Self::TargetMissing => Blame::Missing,
            Self::NotStarted { .. } => Blame::Host,
            Self::Failed { .. } => Blame::Bundle,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let details = match self {
            Self::Missing { program } => json!({ "kind": "program", "name": program }),
            Self::NoCompiler => json!({ "kind": "program", "name": "clang" }),
            Self::NotStarted { .. } => json!({}),
            Self::Failed { said, .. } => json!({ "reason": "does_not_compile", "output": said }),
            Self::NoPackage => json!({ "kind": "package", "name": "Cargo.toml" }),
            Self::TargetMissing => json!({ "kind": "target", "name": TARGET }),
        };
        match details {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Missing {
                program: "cargo" | "rustc",
            } => vec!["https://rustup.rs installs Rust".to_owned()],
            Self::NoCompiler => vec![
                "apt-get install clang lld wasi-libc libclang-rt-dev-wasm32".to_owned(),
                "pip install ziglang".to_owned(),
            ],
            Self::TargetMissing => vec![format!("rustup target add {TARGET}")],
            Self::Missing { .. } | Self::NoPackage | Self::NotStarted { .. } | Self::Failed { .. } => Vec::new(),
        }
    }
}
