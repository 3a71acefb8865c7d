//! How much a writable folder holds, exactly, while instances of a plugin change it at the same time.
//!
//! Every change takes a turn first, so two changes of one folder never overlap; who waits for a turn keeps no thread,
//! and its own deadline holds. What a change will need is charged before it happens and corrected when it is done. A
//! change that was abandoned in between may still happen, and stays charged until the folder is measured again.
//!
//! A file without a name lives on while it is open anywhere, and counts until it is closed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::directories::DirectoryQuota;

/// What identifies a file while it exists, whatever its names: `ino` as WASI tells it, which covers the device too.
pub(super) type Inode = u64;

/// The account of one folder, and how much it may hold for one plugin.
pub(super) struct Quota {
    limit: DirectoryQuota,
    account: Arc<Account>,
}

/// The account of one folder, shared by all who may write in it: instances, and a new version beside the old one.
#[derive(Debug)]
pub(super) struct Account {
    turn: Semaphore,
    usage: Mutex<Usage>,
}

impl Account {
    pub(super) fn new(usage: Usage) -> Self {
        Self {
            turn: Semaphore::new(1),
            usage: Mutex::new(usage),
        }
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes and files.
    #[cfg(test)]
    pub(super) fn used(&self) -> (u64, u64) {
        let usage = self.usage();
        (usage.bytes, usage.files)
    }
}

/// What a folder holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) bytes: u64,
    pub(super) files: u64,
    /// Whether there was anything but files, folders and symbolic links; guests cannot make such things.
    pub(super) special: bool,
    /// Files that are open in some instance.
    open: HashMap<Inode, OpenFile>,
}

#[derive(Debug, PartialEq, Eq)]
struct OpenFile {
    descriptors: u32,
    size: u64,
    /// Its last name is gone.
    nameless: bool,
}

/// The folder would hold more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QuotaExceeded;

impl Usage {
    #[cfg(test)]
    pub(super) fn new(bytes: u64, files: u64) -> Self {
        Self {
            bytes,
            files,
            ..Self::default()
        }
    }

    fn release(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.files = self.files.saturating_sub(1);
    }
}

impl Quota {
    /// # Errors
    ///
    /// The folder holds more files than it may. More bytes are no error: they can be removed.
    pub(super) fn new(limit: DirectoryQuota, account: Arc<Account>) -> Result<Self, QuotaExceeded> {
        let quota = Self { limit, account };
        let files = quota.usage().files;
        match files > limit.files {
            true => Err(QuotaExceeded),
            false => Ok(quota),
        }
    }

    /// Whether there is anything but files, folders and symbolic links.
    pub(super) fn holds_special(&self) -> bool {
        self.usage().special
    }

