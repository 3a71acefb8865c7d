//! `--watch`: bundles that are put into a folder are installed, and replace the version that is installed.
//!
//! Nothing is granted to anybody by a file in a folder, and nothing is uninstalled because one is gone.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify_debouncer_full::notify::{RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use palisade::{
    Blame, Bundle, Code, Coded, Digest, InstallOptions, Supervisor, TransitionError, UpgradeOptions, VerifiedBundle,
};
use palisade_signer::input::{Kind, read_file};
use palisade_signer::{Failure, Surroundings};
use thiserror::Error;
use tokio::sync::mpsc::{Receiver, channel};

use super::reload::Trusted;
use super::voice::Voice;

/// A file that was not written for so long is there as a whole: a copy over a network pauses for less.
const CALM: Duration = Duration::from_millis(500);

/// What takes in the bundles of a folder.
pub(super) struct Watch {
    pub(super) folder: PathBuf,
    pub(super) supervisor: Supervisor,
    pub(super) trusted: Trusted,
    pub(super) voice: Voice,
    pub(super) surroundings: Surroundings,
    /// The address of the API, for the lines that people are to type.
    pub(super) server: String,
}

/// By what a file is known to be the one that was looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    bytes: u64,
}

/// A bundle that somebody trusted vouches for.
struct Found {
    path: PathBuf,
    bundle: VerifiedBundle,
    bytes: Vec<u8>,
}

/// How much of the folder was looked at.
#[derive(PartialEq, Eq)]
enum Looked {
    /// All of it.
    Whole,
    /// All but files that are still being written.
    Again,
}

/// Whether a folder can be watched.
pub(super) fn check(folder: &Path) -> Result<(), Failure> {
    fs::read_dir(folder)
        .map(drop)
        .map_err(|error| unwatchable(folder, error).into())
}

fn unwatchable(folder: &Path, error: io::Error) -> WatchError {
    WatchError {
        folder: folder.to_owned(),
        error,
    }
}

