//! `schema`.

use std::io;

use clap::{Args, Subcommand};
use palisade::{Bundle, Manifest};
use palisade_signer::input::{Input, Kind};
use palisade_signer::{Answer, Conclusion, Failure, Terminal};
use serde::Serialize;
use serde_json::{Value, json};

/// JSON Schemas, draft 2020-12.
#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Of plugin.json, for editors and tools
    Manifest,
    /// Of a plugin's configuration
    Config(ConfigSchema),
}

/// `schema config`.
#[derive(Args, Debug)]
pub(crate) struct ConfigSchema {
    /// The bundle; - reads it from standard input
    bundle: Input,
}

impl SchemaCommand {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let schema = match self {
            Self::Manifest => Manifest::schema(),
            Self::Config(command) => {
                let contents = Bundle::open(command.bundle.read(Kind::BUNDLE)?)?.unverified_contents()?;
                // A plugin that says nothing about its configuration takes any object.
                contents
                    .manifest()
                    .config_schema
                    .clone()
                    .unwrap_or_else(|| json!({ "type": "object" }))
            }
        };
        terminal.answer(&Schema(schema))?;
        Ok(Conclusion::Done)
    }
}

#[derive(Serialize)]
struct Schema(Value);

impl Answer for Schema {
    fn write_for_people(&self, out: &mut dyn io::Write) -> io::Result<()> {
        writeln!(out, "{:#}", self.0)
    }
}
