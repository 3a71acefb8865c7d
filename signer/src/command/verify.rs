//! `verify`.

use std::io::{self, Write};
use std::num::NonZeroUsize;

use clap::Args;
use palisade_bundle::{Bundle, Check, SignatureStatus, VerifiedBundle};
use serde::Serialize;
use serde_json::json;

use crate::failure::{Conclusion, Failure};
use crate::input::{Input, Kind};
use crate::style;
use crate::surroundings::Surroundings;
use crate::terminal::{Answer, Format, Terminal};
use crate::trust_options::TrustOptions;
use palisade_bundle::Visible;

/// `verify`.
#[derive(Args, Debug)]
pub struct Verify {
    /// The bundle; - reads it from standard input
    bundle: Input,

    #[command(flatten)]
    trust: TrustOptions,

    /// Demand signatures by at least N distinct trusted keys
    #[arg(long, value_name = "N")]
    require: Option<NonZeroUsize>,
}

#[derive(Serialize)]
struct Verified<'a> {
    valid: bool,
    id: String,
    version: String,
    digest: String,
    signatures: &'a [SignatureStatus],
    checks: &'a [Check],
}

impl Verify {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let store = self.trust.store(self.require, surroundings)?;
        let bytes = self.bundle.read(Kind::BUNDLE)?;
        let mut checks = Vec::new();
        let progress = terminal.progress("verifying");
        let verified = Bundle::open(bytes)
            .map_err(Failure::from)
            .and_then(|bundle| Ok(store.verify_traced(bundle, surroundings.system_time(), &mut checks)?));
        drop(progress);
        match verified {
            Ok(bundle) => {
                for warning in bundle.warnings() {
                    terminal.warn(warning);
                }
                terminal.answer(&Verified::of(&bundle, &checks))?;
                Ok(Conclusion::Done)
            }
            Err(failure) => {
                let lines: String = checks.iter().map(line_of).collect();
                terminal.note(lines.trim_end());
                let failure = match terminal.format() {
                    Format::People => failure,
                    Format::Json => failure.with_detail("checks", json!(checks)),
                };
                Err(self.trust.explain(failure))
            }
        }
    }
}

impl<'a> Verified<'a> {
    fn of(bundle: &'a VerifiedBundle, checks: &'a [Check]) -> Self {
        Self {
            valid: true,
            id: bundle.id().to_string(),
            version: bundle.version().to_string(),
            digest: format!("sha256:{}", bundle.digest()),
            signatures: bundle.signatures(),
            checks,
        }
    }
}

fn line_of(check: &Check) -> String {
    if check.ok {
        format!("  {} {}\n", style::good("ok  "), check.name)
    } else {
        format!("  {} {}\n", style::error("FAIL"), check.name)
    }
}

impl Answer for Verified<'_> {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{} {} {}",
            style::good("valid"),
            Visible(&self.id),
            Visible(&self.version)
        )?;
        writeln!(out, "  digest  {}", self.digest)?;
        for signature in self.signatures {
            let trusted = if signature.trusted { "trusted" } else { "not trusted" };
            writeln!(out, "  signed  {} ({trusted})", signature.key_id)?;
        }
        for check in self.checks {
            write!(out, "{}", line_of(check))?;
        }
        Ok(())
    }
}
