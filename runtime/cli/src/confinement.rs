//! A second wall around plugins: the process gives up the files that it does not need.
//!
//! The first wall is the sandbox. This one is the kernel's, Landlock on Linux, and holds when the first has a hole. It
//! is as high as the kernel can build it, and missing where there is none; `palisade doctor` says which.
//!
//! Landlock restricts the calling thread and every thread and process that it starts afterwards, for good. So it goes
//! up on the main thread, when everything has been read and before there is an engine with threads of its own.

use std::path::PathBuf;

use palisade::{Blame, Code, Coded};
use thiserror::Error;

/// What the process may still do with files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Confinement {
    readable: Vec<PathBuf>,
    writable: Vec<PathBuf>,
}

/// How high the wall is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strength {
    /// Everything that this program knows to restrict is restricted.
    Full,
    /// The kernel knows some of it.
    Partial,
    /// The kernel knows none of it.
    None,
}

impl Confinement {
    /// Leaves a file or folder readable, with all that is in it.
    pub(crate) fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.readable.push(path.into());
        self
    }

    /// Leaves a file or folder readable and writable, with all that is in it.
    pub(crate) fn write(mut self, path: impl Into<PathBuf>) -> Self {
        self.writable.push(path.into());
        self
    }

    /// Restricts this thread, and what it starts from now on. What does not exist cannot be used later either.
    ///
    /// # Errors
    ///
    /// The kernel has Landlock and refuses to use it.
    pub(crate) fn apply(&self) -> Result<Strength, ConfinementError> {
        kernel::restrict(self)
    }

    /// How high the wall would be; tried on a thread that ends.
    pub(crate) fn strength() -> Result<Strength, ConfinementError> {
        let thread = std::thread::Builder::new().name("palisade-confined".to_owned());
        let applied = thread.spawn(|| Self::default().apply());
        match applied.map(std::thread::JoinHandle::join) {
            Ok(Ok(strength)) => strength,
            Ok(Err(_)) | Err(_) => Ok(Strength::None),
        }
    }
}

/// The kernel refused to restrict the process.
#[derive(Debug, Error)]
#[error("the process could not be confined")]
pub(crate) struct ConfinementError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Coded for ConfinementError {
    fn code(&self) -> Code {
        Code::InternalError
    }

