//! WASI preview 1 as guests call it: what touches no file goes straight on, the rest through [`Wasi`].

use wasmtime_wasi::p1::types::{
    Advice, CiovecArray, Clockid, Dircookie, Error, Event, Exitcode, Fd, Fdflags, Fdstat, Filedelta, Filesize,
    Filestat, Fstflags, IovecArray, Lookupflags, Oflags, Prestat, Riflags, Rights, Roflags, Sdflags, Siflags, Signal,
    Size, Subscription, Timestamp, Whence,
};
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1;
use wiggle::{GuestMemory, GuestPtr};

use super::files::{OpenRequest, Place, Wasi};

/// Functions that the implementation underneath answers at once.
macro_rules! pass_on {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&mut self, memory: &mut GuestMemory<'_>, $($argument: $type),*) -> Result<$answer, Error> {
            self.inner.$name(memory, $($argument),*)
        })*
    };
}

/// Functions that the implementation underneath answers, waiting for the file system or a clock.
macro_rules! pass_on_and_wait {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(async fn $name(&mut self, memory: &mut GuestMemory<'_>, $($argument: $type),*) -> Result<$answer, Error> {
            self.inner.$name(memory, $($argument),*).await
        })*
    };
}

/// Functions that are looked at first.
macro_rules! guard {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty = $guarded:ident($($given:expr),*);)*) => {
        $(async fn $name(&mut self, memory: &mut GuestMemory<'_>, $($argument: $type),*) -> Result<$answer, Error> {
            self.$guarded(memory, $($given),*).await
        })*
    };
}

impl WasiSnapshotPreview1 for Wasi {
    fn set_hostcall_fuel(&mut self, fuel: usize) {
        self.inner.set_hostcall_fuel(fuel);
    }

    pass_on! {
        fn args_get(argv: GuestPtr<GuestPtr<u8>>, argv_buf: GuestPtr<u8>) -> ();
        fn args_sizes_get() -> (Size, Size);
        fn environ_get(environ: GuestPtr<GuestPtr<u8>>, environ_buf: GuestPtr<u8>) -> ();
        fn environ_sizes_get() -> (Size, Size);
        fn clock_res_get(id: Clockid) -> Timestamp;
        fn clock_time_get(id: Clockid, precision: Timestamp) -> Timestamp;
        fn fd_allocate(fd: Fd, offset: Filesize, length: Filesize) -> ();
        fn fd_fdstat_set_rights(fd: Fd, base: Rights, inheriting: Rights) -> ();
        fn fd_prestat_get(fd: Fd) -> Prestat;
        fn fd_prestat_dir_name(fd: Fd, path: GuestPtr<u8>, path_max_len: Size) -> ();
        fn fd_tell(fd: Fd) -> Filesize;
        fn proc_raise(signal: Signal) -> ();
        fn sched_yield() -> ();
        fn random_get(buf: GuestPtr<u8>, buf_len: Size) -> ();
        fn sock_accept(fd: Fd, flags: Fdflags) -> Fd;
        fn sock_recv(fd: Fd, data: IovecArray, flags: Riflags) -> (Size, Roflags);
        fn sock_send(fd: Fd, data: CiovecArray, flags: Siflags) -> Size;
        fn sock_shutdown(fd: Fd, how: Sdflags) -> ();
    }

    pass_on_and_wait! {
        fn fd_advise(fd: Fd, offset: Filesize, length: Filesize, advice: Advice) -> ();
        fn fd_datasync(fd: Fd) -> ();
        fn fd_fdstat_get(fd: Fd) -> Fdstat;
        fn fd_filestat_get(fd: Fd) -> Filestat;
        fn fd_seek(fd: Fd, offset: Filedelta, whence: Whence) -> Filesize;
        fn fd_sync(fd: Fd) -> ();
        fn fd_readdir(fd: Fd, buf: GuestPtr<u8>, buf_len: Size, cookie: Dircookie) -> Size;
        fn poll_oneoff(subscriptions: GuestPtr<Subscription>, events: GuestPtr<Event>, count: Size) -> Size;
    }

