//! Folders of the host that an operator maps for a plugin.

use std::path::PathBuf;

use palisade_bundle::{Blame, Code, Coded};
use serde_json::{Map, Value};
use thiserror::Error;

/// Mappings of one plugin. A guest's C library tries them all for every path, so more are slow and likely a mistake.
pub const MAX_DIRECTORIES: usize = 16;

/// Longest name of a mapping in the guest; Linux has the same bound for paths.
const MAX_GUEST_NAME_BYTES: usize = 4096;

/// A folder of the host under the name a plugin knows it by.
///
/// The plugin sees it only with `filesystem:read`, and writes in it only with `filesystem:write` as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryMapping {
    /// The folder on the host.
    pub host: PathBuf,
    /// The name the plugin sees, such as `/data`.
    pub guest: String,
    /// What it may do there.
    pub access: DirectoryAccess,
    /// Whether it may make links and rename files there; without effect in a read-only folder.
    pub links: bool,
}

impl DirectoryMapping {
    /// A folder that can be read.
    #[must_use]
    pub fn read_only(host: impl Into<PathBuf>, guest: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            guest: guest.into(),
            access: DirectoryAccess::ReadOnly,
            links: false,
        }
    }

    /// A folder that can be read and written within `quota`.
    #[must_use]
    pub fn writable(host: impl Into<PathBuf>, guest: impl Into<String>, quota: DirectoryQuota) -> Self {
        Self {
            access: DirectoryAccess::Writable(quota),
            ..Self::read_only(host, guest)
        }
    }

    /// The same folder, where links can be made and files renamed.
    #[must_use]
    pub fn with_links(self) -> Self {
        Self { links: true, ..self }
    }

    /// The same folder without the right to change it.
    pub(crate) fn without_writing(self) -> Self {
        Self::read_only(self.host, self.guest)
    }
}

/// What a plugin may do in a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DirectoryAccess {
    /// Read and list.
    #[default]
    ReadOnly,
    /// Create, write and remove too.
    Writable(DirectoryQuota),
}

/// How much a writable folder may hold, what was there before included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryQuota {
    /// Sum of the sizes of all files, as a program that reads them sees it: holes count.
    pub bytes: u64,
    /// Number of files, folders and links.
    pub files: u64,
}

impl Default for DirectoryQuota {
    /// As much as a plugin's storage holds: 10 MiB in 10,000 files (sandbox.md, "Limits").
    fn default() -> Self {
        Self {
            bytes: 10 * 1024 * 1024,
            files: 10_000,
        }
    }
}

/// A mapping that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MappingError {
    /// The name for the guest is empty, too long or holds a NUL byte.
    #[error("`{}` is no name for a folder: {reason}", guest.escape_debug())]
    GuestName {
        /// The name.
        guest: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Two mappings have one name.
    #[error("two folders are mapped to `{guest}`")]
    GuestNameTaken {
        /// The name.
        guest: String,
    },
    /// More than [`MAX_DIRECTORIES`].
    #[error("at most {MAX_DIRECTORIES} folders can be mapped for a plugin")]
    TooMany,
}

/// Adds `mapping` to those a plugin has.
pub(crate) fn add(mappings: &mut Vec<DirectoryMapping>, mapping: DirectoryMapping) -> Result<(), MappingError> {
    if let Some(reason) = why_no_name(&mapping.guest) {
        return Err(MappingError::GuestName {
            guest: mapping.guest.chars().take(80).collect(),
            reason,
        });
    }
    if mappings.iter().any(|other| other.guest == mapping.guest) {
        return Err(MappingError::GuestNameTaken { guest: mapping.guest });
    }
    if mappings.len() >= MAX_DIRECTORIES {
        return Err(MappingError::TooMany);
    }
    mappings.push(mapping);
    Ok(())
}

fn why_no_name(guest: &str) -> Option<&'static str> {
    match guest {
        "" => Some("it is empty"),
        name if name.contains('\0') => Some("it holds a NUL byte"),
        name if name.len() > MAX_GUEST_NAME_BYTES => Some("it is longer than 4096 bytes"),
        _ => None,
    }
}

impl Coded for MappingError {
    fn code(&self) -> Code {
        match self {
            Self::GuestName { .. } | Self::GuestNameTaken { .. } | Self::TooMany => Code::InvalidArgument,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::GuestName { .. } | Self::GuestNameTaken { .. } | Self::TooMany => Blame::Request,
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::GuestName { guest, .. } | Self::GuestNameTaken { guest } => {
                Map::from_iter([("guest".to_owned(), guest.as_str().into())])
            }
            Self::TooMany => Map::from_iter([("limit".to_owned(), MAX_DIRECTORIES.into())]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(mappings: &mut Vec<DirectoryMapping>, guest: &str) -> MappingError {
        let error = add(mappings, DirectoryMapping::read_only("/tmp", guest)).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        error
    }

    #[test]
    fn names_that_a_guest_could_not_use_are_refused() {
        let mut mappings = Vec::new();
        refused(&mut mappings, "");
        refused(&mut mappings, "a\0b");
        refused(&mut mappings, &"x".repeat(MAX_GUEST_NAME_BYTES + 1));
        assert_eq!(mappings, []);
        let longest = "x".repeat(MAX_GUEST_NAME_BYTES);
        assert_eq!(add(&mut mappings, DirectoryMapping::read_only("/tmp", longest)), Ok(()));
    }

    #[test]
    fn a_name_means_one_folder_and_their_number_has_an_end() {
        let mut mappings = Vec::new();
        for number in 0..MAX_DIRECTORIES {
            add(&mut mappings, DirectoryMapping::read_only("/tmp", format!("/{number}"))).unwrap();
        }
        assert_eq!(
            refused(&mut mappings, "/0"),
            MappingError::GuestNameTaken { guest: "/0".to_owned() }
        );
        assert_eq!(refused(&mut mappings, "/one-more"), MappingError::TooMany);
    }
}
