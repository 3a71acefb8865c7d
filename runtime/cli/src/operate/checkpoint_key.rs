//! The key that the audit log of a data directory is signed with.

use std::fs;
use std::path::{Path, PathBuf};

use palisade::{Blame, CheckpointKey, Code, Coded, PublicKey, SigningKey};
use palisade_signer::key_file::read_signing_key;
use palisade_signer::output::{self, Audience, Existing};
use palisade_signer::{Failure, HostError, PassphraseOptions, Surroundings};
use thiserror::Error;

/// The private key, for the owner alone.
const FILE: &str = "audit.key";

/// What it signs. Without it the log is new.
const LOG: &str = "audit.db";

/// The key of a data directory; a new one where there is no log yet.
pub(super) fn load_or_create(folder: &Path, surroundings: &Surroundings) -> Result<CheckpointKey, Failure> {
    let path = folder.join(FILE);
    let is_there = |path: &Path| fs::symlink_metadata(path).is_ok();
    if !is_there(&path) {
        // A new key would make the log of another host of this one.
        if is_there(&folder.join(LOG)) {
            return Err(KeyLost { path }.into());
        }
        let seed = surroundings.random::<32>().map_err(HostError::Random)?;
        let pem = SigningKey::from_seed(&seed).to_pem();
        output::write(&path, pem.as_bytes(), Audience::Owner, Existing::Keep)?;
    }
    let pem = read(&path, surroundings)?.to_pem();
    Ok(CheckpointKey::from_pem(&pem)?)
}

/// The half of it that verifies.
pub(super) fn public(folder: &Path, surroundings: &Surroundings) -> Result<PublicKey, Failure> {
    Ok(read(&folder.join(FILE), surroundings)?.public())
}

fn read(path: &Path, surroundings: &Surroundings) -> Result<SigningKey, Failure> {
    read_signing_key(path, &PassphraseOptions::default(), surroundings)
}

/// There is an audit log, and the key of its checkpoints is gone.
#[derive(Debug, Error)]
#[error("the audit log was signed with `{}`, which is gone", path.display())]
struct KeyLost {
    path: PathBuf,
}

impl Coded for KeyLost {
    fn code(&self) -> Code {
        Code::AuditLogFailed
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }

    fn help(&self) -> Vec<String> {
        vec!["put the file back, or move audit.db and audit.checkpoint away and keep them".to_owned()]
    }
}