    guard! {
        fn fd_close(fd: Fd) -> () = close(fd);
        fn fd_renumber(from: Fd, to: Fd) -> () = renumber(from, to);
        fn fd_read(fd: Fd, buffers: IovecArray) -> Size = read(fd, buffers, Place::Current);
        fn fd_pread(fd: Fd, buffers: IovecArray, offset: Filesize) -> Size = read(fd, buffers, Place::At(offset));
        fn fd_write(fd: Fd, buffers: CiovecArray) -> Size = write(fd, buffers, Place::Current);
        fn fd_pwrite(fd: Fd, buffers: CiovecArray, offset: Filesize) -> Size = write(fd, buffers, Place::At(offset));
        fn fd_filestat_set_size(fd: Fd, size: Filesize) -> () = set_size(fd, size);
        fn path_create_directory(fd: Fd, path: GuestPtr<str>) -> () = create_directory(fd, path);
        fn path_remove_directory(fd: Fd, path: GuestPtr<str>) -> () = remove_directory(fd, path);
        fn path_unlink_file(fd: Fd, path: GuestPtr<str>) -> () = unlink(fd, path);
        fn path_symlink(target: GuestPtr<str>, fd: Fd, path: GuestPtr<str>) -> () = symlink(target, fd, path);
    }

    async fn path_open(
        &mut self,
        memory: &mut GuestMemory<'_>,
        directory: Fd,
        lookup: Lookupflags,
        path: GuestPtr<str>,
        how: Oflags,
        rights: Rights,
        inheriting: Rights,
        flags: Fdflags,
    ) -> Result<Fd, Error> {
        let request = OpenRequest {
            directory,
            lookup,
            path,
            how,
            rights,
            inheriting,
            flags,
        };
        self.open(memory, request).await
    }

    async fn path_filestat_get(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        lookup: Lookupflags,
        path: GuestPtr<str>,
    ) -> Result<Filestat, Error> {
        self.note_missing_folder(fd, "path_filestat_get");
        self.inner.path_filestat_get(memory, fd, lookup, path).await
    }

    async fn path_readlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        path: GuestPtr<str>,
        buf: GuestPtr<u8>,
        buf_len: Size,
    ) -> Result<Size, Error> {
        self.note_missing_folder(fd, "path_readlink");
        self.inner.path_readlink(memory, fd, path, buf, buf_len).await
    }

    async fn path_filestat_set_times(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        lookup: Lookupflags,
        path: GuestPtr<str>,
        accessed: Timestamp,
        modified: Timestamp,
        which: Fstflags,
    ) -> Result<(), Error> {
        self.note_change(fd, "path_filestat_set_times");
        self.inner
            .path_filestat_set_times(memory, fd, lookup, path, accessed, modified, which)
            .await
    }

    async fn fd_filestat_set_times(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        accessed: Timestamp,
        modified: Timestamp,
        which: Fstflags,
    ) -> Result<(), Error> {
        self.note_change(fd, "fd_filestat_set_times");
        self.inner
            .fd_filestat_set_times(memory, fd, accessed, modified, which)
            .await
    }

    fn fd_fdstat_set_flags(&mut self, memory: &mut GuestMemory<'_>, fd: Fd, flags: Fdflags) -> Result<(), Error> {
        self.inner.fd_fdstat_set_flags(memory, fd, flags)?;
        self.set_append(fd, flags.contains(Fdflags::APPEND));
        Ok(())
    }

    async fn path_link(
        &mut self,
        memory: &mut GuestMemory<'_>,
        source: Fd,
        lookup: Lookupflags,
        source_path: GuestPtr<str>,
        target: Fd,
        target_path: GuestPtr<str>,
    ) -> Result<(), Error> {
        self.link(memory, (source, lookup, source_path), (target, target_path))
            .await
    }

    async fn path_rename(
        &mut self,
        memory: &mut GuestMemory<'_>,
        source: Fd,
        source_path: GuestPtr<str>,
        target: Fd,
        target_path: GuestPtr<str>,
    ) -> Result<(), Error> {
        self.rename(memory, (source, source_path), (target, target_path)).await
    }

    fn proc_exit(&mut self, memory: &mut GuestMemory<'_>, status: Exitcode) -> wasmtime::Error {
        self.inner.proc_exit(memory, status)
    }
}
