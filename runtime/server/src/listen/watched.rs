//! The stream of a connection, which tells what the client does.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::activity::{Activity, Phase, Took};

/// What is thrown away at a time.
const SCRAP_BYTES: usize = 16 * 1024;

/// What is thrown away before one that goes on sending is cut off: many times what a client has under way when it reads
/// that it can stop.
const LINGER_BYTES: usize = 32 * 1024 * 1024;

pub(super) struct Watched {
    stream: TokioIo<TcpStream>,
    activity: Arc<Activity>,
    end: End,
}

/// How far the connection has come with ending.
#[derive(Clone, Copy)]
enum End {
    Open,
    /// Nothing is sent any more; so many bytes were thrown away.
    Sent {
        thrown_away: usize,
    },
}

impl Watched {
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>) -> Self {
        Self {
            stream: TokioIo::new(stream),
            activity,
            end: End::Open,
        }
    }

    fn stream(&mut self) -> Pin<&mut TokioIo<TcpStream>> {
        Pin::new(&mut self.stream)
    }

    fn told<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let took = if written.is_ready() {
            Took::Something
        } else {
            Took::Nothing
        };
        self.activity.has_written(took, Instant::now());
        written
    }
}

impl Read for Watched {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.stream().poll_read(context, buffer))?;
        // The end is a byte like others: what follows it is the end of the connection.
        this.activity.has_read(Instant::now());
        Poll::Ready(Ok(()))
    }
}

impl Write for Watched {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.stream().poll_write(context, bytes);
        this.told(written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().stream().poll_flush(context)
    }

    /// Closes the half that sends. A client that has not sent everything is listened to for a while: closing over bytes
    /// that were not read resets the connection, and the answer with it (RFC 9112, 9.6).
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.end, End::Open) {
            ready!(this.stream().poll_shutdown(context))?;
            this.end = End::Sent { thrown_away: 0 };
            if this.activity.has_left_unread() {
                this.activity.enter(Phase::Lingering, Instant::now());
            }
        }
        if !this.activity.has_left_unread() {
            return Poll::Ready(Ok(()));
        }
        let mut scrap = [0; SCRAP_BYTES];
        while let End::Sent { thrown_away } = this.end
            && thrown_away < LINGER_BYTES
        {
            let mut buffer = ReadBuf::new(&mut scrap);
            ready!(this.stream().poll_read(context, buffer.unfilled()))?;
            match buffer.filled().len() {
                0 => break,
                bytes => {
                    this.end = End::Sent {
                        thrown_away: thrown_away + bytes,
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = this.stream().poll_write_vectored(context, parts);
        this.told(written)
    }
}
