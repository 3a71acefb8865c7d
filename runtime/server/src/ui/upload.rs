//! Bundles that are sent from a page, and what is thought of them: [`Reviewed`].

use std::time::SystemTime;

use axum::body::Body;
use axum::http::HeaderMap;
use palisade::{Bundle, Digest, Manifest, Supervisor, TrustStore};

use super::notice::Notice;
use super::words;
use crate::body;
use crate::rejection::Rejection;
use crate::request_error::RequestError;

/// A bundle in which somebody this host trusts vouches for everything.
pub(super) struct Reviewed {
    pub(super) manifest: Manifest,
    /// The identity of the file, so that what is installed later is what was looked at.
    pub(super) file: String,
    pub(super) size: String,
    pub(super) signatures: Vec<Signature>,
}

/// A signature of a bundle.
pub(super) struct Signature {
    pub(super) key: String,
    pub(super) is_trusted: bool,
}

/// The bytes of a bundle.
pub(super) async fn received(headers: &HeaderMap, sent: Body) -> Result<Vec<u8>, Rejection> {
    body::bundle(headers, sent).await
}

/// The bytes of the bundle that was looked at before.
///
/// # Errors
///
/// [`RequestError::Stale`]: the file is another one by now.
pub(super) async fn received_again(headers: &HeaderMap, sent: Body, digest: &str) -> Result<Vec<u8>, Rejection> {
    let bundle = received(headers, sent).await?;
    match Digest::of(&bundle).to_string() == digest {
        true => Ok(bundle),
        false => Err(RequestError::Stale.reject()),
    }
}

/// What this host thinks of a bundle. Hashing and inflating 50 MiB takes a tenth of a second, so it is done aside.
///
/// # Errors
///
/// Whoever made it is not trusted, or it is not what they vouch for.
pub(super) async fn reviewed(supervisor: &Supervisor, bundle: Vec<u8>) -> Result<Reviewed, Notice> {
    let (trust, now) = (supervisor.trust(), supervisor.clock().wall());
    let work = move || Reviewed::of(&trust, bundle, now);
    let reviewed = tokio::task::spawn_blocking(work).await;
    reviewed
        .unwrap_or_else(|_| Err(RequestError::Panicked.reject()))
        .map_err(|refused| Notice::of(&refused))
}

impl Reviewed {
    fn of(trust: &TrustStore, bytes: Vec<u8>, now: SystemTime) -> Result<Self, Rejection> {
        let (file, size) = (Digest::of(&bytes).to_string(), words::bytes(bytes.len() as u64));
        let bundle = trust.verify(Bundle::open(bytes)?, now)?;
        let signatures = bundle.signatures().iter().map(|signature| Signature {
            key: words::short(&signature.key_id.to_string()),
            is_trusted: signature.trusted,
        });
        Ok(Self {
            signatures: signatures.collect(),
            manifest: bundle.manifest().clone(),
            file,
            size,
        })
    }
}
