//! The accept loop under the router: how long a client may take, how many there may be, and how they are sent home.
//!
//! `crowd` knows every connection and sends away those that wait longest when there is no room; `connection` is one of
//! them, `activity` what it is doing and until when it may, `watched` its stream and `body` what it sends and is sent.

mod activity;
mod body;
mod connection;
mod crowd;
mod watched;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::debug;

pub use self::body::BodyTooSlow;
use self::connection::Connection;
use self::crowd::Crowd;

/// How long nothing is accepted after the system had no file or memory for a connection: long enough for some to end,
/// and short enough for a client not to notice.
const RECOVERY: Duration = Duration::from_millis(50);

/// What clients may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenSettings {
    /// How long a client may take for the head of a request: from the connection for the first, from its first byte for
    /// others. 5 s: a head is one packet of a client that means it.
    pub header_time: Duration,
    /// How long the body of a request may take altogether. 60 s, which is a bundle of 50 MiB at 7 Mbit/s.
    pub body_time: Duration,
    /// How long a connection is kept for the next request. 75 s, longer than the 60 s of common proxies, so that it is
    /// they who close it and none of their requests meets a closed one.
    pub idle_time: Duration,
    /// How long a client may refuse to take any of an answer. 30 s.
    pub write_time: Duration,
    /// Connections at a time; one more makes those that wait longest for a request leave. 10,240.
    pub connections: usize,
    /// The size of the head of a request. 16 KiB, the least that every common client and proxy gets by with.
    pub header_bytes: usize,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            header_time: Duration::from_secs(5),
            body_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(75),
            write_time: Duration::from_secs(30),
            connections: 10_240,
            header_bytes: 16 * 1024,
        }
    }
}

/// Answers with `router` whoever connects to `listeners`, until `ending` is cancelled and every request that was begun by
/// then is answered. HTTP/1.1, one task of the current tokio runtime a connection.
///
/// Each request carries [`ConnectInfo`](axum::extract::ConnectInfo) with the address of its client. A body that takes
/// too long ends with [`BodyTooSlow`].
///
/// Dropping it closes every connection at once.
pub async fn serve(listeners: Vec<TcpListener>, router: Router, settings: ListenSettings, ending: CancellationToken) {
    let mut door = Door {
        listeners,
        router,
        crowd: Crowd::new(settings.connections, ending.clone()),
        settings,
        connections: JoinSet::new(),
    };
    ending.run_until_cancelled(door.receive()).await;
    let Door {
        listeners,
        mut connections,
        ..
    } = door;
    drop(listeners);
    while connections.join_next().await.is_some() {}
}

struct Door {
    listeners: Vec<TcpListener>,
    router: Router,
    settings: ListenSettings,
    crowd: Crowd,
    connections: JoinSet<()>,
}

impl Door {
    async fn receive(&mut self) {
        loop {
            match poll_fn(|context| self.poll_arrival(context)).await {
                Ok((stream, client)) => self.welcome(stream, client),
                // The client went away before it was let in.
                Err(error) if is_of_client(&error) => debug!(%error, "a connection ended before it began"),
                Err(error) => {
                    debug!(%error, "no connection can be accepted");
                    self.crowd.make_room();
                    self.recover().await;
                }
            }
        }
    }

    fn welcome(&mut self, stream: TcpStream, client: SocketAddr) {
        // Small answers go out at once. One that cannot be told so is slower, and no worse.
        let _ = stream.set_nodelay(true);
        let connection = Connection {
            place: self.crowd.enter(),
            client,
            router: self.router.clone(),
            settings: self.settings,
        };
        self.connections.spawn(connection.serve(stream));
    }

    /// Waits for a client while there is room for one. A full house sends away who only waits.
    fn poll_arrival(&mut self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        self.reap(context);
        if self.crowd.is_full() {
            self.crowd.make_room();
            // What leaves wakes this task through the set of connections.
            return Poll::Pending;
        }
        for listener in &self.listeners {
            if let Poll::Ready(arrived) = listener.poll_accept(context) {
                return Poll::Ready(arrived);
            }
        }
        Poll::Pending
    }

    /// Forgets the connections that have ended, and is woken by the next that does.
    fn reap(&mut self, context: &mut Context<'_>) {
        while let Poll::Ready(Some(ended)) = self.connections.poll_join_next(context) {
            if let Err(error) = ended {
                debug!(%error, "a connection was lost");
            }
        }
    }

    async fn recover(&mut self) {
        let mut over = std::pin::pin!(tokio::time::sleep(RECOVERY));
        poll_fn(|context| {
            self.reap(context);
            over.as_mut().poll(context)
        })
        .await;
    }
}

/// Whether accepting failed for a reason that is gone with the connection (accept(2), "Error handling").
fn is_of_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::TimedOut
    )
}

#[cfg(test)]
mod tests;
