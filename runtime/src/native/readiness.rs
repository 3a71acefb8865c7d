//! How a service shows that it is ready, and is asked: [`Readiness`].

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use thiserror::Error;

use super::error::ServiceFault;
use crate::services::Clock;

/// Time for one look at a service that is becoming ready: one that accepts and says nothing is asked again.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// Time for one health check (lifecycle.md, "Health").
pub(super) const CHECK: Duration = Duration::from_secs(10);

/// The most of an answer that is read. What says that a service is well is a line, not a page.
const ANSWER_BYTES: usize = 64 * 1024;

/// The shortest time a socket can be given.
const LEAST: Duration = Duration::from_millis(1);

/// How a process or a container shows that it is ready. It is asked on 127.0.0.1 and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness(Way);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    Running,
    Tcp {
        port: u16,
    },
    Http {
        port: u16,
        path: String,
        body: Option<String>,
    },
}

impl Readiness {
    /// It is ready as soon as it runs.
    #[must_use]
    pub fn running() -> Self {
        Self(Way::Running)
    }

    /// It is ready when it takes a connection on a port.
    #[must_use]
    pub fn tcp(port: u16) -> Self {
        Self(Way::Tcp { port })
    }

    /// It is ready when it answers a GET request with a status from 200 to 299 and, where one is given, with exactly
    /// this body, white space around it aside: `Readiness::http(8080, "/health", Some("OK"))`.
    ///
    /// # Errors
    ///
    /// [`InvalidPath`] when the path does not begin with `/`, or holds a space, a control character or anything but
    /// ASCII.
    pub fn http(port: u16, path: &str, body: Option<&str>) -> Result<Self, InvalidPath> {
        if !path.starts_with('/') || !path.chars().all(|char| char.is_ascii_graphic()) {
            return Err(InvalidPath);
        }
        Ok(Self(Way::Http {
            port,
            path: path.to_owned(),
            body: body.map(|body| body.trim().to_owned()),
        }))
    }

    pub(super) fn port(&self) -> Option<u16> {
        match self.0 {
            Way::Running => None,
            Way::Tcp { port } | Way::Http { port, .. } => Some(port),
        }
    }

    /// Asks once.
    pub(super) fn ask(&self, clock: &dyn Clock, within: Duration) -> Result<(), ProbeFailure> {
        match &self.0 {
            Way::Running => Ok(()),
            Way::Tcp { port } => connect(*port, within).map(drop),
            Way::Http { port, path, body } => {
                let end = clock.now() + within;
                let mut stream = connect(*port, within)?;
                let answer = get(&mut stream, *port, path, &Deadline { clock, end })?;
                answer.check(body.as_deref())
            }
        }
    }
}

/// A path that cannot be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the path must begin with `/` and hold printable ASCII without spaces")]
pub struct InvalidPath;

/// Why a process did not show that it is ready.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProbeFailure {
    /// It takes no connection.
    #[error("it takes no connection: {}", .0.kind())]
    NoConnection(io::Error),
    /// The connection broke, or nothing came in time.
    #[error("it gives no answer: {}", .0.kind())]
    NoAnswer(io::Error),
    /// What it answered is no HTTP.
    #[error("its answer is no HTTP")]
    NoHttp,
    /// It answered with a status that is no success.
    #[error("it answers with status {0}")]
    Status(u16),
    /// It answered with another body than was expected.
    #[error("it answers with something else than was expected")]
    Body,
}

/// Refuses a port that somebody answers on: it would be ready before the service is.
///
/// Asked, not tried out by listening: a program that is started elsewhere in this process at the same moment would hold
/// such a listener for a moment longer.
pub(super) fn check_free(port: u16) -> Result<(), ServiceFault> {
    match connect(port, LOOK) {
        Ok(_somebody) => Err(ServiceFault::PortTaken { port }),
        Err(_) => Ok(()),
    }
}

/// Connects to a port of this machine, unless nobody else is there.
fn connect(port: u16, within: Duration) -> Result<TcpStream, ProbeFailure> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, within.max(LEAST)).map_err(ProbeFailure::NoConnection)?;
    match is_to_itself(&stream).map_err(ProbeFailure::NoConnection)? {
        true => Err(ProbeFailure::NoConnection(io::ErrorKind::ConnectionRefused.into())),
        false => Ok(stream),
    }
}

/// Whether a connection has no other end. One to a port that nobody listens on may be given this very port as its own,
/// and then TCP connects it to itself (RFC 9293, "Simultaneous Connection Synchronization").
fn is_to_itself(stream: &TcpStream) -> io::Result<bool> {
    Ok(stream.local_addr()? == stream.peer_addr()?)
}

/// When an answer has to be there as a whole, however it drips.
struct Deadline<'a> {
    clock: &'a dyn Clock,
    end: Instant,
}

impl Deadline<'_> {
    fn left(&self) -> Result<Duration, ProbeFailure> {
        match self.end.saturating_duration_since(self.clock.now()) {
            Duration::ZERO => Err(ProbeFailure::NoAnswer(io::ErrorKind::TimedOut.into())),
            left => Ok(left.max(LEAST)),
        }
    }
}

