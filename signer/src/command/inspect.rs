//! `inspect`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use palisade_bundle::{
    Blame, Bundle, Code, Coded, Contents, Digest, Envelope, KeyId, Manifest, ModuleOutline, Statement, format_duration,
};
use serde::Serialize;
use thiserror::Error;

use crate::failure::{Conclusion, Failure};
use crate::input::{Input, Kind};
use crate::output::{self, Audience, Existing};
use crate::quantity::Bytes;
use crate::style;
use crate::terminal::{Answer, Terminal};
use palisade_bundle::Visible;

/// `inspect`.
#[derive(Args, Debug)]
pub struct Inspect {
    /// The bundle; - reads it from standard input
    #[arg(value_name = "REF")]
    bundle: Input,

    /// Write the exact bytes that were signed (DSSE pre-authentication encoding) to FILE, for `openssl pkeyutl`
    #[arg(long, value_name = "FILE")]
    dump_pae: Option<PathBuf>,
}

/// What a bundle says of itself. Nothing of it has been vouched for.
#[derive(Serialize)]
struct Inspected<'a> {
    manifest: &'a Manifest,
    digest: String,
    size_bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<&'a Statement>,
    files: Vec<InspectedFile<'a>>,
    signatures: Vec<InspectedSignature>,
    imports: Vec<InspectedImport<'a>>,
    exports: Vec<InspectedExport<'a>>,
}

#[derive(Serialize)]
struct InspectedFile<'a> {
    name: &'a str,
    size_bytes: u64,
    sha256: Digest,
}

#[derive(Serialize)]
struct InspectedSignature {
    key_id: KeyId,
}

#[derive(Serialize)]
struct InspectedImport<'a> {
    module: &'a str,
    name: &'a str,
    kind: &'static str,
    signature: &'a str,
}

#[derive(Serialize)]
struct InspectedExport<'a> {
    name: &'a str,
    kind: &'static str,
    signature: &'a str,
}

impl Inspect {
    /// What is to be inspected.
    #[must_use]
    pub fn bundle(&self) -> &Input {
        &self.bundle
    }

    /// The file that is written besides, if one is.
    #[must_use]
    pub fn written(&self) -> Option<&Path> {
        self.dump_pae.as_deref()
    }

    /// Shows the bundle that was named.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is malformed, and when `--dump-pae` finds no signature.
    pub fn run(self, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let bytes = self.bundle.read(Kind::BUNDLE)?;
        self.of(bytes, terminal)
    }

    /// Shows another bundle.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn of(&self, bytes: Vec<u8>, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let bundle = Bundle::open(bytes)?;
        if let Some(path) = &self.dump_pae {
            let envelope = bundle.envelope().ok_or(NothingSigned)?;
            let signed = envelope.pre_authentication_encoding();
            output::write(path, &signed, Audience::Everyone, Existing::Replace)?;
        }
        let progress = terminal.progress("unpacking");
        let contents = bundle.unverified_contents()?;
        let module = ModuleOutline::parse(&contents.module()?)?;
        drop(progress);
        terminal.answer(&Inspected::of(&bundle, &contents, &module))?;
        Ok(Conclusion::Done)
    }
}

impl<'a> Inspected<'a> {
    fn of(bundle: &'a Bundle, contents: &'a Contents, module: &'a ModuleOutline) -> Self {
        let identity = bundle
            .envelope()
            .map_or_else(|| bundle.file_digest(), Envelope::payload_digest);
        let files = contents.files().iter().map(|file| InspectedFile {
            name: &file.path,
            size_bytes: file.size_bytes,
            sha256: file.sha256,
        });
        let signatures = bundle.envelope().map(Envelope::signatures).unwrap_or_default();
        let imports = module.imports.iter().map(|import| InspectedImport {
            module: &import.module,
            name: &import.name,
            kind: import.kind.as_str(),
            signature: &import.signature,
        });
        let exports = module.exports.iter().map(|export| InspectedExport {
            name: &export.name,
            kind: export.kind.as_str(),
            signature: &export.signature,
        });
        Self {
            manifest: contents.manifest(),
            digest: format!("sha256:{identity}"),
            size_bytes: bundle.bytes().len(),
            statement: bundle.unverified_statement(),
            files: files.collect(),
            signatures: signatures
                .iter()
                .map(|signature| InspectedSignature {
                    key_id: signature.key_id,
                })
                .collect(),
            imports: imports.collect(),
            exports: exports.collect(),
        }
    }

