//! What a folder is written in: [`Source`].

use std::fs;
use std::path::{Path, PathBuf};

use palisade::{Blame, Code, Coded};
use palisade_signer::{Failure, Terminal};
use serde_json::{Map, Value};
use thiserror::Error;

use super::module::{self, Built};
use super::{PackageFacts, Profile, c, cargo};
use crate::toolchain::{self, ToolError};

/// The language of a plugin, known by the file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// `Cargo.toml`
    Rust,
    /// `plugin.c`
    C,
    /// `plugin.wat`
    Wat,
}

impl Source {
    const FILES: [(&'static str, Self); 3] = [
        ("Cargo.toml", Self::Rust),
        ("plugin.c", Self::C),
        ("plugin.wat", Self::Wat),
    ];

    /// Looks at a folder.
    pub(crate) fn of(dir: &Path) -> Result<Self, SourceError> {
        if !fs::metadata(dir).is_ok_and(|metadata| metadata.is_dir()) {
            return Err(SourceError::NoFolder { path: dir.to_owned() });
        }
        let found = Self::FILES.iter().find(|(file, _)| dir.join(file).is_file());
        found
            .map(|(_, source)| *source)
            .ok_or_else(|| SourceError::NoSource { path: dir.to_owned() })
    }

    /// What the package around the source says of it.
    pub(crate) fn facts(self, dir: &Path) -> Result<PackageFacts, ToolError> {
        match self {
            Self::Rust => Ok(cargo::Package::find(dir)?.facts),
            Self::C | Self::Wat => Ok(PackageFacts::default()),
        }
    }

    /// Compiles it.
    pub(super) fn build(self, dir: &Path, profile: Profile, terminal: &mut Terminal) -> Result<Built, Failure> {
        match self {
            Self::Rust => {
                toolchain::target_library(dir)?;
                cargo::build(dir, profile, terminal)
            }
            Self::C => Ok(Built::plain(c::compile(dir, profile, terminal)?)),
            Self::Wat => Ok(Built::plain(module::assemble(&dir.join("plugin.wat"))?)),
        }
    }
}

/// A folder that holds no plugin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum SourceError {
    /// There is no such folder.
    #[error("there is no folder at `{}`", path.display())]
    NoFolder {
        /// Where.
        path: PathBuf,
    },
    /// Nothing in it can be compiled.
    #[error("`{}` holds no source of a plugin", path.display())]
    NoSource {
        /// Where.
        path: PathBuf,
    },
}

impl Coded for SourceError {
    fn code(&self) -> Code {
        match self {
            Self::NoFolder { .. } | Self::NoSource { .. } => Code::NotFound,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NoFolder { .. } | Self::NoSource { .. } => Blame::Missing,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let (kind, path) = match self {
            Self::NoFolder { path } => ("folder", path),
            Self::NoSource { path } => ("source", path),
        };
        Map::from_iter([
            ("kind".to_owned(), kind.into()),
            ("name".to_owned(), path.to_string_lossy().into()),
        ])
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::NoFolder { .. } => Vec::new(),
            Self::NoSource { .. } => vec![
                "looked for Cargo.toml, plugin.c and plugin.wat".to_owned(),
                "palisade new NAME   starts a plugin".to_owned(),
            ],
        }
    }
}
