//! A verified bundle: the proof that somebody trusted vouches for these very bytes.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use semver::Version;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::contents::{BundleFile, Contents, ReadError};
use crate::digest::Digest;
use crate::key::KeyId;
use crate::manifest::{Manifest, PluginId};
use crate::permission::Permission;
use crate::statement::Statement;
use crate::steps::Check;
use crate::time::Timestamp;

/// A bundle that a [`TrustStore`](crate::TrustStore) has verified. There is no other way to get one; cheap to clone.
///
/// The bytes that were checked are held in memory and are the ones that are read from it: a file swapped afterwards
/// changes nothing.
#[derive(Clone)]
pub struct VerifiedBundle(Arc<Verified>);

struct Verified {
    bundle: Bundle,
    contents: Contents,
    voucher: Option<Voucher>,
    checks: Vec<Check>,
    warnings: Vec<TrustWarning>,
}

/// Who vouches, and for what.
pub(crate) struct Voucher {
    pub(crate) statement: Statement,
    pub(crate) digest: Digest,
    pub(crate) publisher: Arc<str>,
    pub(crate) epoch: u64,
    pub(crate) permission_ceiling: Option<Arc<[Permission]>>,
    pub(crate) signatures: Vec<SignatureStatus>,
}

/// A signature of a verified bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SignatureStatus {
    /// Whose it is, or claims to be.
    pub key_id: KeyId,
    /// Whether it was checked and counts for this plugin. A signature that does not is as good as absent.
    pub trusted: bool,
}

/// What an operator should know about a bundle that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustWarning {
    /// Anyone can have made this bundle.
    #[error("the bundle is not signed: anyone can have made it")]
    Unsigned,
    /// 80 % of the life of the trust document have passed.
    #[error("the trust document expires at {expires}; get a newer one")]
    TrustDocumentStale {
        /// Its end.
        expires: Timestamp,
    },
    /// The trust document is past its end; what is installed goes on.
    #[error("the trust document expired at {expires}; nothing new can be installed on its word")]
    TrustDocumentExpired {
        /// Its end.
        expires: Timestamp,
    },
}

impl VerifiedBundle {
    pub(crate) fn new(
        bundle: Bundle,
        contents: Contents,
        voucher: Option<Voucher>,
        checks: Vec<Check>,
        warnings: Vec<TrustWarning>,
    ) -> Self {
        Self(Arc::new(Verified {
            bundle,
            contents,
            voucher,
            checks,
            warnings,
        }))
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        self.0.contents.manifest()
    }

    /// The plugin.
    #[must_use]
    pub fn id(&self) -> &PluginId {
        &self.manifest().id
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.manifest().version
    }

    /// The identity of the bundle, as [`Bundle::digest`].
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.0
            .voucher
            .as_ref()
            .map_or_else(|| self.0.bundle.digest(), |voucher| voucher.digest)
    }

    /// What the signers say; `None` when the bundle is unsigned.
    #[must_use]
    pub fn statement(&self) -> Option<&Statement> {
        self.0.voucher.as_ref().map(|voucher| &voucher.statement)
    }

    /// Who vouches: a name of the trust document, or the id of a bare key. `None` when the bundle is unsigned.
    #[must_use]
    pub fn publisher(&self) -> Option<&str> {
        self.0.voucher.as_ref().map(|voucher| &*voucher.publisher)
    }

    /// The epoch of the publisher; see [`admit`](crate::ratchet::admit).
    #[must_use]
    pub fn epoch(&self) -> Option<u64> {
        self.0.voucher.as_ref().map(|voucher| voucher.epoch)
    }

    /// The most that the plugin may ever be granted; `None` when there is no ceiling.
    #[must_use]
    pub fn permission_ceiling(&self) -> Option<&[Permission]> {
        self.0.voucher.as_ref()?.permission_ceiling.as_deref()
    }

    /// Every signature of the envelope and whether it counts.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureStatus] {
        self.0
            .voucher
            .as_ref()
            .map(|voucher| voucher.signatures.as_slice())
            .unwrap_or_default()
    }

    /// Whether anybody vouches for it.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.0.voucher.is_some()
    }

    /// The files in the order of the container.
    #[must_use]
    pub fn files(&self) -> &[BundleFile] {
        self.0.contents.files()
    }

    /// The unpacked bytes of a file.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoSuchFile`].
    pub fn read(&self, path: &str) -> Result<Cow<'_, [u8]>, ReadError> {
        self.0.contents.read(path)
    }

    /// The module: the file that the manifest calls its entry point.
    ///
    /// # Errors
    ///
    /// None that can happen to a verified bundle; see [`Contents::module`].
    pub fn module(&self) -> Result<Cow<'_, [u8]>, ReadError> {
        self.0.contents.module()
    }

    /// The bundle as it was opened.
    #[must_use]
    pub fn bundle(&self) -> &Bundle {
        &self.0.bundle
    }

    /// The steps that were taken, in order; all have passed.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.0.checks
    }

    /// What an operator should know.
    #[must_use]
    pub fn warnings(&self) -> &[TrustWarning] {
        &self.0.warnings
    }
}

impl fmt::Debug for VerifiedBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bundle = f.debug_struct("VerifiedBundle");
        bundle
            .field("id", self.id())
            .field("version", self.version())
            .field("publisher", &self.publisher())
            .finish()
    }
}
