//! The trust store on disk: a folder with one signed document, [`TrustDirectory`].
//!
//! A store made here is its own root: the first change makes a key pair, whose private half stays in the folder for the
//! owner alone, and every change signs the document anew. A store whose root is elsewhere can only be replaced by the
//! next document that its root has signed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use palisade_bundle::sign::sign_trust;
use palisade_bundle::trust::{Revocations, Root, RootKey};
use palisade_bundle::{Blame, Code, Coded, KeyId, SigningKey, Timestamp, TrustDeclaration, TrustDocument, TrustStore};
use serde_json::{Map, Value};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::failure::{Failure, HostError};
use crate::input::{self, InputError, Kind};
use crate::key_file::read_signing_key;
use crate::output::{self, Audience, Existing, OutputError};
use crate::passphrase::PassphraseOptions;
use crate::surroundings::Surroundings;

const DOCUMENT: &str = "trust.json";
const ROOT_KEY: &str = "root.key";

/// A document made on this machine is renewed by every change and guards against nothing by expiring; ten years only
/// keep a forgotten store from being believed for ever.
const LIFE_SECONDS: i64 = 10 * 365 * 24 * 60 * 60;

/// A folder that holds, or will hold, a trust store.
#[derive(Clone, Debug)]
pub struct TrustDirectory {
    path: PathBuf,
}

