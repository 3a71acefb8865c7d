//! `key generate` and `key show`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use palisade_bundle::{EncryptionNonce, KeyId, PublicKey, SigningKey};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::failure::{Conclusion, Failure, HostError};
use crate::input::{self, Kind};
use crate::key_file::{is_private, read_public_key, read_signing_key};
use crate::output::{self, Audience, Existing, OutputError};
use crate::passphrase::PassphraseOptions;
use crate::style;
use crate::surroundings::Surroundings;
use crate::terminal::{Answer, Terminal};

/// Key pairs.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key pair: PATH.key (private, PKCS#8 PEM, for you alone) and PATH.pub
    Generate(KeyGenerate),
    /// Print the id and the public half of a key
    Show(KeyShow),
}

impl KeyCommand {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        match self {
            Self::Generate(command) => command.run(surroundings, terminal),
            Self::Show(command) => command.run(surroundings, terminal),
        }
    }
}

/// `key generate`.
#[derive(Args, Debug)]
pub struct KeyGenerate {
    /// Where to: writes PATH.key and PATH.pub
    #[arg(long, value_name = "PATH")]
    out: PathBuf,

    #[command(flatten)]
    passphrase: PassphraseOptions,

    /// Ask for a passphrase and encrypt the private key with it
    #[arg(long)]
    ask_passphrase: bool,

    /// Replace a key pair of this name; the old private key is gone for good
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Generated {
    key_id: KeyId,
    private_key: PathBuf,
    public_key: PathBuf,
}

impl KeyGenerate {
    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let private_key = with_suffix(&self.out, ".key");
        let public_key = with_suffix(&self.out, ".pub");
        let existing = if self.force { Existing::Replace } else { Existing::Keep };
        if !self.force {
            // Before anything is asked or written: half a pair would be worse than none.
            for path in [&private_key, &public_key] {
                if path.symlink_metadata().is_ok() {
                    return Err(OutputError::Exists { path: path.clone() }.into());
                }
            }
        }
        let passphrase = self.passphrase.for_new_key(self.ask_passphrase, surroundings)?;
        let seed = Zeroizing::new(surroundings.random::<32>().map_err(HostError::Random)?);
        let key = SigningKey::from_seed(&seed);
        let pem = match &passphrase {
            None => key.to_pem(),
            Some(passphrase) => {
                let nonce = EncryptionNonce {
                    salt: surroundings.random().map_err(HostError::Random)?,
                    iv: surroundings.random().map_err(HostError::Random)?,
                };
                key.to_encrypted_pem(passphrase, &nonce)?
            }
        };
        output::write(&private_key, pem.as_bytes(), Audience::Owner, existing)?;
        output::write(
            &public_key,
            key.public().to_pem().as_bytes(),
            Audience::Everyone,
            existing,
        )?;
        terminal.answer(&Generated {
            key_id: key.public().id(),
            private_key,
            public_key,
        })?;
        Ok(Conclusion::Done)
    }
}

impl Answer for Generated {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", style::heading(&self.key_id))?;
        writeln!(out, "  private  {}  (keep it to yourself)", self.private_key.display())?;
        writeln!(
            out,
            "  public   {}  (give it to whoever runs your plugins)",
            self.public_key.display()
        )
    }
}

/// `acme` becomes `acme.key`, and `acme.com` becomes `acme.com.key`.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// `key show`.
#[derive(Args, Debug)]
pub struct KeyShow {
    /// A key file, public or private
    file: PathBuf,

    #[command(flatten)]
    passphrase: PassphraseOptions,
}

#[derive(Serialize)]
struct Shown {
    key_id: KeyId,
    public_pem: String,
}

impl KeyShow {
    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let key = self.public_key(surroundings)?;
        terminal.answer(&Shown {
            key_id: key.id(),
            public_pem: key.to_pem(),
        })?;
        Ok(Conclusion::Done)
    }

    fn public_key(&self, surroundings: &Surroundings) -> Result<PublicKey, Failure> {
        let text = Zeroizing::new(input::read_text(&self.file, Kind::KEY)?);
        if is_private(&text) {
            Ok(read_signing_key(&self.file, &self.passphrase, surroundings)?.public())
        } else {
            read_public_key(&self.file)
        }
    }
}

impl Answer for Shown {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", style::heading(&self.key_id))?;
        write!(out, "{}", self.public_pem)
    }
}
