//! The compiler in a process of its own, seen from the host: [`CompileWorker`].
//!
//! Two threads for each job: one talks to the process, the other waits for the first, for the deadline, or for the
//! caller to lose interest, whichever comes first, and then ends the process and takes its status.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::protocol::Answer;
use super::{Artifact, CompileError, CompileJob, Compiler, WorkerFailure};
use crate::sandbox::EngineError;
use crate::sandbox::threads::cores;
use crate::services::ServiceFuture;

/// Time for one module. The largest plugin there is takes two seconds; whoever waits for a load does not wait longer
/// than this.
const DEFAULT_WALL_CLOCK: Duration = Duration::from_secs(10);

/// Address space of one worker. The largest honest module needs a fraction; several bombs at once still fit a machine.
const DEFAULT_MEMORY_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Threads of one worker. More do not make an ordinary plugin compile faster, and each reserves address space.
const MAX_THREADS: usize = 4;

/// What one compilation may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Time from start to answer; the host ends the process when it has passed.
    pub wall_clock: Duration,
    /// Time on a processor, all threads together, in whole seconds: the process's own limit, which holds when the host
    /// is gone.
    pub cpu_seconds: u64,
    /// Address space of the process.
    pub memory_bytes: u64,
}

impl Default for CompileLimits {
    /// 10 s, 40 s of processor time (four threads for 10 s), 2 GiB.
    fn default() -> Self {
        Self {
            wall_clock: DEFAULT_WALL_CLOCK,
            cpu_seconds: DEFAULT_WALL_CLOCK.as_secs().saturating_mul(4),
            memory_bytes: DEFAULT_MEMORY_BYTES,
        }
    }
}

/// Starts a process for each module, gives it the module, and takes the machine code; the process is ended when it takes
/// too long, and when nobody waits for it any more.
///
/// The program is one of the host's own, which calls [`compile_worker`](super::compile_worker): **what it answers is executed**.
/// It gets no environment but the number of its threads, and `/` as its folder.
#[derive(Clone, Debug)]
pub struct CompileWorker {
    program: PathBuf,
    args: Vec<OsString>,
    limits: CompileLimits,
}

impl CompileWorker {
    /// A worker that is `program` called with `args`, `--memory-bytes N` and `--cpu-seconds N`.
    #[must_use]
    pub fn new<A: Into<OsString>>(program: impl Into<PathBuf>, args: impl IntoIterator<Item = A>) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            limits: CompileLimits::default(),
        }
    }

    /// What one compilation may take.
    #[must_use]
    pub fn limits(mut self, limits: CompileLimits) -> Self {
        self.limits = limits;
        self
    }
}

impl Compiler for CompileWorker {
    fn compile(&self, job: CompileJob) -> ServiceFuture<'_, Result<Artifact, CompileError>> {
        Box::pin(async move {
            let (events, inbox) = mpsc::channel();
            let (answer, answered) = oneshot::channel();
            let _caller = Caller(events.clone());
            let worker = self.clone();
            let supervisor = thread::Builder::new().name("palisade-job".to_owned());
            let supervisor = supervisor.spawn(move || {
                let compiled = worker.supervise(job.module().wasm.clone(), events, &inbox);
                // Before the answer, so that whoever has the answer finds the place free.
                drop(job);
                // The caller may have gone away.
                let _ = answer.send(compiled);
            });
            supervisor.map_err(no_thread)?;
            answered
                .await
                .unwrap_or_else(|_panicked| Err(CompileError::Crashed { signal: None }))
        })
    }
}

/// What a supervisor waits for.
enum Event {
    /// The process answered, or will not any more.
    Answered(io::Result<Answer>),
    /// Nobody waits for the answer.
    Abandoned,
}

/// Whoever waits for a module; says so when it goes away.
struct Caller(Sender<Event>);

impl Drop for Caller {
    fn drop(&mut self) {
        // The supervisor may have ended first.
        let _ = self.0.send(Event::Abandoned);
    }
}

