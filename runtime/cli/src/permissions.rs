//! `permissions`.

use std::io::{self, Write};

use clap::Args;
use palisade::manifest::{Difference, PermissionRequest, RaisedLimit, Widened};
use palisade::{Bundle, Manifest, Visible};
use palisade_signer::input::{Input, Kind};
use palisade_signer::{Answer, Conclusion, Failure, Surroundings, Terminal, style};
use serde::Serialize;

use crate::data_dir::DataDirOption;
use crate::operate::{Reference, installed_manifest};

/// `permissions`.
#[derive(Args, Debug)]
pub(crate) struct Permissions {
    /// The bundle, or the id of an installed plugin; - reads a bundle from standard input
    #[arg(value_name = "REF")]
    bundle: Input,

    /// What this newer bundle asks for beyond it
    #[arg(long, value_name = "FILE")]
    diff: Option<Input>,

    #[command(flatten)]
    data: DataDirOption,
}

/// What a bundle asks for.
#[derive(Serialize)]
struct Asked {
    id: String,
    version: String,
    permissions: Vec<AskedPermission>,
}

#[derive(Serialize)]
struct AskedPermission {
    #[serde(flatten)]
    request: PermissionRequest,
    /// What it allows.
    meaning: &'static str,
    /// What is safe without it.
    protects: &'static str,
}

/// What a newer bundle asks for beyond an older one.
#[derive(Serialize)]
struct Compared {
    id: String,
    from: String,
    to: String,
    #[serde(flatten)]
    difference: Difference,
}

impl Permissions {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let newer = self.diff.as_ref().map(manifest).transpose()?;
        let manifest = match Reference::of(&self.bundle) {
            Reference::Bundle => manifest(&self.bundle)?,
            Reference::Installed(installed) => installed_manifest(&installed, &self.data, surroundings, terminal)?,
        };
        match newer {
            None => terminal.answer(&Asked::by(&manifest))?,
            Some(newer) => terminal.answer(&Compared::of(&manifest, &newer))?,
        }
        Ok(Conclusion::Done)
    }
}

fn manifest(bundle: &Input) -> Result<Manifest, Failure> {
    let contents = Bundle::open(bundle.read(Kind::BUNDLE)?)?.unverified_contents()?;
    Ok(contents.manifest().clone())
}

impl Asked {
    fn by(manifest: &Manifest) -> Self {
        let asked = manifest.permissions.iter().map(|request| AskedPermission {
            meaning: request.name.meaning(),
            protects: request.name.protects(),
            request: request.clone(),
        });
        Self {
            id: manifest.id.to_string(),
            version: manifest.version.to_string(),
            permissions: asked.collect(),
        }
    }
}

impl Compared {
    fn of(older: &Manifest, newer: &Manifest) -> Self {
        Self {
            id: newer.id.to_string(),
            from: older.version.to_string(),
            to: newer.version.to_string(),
            difference: older.difference(newer),
        }
    }
}

impl Answer for Asked {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", style::heading(format_args!("{} {}", self.id, self.version)))?;
        if self.permissions.is_empty() {
            return writeln!(out, "  asks for nothing");
        }
        for asked in &self.permissions {
            let optional = if asked.request.optional { " (optional)" } else { "" };
            writeln!(out, "  {}{optional}", asked.request.name)?;
            writeln!(out, "    {}", asked.meaning)?;
            if let Some(reason) = &asked.request.reason {
                writeln!(out, "    it says: {}", Visible(reason))?;
            }
        }
        Ok(())
    }
}

impl Answer for Compared {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            id,
            from,
            to,
            difference,
        } = self;
        writeln!(out, "{}", style::heading(format_args!("{id} {from} → {to}")))?;
        write_difference(difference, out)?;
        if difference.asks_for_nothing_new() {
            writeln!(out, "{}", style::good("asks for nothing new"))?;
        }
        Ok(())
    }
}

/// Writes one line for each thing that is new or gone.
pub(crate) fn write_difference(difference: &Difference, out: &mut dyn Write) -> io::Result<()> {
    for request in &difference.added {
        let optional = if request.optional { " (optional)" } else { "" };
        writeln!(out, "  + {}{optional}: {}", request.name, request.name.meaning())?;
    }
    for permission in &difference.now_required {
        writeln!(out, "  ! {permission} was optional and is required now")?;
    }
    for permission in &difference.removed {
        writeln!(out, "  - {permission}")?;
    }
    for RaisedLimit { name, from, to } in &difference.raised {
        match from {
            Some(from) => writeln!(out, "  + resource_limits.{name}: {from} → {to}")?,
            None => writeln!(out, "  + resource_limits.{name}: the default → {to}")?,
        }
    }
    for Widened { key, added } in &difference.widened {
        writeln!(out, "  + {key}: {}", added.join(", "))?;
    }
    Ok(())
}