impl TrustDirectory {
    /// The folder that was named, else the default one.
    ///
    /// # Errors
    ///
    /// When none was named and the user has no configuration folder.
    pub fn of(named: Option<&Path>, surroundings: &Surroundings) -> Result<Self, TrustDirectoryError> {
        let path = named
            .or(surroundings.default_trust_dir.as_deref())
            .ok_or(TrustDirectoryError::NoFolder)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the private root key of a store made on this machine is.
    #[must_use]
    pub fn root_key_path(&self) -> PathBuf {
        self.path.join(ROOT_KEY)
    }

    /// The store to verify with; one that trusts nobody when there is no document.
    ///
    /// # Errors
    ///
    /// When the document cannot be read or is not signed by its root.
    pub fn store(&self) -> Result<TrustStore, Failure> {
        Ok(self
            .document()?
            .map_or_else(TrustStore::empty, |document| TrustStore::from_document(&document)))
    }

    /// The document, when there is one.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is not signed by its root.
    pub fn document(&self) -> Result<Option<TrustDocument>, Failure> {
        match input::read_file(&self.path.join(DOCUMENT), Kind::TRUST_DOCUMENT) {
            Ok(bytes) => Ok(Some(TrustDocument::self_rooted(&bytes)?)),
            Err(InputError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes what the document says and signs it anew; makes store and root key when there are none.
    pub(crate) fn change(
        &self,
        surroundings: &Surroundings,
        change: impl FnOnce(&mut TrustDeclaration) -> Result<(), Failure>,
    ) -> Result<TrustDocument, Failure> {
        output::create_private_folder(&self.path)?;
        let _turn = self.lock()?;
        let now = surroundings.timestamp()?;
        let (mut declaration, root) = match self.document()? {
            Some(document) => (document.declaration().clone(), self.root_key(&document, surroundings)?),
            None => {
                let root = self.new_root_key(surroundings)?;
                (empty(&root, now)?, root)
            }
        };
        change(&mut declaration)?;
        declaration.version = declaration.version.saturating_add(1);
        declaration.created = Some(now);
        declaration.expires = expiry(now)?;
        declaration.check()?;
        let bytes = sign_trust(&declaration, &[&root])?;
        let document = TrustDocument::self_rooted(&bytes)?;
        output::write(&self.path.join(DOCUMENT), &bytes, Audience::Everyone, Existing::Replace)?;
        Ok(document)
    }

    /// Takes over a document made elsewhere: the one that follows the present one, or, in an empty store, one whose root
    /// keys are all among `roots`.
    pub(crate) fn import(&self, bytes: &[u8], roots: &[KeyId], start_anew: bool) -> Result<TrustDocument, Failure> {
        output::create_private_folder(&self.path)?;
        let _turn = self.lock()?;
        let present = if start_anew { None } else { self.document()? };
        let document = match present {
            Some(present) => present.successor(bytes)?,
            None => {
                let document = TrustDocument::self_rooted(bytes)?;
                let found: Vec<_> = document.declaration().root.keys.iter().map(|key| key.keyid).collect();
                if !found.iter().all(|key| roots.contains(key)) {
                    return Err(TrustDirectoryError::UnknownRoot { found }.into());
                }
                document
            }
        };
        output::write(&self.path.join(DOCUMENT), bytes, Audience::Everyone, Existing::Replace)?;
        Ok(document)
    }

    /// Two changes at once would lose one of them.
    fn lock(&self) -> Result<File, OutputError> {
        let path = self.path.join("lock");
        let locked = File::create(&path).and_then(|file| file.lock().map(|()| file));
        locked.map_err(|error| OutputError::Unwritable { path, error })
    }

    fn root_key(&self, document: &TrustDocument, surroundings: &Surroundings) -> Result<SigningKey, Failure> {
        let path = self.root_key_path();
        let foreign = || TrustDirectoryError::RootElsewhere {
            path: self.path.clone(),
        };
        if fs::metadata(&path).is_err() {
            return Err(foreign().into());
        }
        let key = read_signing_key(&path, &PassphraseOptions::default(), surroundings)?;
        let root = &document.declaration().root;
        let is_enough = root.threshold == 1 && root.keys.iter().any(|root| root.keyid == key.public().id());
        if is_enough { Ok(key) } else { Err(foreign().into()) }
    }

    fn new_root_key(&self, surroundings: &Surroundings) -> Result<SigningKey, Failure> {
        let path = self.root_key_path();
        if fs::metadata(&path).is_ok() {
            // Left by a change that was interrupted before it wrote the document.
            return read_signing_key(&path, &PassphraseOptions::default(), surroundings);
        }
        let seed = Zeroizing::new(surroundings.random::<32>().map_err(HostError::Random)?);
        let key = SigningKey::from_seed(&seed);
        output::write(&path, key.to_pem().as_bytes(), Audience::Owner, Existing::Keep)?;
        Ok(key)
    }
}

fn empty(root: &SigningKey, now: Timestamp) -> Result<TrustDeclaration, Failure> {
    Ok(TrustDeclaration {
        created: Some(now),
        expires: expiry(now)?,
        publishers: Default::default(),
        revoked: Revocations::default(),
        root: Root {
            keys: vec![RootKey::from(root.public())],
            threshold: 1,
        },
        version: 0,
    })
}

fn expiry(now: Timestamp) -> Result<Timestamp, Failure> {
    let end = now.unix_seconds().saturating_add(LIFE_SECONDS);
    Ok(Timestamp::from_unix_seconds(end).map_err(HostError::Clock)?)
}

/// Why a trust store on disk cannot be used or changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrustDirectoryError {
    /// There is no place for one.
    #[error("no trust store was named, and the user has no configuration folder")]
    NoFolder,
    /// Its root key is not here.
    #[error("the root of the trust store `{}` is not on this machine", path.display())]
    RootElsewhere {
        /// The store.
        path: PathBuf,
    },
    /// A first document with a root nobody vouched for.
    #[error("nobody said that the root of this trust document is the right one")]
    UnknownRoot {
        /// Its root keys.
        found: Vec<KeyId>,
    },
}

impl Coded for TrustDirectoryError {
    fn code(&self) -> Code {
        match self {
            Self::NoFolder => Code::NotFound,
            Self::RootElsewhere { .. } | Self::UnknownRoot { .. } => Code::UntrustedKey,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NoFolder => Blame::Missing,
            Self::RootElsewhere { .. } | Self::UnknownRoot { .. } => Blame::Trust,
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::NoFolder => Map::from_iter([("kind".to_owned(), "folder".into())]),
            Self::RootElsewhere { .. } => Map::new(),
            Self::UnknownRoot { found } => {
                let found: Vec<_> = found.iter().map(ToString::to_string).collect();
                Map::from_iter([("key_id".to_owned(), found.into())])
            }
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::NoFolder => vec!["--trust-store DIR   names one".to_owned()],
            Self::RootElsewhere { .. } => {
                vec!["palisade trust import FILE   takes over the next document that its root has signed".to_owned()]
            }
            Self::UnknownRoot { found } => {
                let roots: Vec<_> = found.iter().map(|key| format!("--root {key}")).collect();
                vec![format!(
                    "compare with what its owner says, then add {}",
                    roots.join(" ")
                )]
            }
        }
    }
}
