//! `completions`.

use clap::{Args, Parser};
use clap_complete::Shell;
use palisade_signer::{Conclusion, Failure, Terminal};

/// `completions`.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run<P: Parser>(self, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let mut script = Vec::new();
        let mut command = P::command();
        let name = command.get_name().to_owned();
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        terminal.text(&String::from_utf8_lossy(&script))?;
        Ok(Conclusion::Done)
    }
}
