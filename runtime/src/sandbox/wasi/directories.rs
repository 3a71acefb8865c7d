//! The folders a plugin may use, opened once at load and shared by all its instances.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use palisade_bundle::{Blame, Code, Coded, Permission};
use serde_json::{Map, Value};
use thiserror::Error;
use tokio::sync::SemaphorePermit;
use wasmtime_wasi::filesystem::{WasiFilesystemCtx, WasiFilesystemView as _};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::accounts::Accounts;
use super::measure::MeasureError;
use super::quota::Quota;
use crate::directories::{DirectoryAccess, DirectoryMapping};
use crate::policy::Grant;

/// Folders, open, in the order of their descriptors.
#[derive(Default)]
pub(in crate::sandbox) struct Directories {
    preopened: WasiFilesystemCtx,
    all: Vec<Arc<Directory>>,
    may_read: bool,
    may_write: bool,
}

/// What may be done in one folder.
pub(super) struct Directory {
    pub(super) writable: bool,
    pub(super) links: bool,
    /// Present where a plugin may write.
    pub(super) quota: Option<Quota>,
}

impl Directory {
    /// Waits for the turn to change this folder; nothing to wait for where nothing is counted.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        match &self.quota {
            Some(quota) => quota.turn().await,
            None => None,
        }
    }
}

impl Directories {
    /// Opens what `grant` gives, and measures what may be written.
    pub(in crate::sandbox) fn open(grant: &Grant, accounts: &Accounts) -> Result<Self, DirectoryError> {
        let mappings: Vec<_> = grant.directories().collect();
        refuse_overlap(&mappings)?;
        let mut builder = WasiCtxBuilder::new();
        let mut all = Vec::with_capacity(mappings.len());
        for mapping in &mappings {
            all.push(Arc::new(open(&mut builder, mapping, accounts)?));
        }
        Ok(Self {
            preopened: preopened(builder),
            all,
            may_read: grant.allows(&Permission::FilesystemRead),
            may_write: grant.allows(&Permission::FilesystemWrite),
        })
    }

    /// Opens folders to read and write without counting anything.
    #[cfg(feature = "developer")]
    pub(in crate::sandbox) fn uncounted<'a>(
        folders: impl IntoIterator<Item = (&'a Path, &'a str)>,
        links: bool,
    ) -> Result<Self, DirectoryError> {
        let mut builder = WasiCtxBuilder::new();
        let mut all = Vec::new();
        for (host, guest) in folders {
            preopen(&mut builder, host, guest, FsPerms::ReadWrite)?;
            all.push(Arc::new(Directory {
                writable: true,
                links,
                quota: None,
            }));
        }
        Ok(Self {
            preopened: preopened(builder),
            all,
            may_read: true,
            may_write: true,
        })
    }

    pub(in crate::sandbox) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What a WASI context needs to know of them: the folders themselves, not their paths.
    pub(super) fn preopened(&self) -> WasiFilesystemCtx {
        self.preopened.clone()
    }

    pub(super) fn get(&self, number: usize) -> Option<&Arc<Directory>> {
        self.all.get(number)
    }

    pub(super) fn any_links(&self) -> bool {
        self.all.iter().any(|directory| directory.links)
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn may_read(&self) -> bool {
        self.may_read
    }

    pub(super) fn may_write(&self) -> bool {
        self.may_write
    }
}

/// The open folders of a context that is built for nothing else.
fn preopened(mut builder: WasiCtxBuilder) -> WasiFilesystemCtx {
    builder.build_p1().filesystem().ctx.clone()
}

fn open(
    builder: &mut WasiCtxBuilder,
    mapping: &DirectoryMapping,
    accounts: &Accounts,
) -> Result<Directory, DirectoryError> {
    let limit = match mapping.access {
        DirectoryAccess::ReadOnly => {
            preopen(builder, &mapping.host, &mapping.guest, FsPerms::ReadOnly)?;
            return Ok(Directory {
                writable: false,
                links: false,
                quota: None,
            });
        }
        DirectoryAccess::Writable(limit) => limit,
    };
    preopen(builder, &mapping.host, &mapping.guest, FsPerms::ReadWrite)?;
    let guest = || mapping.guest.clone();
    let too_many = || DirectoryError::TooManyFiles {
        guest: guest(),
        limit: limit.files,
    };
    let account = accounts
        .of(&real_path(mapping)?, limit.files)
        .map_err(|error| match error {
            MeasureError::TooManyFiles => too_many(),
            MeasureError::Io(error) => DirectoryError::Open { guest: guest(), error },
        })?;
    let quota = Quota::new(limit, account).map_err(|_exceeded| too_many())?;
    // What is opened is looked at first. A guest that renames could put a FIFO in its place in between, and opening
    // one keeps a thread.
    if mapping.links && quota.holds_special() {
        return Err(DirectoryError::Special { guest: guest() });
    }
    Ok(Directory {
        writable: true,
        links: mapping.links,
        quota: Some(quota),
    })
}

