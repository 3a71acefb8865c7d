//! Commands from standard input: a line each, one after another, while the plugin is built anew.

use std::io;
use std::sync::Arc;
use std::thread;

use palisade::{Blame, Code, Coded, Output, Receipt, Supervisor};
use palisade_signer::{Failure, Format, HostError, Surroundings, Terminal};
use serde::Serialize;
use serde_json::value::RawValue;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::{Signal, tell};
use crate::call::json_of;

/// Lines that wait for those before them; a pipe that is faster waits itself.
const LINES: usize = 64;

/// What a command would run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Serving {
    /// The first build is not over.
    NotYet,
    /// It came to nothing.
    Nothing,
    /// This plugin.
    Plugin(Arc<str>),
}

/// Takes commands and gives answers.
pub(super) struct Console {
    supervisor: Supervisor,
    surroundings: Surroundings,
    format: Format,
    serving: watch::Sender<Serving>,
}

/// What a command came to, for programs.
#[derive(Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
enum Answered<'a> {
    Success {
        command: &'a str,
        result: Box<RawValue>,
        receipt: &'a Receipt,
    },
    Error {
        command: &'a str,
        code: &'static str,
        message: String,
    },
}

impl Console {
    pub(super) fn open(supervisor: Supervisor, surroundings: &Surroundings, format: Format) -> Self {
        Self {
            supervisor,
            surroundings: surroundings.clone(),
            format,
            serving: watch::Sender::new(Serving::NotYet),
        }
    }

    /// What commands run on from now on.
    pub(super) fn serve(&self, serving: Serving) {
        self.serving.send_replace(serving);
    }

    /// Takes commands until the input ends, and signals that after the last answer. Without an input there is no end.
    pub(super) fn listen(&self, signal: mpsc::Sender<Signal>) -> Result<JoinHandle<()>, Failure> {
        let mut lines = lines()?;
        let mut listener = Listener {
            supervisor: self.supervisor.clone(),
            surroundings: self.surroundings.clone(),
            serving: self.serving.subscribe(),
            terminal: Terminal::of_process(self.format),
        };
        Ok(Handle::current().spawn(async move {
            while let Some(line) = lines.recv().await {
                if listener.answer(&line).await.is_err() {
                    // Nobody reads the answers any more.
                    break;
                }
            }
            let _ = signal.send(Signal::Ended).await;
        }))
    }
}

struct Listener {
    supervisor: Supervisor,
    surroundings: Surroundings,
    serving: watch::Receiver<Serving>,
    terminal: Terminal,
}

impl Listener {
    /// Runs one line and prints what came of it. Fails when that cannot be printed.
    async fn answer(&mut self, line: &str) -> Result<(), Failure> {
        let line = line.trim();
        if line.is_empty() {
            return Ok(());
        }
        let (command, args) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let is_known = |serving: &Serving| *serving != Serving::NotYet;
        let serving = self.serving.wait_for(is_known).await.map(|serving| serving.clone());
        let Ok(Serving::Plugin(id)) = serving else {
            return self.refuse(command, NothingServed);
        };
        match self.supervisor.call(&id, command, args.trim_start().as_bytes()).await {
            Ok(output) => self.print(command, &output),
            Err(error) => self.refuse(command, error),
        }
    }

    fn print(&mut self, command: &str, output: &Output) -> Result<(), Failure> {
        match self.terminal.format() {
            Format::Json => self.terminal.json_line(&Answered::Success {
                command,
                result: json_of(output.bytes())?,
                receipt: output.receipt(),
            }),
            Format::People => {
                self.terminal.plugin_bytes(output.bytes())?;
                // The next answer begins a line.
                match output.bytes().ends_with(b"\n") || io::IsTerminal::is_terminal(&io::stdout()) {
                    true => Ok(()),
                    false => self.terminal.text("\n"),
                }
            }
        }
    }

    fn refuse<E: Coded + Send + Sync + 'static>(&mut self, command: &str, error: E) -> Result<(), Failure> {
        if self.terminal.format() == Format::Json {
            return self.terminal.json_line(&Answered::Error {
                command,
                code: error.code().as_str(),
                message: error.to_string(),
            });
        }
        tell(&error.into(), &self.surroundings, &mut self.terminal);
        Ok(())
    }
}

/// No build has succeeded so far.
#[derive(Clone, Copy, Debug, Error)]
#[error("nothing is served yet")]
struct NothingServed;

impl Coded for NothingServed {
    fn code(&self) -> Code {
        Code::PluginUnavailable
    }

    fn blame(&self) -> Blame {
        Blame::Conflict
    }
}

/// The lines of standard input. They are read on a thread that ends with them, or with the process: a read that waits
/// cannot be interrupted.
fn lines() -> Result<mpsc::Receiver<String>, Failure> {
    let (send, lines) = mpsc::channel(LINES);
    let read = move || {
        if is_nothing() {
            // Keeps the channel open.
            thread::park();
        }
        for line in io::stdin().lines().map_while(Result::ok) {
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    };
    let thread = thread::Builder::new().name("dev-input".to_owned());
    thread.spawn(read).map_err(HostError::Threads)?;
    Ok(lines)
}

/// Whether standard input is `/dev/null` or the like: its end is no wish to end.
#[cfg(unix)]
fn is_nothing() -> bool {
    use std::os::unix::fs::FileTypeExt;
    let kind = std::fs::metadata("/dev/fd/0").map(|metadata| metadata.file_type());
    !io::IsTerminal::is_terminal(&io::stdin()) && kind.is_ok_and(|kind| kind.is_char_device())
}

#[cfg(not(unix))]
fn is_nothing() -> bool {
    false
}
