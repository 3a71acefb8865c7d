//! What a process writes, as lines of the host's log.

use std::io::{PipeReader, Read};
use std::os::fd::AsFd;
use std::process::{ChildStderr, ChildStdout};
use std::sync::Arc;

use palisade_abi::Level;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::sandbox::{LINE_BYTES, readable};
use crate::services::{LogRecord, LogSink, LogSource};

/// Read at once: what a pipe holds by default.
const CHUNK: usize = 64 * 1024;

/// Chunks still read of each stream after the process has ended: more than a pipe can hold by default. Somebody who got
/// away with the other end may write forever.
const LAST_CHUNKS: usize = 16;

/// Where the output of a process goes.
pub(super) struct Output {
    pub(super) service: Arc<str>,
    pub(super) log: Arc<dyn LogSink>,
}

impl Output {
    /// Reads until both streams have ended, or until `woken` has and what was written before that is read.
    pub(super) fn follow(&self, stdout: ChildStdout, stderr: ChildStderr, woken: &PipeReader) {
        let mut stdout = Stream::new(stdout, LogSource::Stdout, Level::Info);
        let mut stderr = Stream::new(stderr, LogSource::Stderr, Level::Warn);
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

    fn write(&self, source: LogSource, level: Level, line: &[u8]) {
        self.log.write(&LogRecord {
            plugin_id: &self.service,
            version: None,
            level,
            source,
            text: &readable(line),
        });
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

/// One stream, and the line it is in.
struct Stream<R> {
    source: LogSource,
    level: Level,
    from: Option<R>,
    pending: Vec<u8>,
}

impl<R: Read + AsFd> Stream<R> {
    fn new(from: R, source: LogSource, level: Level) -> Self {
        Self {
            source,
            level,
            from: Some(from),
            pending: Vec::new(),
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
            Ok(length) => self.take(chunk.get(..length).unwrap_or_default(), output),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => self.from = None,
        }
    }

    /// Whole lines are passed on, the rest waits for its end.
    fn take(&mut self, bytes: &[u8], output: &Output) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            // What is past the longest line is cut off anyway, so a line without end costs no more than one.
            let room = (LINE_BYTES + 1).saturating_sub(self.pending.len());
            let (line, ended) = match piece.split_last() {
                Some((b'\n', line)) => (line, true),
                _ => (piece, false),
            };
            self.pending.extend(line.iter().take(room));
            if ended {
                output.write(self.source, self.level, &self.pending);
                self.pending.clear();
            }
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
        if !self.pending.is_empty() {
            output.write(self.source, self.level, &self.pending);
            self.pending.clear();
        }
    }
}
