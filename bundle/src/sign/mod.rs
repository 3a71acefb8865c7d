//! Packing and signing.

mod error;

pub use self::error::{PackError, SignError};

use crate::bundle::Bundle;
use crate::container::{self, file_content, replace_signature};
use crate::container::{MANIFEST_PATH, MAX_ENTRIES, MAX_FILE_BYTES, SIGNATURE_PATH, StructureError, StructureReason};
use crate::digest::Digest;
use crate::envelope::{Envelope, EnvelopeSignature, PayloadType, pre_authentication_encoding};
use crate::key::SigningKey;
use crate::statement::{Content, FileDigest, Statement, StatementKind, abi_name};
use crate::time::Timestamp;
use crate::trust::{TrustDeclaration, TrustDocument};

/// Packs files into an unsigned bundle and checks it as a host would. The same files give the same bytes on every
/// machine, whatever order they come in.
///
/// A signature among the files is left out: it belongs to the bundle the files came from.
///
/// # Errors
///
/// [`PackError`]: a file or the whole breaks a rule.
pub fn pack(mut files: Vec<(String, Vec<u8>)>) -> Result<Vec<u8>, PackError> {
    files.retain(|(path, _)| path != SIGNATURE_PATH);
    if !files.iter().any(|(path, _)| path == MANIFEST_PATH) {
        return Err(PackError::ManifestMissing);
    }
    // One place is for the signature.
    let limit = MAX_ENTRIES.saturating_sub(1);
    if files.len() > limit {
        let reason = StructureReason::TooManyEntries {
            actual: files.len(),
            limit,
        };
        return Err(StructureError::whole(reason).into());
    }
    let bytes = container::write(&files)?;
    let bundle = Bundle::open(bytes)?;
    bundle.unverified_contents()?;
    Ok(bundle.bytes().to_vec())
}

/// What the signer says beside what is in the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignOptions {
    /// When it is signed.
    pub created: Timestamp,
    /// The last second in which the bundle may be used.
    pub not_after: Option<Timestamp>,
    /// Higher than that of every release before.
    pub sequence: u64,
    /// Adds a signature beside those the bundle has. Their statement, and so the identity of the bundle, stays as it
    /// is: the other options are not used.
    pub append: bool,
}

/// Signs an unsigned bundle, or adds a signature to a signed one.
///
/// The content is taken over byte by byte, so signing does not depend on who packed it, or with what.
///
/// # Errors
///
/// [`SignError::AlreadySigned`] unless a signature is to be added, [`SignError::Unsigned`] when there is none to add
/// it to, [`SignError::AlreadySignedBy`], [`SignError::Contents`] when the bundle contradicts itself or its
/// statement, [`SignError::Json`] when the sequence is beyond 2^53−1, [`SignError::Envelope`] beyond 16 signatures,
/// [`SignError::TooLarge`] when there is no room for the signature.
pub fn sign(bundle: &Bundle, key: &SigningKey, options: &SignOptions) -> Result<Vec<u8>, SignError> {
    match (bundle.envelope(), options.append) {
        (None, false) => sign_first(bundle, key, options),
        (Some(envelope), true) => sign_beside(bundle, envelope, key),
        (Some(envelope), false) => Err(SignError::AlreadySigned {
            signatures: envelope.signatures().len(),
        }),
        (None, true) => Err(SignError::Unsigned),
    }
}

fn sign_first(bundle: &Bundle, key: &SigningKey, options: &SignOptions) -> Result<Vec<u8>, SignError> {
    let contents = bundle.unverified_contents()?;
    let content = file_content(bundle.bytes())?;
    let files = contents.files().iter();
    let manifest = contents.manifest();
    let statement = Statement {
        abi: abi_name(manifest.abi_version.major),
        content: Content {
            length: length_of(content),
            sha256: Digest::of(content),
        },
        created: options.created,
        files: files
            .map(|file| FileDigest {
                path: file.path.clone(),
                sha256: file.sha256,
                size: file.size_bytes,
            })
            .collect(),
        id: manifest.id.clone(),
        not_after: options.not_after,
        sequence: options.sequence,
        kind: StatementKind::Bundle1,
        version: manifest.version.clone(),
    };
    let payload = statement.to_bytes()?;
    rewrap(bundle, &seal(PayloadType::Bundle, payload, Vec::new(), key)?)
}

fn sign_beside(bundle: &Bundle, envelope: &Envelope, key: &SigningKey) -> Result<Vec<u8>, SignError> {
    bundle.unverified_contents()?;
    let signatures = envelope.signatures().to_vec();
    rewrap(
        bundle,
        &seal(PayloadType::Bundle, envelope.payload().to_vec(), signatures, key)?,
    )
}

