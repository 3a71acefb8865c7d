//! `trust remove`.

use clap::Args;
use palisade_bundle::trust::PublisherDeclaration;
use palisade_bundle::{KeyId, TrustDeclaration};

use super::subject::{NotThere, Subject};
use super::{Changed, StoreOptions};
use crate::failure::{Conclusion, Failure};
use crate::program::UsageError;
use crate::surroundings::Surroundings;
use crate::terminal::Terminal;

/// `trust remove`.
#[derive(Args, Debug)]
pub struct Remove {
    /// A publisher by name, a key by its id (ed25519:…) or its file
    #[arg(value_name = "PUBLISHER|KEY")]
    subject: String,

    #[command(flatten)]
    store: StoreOptions,
}

impl Remove {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let directory = self.store.directory(surroundings)?;
        let known = directory.document()?.ok_or_else(|| NotThere::new(&self.subject, []))?;
        let is_publisher = known.declaration().publishers.contains_key(&self.subject);
        let key = if is_publisher {
            None
        } else {
            Some(self.key(known.declaration())?)
        };
        let document = directory.change(surroundings, |declaration| match key {
            Some(key) => remove_key(declaration, key, &self.subject),
            None => {
                declaration.publishers.remove(&self.subject);
                Ok(())
            }
        })?;
        let done = format!("{} is no longer trusted", self.subject);
        terminal.answer(&Changed::new(&directory, &document, done))?;
        Ok(Conclusion::Done)
    }

    fn key(&self, declaration: &TrustDeclaration) -> Result<KeyId, Failure> {
        let names = || declaration.publishers.keys().map(String::as_str);
        match Subject::read(&self.subject, names)? {
            Subject::Key(key) => Ok(key),
            Subject::Bundle(_) => Err(UsageError::new(
                "PUBLISHER|KEY",
                "a bundle is not trusted by itself; `trust revoke` takes one",
            )
            .into()),
        }
    }
}

/// A publisher without keys is no publisher, and one that needs more signatures than it has keys could never sign.
fn remove_key(declaration: &mut TrustDeclaration, key: KeyId, subject: &str) -> Result<(), Failure> {
    let holds = |publisher: &PublisherDeclaration| publisher.keys.iter().any(|known| known.keyid == key);
    let holder = declaration.publishers.values_mut().find(|publisher| holds(publisher));
    let publisher = holder.ok_or_else(|| NotThere::new(subject, []))?;
    publisher.keys.retain(|known| known.keyid != key);
    publisher.threshold = publisher.threshold.min(publisher.keys.len());
    declaration.publishers.retain(|_, publisher| !publisher.keys.is_empty());
    Ok(())
}
