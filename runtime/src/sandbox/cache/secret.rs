//! What entries of the cache are authenticated with: [`CacheSecret`].

use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;

use thiserror::Error;
use zeroize::Zeroizing;

use super::Oddity;
use super::private::{self, Opened};

/// As long as the digest of the MAC; more would be hashed down to it.
const SECRET_BYTES: usize = 32;

/// A secret of the host. Whoever can read it can make the host execute what they like.
#[derive(Clone)]
pub struct CacheSecret(Zeroizing<[u8; SECRET_BYTES]>);

impl CacheSecret {
    /// Takes 32 bytes from elsewhere, such as a secret store.
    #[must_use]
    pub fn from_bytes(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads the secret from a file, or makes both, and the folder too. Processes that do so at once get the same secret.
    ///
    /// # Errors
    ///
    /// [`SecretError`], when the file is not one that only this user can read, or holds something else.
    pub fn load_or_create(path: &Path) -> Result<Self, SecretError> {
        if let Some(secret) = Self::load(path)? {
            return Ok(secret);
        }
        Self::create(path).map_err(SecretError::Create)?;
        // Ours, or that of whoever came first.
        Self::load(path)?.ok_or_else(|| SecretError::Create(io::ErrorKind::NotFound.into()))
    }

    fn load(path: &Path) -> Result<Option<Self>, SecretError> {
        let Some(Opened { mut file, size_bytes }) = private::open_file(path).map_err(SecretError::Odd)? else {
            return Ok(None);
        };
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        if usize::try_from(size_bytes).ok() != Some(SECRET_BYTES) {
            return Err(SecretError::Odd(Oddity::Size));
        }
        let read = file.read_exact(&mut *bytes);
        read.map_err(|error| SecretError::Odd(Oddity::Unreadable(error)))?;
        Ok(Some(Self(bytes)))
    }

    /// Writes a new secret, unless there is one.
    fn create(path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(path);
        private::create_folder(folder)?;
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        getrandom::fill(&mut *bytes).map_err(io::Error::from)?;
        // Readable by the owner alone from its first moment.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&*bytes)?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(path) {
            Err(refused) if refused.error.kind() != io::ErrorKind::AlreadyExists => Err(refused.error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }
}

impl fmt::Debug for CacheSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CacheSecret(…)")
    }
}

/// The secret of the cache cannot be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Its file is not to be believed.
    #[error("the file of the cache's secret {0}")]
    Odd(Oddity),
    /// It could not be made.
    #[error("the cache's secret cannot be made")]
    Create(#[source] io::Error),
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn everybody_who_asks_at_once_gets_the_same_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| CacheSecret::load_or_create(&path).unwrap()))
                .collect();
            asking.into_iter().map(|asks| asks.join().unwrap()).collect()
        });
        for secret in &secrets {
            assert_eq!(secret.as_bytes(), secrets[0].as_bytes());
        }
        assert_ne!(secrets[0].as_bytes(), &[0; SECRET_BYTES]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn a_file_that_others_can_read_holds_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        CacheSecret::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = CacheSecret::load_or_create(&path).unwrap_err();
        assert!(matches!(refused, SecretError::Odd(Oddity::Mode)), "{refused}");
    }

    #[test]
    fn a_link_or_another_length_is_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        CacheSecret::load_or_create(&path).unwrap();
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        let refused = CacheSecret::load_or_create(&link).unwrap_err();
        assert!(matches!(refused, SecretError::Odd(Oddity::Link)), "{refused}");
        fs::write(&path, [7; SECRET_BYTES + 1]).unwrap();
        let refused = CacheSecret::load_or_create(&path).unwrap_err();
        assert!(matches!(refused, SecretError::Odd(Oddity::Size)), "{refused}");
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", CacheSecret::from_bytes([7; 32])), "CacheSecret(…)");
    }
}
