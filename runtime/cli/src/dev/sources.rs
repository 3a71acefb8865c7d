//! The files of a plugin, and when one changes.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify_debouncer_full::notify::{self, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use palisade::{Blame, Code, Coded};
use thiserror::Error;

/// An editor writes a file in several steps, and "save all" several files: one build is enough for that.
const CALM: Duration = Duration::from_millis(200);

/// Watches a folder until it is dropped.
pub(super) struct Sources {
    root: PathBuf,
    watcher: Debouncer<RecommendedWatcher, RecommendedCache>,
}

impl Sources {
    /// Calls `changed`, on a thread of its own, whenever a source in `dir` was written, made, moved or removed.
    pub(super) fn watch(dir: &Path, changed: impl Fn() + Send + 'static) -> Result<Self, WatchError> {
        let root = fs::canonicalize(dir).map_err(WatchError::Folder)?;
        let folder = root.clone();
        let tell = move |result: DebounceEventResult| {
            if is_change(&folder, &result) {
                changed();
            }
        };
        let mut watcher = new_debouncer(CALM, None, tell)?;
        watcher.watch(&root, RecursiveMode::NonRecursive)?;
        let mut sources = Self { root, watcher };
        sources.look_for_folders()?;
        Ok(sources)
    }

    /// Watches every folder that is there now. One by one, because a compiler's output has thousands of them.
    pub(super) fn look_for_folders(&mut self) -> Result<(), WatchError> {
        for entry in fs::read_dir(&self.root).map_err(WatchError::Folder)?.flatten() {
            if is_source_name(&entry.file_name()) && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.watcher.watch(entry.path(), RecursiveMode::Recursive)?;
            }
        }
        Ok(())
    }
}

fn is_change(root: &Path, result: &DebounceEventResult) -> bool {
    match result {
        Ok(events) => events.iter().any(|event| {
            let is_source = |path: &PathBuf| is_source(root, path);
            event.need_rescan() || (!event.kind.is_access() && event.paths.iter().any(is_source))
        }),
        // What was missed may have been a change.
        Err(_) => true,
    }
}

/// Whether a path is a part of the plugin, and not what a compiler, an editor or a version control system keeps beside it.
fn is_source(root: &Path, path: &Path) -> bool {
    let inside = path.strip_prefix(root).unwrap_or(path);
    inside.iter().all(is_source_name)
}

fn is_source_name(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    // Bundles are made of the sources, and backups are not compiled.
    name != "target" && !name.starts_with('.') && !name.ends_with('~') && !name.ends_with(".zip")
}

/// The files cannot be watched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(super) enum WatchError {
    #[error("the folder of the plugin cannot be read")]
    Folder(#[source] io::Error),
    #[error("the files of the plugin cannot be watched")]
    Watch(#[from] notify::Error),
}

impl Coded for WatchError {
    fn code(&self) -> Code {
        match self {
            Self::Folder(_) | Self::Watch(_) => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Folder(_) | Self::Watch(_) => Blame::Host,
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Watch(error) if matches!(error.kind, notify::ErrorKind::MaxFilesWatch) => {
                vec!["sudo sysctl fs.inotify.max_user_watches=524288   lets more files be watched".to_owned()]
            }
            Self::Folder(_) | Self::Watch(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_keep_beside_the_sources_is_no_source() {
        let root = Path::new("/home/.hidden/target/hello");
        let is_source = |path: &str| is_source(root, &root.join(path));
        for source in [
            "plugin.json",
            "plugin.wat",
            "src/lib.rs",
            "assets/a.txt",
            "",
            "src/targets.rs",
        ] {
            assert!(is_source(source), "{source}");
        }
        for other in [
            "target",
            "target/debug/x",
            ".git/HEAD",
            "src/.lib.rs.swp",
            "src/lib.rs~",
            "hello-0.1.0.zip",
            "sub/target/x",
        ] {
            assert!(!is_source(other), "{other}");
        }
    }
}
