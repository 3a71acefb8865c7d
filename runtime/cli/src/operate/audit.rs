//! `audit list`, `verify` and `export`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use palisade::{
    AuditAction, AuditBreak, AuditCheckpoint, AuditFilter, AuditLog, AuditOutcome, AuditPage, AuditReader, AuditRecord,
    AuditVerified, Blame, Code, Coded, DataDirectory, MAX_AUDIT_PAGE, SystemClock, Visible, verify_export,
};
use palisade_signer::input::{Input, Kind};
use palisade_signer::key_file::read_public_key;
use palisade_signer::output::{self, Audience, Existing};
use palisade_signer::{Answer, Conclusion, Failure, Surroundings, Terminal, style};
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::checkpoint_key;
use super::table;
use crate::data_dir::DataDirOption;

/// An export: a million records of about a kilobyte.
const EXPORT: Kind = Kind::new("audit export", 1024 * 1024 * 1024);

/// The audit log.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Audit {
    #[command(subcommand)]
    command: Option<AuditCommand>,

    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Show records, oldest first
    List(List),
    /// Check that no record was changed, moved, added or taken away
    Verify(Verify),
    /// Write the whole log as JSON Lines that verify without this program
    Export(Export),
}

#[derive(Args, Debug)]
struct List {
    /// Only those about this plugin
    #[arg(long, value_name = "ID")]
    plugin: Option<String>,

    /// Only this action, such as install or security_violation
    #[arg(long, value_name = "ACTION", value_parser = action)]
    action: Option<AuditAction>,

    /// Only what this actor did
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,

    /// Only what came to this: succeeded, failed or denied
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    outcome: Option<AuditOutcome>,

    /// From this record on
    #[arg(long, value_name = "SEQ", default_value_t = 1, hide_default_value = true)]
    from: u64,

    /// At most so many; 1000 are the most
    #[arg(long, value_name = "N", default_value_t = MAX_AUDIT_PAGE, hide_default_value = true)]
    limit: usize,

    #[command(flatten)]
    data: DataDirOption,
}

#[derive(Args, Debug)]
struct Verify {
    /// Check an export instead of the log of the data directory
    #[arg(long, value_name = "FILE", requires = "key")]
    export: Option<Input>,

    /// The public key of the host that made the export
    #[arg(long, value_name = "PUB", requires = "export")]
    key: Option<PathBuf>,

    #[command(flatten)]
    data: DataDirOption,
}

#[derive(Args, Debug)]
struct Export {
    /// Write it to FILE, for the owner alone to read
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    data: DataDirOption,
}

#[derive(Serialize)]
struct Listed {
    records: Vec<AuditRecord>,
    next_seq: Option<u64>,
}

#[derive(Serialize)]
struct Verified {
    valid: bool,
    records: u64,
    last_seq: u64,
    checkpoints: u64,
    signed_seq: u64,
    public_key: String,
}

#[derive(Serialize)]
struct Exported {
    export: PathBuf,
    records: u64,
    public_key: String,
}

impl Audit {
    pub(super) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        match self.command {
            None => self.list.run(surroundings, terminal),
            Some(AuditCommand::List(command)) => command.run(surroundings, terminal),
            Some(AuditCommand::Verify(command)) => command.run(surroundings, terminal),
            Some(AuditCommand::Export(command)) => command.run(surroundings, terminal),
        }
    }
}

impl List {
    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let reader = reader(&self.data, surroundings)?;
        let filter = AuditFilter {
            plugin_id: self.plugin,
            action: self.action,
            actor: self.actor,
            outcome: self.outcome,
        };
        let AuditPage { records, next_seq } = reader.records(self.from, self.limit, &filter)?;
        terminal.answer(&Listed { records, next_seq })?;
        if let Some(seq) = next_seq {
            terminal.note(format_args!("there is more: --from {seq}"));
        }
        Ok(Conclusion::Done)
    }
}

