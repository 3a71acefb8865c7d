//! JSON from the command line, a file or standard input.

use clap::Args;
use palisade::{Blame, Code, Coded};
use palisade_signer::input::{Input, Kind};
use palisade_signer::{Failure, UsageError};
use serde_json::{Map, Value, json};
use thiserror::Error;

/// Where JSON comes from.
#[derive(Args, Clone, Debug)]
pub(super) struct JsonSource {
    /// The JSON itself; - reads it from standard input
    #[arg(value_name = "JSON", conflicts_with = "file", allow_negative_numbers = true)]
    inline: Option<String>,

    /// Read it from FILE
    #[arg(long, value_name = "FILE")]
    file: Option<Input>,
}

impl JsonSource {
    /// Whether nothing was given.
    pub(super) fn is_empty(&self) -> bool {
        self.inline.is_none() && self.file.is_none()
    }

    pub(super) fn read(&self, kind: Kind) -> Result<Vec<u8>, Failure> {
        let input = match (&self.inline, &self.file) {
            (Some(text), _) if text == "-" => &Input::Stdin,
            (Some(text), _) => return Ok(text.clone().into_bytes()),
            (None, Some(file)) => file,
            (None, None) => {
                let error = UsageError::new("JSON", "nothing was given");
                return Err(error.with_help("give it as JSON, as - or with --file FILE").into());
            }
        };
        Ok(input.read(kind)?)
    }
}

/// A configuration.
pub(super) fn object(json: &[u8]) -> Result<Map<String, Value>, Failure> {
    match serde_json::from_slice(json) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(NoObject(None).into()),
        Err(error) => Err(NoObject(Some(error)).into()),
    }
}

/// A configuration that is not an object.
#[derive(Debug, Error)]
#[error("the configuration is not a JSON object")]
struct NoObject(#[source] Option<serde_json::Error>);

impl Coded for NoObject {
    fn code(&self) -> Code {
        Code::ConfigInvalid
    }

    fn blame(&self) -> Blame {
        Blame::Bundle
    }

    fn details(&self) -> Map<String, Value> {
        let place = self
            .0
            .as_ref()
            .map(|error| json!({"line": error.line(), "column": error.column()}));
        place.and_then(|place| place.as_object().cloned()).unwrap_or_default()
    }
}