impl CompileWorker {
    /// Runs one process from its start to its end.
    fn supervise(&self, wasm: Bytes, events: Sender<Event>, inbox: &Receiver<Event>) -> Result<Artifact, CompileError> {
        let mut process = Process::start(self)?;
        let talk = process.talk(wasm, events)?;
        let event = inbox.recv_timeout(self.limits.wall_clock);
        let status = process.end();
        // Its pipes are closed now, so that this is no wait.
        let _ = talk.join();
        match event {
            Ok(Event::Answered(Ok(answer))) => answer.into_result(self.limits.memory_bytes),
            Ok(Event::Answered(Err(error))) if error.kind() == io::ErrorKind::InvalidData => {
                Err(CompileError::Worker(WorkerFailure::Noise))
            }
            Ok(Event::Answered(Err(_no_answer))) => Err(self.reason(status)),
            // Nobody hears an answer to `Abandoned`.
            Err(RecvTimeoutError::Timeout) | Ok(Event::Abandoned) => Err(CompileError::TimedOut {
                limit: self.limits.wall_clock,
            }),
            // The thread that talks sends before it ends, unless it panicked.
            Err(RecvTimeoutError::Disconnected) => Err(CompileError::Crashed { signal: None }),
        }
    }

    /// Why a process that ended by itself gave no answer.
    fn reason(&self, status: io::Result<ExitStatus>) -> CompileError {
        let status = match status {
            Ok(status) => status,
            Err(error) => return CompileError::Worker(WorkerFailure::Start(error)),
        };
        match (signal(status), status.code()) {
            (Some(signal), _) if signal == CPU_LIMIT_SIGNAL => CompileError::TimedOut {
                limit: Duration::from_secs(self.limits.cpu_seconds),
            },
            // What an allocation ends in that cannot be had.
            (Some(signal), _) if signal == ABORT_SIGNAL => CompileError::OutOfMemory {
                limit_bytes: Some(self.limits.memory_bytes),
            },
            (Some(signal), _) => CompileError::Crashed { signal: Some(signal) },
            (None, code) => CompileError::Worker(WorkerFailure::NoAnswer {
                status: code.unwrap_or_default(),
            }),
        }
    }
}

/// A worker process; ended when this is dropped.
struct Process(Child);

impl Process {
    fn start(worker: &CompileWorker) -> Result<Self, CompileError> {
        let mut command = Command::new(&worker.program);
        command
            .args(&worker.args)
            .args(["--memory-bytes", &worker.limits.memory_bytes.to_string()])
            .args(["--cpu-seconds", &worker.limits.cpu_seconds.to_string()])
            .env_clear()
            .env("RAYON_NUM_THREADS", cores().min(MAX_THREADS).to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // A group of its own, so that what it may have started ends with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn();
        child
            .map(Self)
            .map_err(|error| CompileError::Worker(WorkerFailure::Start(error)))
    }

    /// Starts the thread that hands the module over and takes the answer. It ends when the process does.
    fn talk(&mut self, wasm: Bytes, events: Sender<Event>) -> Result<thread::JoinHandle<()>, CompileError> {
        let (Some(mut stdin), Some(mut stdout)) = (self.0.stdin.take(), self.0.stdout.take()) else {
            return Err(CompileError::Worker(WorkerFailure::Start(
                io::ErrorKind::BrokenPipe.into(),
            )));
        };
        let thread = thread::Builder::new().name("palisade-pipe".to_owned());
        let thread = thread.spawn(move || {
            // A process that does not want all of it can still answer.
            let _ = stdin.write_all(&wasm);
            drop(stdin);
            // The supervisor waits for this.
            let _ = events.send(Event::Answered(Answer::read(&mut stdout)));
        });
        thread.map_err(no_thread)
    }

    /// Ends the process if it has not ended, and takes its status. A process that ended before keeps its own status.
    fn end(&mut self) -> io::Result<ExitStatus> {
        #[cfg(unix)]
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // Not reaped yet, so that the number still means this group.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.0.kill();
        self.0.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // After `end` the child remembers its status, and this does nothing.
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = self.end();
        }
    }
}

fn no_thread(error: io::Error) -> CompileError {
    CompileError::Engine(EngineError(error.into()))
}

/// The signal of a process that used up its time on a processor.
#[cfg(unix)]
const CPU_LIMIT_SIGNAL: i32 = rustix::process::Signal::XCPU.as_raw();
/// The signal of a process that ended itself.
#[cfg(unix)]
const ABORT_SIGNAL: i32 = rustix::process::Signal::ABORT.as_raw();

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
const CPU_LIMIT_SIGNAL: i32 = 0;
#[cfg(not(unix))]
const ABORT_SIGNAL: i32 = 0;

#[cfg(not(unix))]
fn signal(_status: ExitStatus) -> Option<i32> {
    None
}
