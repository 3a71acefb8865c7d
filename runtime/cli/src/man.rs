//! `man`.

use std::io;
use std::path::PathBuf;

use clap::{Args, Command, Parser};
use palisade_signer::output::{self, Audience, Existing};
use palisade_signer::{Answer, Conclusion, Failure, HostError, Terminal};
use serde::Serialize;

/// `man`.
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// The folder to write them to
    dir: PathBuf,
}

/// What was written.
#[derive(Serialize)]
struct Pages {
    pages: Vec<PathBuf>,
}

impl Man {
    pub(crate) fn run<P: Parser>(self, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let mut program = P::command();
        program.build();
        let mut pages = Vec::new();
        let mut waiting = vec![program];
        while let Some(command) = waiting.pop() {
            waiting.extend(
                command
                    .get_subcommands()
                    .filter(|command| !command.is_hide_set())
                    .cloned(),
            );
            let path = self.dir.join(format!("{}.1", page_name(&command)));
            output::write(&path, &page(command)?, Audience::Everyone, Existing::Replace)?;
            pages.push(path);
        }
        pages.sort_unstable();
        terminal.answer(&Pages { pages })?;
        Ok(Conclusion::Done)
    }
}

/// `palisade key generate` is on the page `palisade-key-generate`.
fn page_name(command: &Command) -> String {
    command.get_bin_name().unwrap_or(command.get_name()).replace(' ', "-")
}

fn page(command: Command) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let name = page_name(&command);
    // A page has no date: the same source makes the same page.
    let page = clap_mangen::Man::new(command.version(env!("CARGO_PKG_VERSION")))
        .title(name)
        .date("");
    page.render(&mut text).map_err(HostError::Stdout)?;
    Ok(text)
}

impl Answer for Pages {
    fn write_for_people(&self, out: &mut dyn io::Write) -> io::Result<()> {
        self.pages
            .iter()
            .try_for_each(|page| writeln!(out, "{}", page.display()))
    }
}
