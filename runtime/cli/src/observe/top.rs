//! `top`.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use palisade::JournalReader;
use palisade_bundle::Visible;
use palisade_signer::{Answer, Conclusion, Failure, Format, HostError, Surroundings, Terminal, style};

use super::NothingKept;
use super::rates::{Minute, Rates, Row};
use crate::data_dir::DataDirOption;

/// How often the table is drawn anew.
const REFRESH: Duration = Duration::from_secs(1);

/// `top`.
#[derive(Args, Debug)]
pub(crate) struct Top {
    /// Once, also on a terminal
    #[arg(long)]
    once: bool,

    #[command(flatten)]
    data_dir: DataDirOption,
}

impl Top {
    pub(crate) fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let folder = self.data_dir.path(surroundings)?;
        NothingKept::check(folder)?;
        let (mut reader, mut rates) = (JournalReader::events(folder), Rates::default());
        let mut minute = || {
            reader.read(|event| rates.take(&event))?;
            Ok::<_, Failure>(rates.minute(now()))
        };
        if self.once || !io::stdout().is_terminal() {
            terminal.answer(&minute()?)?;
            return Ok(Conclusion::Done);
        }
        let end = End::listen()?;
        let mut drawn_lines = 0;
        loop {
            drawn_lines = draw(&minute()?, drawn_lines, terminal)?;
            if end.comes_within(REFRESH) {
                return Ok(Conclusion::Done);
            }
        }
    }
}

/// Draws over what was drawn before, and answers how many lines that were.
fn draw(minute: &Minute, drawn_lines: usize, terminal: &mut Terminal) -> Result<usize, Failure> {
    if terminal.format() == Format::Json {
        terminal.json_line(minute)?;
        return Ok(0);
    }
    if drawn_lines > 0 {
        // Up to its first line, and clear from there.
        terminal.text(&format!("\u{1b}[{drawn_lines}A\u{1b}[J"))?;
    }
    terminal.answer(minute)?;
    terminal.text("q and Enter, or Ctrl-C, ends\n")?;
    // Heading, the plugins, the line above.
    Ok(minute.plugins.len().saturating_add(2))
}

/// Waits for the person at the keyboard.
struct End {
    told: Receiver<()>,
    /// Kept where nobody is at a keyboard, so that only Ctrl-C ends.
    _nobody: Option<Sender<()>>,
}

impl End {
    /// Listens on a thread that ends with its input, or with the process.
    fn listen() -> Result<Self, Failure> {
        let (tell, told) = mpsc::channel();
        if !io::stdin().is_terminal() {
            return Ok(Self {
                told,
                _nobody: Some(tell),
            });
        }
        let listen = move || {
            let lines = io::stdin().lines().map_while(Result::ok);
            // The end of the input ends as well: the channel closes.
            lines.take_while(|line| line.trim() != "q").for_each(drop);
            drop(tell);
        };
        let thread = thread::Builder::new().name("top-keys".to_owned()).spawn(listen);
        thread.map_err(HostError::Threads)?;
        Ok(Self { told, _nobody: None })
    }

    fn comes_within(&self, time: Duration) -> bool {
        self.told.recv_timeout(time) != Err(RecvTimeoutError::Timeout)
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl Answer for Minute {
    fn write_for_people(&self, out: &mut dyn Write) -> io::Result<()> {
        let width = self.plugins.iter().map(|row| row.id.len()).max().unwrap_or(0).max(6);
        let heading = format!(
            "{:width$}  {:10} {:12} {:>9} {:>8} {:>8} {:>8} {:>13} {:>7}",
            "plugin", "version", "state", "calls/s", "failed", "p50", "p99", "fuel/s", "refused"
        );
        writeln!(out, "{}", style::heading(heading))?;
        self.plugins.iter().try_for_each(|row| row.write(width, out))
    }
}

impl Row {
    fn write(&self, width: usize, out: &mut dyn Write) -> io::Result<()> {
        let ms = |time: Option<u64>| match time {
            None => "-".to_owned(),
            Some(0) => "<1 ms".to_owned(),
            Some(ms) => format!("{ms} ms"),
        };
        let state = format!("{:12}", Visible(self.state.as_deref().unwrap_or("-")).to_string());
        let state = match self.state.as_deref() {
            Some("active") => style::good(state).to_string(),
            Some("failed") => style::error(state).to_string(),
            _ => state,
        };
        let count = |number: usize, width: usize| match number {
            0 => format!("{number:>width$}"),
            _ => style::warning(format!("{number:>width$}")).to_string(),
        };
        writeln!(
            out,
            "{:width$}  {:10} {state} {:>9.1} {} {:>8} {:>8} {:>13.0} {}",
            Visible(&self.id).to_string(),
            Visible(&self.version).to_string(),
            self.calls_per_s,
            count(self.failures, 8),
            ms(self.p50_ms),
            ms(self.p99_ms),
            self.fuel_per_s,
            count(self.refused, 7),
        )
    }
}
