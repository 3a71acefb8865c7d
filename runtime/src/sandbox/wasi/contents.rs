//! Reading, writing and resizing open files.

use wasmtime_wasi::p1::types::{CiovecArray, Errno, Error, Fd, Filesize, IovecArray, Size};
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1 as _;
use wiggle::GuestMemory;

use super::descriptors::OpenFile;
use super::files::{Place, Wasi};
use super::quota::{Inode, Quota};
use super::transfer::Transfer;

impl Wasi {
    pub(super) async fn read(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        buffers: IovecArray,
        place: Place,
    ) -> Result<Size, Error> {
        if self.file(fd).is_none() {
            return self.pass_read(memory, fd, buffers, place).await;
        }
        // The two kinds of buffers differ in name alone.
        let transfer = Transfer::begin(memory, buffers.cast())?;
        let read = self.pass_read(memory, fd, buffers, place).await;
        transfer.end(memory)?;
        let read = read?;
        self.count_moved(read);
        Ok(read)
    }

    async fn pass_read(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        buffers: IovecArray,
        place: Place,
    ) -> Result<Size, Error> {
        match place {
            Place::Current => self.inner.fd_read(memory, fd, buffers).await,
            Place::At(offset) => self.inner.fd_pread(memory, fd, buffers, offset).await,
        }
    }

    pub(super) async fn write(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        buffers: CiovecArray,
        place: Place,
    ) -> Result<Size, Error> {
        let Some((file, directory)) = self.file(fd) else {
            return self.pass_write(memory, fd, buffers, place).await;
        };
        let transfer = Transfer::begin(memory, buffers)?;
        let written = match (&directory.quota, file.inode) {
            (Some(quota), Some(inode)) => {
                let _turn = quota.turn().await;
                let start = self.start(memory, fd, file, place, quota.size(inode))?;
                let reserved = Reserved::up_to(quota, inode, start, transfer.bytes());
                match reserved {
                    Ok(reserved) => {
                        let written = self.pass_write(memory, fd, buffers, place).await;
                        reserved.settle(written.as_ref().map_or(0, |written| u64::from(*written)));
                        written
                    }
                    Err(error) => Err(error),
                }
            }
            _ => self.pass_write(memory, fd, buffers, place).await,
        };
        transfer.end(memory)?;
        let written = written?;
        self.count_moved(written);
        Ok(written)
    }

    /// Where a write is going to start.
    fn start(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        file: OpenFile,
        place: Place,
        size: u64,
    ) -> Result<u64, Error> {
        match place {
            // As on Linux, appending does not care for the place asked for.
            _ if file.append => Ok(size),
            Place::At(offset) => Ok(offset),
            Place::Current => self.inner.fd_tell(memory, fd),
        }
    }

    async fn pass_write(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        buffers: CiovecArray,
        place: Place,
    ) -> Result<Size, Error> {
        match place {
            Place::Current => self.inner.fd_write(memory, fd, buffers).await,
            Place::At(offset) => self.inner.fd_pwrite(memory, fd, buffers, offset).await,
        }
    }

    pub(super) async fn set_size(&mut self, memory: &mut GuestMemory<'_>, fd: Fd, size: Filesize) -> Result<(), Error> {
        self.note_change(fd, "fd_filestat_set_size");
        let Some((file, directory)) = self.file(fd) else {
            return self.inner.fd_filestat_set_size(memory, fd, size).await;
        };
        let (Some(quota), Some(inode)) = (&directory.quota, file.inode) else {
            return self.inner.fd_filestat_set_size(memory, fd, size).await;
        };
        let _turn = quota.turn().await;
        let before = quota.size(inode);
        quota.grow(inode, size)?;
        let result = self.inner.fd_filestat_set_size(memory, fd, size).await;
        quota.settle(inode, if result.is_ok() { size } else { before });
        result
    }
}

/// Room for a write that is going to happen.
struct Reserved<'a> {
    quota: &'a Quota,
    inode: Inode,
    before: u64,
    start: u64,
}

impl<'a> Reserved<'a> {
    fn up_to(quota: &'a Quota, inode: Inode, start: u64, bytes: u64) -> Result<Self, Error> {
        let before = quota.size(inode);
        // Writing nothing far beyond the end makes no file longer.
        if bytes > 0 {
            let end = start.checked_add(bytes).ok_or(Errno::Fbig)?;
            quota.grow(inode, end)?;
        }
        Ok(Self {
            quota,
            inode,
            before,
            start,
        })
    }

    fn settle(self, written: u64) {
        let end = match written {
            0 => self.before,
            written => self.before.max(self.start.saturating_add(written)),
        };
        self.quota.settle(self.inode, end);
    }
}
