//! What to run, and how to tell that it runs: [`ProcessCommand`].

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::native::readiness::Readiness;

/// Time to become ready: a database with a cold disk is, and a person still waits.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Time to end after having been asked to, as long as a plugin has for its commands (lifecycle.md, `disable`).
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// What to run as a service.
///
/// Unless said otherwise it gets no environment, `/` as its folder, 30 s to become ready, which it is as soon as it
/// runs, and 5 s to end. It never gets anything to read.
#[derive(Clone)]
pub struct ProcessCommand {
    program: PathBuf,
    args: Vec<OsString>,
    inherits_environment: bool,
    variables: Vec<(OsString, OsString)>,
    folder: PathBuf,
    ports: BTreeSet<u16>,
    pub(super) readiness: Readiness,
    pub(super) ready_within: Duration,
    pub(super) stop_within: Duration,
}

impl ProcessCommand {
    /// Runs a program, best named by its whole path: without an environment there is no `PATH`.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            inherits_environment: false,
            variables: Vec::new(),
            folder: PathBuf::from("/"),
            ports: BTreeSet::new(),
            readiness: Readiness::running(),
            ready_within: READY_WITHIN,
            stop_within: STOP_WITHIN,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Gives it the environment of this process too, with whatever secrets are in there.
    #[must_use]
    pub fn inherit_environment(mut self) -> Self {
        self.inherits_environment = true;
        self
    }

    /// Sets the folder it runs in.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// Says that it will listen on a port of 127.0.0.1. The start is refused while somebody else does, and the port is
    /// in the handle's metadata.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.ports.insert(port);
        self
    }

    /// Says how it shows that it is ready; the port it is asked on is one of its ports. Health checks ask the same.
    #[must_use]
    pub fn ready_when(mut self, readiness: Readiness) -> Self {
        self.ports.extend(readiness.port());
        self.readiness = readiness;
        self
    }

    /// Sets how long it may take to become ready.
    #[must_use]
    pub fn ready_within(mut self, time: Duration) -> Self {
        self.ready_within = time;
        self
    }

    /// Sets how long it may take to end after it was asked to (`SIGTERM`); what is left of it then is killed.
    #[must_use]
    pub fn stop_within(mut self, time: Duration) -> Self {
        self.stop_within = time;
        self
    }

    pub(super) fn ports(&self) -> &BTreeSet<u16> {
        &self.ports
    }

    pub(super) fn to_command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if !self.inherits_environment {
            command.env_clear();
        }
        command
            .args(&self.args)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder);
        command
    }
}

/// Without arguments and variables, which may hold secrets.
impl fmt::Debug for ProcessCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessCommand")
            .field("program", &self.program)
            .field("ports", &self.ports)
            .field("readiness", &self.readiness)
            .finish_non_exhaustive()
    }
}