    /// Waits until no other change is going on.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed, so there is always a turn.
        self.account.turn.acquire().await.ok()
    }

    /// Charges a new file, folder or link of `bytes`.
    pub(super) fn create(&self, bytes: u64) -> Result<(), QuotaExceeded> {
        let mut usage = self.usage();
        let files = usage.files.checked_add(1).ok_or(QuotaExceeded)?;
        let total = usage.bytes.checked_add(bytes).ok_or(QuotaExceeded)?;
        if files > self.limit.files || (bytes > 0 && total > self.limit.bytes) {
            return Err(QuotaExceeded);
        }
        usage.files = files;
        usage.bytes = total;
        Ok(())
    }

    /// Takes [`create`](Self::create) back.
    pub(super) fn not_created(&self, bytes: u64) {
        self.usage().release(bytes);
    }

    /// Counts a descriptor for a file of `size`.
    pub(super) fn opened(&self, inode: Inode, size: u64) {
        let mut usage = self.usage();
        let file = usage.open.entry(inode).or_insert(OpenFile {
            descriptors: 0,
            size,
            nameless: false,
        });
        file.descriptors = file.descriptors.saturating_add(1);
    }

    /// A descriptor is gone; with the last one goes a file without a name.
    pub(super) fn closed(&self, inode: Inode) {
        let mut usage = self.usage();
        let Some(file) = usage.open.get_mut(&inode) else {
            return;
        };
        file.descriptors = file.descriptors.saturating_sub(1);
        if file.descriptors == 0
            && let Some(file) = usage.open.remove(&inode)
            && file.nameless
        {
            usage.release(file.size);
        }
    }

    /// Size of an open file.
    pub(super) fn size(&self, inode: Inode) -> u64 {
        self.usage().open.get(&inode).map_or(0, |file| file.size)
    }

    /// Charges an open file that is going to end at `end`, if that is beyond its end.
    pub(super) fn grow(&self, inode: Inode, end: u64) -> Result<(), QuotaExceeded> {
        let mut usage = self.usage();
        let bytes = usage.bytes;
        let Some(file) = usage.open.get_mut(&inode) else {
            return Err(QuotaExceeded);
        };
        if end <= file.size {
            return Ok(());
        }
        let total = bytes.checked_add(end - file.size).ok_or(QuotaExceeded)?;
        if total > self.limit.bytes {
            return Err(QuotaExceeded);
        }
        file.size = end;
        usage.bytes = total;
        Ok(())
    }

    /// An open file has this size now.
    pub(super) fn settle(&self, inode: Inode, size: u64) {
        let mut usage = self.usage();
        let bytes = usage.bytes;
        if let Some(file) = usage.open.get_mut(&inode) {
            let others = bytes.saturating_sub(file.size);
            file.size = size;
            usage.bytes = others.saturating_add(size);
        }
    }

    /// The last name of a file of `size` is gone.
    pub(super) fn removed(&self, inode: Inode, size: u64) {
        let mut usage = self.usage();
        match usage.open.get_mut(&inode) {
            Some(file) => file.nameless = true,
            None => usage.release(size),
        }
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.account.usage()
    }

    #[cfg(test)]
    fn used(&self) -> (u64, u64) {
        self.account.used()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Inode = 7;

    fn quota(bytes: u64, files: u64) -> Quota {
        with_usage(bytes, files, Usage::default())
    }

    fn with_usage(bytes: u64, files: u64, usage: Usage) -> Quota {
        Quota::new(DirectoryQuota { bytes, files }, Arc::new(Account::new(usage))).unwrap()
    }

    fn open_file(quota: &Quota) {
        quota.create(0).unwrap();
        quota.opened(FILE, 0);
    }

    #[test]
    fn the_last_byte_fits_and_the_next_does_not() {
        let quota = quota(100, 10);
        open_file(&quota);
        assert_eq!(quota.grow(FILE, 101), Err(QuotaExceeded));
        assert_eq!(quota.used(), (0, 1), "a refusal charges nothing");
        assert_eq!(quota.grow(FILE, 100), Ok(()));
        assert_eq!(
            quota.grow(FILE, 100),
            Ok(()),
            "what is there already can be written again"
        );
        assert_eq!(quota.grow(FILE, 101), Err(QuotaExceeded));
        assert_eq!(quota.create(1), Err(QuotaExceeded), "a link has a size");
        assert_eq!(quota.create(0), Ok(()));
        assert_eq!(quota.used(), (100, 2));
    }

    #[test]
    fn the_last_file_fits_and_the_next_does_not() {
        let quota = quota(100, 2);
        assert_eq!((quota.create(0), quota.create(0)), (Ok(()), Ok(())));
        assert_eq!(quota.create(0), Err(QuotaExceeded));
        quota.removed(FILE, 0);
        assert_eq!(quota.create(0), Ok(()));
        assert_eq!(quota.used(), (0, 2));
    }

    #[test]
    fn no_number_from_a_guest_wraps_around() {
        let quota = quota(u64::MAX, u64::MAX);
        open_file(&quota);
        assert_eq!(quota.grow(FILE, u64::MAX), Ok(()));
        quota.opened(8, 0);
        assert_eq!(quota.grow(8, 1), Err(QuotaExceeded));
        assert_eq!(quota.create(1), Err(QuotaExceeded));
    }

    #[test]
    fn a_write_that_fell_short_gives_back_what_it_did_not_need() {
        let quota = quota(100, 10);
        open_file(&quota);
        quota.grow(FILE, 80).unwrap();
        quota.settle(FILE, 30);
        assert_eq!((quota.used(), quota.size(FILE)), ((30, 1), 30));
        quota.settle(FILE, 0);
        assert_eq!(quota.used(), (0, 1));
    }

    #[test]
    fn a_file_without_a_name_counts_until_its_last_descriptor_is_gone() {
        let quota = quota(100, 10);
        open_file(&quota);
        quota.opened(FILE, 0);
        quota.removed(FILE, 0);
        quota.grow(FILE, 100).unwrap();
        quota.closed(FILE);
        assert_eq!(quota.used(), (100, 1), "it is open twice");
        quota.closed(FILE);
        assert_eq!(quota.used(), (0, 0));
    }

    #[test]
    fn a_file_that_is_closed_with_its_name_counts_on() {
        let quota = quota(100, 10);
        open_file(&quota);
        quota.grow(FILE, 60).unwrap();
        quota.closed(FILE);
        assert_eq!(quota.used(), (60, 1));
        quota.removed(FILE, 60);
        assert_eq!(quota.used(), (0, 0));
    }

    #[test]
    fn a_folder_that_is_over_its_quota_can_only_shrink() {
        let quota = with_usage(100, 10, Usage::new(200, 1));
        quota.opened(FILE, 200);
        assert_eq!(quota.grow(FILE, 200), Ok(()));
        assert_eq!(quota.grow(FILE, 201), Err(QuotaExceeded));
        quota.settle(FILE, 150);
        assert_eq!(quota.grow(FILE, 151), Err(QuotaExceeded));
        quota.settle(FILE, 10);
        assert_eq!(quota.grow(FILE, 100), Ok(()));
    }
}
