//! `upgrade`.

use std::io::{self, Write};

use clap::Args;
use palisade::manifest::Difference;
use palisade::{Approval, Code, Downgrade, PluginStatus, Supervisor, TransitionError, UpgradeOptions, UpgradePreview};
use palisade_signer::input::{Input, Kind};
use palisade_signer::{Answer, Conclusion, Failure, Reply, Surroundings, Terminal, ask_for_consent, style};
use serde::Serialize;

use super::answer::Changed;
use super::house::{First, HouseOptions};
use crate::permissions::write_difference;

/// `upgrade`.
#[derive(Args, Debug)]
pub(crate) struct Upgrade {
    /// The plugin
    #[arg(value_name = "ID")]
    id: String,

    /// The bundle of the other version; - reads it from standard input
    #[arg(value_name = "FILE")]
    bundle: Input,

    /// Grant what the new version asks for beyond the old one
    #[arg(long)]
    accept_permissions: bool,

    /// Check everything, tell what would change, and change nothing
    #[arg(long, conflicts_with = "accept_permissions")]
    dry_run: bool,

    #[command(flatten)]
    house: HouseOptions,
}

#[derive(Serialize)]
struct Replaced {
    old_version: String,
    new_version: String,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Previewed(UpgradePreview);

impl Upgrade {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let bytes = self.bundle.read(Kind::BUNDLE)?;
        match self.dry_run {
            true => self.preview(bytes, surroundings, terminal),
            false => self.upgrade(bytes, surroundings, terminal),
        }
    }

    fn preview(
        &self,
        bytes: Vec<u8>,
        surroundings: &Surroundings,
        terminal: &mut Terminal,
    ) -> Result<Conclusion, Failure> {
        let (id, host) = (&self.id, (surroundings, &mut *terminal));
        let preview = self
            .house
            .run_on(id, First::Leave, host, async |supervisor, terminal| {
                let _progress = terminal.progress("checking");
                Ok(supervisor.preview_upgrade(id, bytes, Downgrade::Refuse).await?)
            })?;
        terminal.answer(&Previewed(preview))?;
        Ok(Conclusion::Done)
    }

    fn upgrade(
        &self,
        bytes: Vec<u8>,
        surroundings: &Surroundings,
        terminal: &mut Terminal,
    ) -> Result<Conclusion, Failure> {
        let (id, host) = (&self.id, (surroundings, &mut *terminal));
        let upgraded = self
            .house
            .run_on(id, First::TryToStart, host, async |supervisor, terminal| {
                let before = supervisor.status(id)?.version;
                let status = self.approved(supervisor, bytes, surroundings, terminal).await?;
                Ok((before, status))
            });
        let (before, status) = upgraded.map_err(explained)?;
        let more = Replaced {
            old_version: before,
            new_version: status.version.clone(),
        };
        terminal.answer(&Changed::with("upgraded to", &status, more))?;
        Ok(Conclusion::Done)
    }

    /// Upgrades; a person who is there is asked about what nobody has approved of yet.
    async fn approved(
        &self,
        supervisor: &Supervisor,
        bytes: Vec<u8>,
        surroundings: &Surroundings,
        terminal: &mut Terminal,
    ) -> Result<PluginStatus, Failure> {
        let with = |approval| UpgradeOptions {
            approval,
            ..UpgradeOptions::default()
        };
        let approval = if self.accept_permissions {
            Approval::Given
        } else {
            Approval::Ask
        };
        let progress = terminal.progress("upgrading");
        let first = supervisor.upgrade(&self.id, bytes.clone(), with(approval)).await;
        drop(progress);
        let error = match first {
            Ok(status) => return Ok(status),
            Err(error) => error,
        };
        let is_approved = match &error {
            TransitionError::ApprovalRequired { difference } => consent(difference, surroundings, terminal)?,
            _ => false,
        };
        if !is_approved {
            return Err(error.into());
        }
        let _progress = terminal.progress("upgrading");
        Ok(supervisor.upgrade(&self.id, bytes, with(Approval::Given)).await?)
    }
}

fn consent(difference: &Difference, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<bool, Failure> {
    let mut text = Vec::new();
    if write_difference(difference, &mut text).is_ok() {
        terminal.note(String::from_utf8_lossy(&text).trim_end());
    }
    Ok(ask_for_consent("Grant what is new?", surroundings)? == Reply::Yes)
}

fn explained(failure: Failure) -> Failure {
    match failure.code() {
        Some(Code::ApprovalRequired) => {
            let failure = failure.with_help("--dry-run   shows what is new");
            failure.with_help("--accept-permissions   grants it")
        }
        _ => failure,
    }
}

impl Answer for Previewed {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let UpgradePreview {
            id,
            old_version,
            new_version,
            difference,
            ..
        } = &self.0;
        writeln!(
            out,
            "{}",
            style::heading(format_args!("{id} {old_version} → {new_version}"))
        )?;
        write_difference(difference, out)?;
        match self.0.needs_approval {
            true => writeln!(out, "{}", style::warning("needs --accept-permissions")),
            false => writeln!(out, "{}", style::good("can be upgraded")),
        }
    }
}
