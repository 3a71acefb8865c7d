//! What a host keeps of its plugins on disk: the registry and the bundles, in a folder of which one process is the only
//! user.

mod bundles;
mod error;
mod folder;
mod history;
mod registry;
mod restores;
mod rows;
mod schedules;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use palisade_bundle::{Digest, InstallRecord, PluginId};
use serde::Serialize;

use self::bundles::Bundles;
pub use self::error::{StoreError, SupervisorOpenError};
pub use self::folder::DataDirectory;
pub use self::history::ConfigChange;
use self::registry::Registry;
pub(super) use self::rows::{Grants, PluginRow, VersionRow};
pub(super) use self::schedules::ScheduleRow;
use super::status::{Failure, KeptVersion};

/// The data directory. Everything here blocks.
#[derive(Debug)]
pub(super) struct Disk {
    folder: DataDirectory,
    registry: Registry,
    bundles: Bundles,
    /// Bundles that an operation has stored and no version names yet, with how many operations did.
    staged: Mutex<BTreeMap<Digest, usize>>,
}

impl Disk {
    /// Opens what is in the directory, and repairs what a crash left: staged files are removed, bundles that no version
    /// names are removed, and a plugin whose active bundle is not what it was is marked failed.
    pub(super) fn open(folder: DataDirectory, now: SystemTime) -> Result<Self, SupervisorOpenError> {
        let registry = Registry::open(&folder.registry())?;
        let bundles = Bundles::new(folder.bundles(), folder.staging());
        let disk = Self {
            folder,
            registry,
            bundles,
            staged: Mutex::default(),
        };
        disk.repair(now)?;
        Ok(disk)
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn repair(&self, now: SystemTime) -> Result<(), StoreError> {
        self.bundles.clear_staging()?;
        self.bundles.collect(&self.registry.referenced()?)?;
        // One that has failed already keeps its reason, and is hashed again when it is started.
        let sound = |row: &PluginRow| row.failure.is_none();
        for mut row in self.registry.plugins()?.into_iter().filter(sound) {
            if let Err(error) = self.bundles.read(row.active.file) {
                row.failure = Some(Failure::of(&error, "start-up", now));
                self.registry.save(&row, None, now)?;
            }
        }
        Ok(())
    }

    /// Every plugin by id, with the versions of it that are kept.
    pub(super) fn plugins(&self) -> Result<Vec<(PluginRow, Vec<KeptVersion>)>, StoreError> {
        let rows = self.registry.plugins()?.into_iter();
        rows.map(|row| self.registry.versions(&row.id).map(|versions| (row, versions)))
            .collect()
    }

    /// The configurations that a plugin had, newest first.
    pub(super) fn config_history(&self, id: &PluginId) -> Result<Vec<ConfigChange>, StoreError> {
        self.registry.config_history(id)
    }

    /// What is remembered of a plugin, removed ones included.
    pub(super) fn record(&self, id: &PluginId) -> Result<Option<InstallRecord>, StoreError> {
        self.registry.record(id)
    }

    /// Stores a bundle that no version names yet. It stays at least until what this returns is dropped.
    pub(super) fn stage(self: &Arc<Self>, bundle: &[u8]) -> Result<Staged, StoreError> {
        let file = Digest::of(bundle);
        *self.staged().entry(file).or_default() += 1;
        let staged = Staged {
            disk: Arc::clone(self),
            file,
        };
        self.bundles.put(bundle)?;
        Ok(staged)
    }

    /// The bytes of a version, which are what they were when it was stored.
    pub(super) fn read(&self, file: Digest) -> Result<Vec<u8>, StoreError> {
        self.bundles.read(file)
    }

    /// Writes down what a plugin is now, in one transaction; returns the versions of it that are kept.
    pub(super) fn save(
        &self,
        row: &PluginRow,
        record: Option<&InstallRecord>,
        now: SystemTime,
    ) -> Result<Vec<KeptVersion>, StoreError> {
        self.registry.save(row, record, now)
    }

    /// The state records to put back, by plugin; `None` is a plugin that had none.
    pub(super) fn restores(&self) -> Result<BTreeMap<String, Option<Vec<u8>>>, StoreError> {
        self.registry.restores()
    }

    /// Has a state record put back by the next host, unless the plugin is saved without a failure before.
    pub(super) fn note_restore(&self, id: &PluginId, state: Option<&[u8]>) -> Result<(), StoreError> {
        self.registry.note_restore(id, state)
    }

    /// The state record of the plugin is in its place.
    pub(super) fn forget_restore(&self, id: &PluginId) -> Result<(), StoreError> {
        self.registry.forget_restore(id)
    }

    /// Every entry of a schedule that is known.
    pub(super) fn schedules(&self) -> Result<Vec<ScheduleRow>, StoreError> {
        self.registry.schedules()
    }

    /// Writes down what is known of entries of schedules, in one transaction.
    pub(super) fn save_schedules(&self, rows: &[ScheduleRow]) -> Result<(), StoreError> {
        self.registry.save_schedules(rows)
    }

    /// The version before the active one, or the last one before it that is called `version`.
    pub(super) fn previous(&self, row: &PluginRow, version: Option<&str>) -> Result<Option<VersionRow>, StoreError> {
        self.registry.previous(row, version)
    }

    /// Forgets a plugin, but not what its ratchet remembers.
    pub(super) fn remove(&self, id: &PluginId) -> Result<(), StoreError> {
        self.registry.remove(id)
    }

    /// Keeps a plugin's data beyond its removal; returns the file.
    pub(super) fn archive(&self, name: &str, content: &impl Serialize) -> Result<PathBuf, StoreError> {
        let bytes = serde_json::to_vec(content).map_err(|error| StoreError::io("archives", error.into()))?;
        let archives = self.folder.archives();
        bundles::write_durably(&self.folder.staging(), &archives, name, &bytes)?;
        Ok(archives.join(name))
    }

    /// Removes bundles that nothing names. What cannot be removed now is at the next start.
    pub(super) fn collect(&self) {
        // Held until the end, so that nothing is staged between the question and the removal.
        let staged = self.staged();
        let _ = self.registry.referenced().and_then(|mut referenced| {
            referenced.extend(staged.keys());
            self.bundles.collect(&referenced)
        });
    }

    fn staged(&self) -> MutexGuard<'_, BTreeMap<Digest, usize>> {
        self.staged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stored bundle that is not collected, although no version may name it.
#[derive(Debug)]
pub(super) struct Staged {
    disk: Arc<Disk>,
    pub(super) file: Digest,
}

impl Drop for Staged {
    fn drop(&mut self) {
        let mut staged = self.disk.staged();
        if let Some(operations) = staged.get_mut(&self.file) {
            *operations -= 1;
            if *operations == 0 {
                staged.remove(&self.file);
            }
        }
    }
}
