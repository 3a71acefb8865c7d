//! Whom a command trusts: [`TrustOptions`].

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use palisade_bundle::{Code, TrustStore};

use crate::failure::Failure;
use crate::key_file::read_public_key;
use crate::surroundings::Surroundings;
use crate::trust_directory::TrustDirectory;

/// `--trust`, `--trust-store` and what goes with them.
#[derive(Args, Clone, Debug)]
pub struct TrustOptions {
    /// Trust this public key, whatever the id of the plugin, instead of the trust store
    #[arg(long, value_name = "PUB", conflicts_with = "trust_store", help_heading = "Trust")]
    pub trust: Vec<PathBuf>,

    /// Use the trust store in DIR [default: palisade/trust in the XDG configuration folder]
    /// [env: PALISADE_TRUST_STORE]
    #[arg(long, value_name = "DIR", help_heading = "Trust")]
    pub trust_store: Option<PathBuf>,

    /// Accept the public development keys of this project, which anybody can sign with
    #[arg(long, help_heading = "Trust")]
    pub allow_development_keys: bool,
}

impl TrustOptions {
    /// The trust store these options describe.
    ///
    /// # Errors
    ///
    /// When a key or the trust document cannot be read or is not what it should be.
    pub fn store(&self, require: Option<NonZeroUsize>, surroundings: &Surroundings) -> Result<TrustStore, Failure> {
        let store = if self.trust.is_empty() {
            TrustDirectory::of(self.trust_store.as_deref(), surroundings)?.store()?
        } else {
            let keys = self.trust.iter().map(|path| read_public_key(path));
            TrustStore::new(keys.collect::<Result<Vec<_>, _>>()?)
        };
        let store = store.development_keys(self.allow_development_keys);
        Ok(match require {
            Some(signatures) => store.require(signatures.get()),
            None => store,
        })
    }

    /// Says how to add trust to a failure that is about a lack of it.
    #[must_use]
    pub fn explain(&self, failure: Failure) -> Failure {
        if failure.code() != Some(Code::UntrustedKey) || !self.trust.is_empty() {
            return failure;
        }
        failure.with_help("palisade trust add PUBLISHER.pub --ids 'com.publisher.*'   trusts a publisher from now on")
    }
}
