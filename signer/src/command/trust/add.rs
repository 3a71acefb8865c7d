//! `trust add`.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use palisade_bundle::trust::{PublisherDeclaration, PublisherKey};
use palisade_bundle::{IdPattern, Permission, PublicKey, TrustDeclaration};

use super::{Changed, StoreOptions};
use crate::failure::{Conclusion, Failure};
use crate::key_file::read_public_key;
use crate::moment::Moment;
use crate::program::UsageError;
use crate::surroundings::Surroundings;
use crate::terminal::Terminal;

/// `trust add`.
#[derive(Args, Debug)]
pub struct Add {
    /// The publisher's public key
    #[arg(value_name = "PUB")]
    key: PathBuf,

    /// The plugins it may sign: an id, everything below a name such as com.acme.*, or * for all
    #[arg(long, value_name = "PATTERN", required = true)]
    ids: Vec<IdPattern>,

    /// What to call the publisher [default: the file name of the key]
    #[arg(long, value_name = "NAME")]
    publisher: Option<String>,

    /// The key counts from this time on
    #[arg(long, value_name = "TIME")]
    not_before: Option<Moment>,

    /// The key counts until this time
    #[arg(long, value_name = "TIME")]
    not_after: Option<Moment>,

    /// The most that plugins of this publisher can ever be granted [default: no bound]
    #[arg(long, value_name = "PERM", value_parser = Permission::expand)]
    permission: Vec<Vec<Permission>>,

    /// How many keys of this publisher must sign
    #[arg(long, value_name = "N")]
    threshold: Option<NonZeroUsize>,

    /// Raise to outrank everything that a stolen key has signed
    #[arg(long, value_name = "N")]
    epoch: Option<u64>,

    #[command(flatten)]
    store: StoreOptions,
}

impl Add {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let key = read_public_key(&self.key)?;
        let name = match &self.publisher {
            Some(name) => name.clone(),
            None => stem(&self.key)?,
        };
        let directory = self.store.directory(surroundings)?;
        let key_id = key.id();
        let document = directory.change(surroundings, |declaration| self.add_to(declaration, &name, key))?;
        let done = format!("{name} is trusted with key {key_id}");
        terminal.answer(&Changed::new(&directory, &document, done))?;
        Ok(Conclusion::Done)
    }

    fn add_to(&self, declaration: &mut TrustDeclaration, name: &str, key: PublicKey) -> Result<(), Failure> {
        let key_id = key.id();
        let holder = declaration
            .publishers
            .iter()
            .find(|(_, publisher)| holds(publisher, &key));
        if let Some((holder, _)) = holder.filter(|(holder, _)| *holder != name) {
            let message = format!("key {key_id} belongs to the publisher `{holder}` already");
            let help = format!("palisade trust remove {key_id}   takes it away from there");
            return Err(UsageError::new("PUB", message).with_help(help).into());
        }
        let publisher = declaration
            .publishers
            .entry(name.to_owned())
            .or_insert_with(|| PublisherDeclaration {
                epoch: 0,
                id_patterns: Vec::new(),
                keys: Vec::new(),
                permission_ceiling: None,
                threshold: 1,
            });
        // Adding a key again states anew what holds for it.
        publisher.keys.retain(|known| known.keyid != key_id);
        publisher.keys.push(PublisherKey {
            not_before: self.not_before.map(|Moment(time)| time),
            not_after: self.not_after.map(|Moment(time)| time),
            ..PublisherKey::from(key)
        });
        publisher.id_patterns.extend(self.ids.iter().cloned());
        publisher.id_patterns.sort_unstable();
        publisher.id_patterns.dedup();
        if !self.permission.is_empty() {
            let mut ceiling = self.permission.concat();
            ceiling.sort_unstable();
            ceiling.dedup();
            publisher.permission_ceiling = Some(ceiling);
        }
        if let Some(threshold) = self.threshold {
            publisher.threshold = threshold.get();
        }
        match self.epoch {
            Some(epoch) if epoch < publisher.epoch => {
                let message = format!("the epoch of `{name}` is {} and never goes down", publisher.epoch);
                Err(UsageError::new("--epoch", message).into())
            }
            Some(epoch) => {
                publisher.epoch = epoch;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn holds(publisher: &PublisherDeclaration, key: &PublicKey) -> bool {
    publisher.keys.iter().any(|known| known.keyid == key.id())
}

/// `keys/acme.pub` is the key of `acme`.
fn stem(path: &Path) -> Result<String, UsageError> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    stem.map(str::to_owned).ok_or_else(|| {
        UsageError::new(
            "--publisher",
            "the file name of the key is no name; give one with --publisher",
        )
    })
}