fn real_path(mapping: &DirectoryMapping) -> Result<PathBuf, DirectoryError> {
    mapping.host.canonicalize().map_err(|error| DirectoryError::Open {
        guest: mapping.guest.clone(),
        error,
    })
}

fn preopen(builder: &mut WasiCtxBuilder, host: &Path, guest: &str, permissions: FsPerms) -> Result<(), DirectoryError> {
    match builder.preopened_dir(host, guest, permissions) {
        Ok(_) => Ok(()),
        Err(error) => Err(DirectoryError::Open {
            guest: guest.to_owned(),
            error: error.downcast().unwrap_or_else(io::Error::other),
        }),
    }
}

/// Refuses folders inside each other when one is writable: what is written through one name and removed through the
/// other would be counted wrongly.
fn refuse_overlap(mappings: &[DirectoryMapping]) -> Result<(), DirectoryError> {
    let writable = |mapping: &DirectoryMapping| mapping.access != DirectoryAccess::ReadOnly;
    if !mappings.iter().any(writable) {
        return Ok(());
    }
    let mut earlier: Vec<(PathBuf, &DirectoryMapping)> = Vec::with_capacity(mappings.len());
    for mapping in mappings {
        let real = real_path(mapping)?;
        let overlapping = earlier.iter().find(|(other, other_mapping)| {
            (writable(mapping) || writable(other_mapping)) && (real.starts_with(other) || other.starts_with(&real))
        });
        if let Some((_, other)) = overlapping {
            return Err(DirectoryError::Overlap {
                guest: mapping.guest.clone(),
                other: other.guest.clone(),
            });
        }
        earlier.push((real, mapping));
    }
    Ok(())
}

/// A folder that is mapped for a plugin cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// It cannot be opened or looked through.
    #[error("the folder for `{guest}` cannot be used: {error}")]
    Open {
        /// The name the plugin would have seen.
        guest: String,
        /// Why not.
        error: io::Error,
    },
    /// It holds more files than its quota allows.
    #[error("the folder for `{guest}` holds more than {limit} files")]
    TooManyFiles {
        /// The name the plugin would have seen.
        guest: String,
        /// Files, folders and links it may hold.
        limit: u64,
    },
    /// It is inside another one, and one of the two is writable.
    #[error("the folders for `{guest}` and `{other}` are inside each other, and one is writable")]
    Overlap {
        /// The name the plugin would have seen.
        guest: String,
        /// That of the other one.
        other: String,
    },
    /// It holds a device, FIFO or socket, and the plugin could rename it.
    #[error("the folder for `{guest}` holds a device, FIFO or socket, so nothing may be renamed in it")]
    Special {
        /// The name the plugin would have seen.
        guest: String,
    },
}

impl Coded for DirectoryError {
    fn code(&self) -> Code {
        match self {
            Self::Open { error, .. } if error.kind() == io::ErrorKind::NotFound => Code::NotFound,
            Self::Open { .. } | Self::Overlap { .. } | Self::Special { .. } => Code::InvalidArgument,
            Self::TooManyFiles { .. } => Code::StorageQuotaExceeded,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Open { error, .. } if error.kind() == io::ErrorKind::NotFound => Blame::Missing,
            Self::Open { .. } | Self::Overlap { .. } | Self::Special { .. } => Blame::Request,
            Self::TooManyFiles { .. } => Blame::Policy,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let (guest, more): (&String, Option<(&str, Value)>) = match self {
            Self::Open { guest, .. } | Self::Special { guest } => (guest, None),
            Self::TooManyFiles { guest, limit } => (guest, Some(("limit", (*limit).into()))),
            Self::Overlap { guest, other } => (guest, Some(("other", other.as_str().into()))),
        };
        let mut details = Map::from_iter([("guest".to_owned(), guest.as_str().into())]);
        details.extend(more.map(|(name, value)| (name.to_owned(), value)));
        details
    }
}