/// HTTP/1.0, so that the answer comes in one piece and the connection ends with it.
fn get(stream: &mut TcpStream, port: u16, path: &str, deadline: &Deadline<'_>) -> Result<Answer, ProbeFailure> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream
        .set_write_timeout(Some(deadline.left()?))
        .map_err(ProbeFailure::NoAnswer)?;
    stream.write_all(request.as_bytes()).map_err(ProbeFailure::NoAnswer)?;
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let answer = Answer::parse(&bytes);
        if let Some(answer) = answer.as_ref().filter(|answer| answer.is_whole()) {
            return Ok(answer.clone());
        }
        stream
            .set_read_timeout(Some(deadline.left()?))
            .map_err(ProbeFailure::NoAnswer)?;
        let length = match stream.read(&mut chunk) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ProbeFailure::NoAnswer(error)),
        };
        bytes.extend(chunk.iter().take(length));
        if length == 0 || bytes.len() > ANSWER_BYTES {
            return answer.ok_or(ProbeFailure::NoHttp);
        }
    }
}

/// As much of an answer as is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    length: Option<usize>,
    body: Vec<u8>,
}

impl Answer {
    /// Reads an answer whose head is whole.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let (head, rest) = bytes.split_at_checked(end)?;
        let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
        let (version, status) = lines.next()?.split_once(' ')?;
        if !version.starts_with("HTTP/1.") {
            return None;
        }
        let status = status.split(' ').next()?.parse().ok()?;
        let length = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok());
        let body = rest.iter().skip(4).copied().collect();
        Some(Self { status, length, body })
    }

    fn is_whole(&self) -> bool {
        self.length.is_some_and(|length| self.body.len() >= length)
    }

    fn check(&self, expected: Option<&str>) -> Result<(), ProbeFailure> {
        if !(200..300).contains(&self.status) {
            return Err(ProbeFailure::Status(self.status));
        }
        match expected {
            Some(expected) if self.body.trim_ascii() != expected.as_bytes() => Err(ProbeFailure::Body),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::services::SystemClock;

    /// Long enough that it never passes where an answer comes.
    const LONG: Duration = Duration::from_secs(60);

    /// Asks a server that answers one connection with these bytes and then, unless told otherwise, closes it.
    #[track_caller]
    fn ask(answer: &'static [u8], stays_open: bool, body: Option<&str>) -> Result<(), ProbeFailure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let readiness = Readiness::http(listener.local_addr().unwrap().port(), "/health", body).unwrap();
        thread::scope(|scope| {
            let server = scope.spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 1024];
                let length = stream.read(&mut request).unwrap();
                stream.write_all(answer).unwrap();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                (request, stays_open.then_some(stream))
            });
            let keeping = readiness.ask(&SystemClock, LONG);
            let (request, _stream) = server.join().unwrap();
            assert!(
                request.starts_with("GET /health HTTP/1.0\r\nHost: 127.0.0.1:"),
                "{request}"
            );
            keeping
        })
    }

    #[test]
    fn a_success_with_the_expected_body_is_ready_and_near_misses_are_not() {
        let ok = b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\nOK\n";
        ask(ok, false, Some("OK")).unwrap();
        ask(ok, false, None).unwrap();
        assert!(matches!(ask(ok, false, Some("ok")), Err(ProbeFailure::Body)));
        assert!(matches!(ask(ok, false, Some("O")), Err(ProbeFailure::Body)));
        ask(b"HTTP/1.1 204 No Content\r\n\r\n", false, None).unwrap();
        let failing = b"HTTP/1.1 503 Service Unavailable\r\n\r\nOK";
        assert!(matches!(
            ask(failing, false, Some("OK")),
            Err(ProbeFailure::Status(503))
        ));
        let moved = b"HTTP/1.1 301 Moved\r\nLocation: /other\r\n\r\nOK";
        assert!(matches!(ask(moved, false, Some("OK")), Err(ProbeFailure::Status(301))));
    }

    #[test]
    fn a_server_that_keeps_the_connection_open_is_done_when_it_has_said_all() {
        ask(b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 2\r\n\r\nOK", true, Some("OK")).unwrap();
    }

    #[test]
    fn what_is_no_http_is_not_ready() {
        for answer in [
            &b""[..],
            b"OK",
            b"SSH-2.0-x\r\n\r\n",
            b"HTTP/1.0 200 OK\r\n",
            b"HTTP/1.0 many\r\n\r\n",
        ] {
            assert!(
                matches!(ask(answer, false, None), Err(ProbeFailure::NoHttp)),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn a_server_that_accepts_and_says_nothing_is_not_ready() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let http = Readiness::http(port, "/health", None).unwrap();
        let failure = http.ask(&SystemClock, Duration::from_millis(1)).unwrap_err();
        assert!(matches!(failure, ProbeFailure::NoAnswer(_)), "{failure}");
        Readiness::tcp(port).ask(&SystemClock, LONG).unwrap();
    }

    #[test]
    fn an_endless_answer_is_read_to_the_bound_and_no_further() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(&[b'x'; 4096]).is_ok() {}
        });
        let failure = Readiness::http(port, "/", None)
            .unwrap()
            .ask(&SystemClock, LONG)
            .unwrap_err();
        assert!(matches!(failure, ProbeFailure::NoHttp), "{failure}");
        server.join().unwrap();
    }

    #[test]
    fn a_connection_to_itself_is_no_service() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let alone = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            let own = socket.local_addr().unwrap();
            socket.connect(own).await.unwrap().into_std().unwrap()
        });
        assert!(is_to_itself(&alone).unwrap());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(!is_to_itself(&stream).unwrap());
    }

    #[test]
    fn a_path_that_would_change_the_request_is_refused() {
        for path in ["", "health", "/a b", "/a\r\nX: y", "/ä", "/\u{7f}"] {
            assert_eq!(Readiness::http(1, path, None), Err(InvalidPath), "{path:?}");
        }
        assert!(Readiness::http(1, "/health?full=1", None).is_ok());
    }
}
