//! `debug zip`.

use std::io::{self, Write};

use clap::Args;
use palisade::container::{Archive, Method};
use palisade_bundle::Visible;
use palisade_signer::input::{Input, Kind};
use palisade_signer::{Answer, Conclusion, Failure, Terminal};
use serde::Serialize;

/// `debug zip`.
#[derive(Args, Debug)]
pub(crate) struct Zip {
    /// The file; - reads it from standard input
    file: Input,
}

#[derive(Serialize)]
struct Entries {
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    method: &'static str,
    size_bytes: u64,
    packed_bytes: u64,
}

impl Zip {
    pub(super) fn run(self, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let bytes = self.file.read(Kind::BUNDLE)?;
        let archive = Archive::parse(&bytes)?;
        let mut entries = Vec::new();
        for entry in archive.entries() {
            // Structure is one thing, data that inflates to what it says another.
            archive.read(entry)?;
            entries.push(Entry {
                name: entry.name.clone(),
                method: match entry.method {
                    Method::Stored => "stored",
                    Method::Deflated => "deflated",
                },
                size_bytes: entry.size_bytes,
                packed_bytes: entry.packed_bytes,
            });
        }
        terminal.answer(&Entries { entries })?;
        Ok(Conclusion::Done)
    }
}

impl Answer for Entries {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        self.entries.iter().try_for_each(
            |Entry {
                 name,
                 method,
                 size_bytes,
                 packed_bytes,
             }| {
                writeln!(
                    out,
                    "{:8} {packed_bytes:>10} {size_bytes:>10} {}",
                    method,
                    Visible(name)
                )
            },
        )
    }
}
