//! Which folders are counted already.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::measure::{MeasureError, measure};
use super::quota::Account;

/// The accounts of all folders that some plugin of a runtime may write, by their real paths.
///
/// A folder has one for as long as anybody uses it, so that a plugin and its successor, or two plugins, do not each
/// fill it up.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Accounts(Mutex<HashMap<PathBuf, Weak<Account>>>);

impl Accounts {
    /// The account of a folder, which is measured unless it is in use.
    pub(super) fn of(&self, folder: &Path, most_files: u64) -> Result<Arc<Account>, MeasureError> {
        if let Some(account) = self.lock().get(folder).and_then(Weak::upgrade) {
            return Ok(account);
        }
        let measured = Arc::new(Account::new(measure(folder, most_files)?));
        let mut all = self.lock();
        // Somebody may have been faster, and may have changed the folder since.
        if let Some(account) = all.get(folder).and_then(Weak::upgrade) {
            return Ok(account);
        }
        all.retain(|_, account| account.strong_count() > 0);
        all.insert(folder.to_owned(), Arc::downgrade(&measured));
        Ok(measured)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Weak<Account>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_use_has_one_account_and_is_measured_again_when_nobody_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = Accounts::default();
        let one = accounts.of(folder.path(), 10).unwrap();
        std::fs::write(folder.path().join("file"), "from elsewhere").unwrap();
        let other = accounts.of(folder.path(), 10).unwrap();
        assert!(Arc::ptr_eq(&one, &other));
        let before = Arc::downgrade(&one);
        drop((one, other));
        assert!(before.upgrade().is_none());
        assert_eq!(accounts.of(folder.path(), 10).unwrap().used(), (14, 1));
        assert_eq!(accounts.lock().len(), 1);
    }
}