impl Verify {
    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let progress = terminal.progress("verifying");
        let (verified, key) = match (&self.export, &self.key) {
            (Some(export), Some(key)) => {
                let key = read_public_key(key)?;
                (verify_export(export.read(EXPORT)?.as_slice(), &key), key)
            }
            _ => {
                let reader = reader(&self.data, surroundings)?;
                let key = checkpoint_key::public(self.data.path(surroundings)?, surroundings)?;
                (reader.verify(), key)
            }
        };
        drop(progress);
        let verified: AuditVerified = verified.map_err(Tampered)?;
        terminal.answer(&Verified {
            valid: true,
            records: verified.records,
            last_seq: verified.last_seq,
            checkpoints: verified.checkpoints,
            signed_seq: verified.signed_seq,
            public_key: key.to_pem(),
        })?;
        Ok(Conclusion::Done)
    }
}

impl Export {
    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let directory = DataDirectory::open(self.data.path(surroundings)?)?;
        let key = checkpoint_key::load_or_create(directory.path(), surroundings)?;
        let log = AuditLog::open(directory.path(), Arc::new(SystemClock), key)?;
        let mut lines = Vec::new();
        let AuditCheckpoint { seq, .. } = log.export(&mut lines)?;
        let Some(path) = self.output else {
            terminal.text(&String::from_utf8_lossy(&lines))?;
            return Ok(Conclusion::Done);
        };
        output::write(&path, &lines, Audience::Owner, Existing::Replace)?;
        terminal.answer(&Exported {
            export: path,
            records: seq,
            public_key: log.public_key().to_pem(),
        })?;
        Ok(Conclusion::Done)
    }
}

/// Reads beside a host that has the directory.
fn reader(data: &DataDirOption, surroundings: &Surroundings) -> Result<AuditReader, Failure> {
    let folder = data.path(surroundings)?;
    let key = checkpoint_key::public(folder, surroundings)?;
    Ok(AuditReader::open(folder, key)?)
}

fn action(word: &str) -> Result<AuditAction, String> {
    let words: Vec<_> = AuditAction::ALL.iter().map(|action| action.as_str()).collect();
    word.parse().map_err(|_| format!("one of: {}", words.join(", ")))
}

fn outcome(word: &str) -> Result<AuditOutcome, String> {
    word.parse().map_err(|_| "one of: succeeded, failed, denied".to_owned())
}

impl Answer for Listed {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = self.records.iter().map(|record| {
            let plugin = record.plugin_id.clone().unwrap_or_default();
            let code = record.details.get("code").and_then(Value::as_str).unwrap_or_default();
            [
                record.seq.to_string(),
                record.timestamp.to_string(),
                Visible(&record.actor).to_string(),
                record.action.to_string(),
                Visible(plugin).to_string(),
                Visible(&record.resource).to_string(),
                record.outcome.to_string(),
                Visible(code).to_string(),
            ]
        });
        let heading = [
            "SEQ", "TIME", "ACTOR", "ACTION", "PLUGIN", "RESOURCE", "OUTCOME", "CODE",
        ];
        table::write(out, heading, rows)
    }
}

impl Answer for Verified {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{}",
            style::good(format_args!("{} records, none of them broken", self.records))
        )?;
        writeln!(
            out,
            "  signed up to record {}, in {} checkpoints",
            self.signed_seq, self.checkpoints
        )
    }
}

impl Answer for Exported {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{}",
            style::good(format_args!("exported {} records", self.records))
        )?;
        writeln!(out, "  export  {}", self.export.display())?;
        writeln!(out, "verify it with this key:")?;
        write!(out, "{}", self.public_key)
    }
}

/// The log is not as it was written. Whoever reads it must not believe it, which makes it a question of trust.
#[derive(Debug, Error)]
#[error(transparent)]
struct Tampered(AuditBreak);

impl Coded for Tampered {
    fn code(&self) -> Code {
        self.0.code()
    }

    fn blame(&self) -> Blame {
        match self.0 {
            AuditBreak::Unreadable(_) => self.0.blame(),
            _ => Blame::Trust,
        }
    }

    fn details(&self) -> Map<String, Value> {
        self.0.details()
    }
}
