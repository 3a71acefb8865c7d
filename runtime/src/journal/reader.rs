//! The other end of the files: what was written, and what is being written.

use std::fs::File;
use std::io::{self, Read};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use palisade_bundle::PluginId;

use super::error::JournalError;
use super::file::{Files, predecessor};
use super::line::{EventLine, JournalLine, LINE_BYTES, LogLine, Target};

/// What is read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Reads one file of a journal and its predecessor, from the first line on. Takes no lock and changes nothing, so any
/// number of processes can read while another one writes.
///
/// Files are replaced while they are read; no line is lost to that unless two files are filled between two calls of
/// [`read`](Self::read).
#[derive(Debug)]
pub struct JournalReader<T> {
    path: PathBuf,
    current: Option<Current>,
    lines: PhantomData<fn() -> T>,
}

/// The file that is being read.
#[derive(Debug)]
struct Current {
    file: File,
    identity: Identity,
    /// What follows the last line end.
    rest: Vec<u8>,
    /// Whether the rest belongs to a line that is too long, and is skipped.
    is_skipping: bool,
}

/// What tells a file from another one that has its name.
#[cfg(unix)]
type Identity = (u64, u64);
#[cfg(not(unix))]
type Identity = Option<std::time::SystemTime>;

impl JournalReader<LogLine> {
    /// The log of one plugin.
    #[must_use]
    pub fn logs(folder: impl AsRef<Path>, id: &PluginId) -> Self {
        Self::of(folder.as_ref(), &Target::Log(id.clone()))
    }
}

impl JournalReader<EventLine> {
    /// The events of all plugins.
    #[must_use]
    pub fn events(folder: impl AsRef<Path>) -> Self {
        Self::of(folder.as_ref(), &Target::Events)
    }
}

impl<T: JournalLine> JournalReader<T> {
    fn of(folder: &Path, target: &Target) -> Self {
        Self {
            path: Files::of(folder).path(target),
            current: None,
            lines: PhantomData,
        }
    }

    /// Whether anything was ever written.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path.exists() || predecessor(&self.path).exists()
    }

    /// Hands over every whole line since the last call, oldest first, and returns when there is no more. Lines that are
    /// no lines of this kind are skipped: a crash tears the last one.
    ///
    /// # Errors
    ///
    /// [`JournalError::File`]: a file is there and cannot be read.
    pub fn read(&mut self, mut each: impl FnMut(T)) -> Result<(), JournalError> {
        self.read_on(&mut |line| T::parse(line).map(&mut each).unwrap_or_default())
            .map_err(|reason| JournalError::File {
                path: self.path.clone(),
                reason,
            })
    }

    fn read_on(&mut self, each: &mut dyn FnMut(&str)) -> io::Result<()> {
        if self.current.is_none() {
            self.current = match Current::open(&predecessor(&self.path))? {
                Some(older) => Some(older),
                None => Current::open(&self.path)?,
            };
        }
        while let Some(current) = &mut self.current {
            current.read_on(each)?;
            let Some(next) = successor(current, &self.path)? else {
                break;
            };
            // Once more: it was still the one that is written when it was read.
            current.read_on(each)?;
            self.current = Some(next);
        }
        Ok(())
    }
}

/// The file that came after `current`; `None` while there is none.
fn successor(current: &Current, path: &Path) -> io::Result<Option<Current>> {
    match Current::open(path)? {
        // Between the renaming and the first line there is no file.
        None => Ok(None),
        Some(newest) if newest.identity == current.identity => Ok(None),
        Some(newest) => match Current::open(&predecessor(path))? {
            Some(between) if between.identity != current.identity => Ok(Some(between)),
            Some(_) | None => Ok(Some(newest)),
        },
    }
}

impl Current {
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(Self {
            identity: identity(&file)?,
            file,
            rest: Vec::new(),
            is_skipping: false,
        }))
    }

    fn read_on(&mut self, each: &mut dyn FnMut(&str)) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let length = self.file.read(&mut chunk)?;
            if length == 0 {
                return Ok(());
            }
            for piece in chunk
                .get(..length)
                .unwrap_or_default()
                .split_inclusive(|byte| *byte == b'\n')
            {
                self.take(piece, each);
            }
        }
    }

    /// A line, or a part of one.
    fn take(&mut self, piece: &[u8], each: &mut dyn FnMut(&str)) {
        self.is_skipping |= self.rest.len().saturating_add(piece.len()) > LINE_BYTES;
        if !self.is_skipping {
            self.rest.extend_from_slice(piece);
        }
        if piece.ends_with(b"\n") {
            if !self.is_skipping
                && let Ok(line) = std::str::from_utf8(&self.rest)
            {
                each(line);
            }
            self.rest.clear();
            self.is_skipping = false;
        }
    }
}

#[cfg(unix)]
fn identity(file: &File) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(file: &File) -> io::Result<Identity> {
    Ok(file.metadata()?.created().ok())
}
