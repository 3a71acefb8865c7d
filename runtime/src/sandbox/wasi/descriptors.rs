//! Which descriptor of an instance belongs to which folder: what WASI's own table knows and does not tell.

use std::collections::BTreeMap;

use wasmtime_wasi::p1::types::Fd;

use super::quota::Inode;

/// The number of the first folder; 0, 1 and 2 are the standard streams.
const FIRST_PREOPENED: u32 = 3;

/// The descriptors for files and folders; standard streams are not among them.
#[derive(Debug)]
pub(super) struct Descriptors {
    used: BTreeMap<u32, Descriptor>,
    /// How many of them the guest opened.
    opened: u32,
    /// How many it may open.
    limit: u32,
}

/// A file or folder that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    /// The number of the mapped folder it is in.
    pub(super) directory: usize,
    pub(super) target: Target,
    /// Opened by the guest, not given to it.
    pub(super) opened: bool,
}

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Folder {
        /// Known where changes are counted.
        inode: Option<Inode>,
    },
    File {
        /// Known where changes are counted.
        inode: Option<Inode>,
        /// Every write goes to the end.
        append: bool,
    },
}

impl Target {
    pub(super) fn inode(self) -> Option<Inode> {
        match self {
            Self::Folder { inode } | Self::File { inode, .. } => inode,
        }
    }
}

/// A file that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenFile {
    pub(super) directory: usize,
    pub(super) inode: Option<Inode>,
    pub(super) append: bool,
}

impl Descriptors {
    /// What an instance with this many mapped folders starts with; it may open `limit` files and folders more.
    pub(super) fn preopened(folders: usize, limit: u32) -> Self {
        let preopened = |directory| Descriptor {
            directory,
            target: Target::Folder { inode: None },
            opened: false,
        };
        Self {
            used: (FIRST_PREOPENED..).zip((0..folders).map(preopened)).collect(),
            opened: 0,
            limit,
        }
    }

    /// Whether the guest may not open another one.
    pub(super) fn is_full(&self) -> bool {
        self.opened >= self.limit
    }

    /// The number of the mapped folder, when `fd` is a folder.
    pub(super) fn folder(&self, fd: Fd) -> Option<usize> {
        let descriptor = self.used.get(&fd.into())?;
        match descriptor.target {
            Target::Folder { .. } => Some(descriptor.directory),
            Target::File { .. } => None,
        }
    }

    /// The file, when `fd` is one.
    pub(super) fn file(&self, fd: Fd) -> Option<OpenFile> {
        let descriptor = self.used.get(&fd.into())?;
        match descriptor.target {
            Target::Folder { .. } => None,
            Target::File { inode, append } => Some(OpenFile {
                directory: descriptor.directory,
                inode,
                append,
            }),
        }
    }

    /// The number of the mapped folder that `fd` is in, file or folder.
    pub(super) fn directory(&self, fd: Fd) -> Option<usize> {
        self.used.get(&fd.into()).map(|descriptor| descriptor.directory)
    }

    pub(super) fn insert(&mut self, fd: Fd, descriptor: Descriptor) {
        self.opened = self.opened.saturating_add(u32::from(descriptor.opened));
        let replaced = self.used.insert(fd.into(), descriptor);
        self.forget(replaced);
    }

    pub(super) fn remove(&mut self, fd: Fd) -> Option<Descriptor> {
        let removed = self.used.remove(&fd.into());
        self.forget(removed);
        removed
    }

    /// Gives the descriptor `from` the number `to`, and returns what had it.
    pub(super) fn renumber(&mut self, from: Fd, to: Fd) -> Option<Descriptor> {
        if from == to {
            return None;
        }
        let replaced = self.remove(to);
        if let Some(moved) = self.used.remove(&from.into()) {
            self.used.insert(to.into(), moved);
        }
        replaced
    }

    pub(super) fn set_append(&mut self, fd: Fd, on: bool) {
        if let Some(Descriptor {
            target: Target::File { append, .. },
            ..
        }) = self.used.get_mut(&fd.into())
        {
            *append = on;
        }
    }

    /// Everything that is open, which is closed from now on.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Descriptor> + use<> {
        std::mem::take(&mut self.used).into_values()
    }

    fn forget(&mut self, gone: Option<Descriptor>) {
        if gone.is_some_and(|descriptor| descriptor.opened) {
            self.opened = self.opened.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Descriptor = Descriptor {
        directory: 0,
        target: Target::File {
            inode: None,
            append: false,
        },
        opened: true,
    };

    #[test]
    fn what_was_given_does_not_count_and_what_is_closed_makes_room() {
        let mut descriptors = Descriptors::preopened(2, 256);
        for number in 5..5 + 256u32 {
            assert!(!descriptors.is_full());
            descriptors.insert(Fd::from(number), FILE);
        }
        assert!(descriptors.is_full());
        assert_eq!(descriptors.remove(Fd::from(3u32)).map(|gone| gone.opened), Some(false));
        assert!(descriptors.is_full());
        assert_eq!(descriptors.remove(Fd::from(7u32)), Some(FILE));
        assert!(!descriptors.is_full());
        assert_eq!(descriptors.remove(Fd::from(7u32)), None);
    }

    #[test]
    fn a_number_that_is_taken_over_is_closed() {
        let mut descriptors = Descriptors::preopened(1, 256);
        descriptors.insert(Fd::from(4u32), FILE);
        descriptors.insert(Fd::from(5u32), FILE);
        assert_eq!(descriptors.renumber(Fd::from(4u32), Fd::from(4u32)), None);
        assert_eq!(descriptors.renumber(Fd::from(4u32), Fd::from(5u32)), Some(FILE));
        assert_eq!(descriptors.opened, 1);
        assert_eq!(descriptors.directory(Fd::from(4u32)), None);
        assert!(descriptors.renumber(Fd::from(5u32), Fd::from(3u32)).is_some());
        assert_eq!((descriptors.opened, descriptors.folder(Fd::from(3u32))), (1, None));
        assert!(descriptors.file(Fd::from(3u32)).is_some());
    }

    #[test]
    fn folders_are_numbered_from_three() {
        let descriptors = Descriptors::preopened(2, 256);
        let folders: Vec<_> = (0..6u32).map(|number| descriptors.folder(Fd::from(number))).collect();
        assert_eq!(folders, [None, None, None, Some(0), Some(1), None]);
    }
}
