//! Making, removing and renaming what is in a folder.

use wasmtime_wasi::p1::types::{Error, Fd, Filestat, Filetype, Lookupflags};
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1 as _;
use wiggle::{GuestMemory, GuestPtr};

use super::directories::Directory;
use super::files::Wasi;

/// A name in a folder: what it means is a link's own, not what the link points to.
type Name = (Fd, GuestPtr<str>);

impl Wasi {
    pub(super) async fn create_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        path: GuestPtr<str>,
    ) -> Result<(), Error> {
        self.note_change(fd, "path_create_directory");
        let Some(directory) = self.folder(fd) else {
            return self.inner.path_create_directory(memory, fd, path).await;
        };
        let _turn = directory.turn().await;
        directory.create(0)?;
        let result = self.inner.path_create_directory(memory, fd, path).await;
        if result.is_err() {
            directory.not_created(0);
        }
        result
    }

    pub(super) async fn remove_directory(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        path: GuestPtr<str>,
    ) -> Result<(), Error> {
        self.note_change(fd, "path_remove_directory");
        let Some(directory) = self.folder(fd) else {
            return self.inner.path_remove_directory(memory, fd, path).await;
        };
        let _turn = directory.turn().await;
        let before = self.counted(memory, &directory, (fd, path)).await?;
        self.inner.path_remove_directory(memory, fd, path).await?;
        directory.lost_a_name(before);
        Ok(())
    }

    pub(super) async fn unlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        fd: Fd,
        path: GuestPtr<str>,
    ) -> Result<(), Error> {
        self.note_change(fd, "path_unlink_file");
        let Some(directory) = self.folder(fd) else {
            return self.inner.path_unlink_file(memory, fd, path).await;
        };
        let _turn = directory.turn().await;
        let before = self.counted(memory, &directory, (fd, path)).await?;
        self.inner.path_unlink_file(memory, fd, path).await?;
        directory.lost_a_name(before);
        Ok(())
    }

    pub(super) async fn symlink(
        &mut self,
        memory: &mut GuestMemory<'_>,
        target: GuestPtr<str>,
        fd: Fd,
        path: GuestPtr<str>,
    ) -> Result<(), Error> {
        self.note_change(fd, "path_symlink");
        self.check_link(fd, fd)?;
        let Some(directory) = self.folder(fd) else {
            return self.inner.path_symlink(memory, target, fd, path).await;
        };
        let _turn = directory.turn().await;
        let bytes = u64::from(target.len());
        directory.create(bytes)?;
        let result = self.inner.path_symlink(memory, target, fd, path).await;
        if result.is_err() {
            directory.not_created(bytes);
        }
        result
    }

    pub(super) async fn link(
        &mut self,
        memory: &mut GuestMemory<'_>,
        (source, lookup, source_path): (Fd, Lookupflags, GuestPtr<str>),
        (target, target_path): Name,
    ) -> Result<(), Error> {
        self.note_change(target, "path_link");
        self.check_link(source, target)?;
        let directory = self.folder(target);
        let _turn = match &directory {
            Some(directory) => directory.turn().await,
            None => None,
        };
        self.inner
            .path_link(memory, source, lookup, source_path, target, target_path)
            .await
    }

    pub(super) async fn rename(
        &mut self,
        memory: &mut GuestMemory<'_>,
        (source, source_path): Name,
        (target, target_path): Name,
    ) -> Result<(), Error> {
        self.note_change(target, "path_rename");
        self.check_link(source, target)?;
        let Some(directory) = self.folder(target) else {
            return self
                .inner
                .path_rename(memory, source, source_path, target, target_path)
                .await;
        };
        let _turn = directory.turn().await;
        let moved = self.counted(memory, &directory, (source, source_path)).await?;
        let replaced = self.counted(memory, &directory, (target, target_path)).await?;
        self.inner
            .path_rename(memory, source, source_path, target, target_path)
            .await?;
        // Two names of one file: nothing happens at all.
        if moved.map(|file| file.ino) != replaced.as_ref().map(|file| file.ino) {
            directory.lost_a_name(replaced);
        }
        Ok(())
    }

    /// What is at a path whose folder is counted.
    async fn counted(
        &mut self,
        memory: &mut GuestMemory<'_>,
        directory: &Directory,
        (fd, path): Name,
    ) -> Result<Option<Filestat>, Error> {
        match directory.quota {
            Some(_) => self.existing(memory, fd, Lookupflags::empty(), path).await,
            None => Ok(None),
        }
    }
}

impl Directory {
    pub(super) fn create(&self, bytes: u64) -> Result<(), Error> {
        match &self.quota {
            Some(quota) => Ok(quota.create(bytes)?),
            None => Ok(()),
        }
    }

    pub(super) fn not_created(&self, bytes: u64) {
        if let Some(quota) = &self.quota {
            quota.not_created(bytes);
        }
    }

    /// A name of `file` is gone. Folders have one name, whatever the number of links to them says.
    fn lost_a_name(&self, file: Option<Filestat>) {
        let (Some(quota), Some(file)) = (&self.quota, file) else {
            return;
        };
        match file.filetype {
            Filetype::Directory => quota.removed(file.ino, 0),
            _ if file.nlink <= 1 => quota.removed(file.ino, file.size),
            _ => {}
        }
    }
}
