//! What a guest may do with files: opening them, and what is refused.
//!
//! The work is done by `wasmtime-wasi`, which keeps guests inside their folders. This adds what it does not have: a
//! bound on open files, quotas, no devices, and links only where they are allowed.

use std::sync::Arc;

use palisade_bundle::Permission;
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::types::{Errno, Error, Fd, Fdflags, Filestat, Filetype, Lookupflags, Oflags, Rights};
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1 as _;
use wiggle::{GuestMemory, GuestPtr};

use super::descriptors::{Descriptor, Descriptors, OpenFile, Target};
use super::directories::{Directories, Directory};
use super::quota::QuotaExceeded;

/// WASI preview 1 for one instance.
pub(in crate::sandbox) struct Wasi {
    pub(super) inner: WasiP1Ctx,
    directories: Arc<Directories>,
    descriptors: Descriptors,
    /// Between guest memory and files, and not charged yet.
    moved_bytes: u64,
    /// What the host was not told yet.
    refused: Option<Refused>,
}

/// A call that was refused for want of a permission.
#[derive(Debug)]
pub(in crate::sandbox) struct Refused {
    pub(in crate::sandbox) permission: Permission,
    pub(in crate::sandbox) call: &'static str,
}

/// What a guest wants to open, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenRequest {
    pub(super) directory: Fd,
    pub(super) lookup: Lookupflags,
    pub(super) path: GuestPtr<str>,
    pub(super) how: Oflags,
    pub(super) rights: Rights,
    pub(super) inheriting: Rights,
    pub(super) flags: Fdflags,
}

/// Where in a file a guest reads or writes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Current,
    At(u64),
}

impl Wasi {
    /// `inner` must have been given the folders of `directories`, and nothing else.
    pub(super) fn new(inner: WasiP1Ctx, directories: Arc<Directories>, open_files: u32) -> Self {
        Self {
            descriptors: Descriptors::preopened(directories.count(), open_files),
            inner,
            directories,
            moved_bytes: 0,
            refused: None,
        }
    }

