//! A sign of life on standard error: [`Progress`].

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget};

/// Work shorter than this shows nothing: a flash of text tells nobody anything (cli.md, "Rules").
const PATIENCE: Duration = Duration::from_millis(250);

/// Ten steps a second look alive and cost nothing.
const TICK: Duration = Duration::from_millis(100);

/// Shown until dropped.
#[derive(Debug, Default)]
#[must_use = "progress ends when this is dropped"]
pub struct Progress {
    shown: Option<Shown>,
}

#[derive(Debug)]
struct Shown {
    bar: ProgressBar,
    end: Sender<()>,
    waiter: JoinHandle<()>,
}

impl Progress {
    /// Shows nothing, whatever happens.
    pub fn hidden() -> Self {
        Self::default()
    }

    /// Shows `doing` on standard error once it has taken 250 ms.
    pub fn start(doing: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()).with_message(doing);
        let (end, ended) = channel();
        let waiting = bar.clone();
        let waiter = thread::Builder::new().name("progress".to_owned()).spawn(move || {
            if ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                waiting.set_draw_target(ProgressDrawTarget::stderr());
                waiting.enable_steady_tick(TICK);
            }
        });
        // Without a thread to spare there is simply no progress to see.
        Self {
            shown: waiter.ok().map(|waiter| Shown { bar, end, waiter }),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(Shown { bar, end, waiter }) = self.shown.take() {
            let _ = end.send(());
            let _ = waiter.join();
            bar.finish_and_clear();
        }
    }
}
