//! `check`: mistakes that can be seen without running anything.

mod finding;
mod module;
mod powers;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use palisade::{Bundle, Manifest, ModuleOutline};
use palisade_signer::input::{self, Input, Kind};
use palisade_signer::{Answer, Conclusion, Failure, Terminal, style};
use serde::Serialize;

pub(crate) use self::finding::{CheckFailed, Finding};

use crate::build::{Draft, PackageFacts, Source};

/// `check`.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// A folder with a plugin.json, or a bundle; - reads a bundle from standard input
    #[arg(default_value = ".", hide_default_value = true)]
    target: Input,
}

/// What `check` answers.
#[derive(Serialize)]
struct Checked {
    ok: bool,
    findings: Vec<Finding>,
    /// What could not be looked at, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    unchecked: Option<&'static str>,
}

impl Check {
    pub(crate) fn run(self, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let (findings, unchecked) = match &self.target {
            Input::File(path) if fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) => folder(path)?,
            bundle => (bundle_findings(bundle)?, None),
        };
        let answer = Checked {
            ok: findings.is_empty(),
            findings,
            unchecked,
        };
        terminal.answer(&answer)?;
        Ok(if answer.ok {
            Conclusion::Done
        } else {
            Conclusion::Findings
        })
    }
}

/// Everything wrong with a manifest and its module, and everything odd.
pub(crate) fn findings(manifest: &Manifest, outline: &ModuleOutline) -> Vec<Finding> {
    let mut findings = of_manifest(manifest);
    findings.extend(module::exports(outline));
    findings.extend(module::imports(outline));
    findings.extend(module::memory(manifest, outline));
    findings.extend(powers::permissions(manifest, outline));
    findings
}

fn of_manifest(manifest: &Manifest) -> Vec<Finding> {
    powers::host(manifest)
        .into_iter()
        .chain(powers::limits(manifest))
        .collect()
}

fn bundle_findings(bundle: &Input) -> Result<Vec<Finding>, Failure> {
    let contents = Bundle::open(bundle.read(Kind::BUNDLE)?)?.unverified_contents()?;
    let wasm = contents.module()?;
    Ok(of_module(contents.manifest(), &wasm))
}

fn of_module(manifest: &Manifest, wasm: &[u8]) -> Vec<Finding> {
    match ModuleOutline::parse(wasm) {
        Ok(outline) => findings(manifest, &outline),
        Err(error) => {
            let mut findings = of_manifest(manifest);
            findings.push(Finding::of_error(&manifest.entry_point, &error));
            findings
        }
    }
}

/// A folder of sources, or one that is ready to be packed.
fn folder(dir: &Path) -> Result<(Vec<Finding>, Option<&'static str>), Failure> {
    let facts = match Source::of(dir) {
        Ok(source) => source.facts(dir)?,
        Err(_) => PackageFacts::default(),
    };
    let draft = Draft::read(dir, &facts, None)?;
    let mut found: Vec<_> = draft
        .version_mismatch
        .iter()
        .map(|mismatch| Finding::of_error(&draft.name, mismatch))
        .collect();
    let manifest = match draft.manifest() {
        Ok(manifest) => manifest,
        Err(error) => {
            found.extend(Finding::of_manifest(&draft.name, &error));
            return Ok((found, None));
        }
    };
    let module = module_in(dir, &manifest);
    let Some(module) = module else {
        return Ok((
            of_manifest(&manifest),
            Some("there is no module yet; `palisade build` makes one and checks it too"),
        ));
    };
    let wasm = input::read_file(&module, Kind::CONTENT)?;
    found.extend(of_module(&manifest, &wasm));
    Ok((found, None))
}

/// The module beside the manifest, when there is one.
fn module_in(dir: &Path, manifest: &Manifest) -> Option<PathBuf> {
    let path = dir.join(&manifest.entry_point);
    path.is_file().then_some(path)
}

impl Answer for Checked {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        for finding in &self.findings {
            writeln!(out, "{finding}")?;
        }
        if let Some(unchecked) = self.unchecked {
            writeln!(out, "{}: {unchecked}", style::help("note"))?;
        }
        match self.findings.len() {
            0 => writeln!(out, "{}", style::good("nothing found")),
            1 => writeln!(out, "{}", style::heading("1 finding")),
            many => writeln!(out, "{}", style::heading(format_args!("{many} findings"))),
        }
    }
}
