//! One process from its birth to its end.
//!
//! A thread of its own starts it, waits until it has ended, ends what it left behind in its process group, and only then
//! takes its status: as long as the status is not taken, the number of the group cannot mean anybody else.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::native::error::ServiceFault;
use crate::native::lines::Output;
use crate::native::taken::Release;
use crate::native::thread::on_thread;
use crate::services::{Clock, ServiceFuture};

/// How long is waited for a killed process. The kernel ends it at once unless it is stuck in a device.
const KILLED: Duration = Duration::from_secs(10);

/// How often a clock is read while something is waited for. The end of a process wakes the waiting at once.
const SLICE: Duration = Duration::from_millis(25);

/// A process, to be looked at.
pub(in crate::native) struct Process {
    group: Pid,
    stage: Mutex<Stage>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Running,
    /// Its number may mean another process now; its last lines are being read.
    Reaped(Option<ExitStatus>),
    Ended(Option<ExitStatus>),
}

impl Process {
    /// Starts a process in a group of its own, with nothing to read and its output going to `output`.
    pub(super) fn spawn(mut command: Command, output: Output) -> Result<Arc<Self>, ServiceFault> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let (born, birth) = mpsc::channel();
        let thread = thread::Builder::new().name("palisade-service".to_owned());
        let thread = thread.spawn(move || match Born::start(command, output) {
            Ok(process) => {
                // Whoever asked waits for this.
                let _ = born.send(Ok(Arc::clone(&process.process)));
                process.follow();
            }
            Err(fault) => drop(born.send(Err(fault))),
        });
        thread.map_err(ServiceFault::NoThread)?;
        birth.recv().unwrap_or(Err(ServiceFault::Panicked))
    }

    /// How it ended, if it has.
    pub(super) fn ended(&self) -> Option<ServiceFault> {
        match *self.stage() {
            Stage::Running => None,
            Stage::Reaped(status) | Stage::Ended(status) => Some(ServiceFault::Exited {
                status: status.and_then(|status| status.code()),
                signal: status.and_then(|status| status.signal()),
            }),
        }
    }

    /// Waits until it has ended, for a slice of time at most.
    pub(super) fn wait_a_little(&self, at_most: Duration) {
        self.wait(at_most.min(SLICE));
    }

    /// Asks it to end, waits for that, and kills what is still there then.
    fn end(&self, clock: &dyn Clock, grace: Duration) -> Result<(), ServiceFault> {
        // Its time begins when it is asked, not when it answers.
        let start = clock.now();
        self.signal(Signal::TERM);
        loop {
            let left = grace.saturating_sub(clock.now().saturating_duration_since(start));
            if self.wait(left.min(SLICE)) {
                return Ok(());
            }
            if left.is_zero() {
                break;
            }
        }
        self.signal(Signal::KILL);
        match self.wait(KILLED) {
            true => Ok(()),
            false => Err(ServiceFault::NotEnded { limit: KILLED }),
        }
    }

    /// Waits until it has ended, and says whether it has.
    fn wait(&self, at_most: Duration) -> bool {
        let goes_on = |stage: &mut Stage| !matches!(stage, Stage::Ended(_));
        let waited = self.changed.wait_timeout_while(self.stage(), at_most, goes_on);
        let (_stage, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }

    fn signal(&self, signal: Signal) {
        // Under the lock, so that the number still means this group.
        let stage = self.stage();
        if *stage == Stage::Running {
            // It may have ended by itself in this moment, which is what is wanted.
            let _ = kill_process_group(self.group, signal);
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, stage: Stage) {
        *self.stage() = stage;
        self.changed.notify_all();
    }
}

/// A process just started, with what only its own thread needs.
struct Born {
    process: Arc<Process>,
    child: Child,
    reader: JoinHandle<()>,
    /// Dropped when nothing more is to be read, even if somebody outside of the group holds the other ends.
    wake: io::PipeWriter,
}

impl Born {
    fn start(mut command: Command, output: Output) -> Result<Self, ServiceFault> {
        let (woken, wake) = io::pipe().map_err(ServiceFault::NotSpawned)?;
        let mut child = command.spawn().map_err(ServiceFault::NotSpawned)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (Some(stdout), Some(stderr), Some(group)) = (stdout, stderr, group) else {
            return Err(given_up(child, io::ErrorKind::BrokenPipe.into()));
        };
        let thread = thread::Builder::new().name("palisade-output".to_owned());
        let reader = match thread.spawn(move || output.follow(stdout, stderr, &woken)) {
            Ok(reader) => reader,
            Err(error) => return Err(given_up(child, error)),
        };
        let process = Arc::new(Process {
            group,
            stage: Mutex::new(Stage::Running),
            changed: Condvar::new(),
        });
        Ok(Self {
            process,
            child,
            reader,
            wake,
        })
    }

    fn follow(self) {
        let Self {
            process,
            mut child,
            reader,
            wake,
        } = self;
        let waited = wait_unreaped(process.group);
        let status = {
            let mut stage = process.stage();
            // Where somebody else took the status, the number may mean another group already.
            if waited.is_ok() {
                // What it left behind; there may be nothing.
                let _ = kill_process_group(process.group, Signal::KILL);
            }
            let status = child.wait().ok();
            *stage = Stage::Reaped(status);
            status
        };
        drop(wake);
        // A sink that panicked has lost its lines; the process has ended all the same.
        let _ = reader.join();
        process.set(Stage::Ended(status));
    }
}

/// A process that cannot be followed is not kept.
fn given_up(mut child: Child, error: io::Error) -> ServiceFault {
    let _ = child.kill();
    let _ = child.wait();
    ServiceFault::NotSpawned(error)
}

/// Waits until a process has ended, and leaves its status where it is.
fn wait_unreaped(process: Pid) -> rustix::io::Result<()> {
    loop {
        match waitid(WaitId::Pid(process), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error),
            Ok(_status) => return Ok(()),
        }
    }
}

/// Whoever may end a process, and has to: dropped, it kills it.
pub(super) struct Owner {
    pub(super) process: Arc<Process>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) grace: Duration,
}

impl Release for Owner {
    fn release(self: Box<Self>) -> ServiceFuture<'static, Result<(), ServiceFault>> {
        Box::pin(async move {
            on_thread("palisade-stop", move |_caller| {
                self.process.end(&*self.clock, self.grace)
            })
            .await?
        })
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Its thread does the rest.
        self.process.signal(Signal::KILL);
    }
}
