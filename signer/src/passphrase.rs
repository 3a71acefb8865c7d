//! Passphrases: from a file, a descriptor or a prompt, never from an argument, where every process could read them.

use std::path::PathBuf;

use clap::Args;
use inquire::{InquireError, Password, PasswordDisplayMode};
use palisade_bundle::{Blame, Code, Coded};
use secrecy::SecretString;
use serde_json::{Map, Value};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::failure::{Failure, HostError};
use crate::input::{self, Kind};
use crate::surroundings::{Interaction, Surroundings};

/// Where the passphrase of a private key comes from.
#[derive(Args, Clone, Debug, Default)]
pub struct PassphraseOptions {
    /// Read the passphrase of the private key from the first line of FILE; /dev/fd/3 reads descriptor 3
    #[arg(long, value_name = "FILE", env = "PALISADE_PASSPHRASE_FILE", hide_env_values = true)]
    pub passphrase_file: Option<PathBuf>,
}

impl PassphraseOptions {
    /// The passphrase in the file that was named, if one was.
    pub(crate) fn in_file(&self) -> Result<Option<SecretString>, Failure> {
        let Some(path) = &self.passphrase_file else {
            return Ok(None);
        };
        let bytes = Zeroizing::new(input::read_anything(path, Kind::PASSPHRASE)?);
        let text = std::str::from_utf8(&bytes).map_err(|_| PassphraseError::NotText)?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            return Err(PassphraseError::Empty.into());
        }
        Ok(Some(SecretString::from(line.to_owned())))
    }

    /// The passphrase of an existing key: from the file, else from the person at the terminal.
    pub(crate) fn of_existing_key(&self, surroundings: &Surroundings) -> Result<SecretString, Failure> {
        match self.in_file()? {
            Some(passphrase) => Ok(passphrase),
            None => ask("Passphrase of the private key:", Confirmation::None, surroundings),
        }
    }

    /// The passphrase for a new key: from the file, else, when `asks`, from the person at the terminal, twice.
    pub(crate) fn for_new_key(&self, asks: bool, surroundings: &Surroundings) -> Result<Option<SecretString>, Failure> {
        match self.in_file()? {
            Some(passphrase) => Ok(Some(passphrase)),
            None if asks => ask("Passphrase for the new key:", Confirmation::Twice, surroundings).map(Some),
            None => Ok(None),
        }
    }
}

#[derive(Clone, Copy)]
enum Confirmation {
    None,
    Twice,
}

fn ask(question: &str, confirmation: Confirmation, surroundings: &Surroundings) -> Result<SecretString, Failure> {
    if let Interaction::Impossible(reason) = surroundings.interaction {
        return Err(PassphraseError::NobodyToAsk { reason }.into());
    }
    let prompt = Password::new(question).with_display_mode(PasswordDisplayMode::Hidden);
    let prompt = match confirmation {
        Confirmation::None => prompt.without_confirmation(),
        Confirmation::Twice => prompt.with_custom_confirmation_message("Once more:"),
    };
    match prompt.prompt() {
        Ok(answer) if answer.is_empty() => Err(PassphraseError::Empty.into()),
        Ok(answer) => Ok(SecretString::from(answer)),
        Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => Err(Failure::Interrupted),
        Err(error) => Err(HostError::Prompt(error).into()),
    }
}

/// Why there is no passphrase.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// The key needs one and nobody can be asked.
    #[error("the private key is encrypted and nobody can be asked for its passphrase: {reason}")]
    NobodyToAsk {
        /// Why not.
        reason: &'static str,
    },
    /// It is empty.
    #[error("the passphrase is empty")]
    Empty,
    /// It is not text.
    #[error("the passphrase file is not text")]
    NotText,
}

impl Coded for PassphraseError {
    fn code(&self) -> Code {
        match self {
            Self::NobodyToAsk { .. } | Self::Empty | Self::NotText => Code::InvalidArgument,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NobodyToAsk { .. } | Self::Empty | Self::NotText => Blame::Request,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let expected = match self {
            Self::NobodyToAsk { .. } => "--passphrase-file",
            Self::Empty => "at least one character",
            Self::NotText => "UTF-8",
        };
        Map::from_iter([("expected".to_owned(), Value::from(expected))])
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::NobodyToAsk { .. } => {
                vec!["`--passphrase-file FILE` answers without a question; `/dev/fd/3` reads descriptor 3".to_owned()]
            }
            Self::Empty | Self::NotText => Vec::new(),
        }
    }
}
