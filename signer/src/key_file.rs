//! Key files: reading them, and refusing a private one that others can read.

use std::path::{Path, PathBuf};

use palisade_bundle::{Blame, Code, Coded, KeyError, PublicKey, SigningKey, is_encrypted_pem};
use serde_json::{Map, Value};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::input::{self, Kind};
use crate::passphrase::PassphraseOptions;
use crate::surroundings::Surroundings;

/// Reads a public key in PEM.
///
/// # Errors
///
/// When the file cannot be read, holds a private key, or holds no Ed25519 public key.
pub fn read_public_key(path: &Path) -> Result<PublicKey, Failure> {
    let text = Zeroizing::new(input::read_text(path, Kind::KEY)?);
    if is_private(&text) {
        return Err(KeyFileError::PrivateGiven { path: path.to_owned() }.into());
    }
    PublicKey::from_pem(&text).map_err(|error| {
        KeyFileError::Malformed {
            path: path.to_owned(),
            error,
        }
        .into()
    })
}

/// Reads a private key in PEM; asks for its passphrase when it has one and the options do not answer.
///
/// # Errors
///
/// When the file cannot be read, is readable by others, holds a public key or no Ed25519 key, or the passphrase is wrong.
pub fn read_signing_key(
    path: &Path,
    passphrase: &PassphraseOptions,
    surroundings: &Surroundings,
) -> Result<SigningKey, Failure> {
    let text = Zeroizing::new(input::read_text(path, Kind::KEY)?);
    if !is_private(&text) && text.contains("PUBLIC KEY-----") {
        return Err(KeyFileError::PublicGiven { path: path.to_owned() }.into());
    }
    refuse_shared(path)?;
    let malformed = |error| KeyFileError::Malformed {
        path: path.to_owned(),
        error,
    };
    if is_encrypted_pem(&text) {
        let passphrase = passphrase.of_existing_key(surroundings)?;
        Ok(SigningKey::from_encrypted_pem(&text, &passphrase).map_err(malformed)?)
    } else {
        Ok(SigningKey::from_pem(&text).map_err(malformed)?)
    }
}

/// Whether a PEM text holds a private key of any kind.
pub(crate) fn is_private(text: &str) -> bool {
    text.contains("PRIVATE KEY-----")
}

/// A private key that group or others can read is not private, whatever is in it.
fn refuse_shared(path: &Path) -> Result<(), Failure> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if let Ok(metadata) = std::fs::metadata(path) {
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(KeyFileError::Shared {
                    path: path.to_owned(),
                    mode,
                }
                .into());
            }
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Why a key file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It holds no usable key.
    #[error("`{}` holds no usable key", path.display())]
    Malformed {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: KeyError,
    },
    /// A private key where the public one belongs.
    #[error("`{}` is a private key; this takes the public one", path.display())]
    PrivateGiven {
        /// Where.
        path: PathBuf,
    },
    /// A public key where the private one belongs.
    #[error("`{}` is a public key; signing takes the private one", path.display())]
    PublicGiven {
        /// Where.
        path: PathBuf,
    },
    /// Somebody else can read it.
    #[error("the private key `{}` can be read by others (mode {mode:04o})", path.display())]
    Shared {
        /// Where.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl Coded for KeyFileError {
    fn code(&self) -> Code {
        match self {
            Self::Malformed { error, .. } => error.code(),
            Self::PrivateGiven { .. } | Self::PublicGiven { .. } | Self::Shared { .. } => Code::InvalidArgument,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Malformed { error, .. } => error.blame(),
            Self::PrivateGiven { .. } | Self::PublicGiven { .. } | Self::Shared { .. } => Blame::Request,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let expected = match self {
            Self::Malformed { error, .. } => return error.details(),
            Self::PrivateGiven { .. } => "a public key",
            Self::PublicGiven { .. } => "a private key",
            Self::Shared { .. } => "mode 0600",
        };
        Map::from_iter([("expected".to_owned(), Value::from(expected))])
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Malformed { error, .. } => error.help(),
            Self::PrivateGiven { path } => match path.extension() {
                Some(extension) if extension == "key" => {
                    vec![format!("try `{}`", path.with_extension("pub").display())]
                }
                _ => vec![format!("`key show {}` prints its public key", path.display())],
            },
            Self::PublicGiven { path } => vec![format!("try `{}`", path.with_extension("key").display())],
            Self::Shared { path, .. } => vec![format!("chmod 600 {}", path.display())],
        }
    }
}