    /// Bytes moved since the last time, to be paid for.
    pub(in crate::sandbox) fn take_moved_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.moved_bytes)
    }

    /// What was refused since the last time.
    pub(in crate::sandbox) fn take_refused(&mut self) -> Option<Refused> {
        self.refused.take()
    }

    /// Whether there is anything to take.
    pub(in crate::sandbox) fn has_news(&self) -> bool {
        self.moved_bytes > 0 || self.refused.is_some()
    }

    pub(super) async fn open(&mut self, memory: &mut GuestMemory<'_>, request: OpenRequest) -> Result<Fd, Error> {
        self.note_missing_folder(request.directory, "path_open");
        let Some((number, directory)) = self.numbered_folder(request.directory) else {
            return self.pass_open(memory, request).await;
        };
        if self.descriptors.is_full() {
            return Err(Errno::Nfile.into());
        }
        let _turn = directory.turn().await;
        let before = self
            .existing(memory, request.directory, request.lookup, request.path)
            .await?;
        if before.as_ref().is_some_and(is_special) {
            return Err(Errno::Perm.into());
        }
        let creates = before.is_none() && request.how.contains(Oflags::CREAT);
        if creates {
            directory.create(0)?;
        }
        let opened = self.pass_open(memory, request).await;
        if opened.is_err() && creates {
            directory.not_created(0);
        }
        if opened.is_err() && request.writes() {
            self.note_change(request.directory, "path_open");
        }
        let fd = opened?;
        let target = self.target(memory, fd, &directory, before, &request).await?;
        let descriptor = Descriptor {
            directory: number,
            target,
            opened: true,
        };
        self.descriptors.insert(fd, descriptor);
        Ok(fd)
    }

    async fn pass_open(&mut self, memory: &mut GuestMemory<'_>, request: OpenRequest) -> Result<Fd, Error> {
        let OpenRequest {
            directory,
            lookup,
            path,
            how,
            rights,
            inheriting,
            flags,
        } = request;
        self.inner
            .path_open(memory, directory, lookup, path, how, rights, inheriting, flags)
            .await
    }

    /// What was opened, entered in the account of its folder.
    async fn target(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        directory: &Directory,
        before: Option<Filestat>,
        request: &OpenRequest,
    ) -> Result<Target, Error> {
        let append = request.flags.contains(Fdflags::APPEND);
        let Some(quota) = &directory.quota else {
            return Ok(match before.map(|file| file.filetype) {
                Some(Filetype::Directory) => Target::Folder { inode: None },
                _ => Target::File { inode: None, append },
            });
        };
        let now = self.inner.fd_filestat_get(memory, fd).await?;
        let inode = Some(now.ino);
        if now.filetype == Filetype::Directory {
            quota.opened(now.ino, 0);
            return Ok(Target::Folder { inode });
        }
        // As large as it was counted; opening may have emptied it.
        quota.opened(now.ino, before.map_or(now.size, |file| file.size));
        quota.settle(now.ino, now.size);
        Ok(Target::File { inode, append })
    }

    pub(super) async fn close(&mut self, memory: &mut GuestMemory<'_>, fd: Fd) -> Result<(), Error> {
        self.inner.fd_close(memory, fd).await?;
        let closed = self.descriptors.remove(fd);
        self.forget(closed);
        Ok(())
    }

    pub(super) async fn renumber(&mut self, memory: &mut GuestMemory<'_>, from: Fd, to: Fd) -> Result<(), Error> {
        self.inner.fd_renumber(memory, from, to).await?;
        let replaced = self.descriptors.renumber(from, to);
        self.forget(replaced);
        Ok(())
    }

    /// A descriptor is gone.
    fn forget(&self, closed: Option<Descriptor>) {
        let Some(descriptor) = closed else { return };
        let directory = self.directories.get(descriptor.directory);
        if let Some(quota) = directory.and_then(|directory| directory.quota.as_ref())
            && let Some(inode) = descriptor.target.inode()
        {
            quota.closed(inode);
        }
    }

    pub(super) fn set_append(&mut self, fd: Fd, on: bool) {
        self.descriptors.set_append(fd, on);
    }

    /// What is at a path, if anything.
    ///
    /// # Errors
    ///
    /// A trap; that there is nothing is an answer.
    pub(super) async fn existing(
        &mut self,
        memory: &mut GuestMemory<'_>,
        directory: Fd,
        lookup: Lookupflags,
        path: GuestPtr<str>,
    ) -> Result<Option<Filestat>, Error> {
        match self.inner.path_filestat_get(memory, directory, lookup, path).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.downcast_ref().is_some_and(|_: &Errno| true) => Ok(None),
            Err(trap) => Err(trap),
        }
    }

    /// The mapped folder that the folder `fd` is in.
    pub(super) fn folder(&self, fd: Fd) -> Option<Arc<Directory>> {
        self.numbered_folder(fd).map(|(_, directory)| directory)
    }

    fn numbered_folder(&self, fd: Fd) -> Option<(usize, Arc<Directory>)> {
        let number = self.descriptors.folder(fd)?;
        Some((number, Arc::clone(self.directories.get(number)?)))
    }

    /// The file `fd`, and the mapped folder that it is in.
    pub(super) fn file(&self, fd: Fd) -> Option<(OpenFile, Arc<Directory>)> {
        let file = self.descriptors.file(fd)?;
        Some((file, Arc::clone(self.directories.get(file.directory)?)))
    }

    pub(super) fn count_moved(&mut self, bytes: u32) {
        self.moved_bytes = self.moved_bytes.saturating_add(bytes.into());
    }

    /// Refuses links and renames where they are not allowed, and across folders.
    pub(super) fn check_link(&self, source: Fd, target: Fd) -> Result<(), Error> {
        let folders = [source, target].map(|fd| self.descriptors.directory(fd));
        for folder in folders {
            let allowed = match folder.and_then(|number| self.directories.get(number)) {
                Some(directory) => directory.links,
                // No folder at all, which the implementation underneath says best.
                None => self.directories.any_links(),
            };
            if !allowed {
                return Err(Errno::Perm.into());
            }
        }
        match folders {
            [Some(one), Some(other)] if one != other => Err(Errno::Xdev.into()),
            _ => Ok(()),
        }
    }

    /// Notes that the guest wants to read files, if it has none because it lacks the permission.
    pub(super) fn note_missing_folder(&mut self, fd: Fd, call: &'static str) {
        if !self.directories.may_read() && self.descriptors.directory(fd).is_none() {
            let permission = Permission::FilesystemRead;
            self.refused = Some(Refused { permission, call });
        }
    }

    /// Notes that the guest wants to change something and lacks the permission; a folder that was mapped read-only is no
    /// lack of one.
    pub(super) fn note_change(&mut self, fd: Fd, call: &'static str) {
        let number = self.descriptors.directory(fd);
        match number.and_then(|number| self.directories.get(number)) {
            Some(directory) if !directory.writable && !self.directories.may_write() => {
                let permission = Permission::FilesystemWrite;
                self.refused = Some(Refused { permission, call });
            }
            Some(_) => {}
            None => self.note_missing_folder(fd, call),
        }
    }
}

impl Drop for Wasi {
    fn drop(&mut self) {
        for descriptor in self.descriptors.take_all() {
            self.forget(Some(descriptor));
        }
    }
}

impl OpenRequest {
    fn writes(&self) -> bool {
        self.rights.contains(Rights::FD_WRITE) || self.how.intersects(Oflags::CREAT | Oflags::TRUNC)
    }
}

/// Devices, FIFOs and sockets: opening them can wait for ever, and reading them can have no end.
fn is_special(file: &Filestat) -> bool {
    !matches!(
        file.filetype,
        Filetype::RegularFile | Filetype::Directory | Filetype::SymbolicLink
    )
}

impl From<QuotaExceeded> for Error {
    fn from(QuotaExceeded: QuotaExceeded) -> Self {
        Errno::Dquot.into()
    }
}
