//! `--dir HOST::GUEST`: a folder of this machine and the name that a plugin sees.

use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// A folder under another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FolderOption {
    pub(crate) host: PathBuf,
    pub(crate) guest: String,
}

/// Text that is not `HOST::GUEST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum FolderOptionError {
    #[error("expected HOST::GUEST, a folder and the name that the plugin sees, such as ./data::/data")]
    Separator,
    #[error("the folder before `::` is missing")]
    Host,
    #[error("the name after `::` is missing")]
    Guest,
}

impl FromStr for FolderOption {
    type Err = FolderOptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("::").ok_or(FolderOptionError::Separator)? {
            ("", _) => Err(FolderOptionError::Host),
            (_, "") => Err(FolderOptionError::Guest),
            (host, guest) => Ok(Self {
                host: host.into(),
                guest: guest.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_sides_and_says_which_one_is_missing() {
        let folder = |host: &str, guest: &str| {
            Ok(FolderOption {
                host: host.into(),
                guest: guest.to_owned(),
            })
        };
        assert_eq!("./data::/data".parse(), folder("./data", "/data"));
        assert_eq!("a b::c::d".parse(), folder("a b", "c::d"));
        assert_eq!("/data".parse::<FolderOption>(), Err(FolderOptionError::Separator));
        assert_eq!("/data:/data".parse::<FolderOption>(), Err(FolderOptionError::Separator));
        assert_eq!("::/data".parse::<FolderOption>(), Err(FolderOptionError::Host));
        assert_eq!("/data::".parse::<FolderOption>(), Err(FolderOptionError::Guest));
    }
}