/// Takes the envelope off a bundle, so that it can be signed anew.
///
/// # Errors
///
/// [`SignError::Structure`]: the container breaks a rule.
pub fn strip(bundle: &Bundle) -> Result<Vec<u8>, SignError> {
    Ok(replace_signature(bundle.bytes(), None)?)
}

/// Signs a trust document with one or more keys of its root, and of its predecessor's root when it follows another.
///
/// # Errors
///
/// [`SignError::Trust`] when the declaration breaks a rule, [`SignError::Envelope`] without any key or beyond 16.
pub fn sign_trust(declaration: &TrustDeclaration, keys: &[&SigningKey]) -> Result<Vec<u8>, SignError> {
    declaration.check()?;
    let payload = crate::canonical_json::to_bytes(declaration)?;
    let message = pre_authentication_encoding(PayloadType::Trust.as_str(), &payload);
    let mut signatures: Vec<_> = keys.iter().map(|key| signature(key, &message)).collect();
    signatures.sort_by_key(|signature| signature.key_id);
    signatures.dedup();
    Ok(Envelope::new(PayloadType::Trust, payload, signatures)?.to_bytes()?)
}

/// Adds a signature to a trust document.
///
/// # Errors
///
/// [`SignError::Envelope`] when it is not a trust document or has 16 signatures, [`SignError::AlreadySignedBy`].
pub fn cosign_trust(document: &[u8], key: &SigningKey) -> Result<Vec<u8>, SignError> {
    let envelope = TrustDocument::unverified_envelope(document)?;
    let signatures = envelope.signatures().to_vec();
    Ok(seal(PayloadType::Trust, envelope.payload().to_vec(), signatures, key)?.to_bytes()?)
}

fn signature(key: &SigningKey, message: &[u8]) -> EnvelopeSignature {
    EnvelopeSignature {
        key_id: key.public().id(),
        bytes: key.sign(message),
    }
}

fn seal(
    payload_type: PayloadType,
    payload: Vec<u8>,
    mut signatures: Vec<EnvelopeSignature>,
    key: &SigningKey,
) -> Result<Envelope, SignError> {
    let added = signature(key, &pre_authentication_encoding(payload_type.as_str(), &payload));
    if signatures.iter().any(|signature| signature.key_id == added.key_id) {
        return Err(SignError::AlreadySignedBy { key_id: added.key_id });
    }
    signatures.push(added);
    signatures.sort_by_key(|signature| signature.key_id);
    Ok(Envelope::new(payload_type, payload, signatures)?)
}

fn rewrap(bundle: &Bundle, envelope: &Envelope) -> Result<Vec<u8>, SignError> {
    let bytes = replace_signature(bundle.bytes(), Some(&envelope.to_bytes()?))?;
    let actual_bytes = length_of(&bytes);
    if actual_bytes > MAX_FILE_BYTES {
        return Err(SignError::TooLarge {
            actual_bytes,
            limit_bytes: MAX_FILE_BYTES,
        });
    }
    Ok(bytes)
}

