//! The lints of the strictest crates, on everything the macros write.
#![deny(warnings, missing_docs, unreachable_pub, unused_qualifications, unused_results, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

use palisade_sdk::{Host, Reject, data, plugin};

/// A plugin.
#[derive(Debug, Default)]
pub struct Strict {
    greeted: u32,
}

/// Its input.
#[data]
#[derive(Debug)]
pub struct Input {
    /// A name.
    pub name: String,
}

#[plugin]
impl Strict {
    /// Greets.
    ///
    /// # Errors
    ///
    /// None.
    #[command(idempotent)]
    pub fn greet(&mut self, host: &Host, input: Input) -> Result<Input, Reject> {
        host.info(&input.name);
        self.greeted += 1;
        Ok(input)
    }

    /// Only looks at its input.
    #[command]
    pub fn look<'a>(&self, input: &'a Input) -> &'a str {
        &input.name
    }

    /// Answers nothing.
    #[command]
    pub fn nothing(&self) {}

    /// Is well.
    #[health]
    pub fn health(&self) -> u32 {
        self.greeted
    }
}

fn main() {}
