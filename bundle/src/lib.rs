//! Signed plugin bundles: container, digests, envelope, keys, trust, manifest, permissions.
//!
//! Three nouns and two verbs: bytes are *opened* into a [`Bundle`], which a [`TrustStore`] *verifies* into a
//! [`VerifiedBundle`]. There is no other way to get one, so whoever holds it need not ask who made it. The crate does no
//! I/O, reads no clock and knows no WASM engine.
//!
//! ```no_run
//! use std::time::SystemTime;
//!
//! use palisade_bundle::{Bundle, PublicKey, TrustStore};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let trust = TrustStore::new([PublicKey::from_pem(&std::fs::read_to_string("acme.pub")?)?]);
//! let bundle = Bundle::open(std::fs::read("weather.zip")?)?;
//! let bundle = trust.verify(bundle, SystemTime::now())?;
//! println!("{} {}", bundle.id(), bundle.version());
//! # Ok(())
//! # }
//! ```
//!
//! Packing, signing and private keys are behind the feature `sign`.

mod bundle;
pub mod canonical_json;
pub mod container;
mod contents;
mod digest;
mod envelope;
mod key;
pub mod manifest;
pub mod module;
mod permission;
mod problem;
pub mod ratchet;
pub mod schema;
#[cfg(any(test, feature = "sign"))]
pub mod sign;
mod size;
mod statement;
mod steps;
mod suggest;
#[cfg(test)]
mod testing;
mod text;
mod time;
pub mod trust;
mod verified;

pub use bundle::{Bundle, OpenError};
pub use canonical_json::JsonError;
pub use container::{MANIFEST_PATH, SIGNATURE_PATH, StructureError, StructureReason};
pub use contents::{BundleFile, Contents, ContentsError, ReadError};
pub use digest::{Digest, InvalidDigest};
pub use envelope::{Envelope, EnvelopeError, EnvelopeSignature, MAX_SIGNATURES, PayloadType};
#[cfg(any(test, feature = "sign"))]
pub use key::{EncryptionNonce, SigningKey, is_encrypted_pem};
pub use key::{KeyError, KeyId, PublicKey};
pub use manifest::{Manifest, ManifestError, PluginId};
pub use module::{ModuleError, ModuleOutline};
pub use permission::{CustomPermission, DefaultGrant, Permission, UnknownPermission};
pub use problem::{Blame, Code, Coded, Severity};
pub use ratchet::{Downgrade, InstallRecord, RatchetError, Release, admit};
pub use schema::{Schema, SchemaError, Violation};
#[cfg(any(test, feature = "sign"))]
pub use sign::{PackError, SignError, SignOptions, cosign_trust, pack, sign, sign_trust, strip};
pub use size::{ByteSize, QuantityError, format_duration, parse_duration};
pub use statement::{Content, FileDigest, Statement, StatementKind};
pub use steps::{Check, Step};
pub use suggest::closest;
pub use text::{Visible, VisibleLines, is_unsafe_to_show, printable};
pub use time::{InvalidTimestamp, Timestamp};
pub use trust::{
    IdPattern, KeyStatus, ListedKey, PublisherDeclaration, PublisherKey, Revocations, RevokedKey, Root, RootKey,
    TrustDeclaration, TrustDocument, TrustError, TrustRecord, TrustStore, VerifyError,
};
pub use verified::{SignatureStatus, TrustWarning, VerifiedBundle};
