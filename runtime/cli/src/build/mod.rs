//! `build`: from the source of a plugin to a bundle.

pub(crate) mod c;
mod cargo;
mod manifest;
mod module;
mod source;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use palisade_bundle::container::MANIFEST_PATH;
use palisade_bundle::sign::{SignOptions, pack, sign};
use palisade_bundle::{Bundle, KeyId, Manifest, ModuleOutline, SigningKey};
use palisade_signer::command::pack::{Packed, bundle_file_name};
use palisade_signer::key_file::read_signing_key;
use palisade_signer::output::{self, Audience, Existing};
use palisade_signer::{Answer, Conclusion, Failure, PassphraseOptions, Surroundings, Terminal, style};
use serde::Serialize;

pub(crate) use self::manifest::{Draft, PackageFacts};

pub(crate) use self::source::Source;

use self::manifest::complete;
use self::module::Built;
use crate::check::{self, CheckFailed};

/// `build`.
#[derive(Args, Debug)]
pub(crate) struct Build {
    /// The folder of the plugin: Cargo.toml, plugin.c or plugin.wat, beside plugin.json
    #[arg(default_value = ".", hide_default_value = true)]
    dir: PathBuf,

    /// Optimise; what is slow to compile is fast to run
    #[arg(long)]
    release: bool,

    /// Sign the bundle with this private key
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,

    #[command(flatten)]
    passphrase: PassphraseOptions,

    /// Where to write the bundle [default: NAME-VERSION.zip in the current folder]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// How much the compiler should try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Quick to compile.
    Development,
    /// Quick to run.
    Release,
}

/// What `build` answers: what `pack` answers, and who signed.
#[derive(Serialize)]
struct BuildAnswer {
    #[serde(flatten)]
    packed: Packed,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<KeyId>,
}

impl Build {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        // A wrong passphrase should not cost a compilation.
        let key = self
            .sign
            .as_deref()
            .map(|path| read_signing_key(path, &self.passphrase, surroundings));
        let key = key.transpose()?;
        let profile = if self.release {
            Profile::Release
        } else {
            Profile::Development
        };
        let Made { manifest, bundle } = make(&self.dir, profile, key.as_ref(), surroundings, terminal)?;
        let path = self.output.unwrap_or_else(|| bundle_file_name(&manifest).into());
        output::write(&path, &bundle, Audience::Everyone, Existing::Replace)?;
        let key_id = key.map(|key| key.public().id());
        let entries = if key_id.is_some() { 3 } else { 2 };
        terminal.answer(&BuildAnswer {
            packed: Packed::of(path, &bundle, entries),
            key_id,
        })?;
        Ok(Conclusion::Done)
    }
}

/// A plugin that was compiled, checked and packed.
pub(crate) struct Made {
    pub(crate) manifest: Manifest,
    pub(crate) bundle: Vec<u8>,
}

/// Compiles, checks and packs the plugin in `dir`, and signs it when there is a key.
pub(crate) fn make(
    dir: &Path,
    profile: Profile,
    key: Option<&SigningKey>,
    surroundings: &Surroundings,
    terminal: &mut Terminal,
) -> Result<Made, Failure> {
    let source = Source::of(dir)?;
    // A mistake in the manifest should not cost a compilation.
    complete(dir, &source.facts(dir)?, None)?;
    let built = source.build(dir, profile, terminal)?;
    let manifest = checked(dir, &built, terminal)?;
    let bundle = bundle(&manifest, built.wasm, key, surroundings)?;
    Ok(Made { manifest, bundle })
}

/// The manifest as it will be shipped, once manifest and module agree.
fn checked(dir: &Path, built: &Built, terminal: &mut Terminal) -> Result<Manifest, Failure> {
    let manifest = complete(dir, &built.facts, built.commands.as_ref())?;
    let outline = ModuleOutline::parse(&built.wasm)?;
    let (fatal, advice): (Vec<_>, Vec<_>) = check::findings(&manifest, &outline)
        .into_iter()
        .partition(check::Finding::is_fatal);
    for finding in advice {
        terminal.warn(finding.sentence());
    }
    if fatal.is_empty() {
        Ok(manifest)
    } else {
        Err(CheckFailed { findings: fatal }.into())
    }
}

fn bundle(
    manifest: &Manifest,
    wasm: Vec<u8>,
    key: Option<&SigningKey>,
    surroundings: &Surroundings,
) -> Result<Vec<u8>, Failure> {
    let files = vec![
        (MANIFEST_PATH.to_owned(), manifest.to_json()),
        (manifest.entry_point.clone(), wasm),
    ];
    let unsigned = pack(files)?;
    let Some(key) = key else { return Ok(unsigned) };
    let created = surroundings.timestamp()?;
    let options = SignOptions {
        created,
        not_after: None,
        sequence: u64::try_from(created.unix_seconds()).unwrap_or(0),
        append: false,
    };
    Ok(sign(&Bundle::open(unsigned)?, key, &options)?)
}

impl Answer for BuildAnswer {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        self.packed.write_for_people(out)?;
        match &self.key_id {
            Some(key_id) => writeln!(out, "  key     {key_id}"),
            None => writeln!(out, "  key     {}", style::warning("not signed")),
        }
    }
}
