//! What a process writes, read until it ends.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{PipeReader, Read};
use std::os::fd::AsFd;
use std::process::{ChildStderr, ChildStdout};

use crate::native::lines::{Lines, Output};

/// Read at once: what a pipe holds by default.
const CHUNK: usize = 64 * 1024;

/// Chunks still read of each stream after the process has ended: more than a pipe can hold by default. Somebody who got
/// away with the other end may write forever.
const LAST_CHUNKS: usize = 16;

impl Output {
    /// Reads until both streams have ended, or until `woken` has and what was written before that is read.
    pub(super) fn follow(&self, stdout: ChildStdout, stderr: ChildStderr, woken: &PipeReader) {
        let mut stdout = Stream::new(stdout, Lines::of_stdout());
        let mut stderr = Stream::new(stderr, Lines::of_stderr());
        while stdout.is_open() || stderr.is_open() {
            match readable_now(&[stdout.fd(), stderr.fd(), Some(woken.as_fd())], None).as_slice() {
                [_, _, true] => break,
                [out, err, ..] => {
                    stdout.read_if(*out, self);
                    stderr.read_if(*err, self);
                }
                _ => break,
            }
        }
        stdout.finish(self);
        stderr.finish(self);
    }
}

/// Which of these can be read without waiting; waits for the first of them where there is no `timeout`.
fn readable_now(fds: &[Option<std::os::fd::BorrowedFd<'_>>], timeout: Option<&Timespec>) -> Vec<bool> {
    let mut polled: Vec<_> = fds
        .iter()
        .flatten()
        .map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN))
        .collect();
    loop {
        match poll(&mut polled, timeout) {
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Vec::new(),
            Ok(_) => break,
        }
    }
    let mut ready = polled.iter().map(|fd| !fd.revents().is_empty());
    fds.iter()
        .map(|fd| fd.is_some() && ready.next().unwrap_or(false))
        .collect()
}

/// One stream, as long as it is open.
struct Stream<R> {
    from: Option<R>,
    lines: Lines,
}

impl<R: Read + AsFd> Stream<R> {
    fn new(from: R, lines: Lines) -> Self {
        Self {
            from: Some(from),
            lines,
        }
    }

    fn is_open(&self) -> bool {
        self.from.is_some()
    }

    fn fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.from.as_ref().map(AsFd::as_fd)
    }

    fn read_if(&mut self, ready: bool, output: &Output) {
        let Some(from) = self.from.as_mut().filter(|_| ready) else {
            return;
        };
        let mut chunk = [0; CHUNK];
        match from.read(&mut chunk) {
            Ok(0) => self.from = None,
            Ok(length) => self.lines.take(chunk.get(..length).unwrap_or_default(), output),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => self.from = None,
        }
    }

    /// Reads what is there already, and passes on a line that has no end.
    fn finish(&mut self, output: &Output) {
        for _ in 0..LAST_CHUNKS {
            let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
            let ready = readable_now(&[self.fd()], Some(&at_once)).contains(&true);
            if !ready {
                break;
            }
            self.read_if(true, output);
        }
        self.lines.finish(output);
    }
}