    fn blame(&self) -> Blame {
        Blame::Host
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use landlock::{
        ABI, Access, AccessFs, RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
        RulesetStatus, Scope, path_beneath_rules,
    };

    use super::{Confinement, ConfinementError, Strength};

    /// The newest version of Landlock that this was tried with; on an older kernel less is restricted.
    const TRIED: ABI = ABI::V7;

    /// What libraries read: certificates and the way to a name server, shared objects, the number of processors, and
    /// what the kernel says of this process. Whole folders, because a name server that changes comes as a new file.
    const READABLE: [&str; 9] = [
        "/etc",
        "/usr",
        "/lib",
        "/lib64",
        "/run/systemd/resolve",
        "/proc/self",
        "/sys/fs/cgroup",
        "/sys/devices/system/cpu",
        "/dev/urandom",
    ];

    /// Where the streams of a process that has none lead.
    const WRITABLE: [&str; 1] = ["/dev/null"];

    /// What a program that is linked dynamically is started by.
    const LOADERS: [&str; 4] = [
        "/lib64/ld-linux-x86-64.so.2",
        "/lib/ld-linux-aarch64.so.1",
        "/lib/ld-musl-x86_64.so.1",
        "/lib/ld-musl-aarch64.so.1",
    ];

    pub(super) fn restrict(confinement: &Confinement) -> Result<Strength, ConfinementError> {
        let status = enforce(confinement).map_err(|error| ConfinementError(Box::new(error)))?;
        Ok(match status.ruleset {
            RulesetStatus::FullyEnforced => Strength::Full,
            RulesetStatus::PartiallyEnforced => Strength::Partial,
            RulesetStatus::NotEnforced => Strength::None,
        })
    }

    fn enforce(confinement: &Confinement) -> Result<RestrictionStatus, RulesetError> {
        let read = AccessFs::from_read(TRIED) & !AccessFs::Execute;
        let write = AccessFs::from_all(TRIED) & !AccessFs::Execute;
        // Only this program may be started: it compiles in a process of its own.
        let program = std::env::current_exe().ok();
        Ruleset::default()
            .handle_access(AccessFs::from_all(TRIED))?
            .scope(Scope::from_all(TRIED))?
            .create()?
            .add_rules(path_beneath_rules(READABLE, read))?
            .add_rules(path_beneath_rules(&confinement.readable, read))?
            .add_rules(path_beneath_rules(WRITABLE, write))?
            .add_rules(path_beneath_rules(&confinement.writable, write))?
            .add_rules(path_beneath_rules(program, read | AccessFs::Execute))?
            .add_rules(path_beneath_rules(LOADERS, read | AccessFs::Execute))?
            .restrict_self()
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use super::{Confinement, ConfinementError, Strength};

    pub(super) fn restrict(_confinement: &Confinement) -> Result<Strength, ConfinementError> {
        Ok(Strength::None)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs;
    use std::io::ErrorKind;
    use std::process::{Command, Stdio};

    use super::*;

    /// Restricts a thread of its own and does `work` there; nothing to see where the kernel has no Landlock.
    fn confined(confinement: Confinement, work: impl FnOnce() + Send) {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                if confinement.apply().unwrap() != Strength::None {
                    work();
                }
            });
        });
    }

    #[test]
    fn what_was_not_left_open_is_closed() {
        let [open, closed] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        for folder in [&open, &closed] {
            fs::write(folder.path().join("file"), "text").unwrap();
        }
        confined(Confinement::default().read(open.path()), || {
            assert_eq!(fs::read_to_string(open.path().join("file")).unwrap(), "text");
            let denied = |result: std::io::Result<()>| {
                assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
            };
            denied(fs::write(open.path().join("file"), "other"));
            denied(fs::read(closed.path().join("file")).map(drop));
            denied(fs::read_dir(closed.path()).map(drop));
            // By a link from inside, too.
            denied(std::os::unix::fs::symlink(closed.path(), open.path().join("link")));
        });
        assert!(fs::read(closed.path().join("file")).is_ok(), "other threads are free");
    }

    #[test]
    fn a_link_out_of_an_open_folder_leads_nowhere() {
        let [open, closed] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        fs::write(closed.path().join("file"), "text").unwrap();
        std::os::unix::fs::symlink(closed.path().join("file"), open.path().join("link")).unwrap();
        confined(Confinement::default().write(open.path()), || {
            let error = fs::read(open.path().join("link")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        });
    }

    #[test]
    fn a_folder_left_writable_can_be_written_and_nothing_in_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::copy("/bin/true", &program).unwrap();
        confined(Confinement::default().write(folder.path()), || {
            fs::write(folder.path().join("one"), "text").unwrap();
            fs::create_dir(folder.path().join("folder")).unwrap();
            fs::rename(folder.path().join("one"), folder.path().join("folder/two")).unwrap();
            fs::remove_dir_all(folder.path().join("folder")).unwrap();
            let error = Command::new(&program).status().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        });
    }

    #[test]
    fn this_program_can_be_started_and_no_other_and_it_is_confined_as_well() {
        let closed = tempfile::tempdir().unwrap();
        fs::write(closed.path().join("file"), "text").unwrap();
        let this = std::env::current_exe().unwrap();
        confined(Confinement::default(), || {
            let error = Command::new("/bin/true").status().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            let child = Command::new(&this)
                .args(["--exact", "confinement::tests::reads_what_it_is_told_to"])
                .env("PALISADE_TEST_READS", closed.path().join("file"))
                .stdin(Stdio::null())
                .output()
                .unwrap();
            assert!(
                !child.status.success(),
                "the child could read what its parent could not"
            );
            assert!(String::from_utf8_lossy(&child.stdout).contains("PermissionDenied"));
        });
    }

    /// The child of the test above.
    #[test]
    fn reads_what_it_is_told_to() {
        if let Some(path) = std::env::var_os("PALISADE_TEST_READS") {
            fs::read(path).unwrap();
        }
    }

    #[test]
    fn this_machine_says_how_high_the_wall_is() {
        assert!(Confinement::strength().is_ok());
    }
}
