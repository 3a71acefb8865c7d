//! `trust revoke`.

use clap::Args;
use palisade_bundle::trust::{KeyStatus, RevokedKey};
use palisade_bundle::{KeyId, Timestamp, TrustDeclaration};

use super::subject::{NotThere, Subject};
use super::{Changed, StoreOptions};
use crate::failure::{Conclusion, Failure};
use crate::program::UsageError;
use crate::surroundings::Surroundings;
use crate::terminal::Terminal;

/// `trust revoke`.
#[derive(Args, Debug)]
pub struct Revoke {
    /// A key by its id (ed25519:…) or its file, a bundle by its digest (sha256:…) or its file
    #[arg(value_name = "KEY|BUNDLE")]
    subject: String,

    /// Why, for whoever reads the refusal
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "revoked by hand",
        hide_default_value = true
    )]
    reason: String,

    /// The key was replaced in good order: nothing new is installed on its word, what is installed goes on
    #[arg(long)]
    retire: bool,

    #[command(flatten)]
    store: StoreOptions,
}

impl Revoke {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let directory = self.store.directory(surroundings)?;
        let subject = Subject::read(&self.subject, std::iter::empty)?;
        let since = surroundings.timestamp()?;
        let document = directory.change(surroundings, |declaration| self.revoke(declaration, &subject, since))?;
        let word = if self.retire { "retired" } else { "revoked" };
        terminal.answer(&Changed::new(&directory, &document, format!("{subject} is {word}")))?;
        Ok(Conclusion::Done)
    }

    fn revoke(&self, declaration: &mut TrustDeclaration, subject: &Subject, since: Timestamp) -> Result<(), Failure> {
        match subject {
            Subject::Key(key) if self.retire => retire(declaration, *key),
            Subject::Bundle(_) if self.retire => {
                Err(UsageError::new("--retire", "--retire is for keys; a bundle is good or revoked").into())
            }
            Subject::Key(key) => {
                let revoked = &mut declaration.revoked.keys;
                // The first date and reason stay: they are when it happened.
                if !revoked.iter().any(|known| known.keyid == *key) {
                    revoked.push(RevokedKey {
                        keyid: *key,
                        reason: self.reason.clone(),
                        since,
                    });
                }
                Ok(())
            }
            Subject::Bundle(digest) => {
                let revoked = &mut declaration.revoked.bundles;
                if !revoked.contains(digest) {
                    revoked.push(*digest);
                }
                Ok(())
            }
        }
    }
}

fn retire(declaration: &mut TrustDeclaration, key: KeyId) -> Result<(), Failure> {
    let mut keys = declaration
        .publishers
        .values_mut()
        .flat_map(|publisher| &mut publisher.keys);
    let known = keys
        .find(|known| known.keyid == key)
        .ok_or_else(|| NotThere::new(&key.to_string(), []))?;
    known.status = KeyStatus::Retired;
    Ok(())
}
