//! What a command may know of the process it runs in: [`Surroundings`].

use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use jiff::Timestamp;

use crate::failure::HostError;

/// Clock, randomness and settings, read once by the binary and handed down; no command looks them up by itself.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The moment the command started. One command has one "now".
    pub now: Timestamp,
    /// Fills a buffer from the operating system's random source.
    pub fill_random: fn(&mut [u8]) -> io::Result<()>,
    /// Whether a person can be asked.
    pub interaction: Interaction,
    /// `PALISADE_TRUST_STORE`, else `palisade/trust` in the XDG configuration folder; `None` when the user has no home.
    pub default_trust_dir: Option<PathBuf>,
    /// `PALISADE_CACHE_DIR`, else `palisade` in the XDG cache folder; `None` when the user has no home.
    pub default_cache_dir: Option<PathBuf>,
    /// `PALISADE_DATA_DIR`, else `palisade` in the XDG data folder; `None` when the user has no home.
    pub default_data_dir: Option<PathBuf>,
    /// The program this process runs, for starting it once more; `None` when the system does not say.
    pub program: Option<PathBuf>,
}

impl Surroundings {
    /// The moment the command started, as the bundle library takes it.
    #[must_use]
    pub fn system_time(&self) -> SystemTime {
        SystemTime::from(self.now)
    }

    /// The moment the command started, as signed documents spell it.
    ///
    /// # Errors
    ///
    /// When the clock of this machine shows a year of five digits.
    pub fn timestamp(&self) -> Result<palisade_bundle::Timestamp, HostError> {
        self.system_time().try_into().map_err(HostError::Clock)
    }

    /// Random bytes, for keys and ids.
    ///
    /// # Errors
    ///
    /// When the operating system has no randomness to give.
    pub fn random<const N: usize>(&self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        (self.fill_random)(&mut bytes)?;
        Ok(bytes)
    }
}

/// Whether a command may ask a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interaction {
    /// Somebody sits at the terminal.
    Possible,
    /// Nobody does, and why: `standard input is no terminal`, `CI is set`, `--no-input was given`.
    Impossible(&'static str),
}
