//! `doctor`: whether this machine can build and run plugins, and what to do where it cannot.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use palisade::Code;
use palisade_bundle::Visible;
use palisade_signer::trust_directory::TrustDirectory;
use palisade_signer::{Answer, Conclusion, Failure, Surroundings, Terminal, style};
use serde::Serialize;

use crate::build::c;
use crate::confinement::{Confinement, Strength};
use crate::toolchain::{TARGET, ask, target_library};

/// `doctor`.
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// Mend what can be mended: add the compile target, take the trust store's keys away from others
    #[arg(long)]
    fix: bool,

    /// Look at the trust store in DIR instead of the default one
    #[arg(long, value_name = "DIR")]
    trust_store: Option<PathBuf>,
}

/// What `doctor` answers.
#[derive(Serialize)]
struct Examined {
    ok: bool,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl Check {
    fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            ok: true,
            found: found.into(),
            help: None,
        }
    }

    fn bad(name: &'static str, found: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            name,
            ok: false,
            found: found.into(),
            help: Some(help.into()),
        }
    }
}

impl Doctor {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let progress = terminal.progress("looking");
        let trust = TrustDirectory::of(self.trust_store.as_deref(), surroundings)?;
        let checks = vec![
            versions(),
            tool("cargo"),
            tool("rustc"),
            self.target(),
            compiler_for_c(),
            trust_store(&trust),
            self.root_key(&trust),
            second_wall(),
        ];
        drop(progress);
        let answer = Examined {
            ok: checks.iter().all(|check| check.ok),
            checks,
        };
        terminal.answer(&answer)?;
        Ok(if answer.ok {
            Conclusion::Done
        } else {
            Conclusion::Findings
        })
    }

    fn target(&self) -> Check {
        let here = Path::new(".");
        let mut found = target_library(here);
        if found.is_err() && self.fix && ask("rustup", ["target", "add", TARGET], here).is_ok() {
            found = target_library(here);
        }
        match found {
            Ok(_) => Check::good("target", TARGET),
            Err(_) => Check::bad(
                "target",
                format!("{TARGET} is missing"),
                format!("rustup target add {TARGET}"),
            ),
        }
    }

    fn root_key(&self, trust: &TrustDirectory) -> Check {
        let path = trust.root_key_path();
        let Ok(metadata) = fs::metadata(&path) else {
            return Check::good("root key", "none yet; the first `trust add` makes it");
        };
        if !is_shared(&metadata) || (self.fix && make_private(&path).is_ok()) {
            return Check::good("root key", path.display().to_string());
        }
        let help = format!("chmod 600 {}", path.display());
        Check::bad("root key", "others can read it", help)
    }
}

fn versions() -> Check {
    let abi = format!("{}.{}", palisade_abi::VERSION_MAJOR, palisade_abi::VERSION_MINOR);
    Check::good(
        "palisade",
        format!(
            "{}, plugin ABI {abi}, SDK {}",
            env!("CARGO_PKG_VERSION"),
            env!("CARGO_PKG_VERSION")
        ),
    )
}

fn tool(name: &'static str) -> Check {
    match ask(name, ["--version"], Path::new(".")) {
        Ok(version) => Check::good(name, version.trim()),
        Err(_) => Check::bad(name, "not installed", "https://rustup.rs installs Rust"),
    }
}

/// Rust plugins do without it, so its absence is not an illness.
fn compiler_for_c() -> Check {
    Check::good(
        "C compiler",
        c::found().unwrap_or("none for WASI; only plugins in C need one"),
    )
}

/// Plugins run without it, behind the sandbox alone, so its absence is no illness either.
fn second_wall() -> Check {
    Check::good(
        "second wall",
        match Confinement::strength() {
            Ok(Strength::Full) => "Landlock",
            Ok(Strength::Partial) => "Landlock, but the kernel is too old for some of it",
            Ok(Strength::None) => "warning: none, this system has no Landlock; only the sandbox guards files",
            Err(_) => "warning: none, the kernel refuses Landlock; `palisade call` will not run plugins",
        },
    )
}

fn trust_store(trust: &TrustDirectory) -> Check {
    match trust.document() {
        Ok(None) => Check::good("trust store", "none yet; without --trust nobody is trusted"),
        Ok(Some(document)) => {
            let publishers = document.declaration().publishers.len();
            Check::good(
                "trust store",
                format!("{}, {publishers} publishers", trust.path().display()),
            )
        }
        Err(failure) => {
            let code = failure.code().map_or("unknown", Code::as_str);
            Check::bad(
                "trust store",
                format!("{code} in {}", trust.path().display()),
                "palisade trust list   says more",
            )
        }
    }
}

#[cfg(unix)]
fn is_shared(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn is_shared(_metadata: &fs::Metadata) -> bool {
    false
}

#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn make_private(_path: &Path) -> io::Result<()> {
    Ok(())
}

impl Answer for Examined {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        for check in &self.checks {
            let mark = if check.ok {
                style::good("ok  ")
            } else {
                style::error("FAIL")
            };
            writeln!(out, "{mark} {:12} {}", check.name, Visible(&check.found))?;
            if let Some(help) = &check.help {
                writeln!(out, "     {}: {}", style::help("help"), Visible(help))?;
            }
        }
        Ok(())
    }
}