fn length_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical_json::JsonError;
    use crate::envelope::EnvelopeError;
    use crate::problem::{Code, Coded as _};
    use crate::testing::{at, files, key, options, signed, unsigned};

    const ID: &str = "com.acme.weather";

    #[track_caller]
    fn check_pack(expected: Code, change: impl Fn(&mut Vec<(String, Vec<u8>)>)) {
        let mut files = files(ID);
        change(&mut files);
        assert_eq!(pack(files).unwrap_err().code(), expected);
    }

    #[test]
    fn packing_does_not_depend_on_the_order_of_files() {
        let mut reversed = files(ID);
        reversed.reverse();
        assert_eq!(pack(reversed), pack(files(ID)));
    }

    #[test]
    fn packing_checks_what_a_host_would_refuse() {
        check_pack(Code::InvalidManifest, |files| {
            files.retain(|(path, _)| path != "plugin.json")
        });
        check_pack(Code::InvalidManifest, |files| files[1].1 = b"{}".to_vec());
        check_pack(Code::InvalidManifest, |files| files[1].1 = vec![b' '; 300_000]);
        check_pack(Code::InvalidManifest, |files| {
            files.retain(|(path, _)| path != "plugin.wasm")
        });
        check_pack(Code::CorruptedData, |files| files[0].0 = "../clouds.txt".to_owned());
        check_pack(Code::CorruptedData, |files| {
            files.push(("PLUGIN.WASM".to_owned(), Vec::new()))
        });
    }

    #[test]
    fn packing_leaves_one_of_a_thousand_places_for_the_signature() {
        let with = |count: usize| {
            let mut files = files(ID);
            let missing = count - files.len();
            files.extend((0..missing).map(|number| (format!("assets/{number}"), Vec::new())));
            pack(files)
        };
        let full = Bundle::open(with(999).unwrap()).unwrap();
        assert!(sign(&full, &key(1), &options(1)).is_ok());
        assert_eq!(with(1_000).unwrap_err().details()["reason"], "too_many_entries");
    }

    #[test]
    fn packing_what_was_unpacked_leaves_the_old_signature_out() {
        let bundle = signed(ID, &[1]);
        let mut files = files(ID);
        files.push((
            SIGNATURE_PATH.to_owned(),
            bundle.envelope().unwrap().to_bytes().unwrap(),
        ));
        assert_eq!(pack(files).unwrap(), unsigned(ID).bytes());
    }

    #[test]
    fn signing_states_what_is_in_the_bundle() {
        let options = SignOptions {
            not_after: Some(at("2028-11-21T00:00:00Z")),
            ..options(17)
        };
        let bundle = Bundle::open(sign(&unsigned(ID), &key(1), &options).unwrap()).unwrap();
        let statement = bundle.unverified_statement().unwrap();
        assert_eq!(
            (statement.id.as_str(), statement.sequence, &*statement.abi),
            (ID, 17, "palisade-1")
        );
        assert_eq!(
            (statement.created, statement.not_after),
            (options.created, options.not_after)
        );
        let paths: Vec<_> = statement.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["plugin.json", "assets/clouds.txt", "plugin.wasm"]);
        let content = file_content(bundle.bytes()).unwrap();
        assert_eq!(content, file_content(unsigned(ID).bytes()).unwrap());
        assert_eq!(
            statement.content,
            Content {
                length: length_of(content),
                sha256: Digest::of(content)
            }
        );
    }

    #[test]
    fn signing_is_deterministic_and_the_order_of_signers_does_not_show() {
        assert_eq!(signed(ID, &[1]).bytes(), signed(ID, &[1]).bytes());
        assert_eq!(signed(ID, &[1, 2, 3]).bytes(), signed(ID, &[1, 3, 2]).bytes());
    }

    #[test]
    fn adding_a_signature_keeps_the_identity() {
        let (one, two) = (signed(ID, &[1]), signed(ID, &[1, 2]));
        assert_eq!(one.digest(), two.digest());
        assert_ne!(one.file_digest(), two.file_digest());
        assert_eq!(strip(&two).unwrap(), unsigned(ID).bytes());
    }

    #[test]
    fn signatures_are_not_replaced_by_accident() {
        let bundle = signed(ID, &[1]);
        assert_eq!(
            sign(&bundle, &key(2), &options(1)),
            Err(SignError::AlreadySigned { signatures: 1 })
        );
        let append = SignOptions {
            append: true,
            ..options(1)
        };
        let key_id = key(1).public().id();
        assert_eq!(
            sign(&bundle, &key(1), &append),
            Err(SignError::AlreadySignedBy { key_id })
        );
        assert_eq!(sign(&unsigned(ID), &key(1), &append), Err(SignError::Unsigned));
    }

    #[test]
    fn sixteen_may_sign_and_not_one_more() {
        let seeds: Vec<u8> = (1..=16).collect();
        let append = SignOptions {
            append: true,
            ..options(1)
        };
        let refusal = sign(&signed(ID, &seeds), &key(17), &append).unwrap_err();
        assert_eq!(
            refusal,
            SignError::Envelope(EnvelopeError::SignatureCount { actual: 17 })
        );
    }

    #[test]
    fn a_changed_bundle_is_not_signed_again() {
        let bundle = signed(ID, &[1]);
        let mut bytes = bundle.bytes().to_vec();
        let position = bundle.content_start().unwrap() + 60;
        bytes[position] ^= 1;
        let append = SignOptions {
            append: true,
            ..options(1)
        };
        let refusal = sign(&Bundle::open(bytes).unwrap(), &key(2), &append).unwrap_err();
        assert_eq!(refusal.code(), Code::InvalidSignature);
    }

    #[test]
    fn a_sequence_beyond_exact_integers_is_not_signed() {
        assert!(sign(&unsigned(ID), &key(1), &options((1 << 53) - 1)).is_ok());
        assert_eq!(
            sign(&unsigned(ID), &key(1), &options(1 << 53)),
            Err(SignError::Json(JsonError::Number))
        );
    }
}
