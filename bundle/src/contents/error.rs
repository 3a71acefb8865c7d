//! Why a bundle contradicts itself, and why a file of it cannot be read.

use serde_json::{Map, Value};

use crate::canonical_json::JsonError;
use crate::container::{MANIFEST_PATH, SIGNATURE_PATH, StructureError};
use crate::manifest::ManifestError;
use crate::problem::{Blame, Code, Coded};

/// Why a bundle contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentsError {
    /// The statement is not one.
    #[error("the signed statement cannot be read")]
    Statement(#[source] JsonError),
    /// The content is longer or shorter than was signed.
    #[error("{actual_bytes} bytes of content instead of the {signed_bytes} that were signed")]
    ContentLength {
        /// What the statement says.
        signed_bytes: u64,
        /// What is there.
        actual_bytes: u64,
    },
    /// The content is not what was signed.
    #[error("the content was changed after it was signed")]
    ContentDigest,
    /// The container breaks a rule of its profile.
    #[error(transparent)]
    Structure(#[from] StructureError),
    /// A file is in the bundle that was not signed, or not at this place or with this size.
    #[error("file `{path}` is not the one that was signed at its place")]
    FileNotSigned {
        /// The file.
        path: String,
    },
    /// A file was signed but is not in the bundle.
    #[error("file `{path}` is missing")]
    FileMissing {
        /// The file.
        path: String,
    },
    /// A file is not what was signed.
    #[error("file `{path}` was changed after it was signed")]
    FileDigest {
        /// The file.
        path: String,
    },
    /// The manifest is larger than any manifest.
    #[error("{actual_bytes} bytes of manifest are more than the {limit_bytes} allowed")]
    ManifestTooLarge {
        /// What is there.
        actual_bytes: u64,
        /// What is allowed.
        limit_bytes: u64,
    },
    /// The manifest breaks a rule.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest says something else than the statement.
    #[error("the manifest says {member} `{actual}`, but `{signed}` was signed")]
    ManifestNotSigned {
        /// Which member of the manifest.
        member: &'static str,
        /// What the statement says.
        signed: String,
        /// What the manifest says.
        actual: String,
    },
    /// The module that the manifest names is not in the bundle.
    #[error("the entry point `{path}` is not in the bundle")]
    EntryPointMissing {
        /// What the manifest says.
        path: String,
    },
}

impl ContentsError {
    fn corruption(&self) -> (&str, &'static str) {
        match self {
            Self::Statement(_) => (SIGNATURE_PATH, "statement"),
            Self::ContentLength { .. } => ("", "content_length"),
            Self::ContentDigest => ("", "content_digest"),
            Self::Structure(error) => (error.entry.as_deref().unwrap_or_default(), error.reason.as_str()),
            Self::FileNotSigned { path } => (path, "file_not_signed"),
            Self::FileMissing { path } => (path, "file_missing"),
            Self::FileDigest { path } => (path, "file_digest"),
            Self::ManifestTooLarge { .. }
            | Self::Manifest(_)
            | Self::ManifestNotSigned { .. }
            | Self::EntryPointMissing { .. } => (MANIFEST_PATH, "manifest"),
        }
    }
}

impl Coded for ContentsError {
    fn code(&self) -> Code {
        match self {
            // What was changed after it was signed has no valid signature, however well the envelope verifies.
            Self::ContentLength { .. } | Self::ContentDigest => Code::InvalidSignature,
            Self::Statement(_)
            | Self::Structure(_)
            | Self::FileNotSigned { .. }
            | Self::FileMissing { .. }
            | Self::FileDigest { .. } => Code::CorruptedData,
            Self::Manifest(error) => error.code(),
            Self::ManifestTooLarge { .. } | Self::ManifestNotSigned { .. } | Self::EntryPointMissing { .. } => {
                Code::InvalidManifest
            }
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::ContentLength { .. } | Self::ContentDigest => Blame::Trust,
            Self::Statement(_)
            | Self::Structure(_)
            | Self::FileNotSigned { .. }
            | Self::FileMissing { .. }
            | Self::FileDigest { .. }
            | Self::Manifest(_)
            | Self::ManifestTooLarge { .. }
            | Self::ManifestNotSigned { .. }
            | Self::EntryPointMissing { .. } => Blame::Bundle,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let (pointer, expected) = match self {
            Self::Manifest(error) => return error.details(),
            Self::ManifestTooLarge { limit_bytes, .. } => (String::new(), format!("at most {limit_bytes} bytes")),
            Self::ManifestNotSigned { member, signed, .. } => (format!("/{member}"), signed.clone()),
            Self::EntryPointMissing { .. } => ("/entry_point".to_owned(), "a file of the bundle".to_owned()),
            _ => {
                let (entry, reason) = self.corruption();
                let entry = (!entry.is_empty()).then(|| ("entry".to_owned(), entry.into()));
                return entry
                    .into_iter()
                    .chain([("reason".to_owned(), reason.into())])
                    .collect();
            }
        };
        Map::from_iter([
            ("pointer".to_owned(), pointer.into()),
            ("expected".to_owned(), expected.into()),
        ])
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Structure(error) => error.help(),
            Self::Manifest(error) => error.help(),
            Self::ContentLength { .. } | Self::ContentDigest | Self::FileDigest { .. } => {
                vec!["fetch the bundle again from its publisher".to_owned()]
            }
            Self::ManifestNotSigned { .. } => vec!["pack and sign the plugin again".to_owned()],
            _ => Vec::new(),
        }
    }
}

/// Why a file of a bundle cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The bundle has no file of this name.
    #[error("the bundle has no file `{path}`")]
    NoSuchFile {
        /// What was asked for.
        path: String,
    },
    /// The bytes are not those that were checked.
    #[error(transparent)]
    Damaged(#[from] StructureError),
}

impl Coded for ReadError {
    fn code(&self) -> Code {
        match self {
            Self::NoSuchFile { .. } => Code::NotFound,
            Self::Damaged(error) => error.code(),
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NoSuchFile { .. } => Blame::Missing,
            Self::Damaged(error) => error.blame(),
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::NoSuchFile { path } => Map::from_iter([
                ("kind".to_owned(), "file".into()),
                ("name".to_owned(), path.as_str().into()),
            ]),
            Self::Damaged(error) => error.details(),
        }
    }
}
