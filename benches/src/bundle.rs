//! Verifying and unpacking against the arithmetic it cannot do without.

use std::hint::black_box;
use std::io::{Read, Write};
use std::time::SystemTime;

use anyhow::Result;
use ed25519_dalek::Signer;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use palisade::{AdmittedBundle, Bundle, Policy, TrustStore, VerifiedBundle};
use palisade_bundle::sign::{SignOptions, pack, sign};
use palisade_bundle::{SigningKey, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::measure::{Comparison, compare};

const MODULE_BYTES: usize = 1 << 20;

const SEED: [u8; 32] = [7; 32];

/// A bundle whose module has 1 MiB, from its bytes to those of the module.
pub(crate) fn verify_and_unpack() -> Result<Comparison> {
    let module = module()?;
    let bytes = signed(&json!({}), &module)?;
    let trust = trust();
    let now = SystemTime::now();
    let packed = packed(&module)?;
    let key = ed25519_dalek::SigningKey::from_bytes(&SEED);
    let statement = [b'x'; 600];
    let signature = key.sign(&statement);
    let verify = || -> Result<usize> {
        let verified = trust.verify(Bundle::open(bytes.clone())?, now)?;
        Ok(verified.module()?.len())
    };
    let bare = || -> Result<usize> {
        key.verifying_key().verify_strict(&statement, &signature)?;
        black_box(Sha256::digest(&bytes));
        let mut module = Vec::with_capacity(MODULE_BYTES);
        DeflateDecoder::new(packed.as_slice()).read_to_end(&mut module)?;
        black_box(Sha256::digest(&module));
        Ok(module.len())
    };
    anyhow::ensure!(verify()? == bare()?, "both unpack the same module");
    let what = (
        "verify and unpack a bundle of 1 MiB",
        "bare SHA-256, Ed25519 and inflate",
        1.5,
    );
    Ok(compare(
        what,
        20,
        || drop(black_box(verify())),
        || drop(black_box(bare())),
    ))
}

/// A valid module of about 1 MiB that compresses like code: constants with a little noise.
fn module() -> Result<Vec<u8>> {
    let mut data = String::new();
    let mut noise = 1_u32;
    while data.len() < 3 * (MODULE_BYTES - 1024) {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let byte = if noise & 0x8000 == 0 { noise >> 24 } else { 0x41 };
        data.push_str(&format!("\\{byte:02x}"));
    }
    let wat = format!(r#"(module (memory 40) (data (i32.const 0) "{data}"))"#);
    Ok(wat::parse_str(wat)?)
}

/// The module as an entry of the container holds it.
fn packed(module: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(module)?;
    Ok(encoder.finish()?)
}

/// A signed bundle of a module, with `members` added to a least manifest.
pub(crate) fn signed(members: &Value, wasm: &[u8]) -> Result<Vec<u8>> {
    let mut manifest = json!({"id": "bench.guest", "name": "Guest", "version": "1.0.0", "author": "benches"});
    if let (Some(manifest), Some(members)) = (manifest.as_object_mut(), members.as_object()) {
        manifest.extend(members.clone());
    }
    let files = vec![
        ("plugin.json".to_owned(), manifest.to_string().into_bytes()),
        ("plugin.wasm".to_owned(), wasm.to_vec()),
    ];
    let options = SignOptions {
        created: Timestamp::from_unix_seconds(1_700_000_000)?,
        not_after: None,
        sequence: 1,
        append: false,
    };
    Ok(sign(
        &Bundle::open(pack(files)?)?,
        &SigningKey::from_seed(&SEED),
        &options,
    )?)
}

/// A bundle of a module that may run.
pub(crate) fn admitted(members: &Value, wasm: &[u8]) -> Result<AdmittedBundle> {
    Ok(Policy::deny_all().admit(verified(members, wasm)?)?)
}

/// A bundle of a module that somebody vouches for.
pub(crate) fn verified(members: &Value, wasm: &[u8]) -> Result<VerifiedBundle> {
    Ok(trust().verify(Bundle::open(signed(members, wasm)?)?, SystemTime::now())?)
}

/// A store that trusts the key of these bundles.
pub(crate) fn trust() -> TrustStore {
    TrustStore::new([SigningKey::from_seed(&SEED).public()])
}