impl Watch {
    /// Watches from now on, for as long as what it returns is polled. What is there already comes first.
    pub(super) fn begin(self) -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
        // One place: while a change waits to be seen, the next one is the same.
        let (tell, changes) = channel(1);
        let changed = move |_: DebounceEventResult| _ = tell.try_send(());
        let watcher = new_debouncer(CALM, None, changed).and_then(|mut watcher| {
            watcher.watch(&self.folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        let watcher = watcher.map_err(|error| unwatchable(&self.folder, io::Error::other(error)))?;
        Ok(self.follow(changes, watcher))
    }

    async fn follow(self, mut changes: Receiver<()>, watcher: Debouncer<RecommendedWatcher, RecommendedCache>) {
        let mut seen = HashMap::new();
        loop {
            let (looked, found) = self.look(&mut seen);
            self.take_in(found).await;
            match looked {
                Looked::Again => tokio::time::sleep(CALM).await,
                Looked::Whole if changes.recv().await.is_none() => break,
                Looked::Whole => {}
            }
        }
        drop(watcher);
    }

    /// The bundles that were not seen before, older versions first.
    fn look(&self, seen: &mut HashMap<PathBuf, Stamp>) -> (Looked, Vec<Found>) {
        let (mut looked, mut found) = (Looked::Whole, Vec::new());
        let files = match files(&self.folder) {
            Ok(files) => files,
            Err(error) => {
                self.voice.warn(&format!("the watched folder cannot be read: {error}"));
                return (looked, found);
            }
        };
        seen.retain(|path, _| files.contains_key(path));
        for (path, stamp) in files {
            if seen.get(&path) == Some(&stamp) {
                continue;
            }
            // A clock that went back says nothing, and then what is there is taken for complete.
            if stamp.modified.elapsed().is_ok_and(|age| age < CALM) {
                looked = Looked::Again;
                continue;
            }
            match self.open(&path) {
                Ok(bundle) => found.push(bundle),
                Err(failure) => self.tell_of(&path, failure),
            }
            seen.insert(path, stamp);
        }
        found.sort_by(|one, other| {
            let key = |found: &Found| (found.bundle.id().to_string(), found.bundle.version().clone());
            key(one).cmp(&key(other))
        });
        (looked, found)
    }

    fn open(&self, path: &Path) -> Result<Found, Failure> {
        let bytes = read_file(path, Kind::BUNDLE)?;
        let bundle = self
            .trusted
            .store()
            .verify(Bundle::open(bytes.clone())?, SystemTime::now())?;
        let path = path.to_owned();
        Ok(Found { path, bundle, bytes })
    }

    /// Takes in each; those that need another one of them after that one.
    async fn take_in(&self, mut found: Vec<Found>) {
        loop {
            let (mut waiting, before) = (Vec::new(), found.len());
            for bundle in found {
                match self.take(&bundle).await {
                    Ok(()) => {}
                    Err(failure) if failure.code() == Some(Code::DependencyMissing) => waiting.push((bundle, failure)),
                    Err(failure) => self.tell(&bundle, failure),
                }
            }
            if waiting.is_empty() || waiting.len() == before {
                for (bundle, failure) in waiting {
                    self.tell(&bundle, failure);
                }
                return;
            }
            found = waiting.into_iter().map(|(bundle, _)| bundle).collect();
        }
    }

    async fn take(&self, found: &Found) -> Result<(), Failure> {
        let (id, version) = (found.bundle.id().to_string(), found.bundle.version().to_string());
        let is_known = |digest: Digest| digest == found.bundle.digest();
        match self.supervisor.status(&id) {
            // Also one that was rolled back from: whoever did that meant it.
            Ok(status) if status.versions.iter().any(|kept| is_known(kept.digest)) => Ok(()),
            Ok(status) => {
                let upgraded = self
                    .supervisor
                    .upgrade(&id, found.bytes.clone(), UpgradeOptions::default())
                    .await;
                upgraded.map_err(|error| Failure::from(error).about_plugin(&id))?;
                self.voice
                    .note(&format!("upgraded {id} {} to {version}", status.version));
                Ok(())
            }
            Err(_) => {
                let installed = self
                    .supervisor
                    .install(found.bytes.clone(), InstallOptions::default())
                    .await;
                let installed = installed.map_err(TransitionError::from);
                installed.map_err(|error| Failure::from(error).about_plugin(&id))?;
                self.voice.note(&format!("installed {id} {version}"));
                let enabled = self.supervisor.enable(&id).await;
                enabled.map_err(|error| Failure::from(error).about_plugin(&id))?;
                self.voice.note(&format!("enabled {id} {version}"));
                Ok(())
            }
        }
    }

    fn tell(&self, found: &Found, failure: Failure) {
        let code = failure.code();
        self.tell_of(&found.path, failure);
        let (file, id, server) = (found.path.display(), found.bundle.id(), &self.server);
        match code {
            // What a folder cannot answer, and whoever may, does with one line.
            Some(Code::PermissionDenied) => self.voice.note(&format!(
                "palisade install {file} --enable --accept-permissions --server {server}   grants what it asks for"
            )),
            Some(Code::ApprovalRequired) => self.voice.note(&format!(
                "palisade upgrade {id} {file} --accept-permissions --server {server}   grants what is new"
            )),
            _ => {}
        }
    }

    fn tell_of(&self, path: &Path, failure: Failure) {
        self.voice.warn(&format!("{} was not taken in:", path.display()));
        self.voice.report(failure, &self.surroundings);
    }
}

/// What is there that could be a bundle.
fn files(folder: &Path) -> io::Result<HashMap<PathBuf, Stamp>> {
    let mut files = HashMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || !name.ends_with(".zip") {
            continue;
        }
        // One that is gone meanwhile was not there.
        let Ok(found) = fs::metadata(&path) else { continue };
        if let (true, Ok(modified)) = (found.is_file(), found.modified()) {
            let bytes = found.len();
            files.insert(path, Stamp { modified, bytes });
        }
    }
    Ok(files)
}

/// The folder cannot be watched.
#[derive(Debug, Error)]
#[error("the folder `{}` cannot be watched", folder.display())]
struct WatchError {
    folder: PathBuf,
    #[source]
    error: io::Error,
}

impl Coded for WatchError {
    fn code(&self) -> Code {
        match self.error.kind() {
            io::ErrorKind::NotFound => Code::NotFound,
            _ => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self.error.kind() {
            io::ErrorKind::NotFound => Blame::Missing,
            _ => Blame::Host,
        }
    }
}