    fn write_manifest(&self, out: &mut dyn Write) -> io::Result<()> {
        let manifest = self.manifest;
        writeln!(
            out,
            "{} {}",
            style::heading(Visible(&manifest.id.to_string())),
            Visible(manifest.version.to_string())
        )?;
        writeln!(out, "  name     {}", Visible(&manifest.name))?;
        writeln!(out, "  author   {}", Visible(&manifest.author))?;
        let optional = [
            ("about", &manifest.description),
            ("license", &manifest.license),
            ("homepage", &manifest.homepage),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                writeln!(out, "  {name:8} {}", Visible(value))?;
            }
        }
        Ok(())
    }

    fn write_powers(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", style::heading("permissions it asks for"))?;
        if self.manifest.permissions.is_empty() {
            writeln!(out, "  none")?;
        }
        for request in &self.manifest.permissions {
            let optional = if request.optional { ", optional" } else { "" };
            let reason = request
                .reason
                .as_deref()
                .map(|reason| format!(": {reason}"))
                .unwrap_or_default();
            writeln!(out, "  {}{optional}{}", Visible(request.name.as_str()), Visible(reason))?;
        }
        let limits = &self.manifest.resource_limits;
        let wishes = [
            ("memory", limits.memory.map(|size| size.to_string())),
            ("fuel", limits.fuel.map(|fuel| fuel.to_string())),
            ("time", limits.execution_time.map(format_duration)),
            ("output", limits.output.map(|size| size.to_string())),
            ("storage", limits.storage.map(|size| size.to_string())),
        ];
        let mut wishes = wishes
            .into_iter()
            .filter_map(|(name, wish)| Some((name, wish?)))
            .peekable();
        if wishes.peek().is_some() {
            writeln!(out, "{}", style::heading("limits it asks for"))?;
        }
        wishes.try_for_each(|(name, wish)| writeln!(out, "  {name:8} {wish}"))
    }

    fn write_commands(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", style::heading("commands"))?;
        if self.manifest.commands.is_empty() {
            writeln!(out, "  any name is handed to the plugin")?;
        }
        let width = self
            .manifest
            .commands
            .iter()
            .map(|command| command.name.len())
            .max()
            .unwrap_or(0);
        self.manifest
            .commands
            .iter()
            .try_for_each(|command| writeln!(out, "  {:width$}  {}", command.name, Visible(&command.description)))
    }
}

impl Answer for Inspected<'_> {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        self.write_manifest(out)?;
        self.write_powers(out)?;
        self.write_commands(out)?;
        writeln!(out, "{}", style::heading("imports"))?;
        for import in &self.imports {
            let name = Visible(format!("{}.{}", import.module, import.name));
            writeln!(out, "  {} {name} {}", import.kind, import.signature)?;
        }
        writeln!(out, "{}", style::heading("exports"))?;
        for export in &self.exports {
            writeln!(out, "  {} {} {}", export.kind, Visible(export.name), export.signature)?;
        }
        writeln!(out, "{}", style::heading("files"))?;
        for file in &self.files {
            writeln!(
                out,
                "  {}  {:>10}  {}",
                file.sha256,
                Bytes(file.size_bytes).to_string(),
                Visible(file.name)
            )?;
        }
        writeln!(out, "{}", style::heading("signatures, not checked here"))?;
        if self.signatures.is_empty() {
            writeln!(out, "  none")?;
        }
        for signature in &self.signatures {
            writeln!(out, "  {}", signature.key_id)?;
        }
        if let Some(statement) = self.statement {
            let until = statement
                .not_after
                .map(|time| format!(", not accepted after {time}"))
                .unwrap_or_default();
            writeln!(
                out,
                "  created {}, sequence {}{until}",
                statement.created, statement.sequence
            )?;
        }
        let size = Bytes(u64::try_from(self.size_bytes).unwrap_or(u64::MAX));
        writeln!(out, "{} {}, {size}", style::heading("digest"), self.digest)
    }
}

/// `--dump-pae` of a bundle that nobody signed.
#[derive(Debug, Error)]
#[error("the bundle carries no signature, so there are no signed bytes")]
struct NothingSigned;

impl Coded for NothingSigned {
    fn code(&self) -> Code {
        Code::SignatureMissing
    }

    fn blame(&self) -> Blame {
        Blame::Trust
    }
}
