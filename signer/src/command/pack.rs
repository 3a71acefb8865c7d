//! `pack`, and the last steps of `build`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use palisade_bundle::container::MANIFEST_PATH;
use palisade_bundle::{Digest, Manifest};
use serde::Serialize;

use crate::failure::{Conclusion, Failure};
use crate::folder::{self, FolderError, Listing};
use crate::input::{self, Kind};
use crate::manifest_file;
use crate::output::{self, Audience, Existing};
use crate::quantity::Bytes;
use crate::style;
use crate::terminal::{Answer, Terminal};
use palisade_bundle::Visible;

/// `pack`.
#[derive(Args, Debug)]
pub struct Pack {
    /// The folder: plugin.json, the module it names, and whatever else the plugin brings
    dir: PathBuf,

    /// Where to write the bundle [default: NAME-VERSION.zip in the current folder]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What `pack` answers.
#[derive(Debug, Serialize)]
pub struct Packed {
    /// Where the bundle is.
    pub bundle: PathBuf,
    /// SHA-256 of the file.
    pub digest: String,
    /// Size of the file.
    pub size_bytes: usize,
    /// How many files it holds.
    pub entries: usize,
    /// Hidden files of the folder, which it does not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

impl Pack {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// When the folder is no plugin, and when the bundle cannot be written.
    pub fn run(self, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let mut listing = folder::list(&self.dir)?;
        let path = self.dir.join(MANIFEST_PATH);
        if !listing.files.contains_key(MANIFEST_PATH) {
            return Err(FolderError::NoManifest { path: self.dir }.into());
        }
        let manifest = manifest_file::parse(&path.to_string_lossy(), &input::read_file(&path, Kind::CONTENT)?)?;
        let output = self.output.unwrap_or_else(|| bundle_file_name(&manifest).into());
        leave_out(&mut listing, &output);
        let files = folder::read(&listing)?;
        let entries = files.len();
        let bundle = palisade_bundle::sign::pack(files)?;
        output::write(&output, &bundle, Audience::Everyone, Existing::Replace)?;
        terminal.answer(&Packed {
            left_out: listing.left_out,
            ..Packed::of(output, &bundle, entries)
        })?;
        Ok(Conclusion::Done)
    }
}

/// `NAME-VERSION.zip`, NAME being the last label of the id.
#[must_use]
pub fn bundle_file_name(manifest: &Manifest) -> String {
    format!("{}-{}.zip", manifest.id.last_label(), manifest.version)
}

/// A bundle written into the folder it is made of must not become part of the next one.
fn leave_out(listing: &mut Listing, output: &Path) {
    let Ok(output) = output.canonicalize() else { return };
    listing
        .files
        .retain(|_, source| source.canonicalize().ok().as_ref() != Some(&output));
}

impl Packed {
    /// Describes a bundle that was written to `path`.
    #[must_use]
    pub fn of(path: PathBuf, bundle: &[u8], entries: usize) -> Self {
        Self {
            bundle: path,
            digest: format!("sha256:{}", Digest::of(bundle)),
            size_bytes: bundle.len(),
            entries,
            left_out: Vec::new(),
        }
    }
}

impl Answer for Packed {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let size = Bytes(u64::try_from(self.size_bytes).unwrap_or(u64::MAX));
        writeln!(out, "{} {}", style::good("packed"), self.bundle.display())?;
        writeln!(out, "  size    {size}, {} files", self.entries)?;
        writeln!(out, "  digest  {}", self.digest)?;
        if self.left_out.is_empty() {
            Ok(())
        } else {
            writeln!(out, "  without {}", Visible(self.left_out.join(", ")))
        }
    }
}
