//! `help`: the same as `--help` for commands, and the topics that no command owns.

use std::fmt::Write as _;

use clap::{Args, Parser};
use palisade::{Code, Limits, Permission};
use palisade_signer::program::answer_parser;
use palisade_signer::{Conclusion, Failure, Terminal, UsageError};

/// Under the list of commands.
pub(crate) const AFTER_HELP: &str =
    "palisade help exit-codes | permissions | limits | env   explain what no command owns";

/// Writes the text of a topic.
type Topic = fn() -> String;

/// What `palisade help TOPIC` knows beside the commands.
const TOPICS: [(&str, Topic); 4] = [
    ("exit-codes", exit_codes),
    ("permissions", permissions),
    ("limits", limits),
    ("env", environment),
];

/// `help`.
#[derive(Args, Debug)]
pub(crate) struct Help {
    /// A command, or one of: exit-codes, permissions, limits, env
    #[arg(value_name = "TOPIC")]
    words: Vec<String>,
}

impl Help {
    pub(crate) fn run<P: Parser>(self, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        if let [word] = self.words.as_slice()
            && let Some((_, text)) = TOPICS.iter().find(|(topic, _)| topic == word)
        {
            terminal.text(&text())?;
            return Ok(Conclusion::Done);
        }
        let program = P::command();
        let mut command = &program;
        for word in &self.words {
            command = command
                .find_subcommand(word)
                .ok_or_else(|| unknown(word, command.get_name()))?;
        }
        // Asked as `--help` asks, so that there is one answer.
        let words = [program.get_name()]
            .into_iter()
            .chain(self.words.iter().map(String::as_str))
            .chain(["--help"]);
        match P::try_parse_from(words) {
            Ok(_) => Ok(Conclusion::Done),
            Err(help) => answer_parser(&help, terminal),
        }
    }
}

fn unknown(word: &str, command: &str) -> UsageError {
    let topics: Vec<_> = TOPICS.iter().map(|(topic, _)| *topic).collect();
    UsageError::new("TOPIC", format!("`{command}` has no command or topic `{word}`"))
        .with_help(format!("topics: {}", topics.join(", ")))
}

fn exit_codes() -> String {
    const CODES: [(&str, &str); 15] = [
        ("0", "done"),
        ("1", "unexpected: a bug, or the machine refused"),
        ("2", "usage: the arguments make no sense"),
        ("3", "not found: a file, a command, a program"),
        (
            "4",
            "trust: no signature, a bad one, an unknown, expired or revoked key, a revoked bundle, a downgrade",
        ),
        ("5", "invalid bundle, manifest, module or configuration"),
        ("6", "denied: a permission, a policy, an approval that is needed"),
        ("7", "the plugin trapped or hit a limit"),
        ("8", "the plugin answered with an error of its own"),
        ("9", "conflict: state, dependency, another operation"),
        ("10", "the server is unreachable or did not answer in time"),
        ("20", "a check found something: doctor, check, bench --compare"),
        ("130", "interrupted (SIGINT)"),
        ("141", "the reader of standard output went away"),
        ("143", "terminated (SIGTERM)"),
    ];
    let mut text = String::from("Exit codes\n\n");
    for (code, meaning) in CODES {
        let _ = writeln!(text, "  {code:>3}  {meaning}");
    }
    let _ = writeln!(
        text,
        "\nEvery failure also has a code of its own, the word in `error[CODE]`:\n"
    );
    for code in Code::ALL {
        let _ = writeln!(text, "  {:24} {}", code.as_str(), code.meaning());
    }
    text
}

fn permissions() -> String {
    let mut text = String::from("Permissions\n\nGranted to every plugin:\n\n");
    let (everyone, on_request): (Vec<_>, Vec<_>) = Permission::ALL
        .iter()
        .partition(|permission| permission.is_granted_to_everyone());
    for permission in everyone {
        let _ = writeln!(text, "  {:18} {}", permission.as_str(), permission.meaning());
    }
    text.push_str("\nFor plugins that ask for it in plugin.json and are given it with --grant:\n\n");
    for permission in on_request {
        let _ = writeln!(text, "  {:18} {}", permission.as_str(), permission.meaning());
    }
    text.push_str(
        "  custom:AREA:ACTION A function that the host application registered.\n\n\
         `storage` and `network` stand for all of their kind. Everything else is denied, always.\n",
    );
    text
}

fn limits() -> String {
    let mut text = String::from("Limits\n\n");
    let _ = writeln!(text, "  {:53}{:>14}{:>15}", "", "default", "at most");
    for row in Limits::table() {
        let _ = writeln!(text, "  {:53}{:>14}{:>15}", row.name, row.default, row.ceiling);
        if !row.asked_with.is_empty() {
            let _ = writeln!(text, "    asked for with {}", row.asked_with);
        }
    }
    text.push_str(
        "\nThe lowest of what the manifest asks for, the operator sets and the host allows holds.\n\
         docs/limits.md says what happens at each, and what it protects.\n",
    );
    text
}

fn environment() -> String {
    "\
Environment

  PALISADE_TRUST_STORE      folder of the trust store, instead of palisade/trust in the XDG configuration folder
  PALISADE_PASSPHRASE_FILE  file with the passphrase of the private key, as --passphrase-file
  PALISADE_CACHE_DIR        folder of compiled code, instead of palisade in the XDG cache folder
  PALISADE_DATA_DIR         data directory, instead of palisade in the XDG data folder, as --data-dir
  PALISADE_NO_INPUT         never ask a question, as --no-input
  OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
                            where traces are sent, over OTLP/HTTP; nowhere while neither is set
  OTEL_SERVICE_NAME         what the traces are from, instead of palisade
  OTEL_SDK_DISABLED         when true, no traces are sent
  CI                        when set, no question is asked either
  NO_COLOR                  no colours; CLICOLOR and CLICOLOR_FORCE are honoured too
  XDG_CONFIG_HOME           where configuration lies, instead of ~/.config
  XDG_CACHE_HOME            where caches lie, instead of ~/.cache
  XDG_DATA_HOME             where data lies, instead of ~/.local/share
"
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_ends_its_last_line_and_fits_the_screen() {
        for (topic, text) in TOPICS {
            let text = text();
            assert!(text.ends_with('\n'), "{topic}");
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(widest <= 120, "{topic} is {widest} wide");
        }
    }
}
