//! `debug verify-ed25519`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use palisade::{Blame, Code, Coded, PublicKey};
use palisade_signer::input::{Kind, read_file};
use palisade_signer::{Answer, Conclusion, Failure, Terminal, UsageError};
use serde::Serialize;
use thiserror::Error;

/// `debug verify-ed25519`.
#[derive(Args, Debug)]
pub(crate) struct VerifyEd25519 {
    /// The public key: 64 hexadecimal digits
    #[arg(long = "pub", value_name = "HEX")]
    public: String,

    /// The signature: 128 hexadecimal digits
    #[arg(long, value_name = "HEX")]
    sig: String,

    /// The file that was signed
    #[arg(long, value_name = "FILE")]
    msg_file: PathBuf,
}

#[derive(Serialize)]
struct Valid {
    valid: bool,
}

impl VerifyEd25519 {
    pub(super) fn run(self, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let public = bytes::<32>("--pub", &self.public)?;
        let message = read_file(&self.msg_file, Kind::new("message", 64 * 1024 * 1024))?;
        // A signature of another length is a bad signature, a key of another length is no key.
        let signature = bytes::<64>("--sig", &self.sig).map_err(|_| Mismatch)?;
        if !PublicKey::from_bytes(&public)?.verify(&message, &signature) {
            return Err(Mismatch.into());
        }
        terminal.answer(&Valid { valid: true })?;
        Ok(Conclusion::Done)
    }
}

fn bytes<const N: usize>(argument: &'static str, text: &str) -> Result<[u8; N], UsageError> {
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
    let bytes = bytes.ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| UsageError::new(argument, format!("{argument} takes {} hexadecimal digits", N * 2)))
}

/// The signature is not by this key for this message.
#[derive(Debug, Error)]
#[error("the signature does not verify")]
struct Mismatch;

impl Coded for Mismatch {
    fn code(&self) -> Code {
        Code::InvalidSignature
    }

    fn blame(&self) -> Blame {
        Blame::Trust
    }
}

impl Answer for Valid {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "valid")
    }
}
