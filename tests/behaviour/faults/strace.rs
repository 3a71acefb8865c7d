//! `strace`, which counts calls and has them fail.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

use super::Run;
use super::driver::Driver;

/// Calls that write, or that open what is written. `pwritev2` and the like are nowhere used.
const CALLS: &str = "open,openat,creat,write,pwrite64,writev,pwritev,fsync,fdatasync,sync_file_range,rename,renameat,\
                     renameat2,link,linkat,unlink,unlinkat,ftruncate,fallocate,mkdir,mkdirat,fchmod,fchown";

/// A system call of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    /// Of the thread with this name,
    pub(super) thread: String,
    /// the one with this name,
    call: String,
    /// and this number, from 1.
    number: usize,
    /// As it was when nothing failed.
    line: String,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// With this error.
    Error(&'static str),
    /// With this error, and the process is killed when it has answered.
    Answer(&'static str),
    /// The process is killed before it.
    Kill,
}

pub(super) struct Strace {
    child: Child,
    /// Open for as long as it may have something to say: it dies of a closed one.
    _says: BufReader<ChildStderr>,
    log: PathBuf,
    data: PathBuf,
}

/// Writes down the calls of a whole process.
pub(super) fn watch(run: &Run, driver: &Driver) -> Strace {
    start(
        run,
        &["-f", "-y", "-p", &driver.id().to_string()],
        &format!("trace={CALLS}"),
    )
}

/// Has one call of a thread fail.
pub(super) fn inject(run: &Run, thread: u32, point: &Point, fault: Fault) -> Strace {
    let Point { call, number, .. } = point;
    let what = match fault {
        Fault::Error(error) | Fault::Answer(error) => format!("error={error}"),
        Fault::Kill => "signal=KILL".to_owned(),
    };
    let expression = format!("inject={call}:{what}:when={number}");
    start(
        run,
        &["-p", &thread.to_string(), "-e", &format!("trace={call}")],
        &expression,
    )
}

fn start(run: &Run, arguments: &[&str], expression: &str) -> Strace {
    let started = Command::new("strace")
        .args(["-s", "0", "-o"])
        .arg(run.log())
        .args(["-e", expression])
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.unwrap_or_else(|error| {
        panic!("`strace` does not start ({error}); `apt-get install strace` installs it");
    });
    let mut says = BufReader::new(child.stderr.take().unwrap());
    let mut attached = String::new();
    says.read_line(&mut attached).unwrap();
    assert!(attached.contains("attached"), "strace: {attached}");
    Strace {
        child,
        _says: says,
        log: run.log(),
        data: run.data(),
    }
}

impl Strace {
    /// The calls that had to do with the data directory.
    pub(super) fn points(mut self, threads: &BTreeMap<u32, String>) -> Vec<Point> {
        self.child.wait().unwrap();
        let log = fs::read_to_string(&self.log).unwrap();
        let data = self.data.to_str().unwrap();
        let (mut points, mut numbers) = (Vec::new(), BTreeMap::new());
        for line in log.lines() {
            let Some((thread, line)) = line.split_once(char::is_whitespace) else {
                continue;
            };
            let Some((call, _)) = line.trim_start().split_once('(') else {
                continue;
            };
            let number = numbers.entry((thread.to_owned(), call.to_owned())).or_insert(0);
            *number += 1;
            if line.contains(data) {
                points.push(Point {
                    thread: threads[&thread.parse::<u32>().unwrap()].clone(),
                    call: call.to_owned(),
                    number: *number,
                    line: line.trim_start().to_owned(),
                });
            }
        }
        points
    }

    /// Waits until the thread is gone.
    #[track_caller]
    pub(super) fn was_injected(mut self) {
        self.child.wait().unwrap();
        let log = fs::read_to_string(&self.log).unwrap();
        let injected = log.lines().filter(|line| line.contains("(INJECTED)")).count();
        let killed = log
            .lines()
            .filter(|line| line.contains("+++ killed by SIGKILL +++"))
            .count();
        assert_eq!(injected + killed, 1, "{log}");
    }
}
