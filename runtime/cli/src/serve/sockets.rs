//! What is listened on: an address, or what the service manager has opened already.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use listenfd::ListenFd;
use palisade::{Blame, Code, Coded};
use palisade_server::{Token, TokenFile};
use palisade_signer::Failure;
use serde_json::{Map, Value};
use thiserror::Error;
use tokio::net::TcpSocket;

use super::voice::Voice;

/// Files that are left for everything that is no connection: databases, bundles, what plugins ask for.
const OTHER_FILES: u64 = 512;

/// The least that connections are left with, however few files there may be.
const MIN_CONNECTIONS: u64 = 16;

/// Clients that may wait to be let in: as many as come at once when a thousand of them start together.
const BACKLOG: u32 = 1_024;

/// Sockets with their addresses.
pub(super) struct Sockets(Vec<(Socket, SocketAddr)>);

enum Socket {
    /// It listens already.
    Handed(TcpListener),
    /// It has an address.
    Bound(TcpSocket),
}

impl Sockets {
    /// Those that were handed over, else one at `address`.
    pub(super) fn open(address: SocketAddr) -> Result<Self, Failure> {
        let mut handed = ListenFd::from_env();
        let mut sockets = Vec::new();
        for index in 0..handed.len() {
            let listener = handed.take_tcp_listener(index).map_err(SocketError::Handed)?;
            sockets.extend(listener.map(Socket::Handed));
        }
        if sockets.is_empty() {
            let bound = bound(address).map_err(|error| SocketError::Address { address, error })?;
            sockets.push(Socket::Bound(bound));
        }
        let known = sockets.into_iter().map(|socket| {
            let address = match &socket {
                Socket::Handed(listener) => listener.local_addr()?,
                Socket::Bound(socket) => socket.local_addr()?,
            };
            Ok((socket, address))
        });
        Ok(Self(known.collect::<io::Result<_>>().map_err(SocketError::Handed)?))
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().map(|(_, address)| *address)
    }

    /// The names that clients call it by because they know its address.
    pub(super) fn names(&self) -> impl Iterator<Item = String> + use<> {
        let names = self.addresses().map(|address| match address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        });
        names.collect::<Vec<_>>().into_iter()
    }

    /// Listens on all of them, in the current runtime.
    pub(super) fn listen(self) -> Result<Vec<tokio::net::TcpListener>, Failure> {
        let listening = self.0.into_iter().map(|(socket, address)| match socket {
            Socket::Handed(listener) => {
                let listening = listener.set_nonblocking(true);
                let listening = listening.and_then(|()| tokio::net::TcpListener::from_std(listener));
                listening.map_err(SocketError::Handed)
            }
            Socket::Bound(socket) => {
                let listening = socket.listen(BACKLOG);
                listening.map_err(|error| SocketError::Address { address, error })
            }
        });
        Ok(listening.collect::<Result<_, _>>()?)
    }

    /// Whoever is not on this machine needs a token, so there has to be one.
    pub(super) fn refuse_without_token(&self, folder: &Path, brought: &[Token]) -> Result<(), Failure> {
        let Some(address) = self
            .addresses()
            .find(|address| !address.ip().to_canonical().is_loopback())
        else {
            return Ok(());
        };
        if brought.is_empty() && TokenFile::in_directory(folder).tokens()?.is_empty() {
            return Err(SocketError::NoToken { address }.into());
        }
        Ok(())
    }
}

/// A socket that has the address, unless another listens on it.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of an earlier server that are still being taken down are no reason to wait.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// How many connections there may be: what was asked for, as far as the system gives files for them.
pub(super) fn connections(asked: usize, voice: &Voice) -> usize {
    // The soft limit is kept low for programs that cannot deal with more; this one can.
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX);
    let possible = files.saturating_sub(OTHER_FILES).max(MIN_CONNECTIONS);
    let possible = usize::try_from(possible).unwrap_or(usize::MAX);
    if possible < asked {
        voice.warn(&format!(
            "the system allows {files} open files, so at most {possible} connections"
        ));
    }
    asked.min(possible)
}

/// Nothing can be listened on.
#[derive(Debug, Error)]
enum SocketError {
    #[error("cannot listen on {address}")]
    Address { address: SocketAddr, error: io::Error },
    #[error("a socket that was handed over cannot be listened on")]
    Handed(#[source] io::Error),
    #[error("{address} can be reached from other machines, and there is no token yet")]
    NoToken { address: SocketAddr },
}

impl Coded for SocketError {
    fn code(&self) -> Code {
        match self {
            Self::Address { .. } | Self::Handed(_) => Code::InternalError,
            Self::NoToken { .. } => Code::InvalidArgument,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Address { error, .. } if error.kind() == io::ErrorKind::AddrInUse => Blame::Conflict,
            Self::Address { .. } | Self::Handed(_) => Blame::Host,
            Self::NoToken { .. } => Blame::Request,
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::Address { address, error } => Map::from_iter([
                ("address".to_owned(), address.to_string().into()),
                ("reason".to_owned(), error.to_string().into()),
            ]),
            Self::Handed(_) => Map::new(),
            Self::NoToken { address } => Map::from_iter([("address".to_owned(), address.to_string().into())]),
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Address { error, .. } => vec![error.to_string()],
            Self::Handed(_) => Vec::new(),
            Self::NoToken { .. } => vec![
                "palisade token create NAME --scope plugin:read   makes one".to_owned(),
                "--token-file FILE   brings some along".to_owned(),
            ],
        }
    }
}
