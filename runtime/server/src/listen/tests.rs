use std::io::{Read, Write};
use std::net::TcpStream as Client;
use std::sync::mpsc;
use std::thread::JoinHandle;

use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use axum::routing::{get, post};

use super::*;

/// So long that no test gets there.
const NEVER: Duration = Duration::from_secs(3_600);

/// Settings under which nothing happens by the clock.
fn patient() -> ListenSettings {
    ListenSettings {
        header_time: NEVER,
        body_time: NEVER,
        idle_time: NEVER,
        write_time: NEVER,
        ..ListenSettings::default()
    }
}

/// A server on a thread of its own.
struct Server {
    address: SocketAddr,
    ending: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(router: Router, settings: ListenSettings) -> Self {
        let (tell, told) = mpsc::channel();
        let ending = CancellationToken::new();
        let end = ending.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                serve(vec![listener], router, settings, end).await;
            });
        });
        Self {
            address: told.recv().unwrap(),
            ending,
            thread: Some(thread),
        }
    }

    fn connect(&self) -> Client {
        Client::connect(self.address).unwrap()
    }

    /// Sends a request and reads the answer until the server closes.
    fn ask(&self, request: &str) -> String {
        let mut client = self.connect();
        client.write_all(request.as_bytes()).unwrap();
        rest(&mut client)
    }

    fn end(mut self) {
        self.ending.cancel();
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ending.cancel();
    }
}

fn rest(client: &mut Client) -> String {
    let mut answer = Vec::new();
    // A connection that was reset has ended as well.
    let _ = client.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// One answer of a connection that stays: what the routes below say ends with a exclamation mark.
fn one_answer(client: &mut Client) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"!") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    String::from_utf8(answer).unwrap()
}

fn routes() -> Router {
    let read = |body: Result<Bytes, axum::extract::rejection::BytesRejection>| async move {
        match body {
            Ok(body) => (StatusCode::OK, format!("{} bytes!", body.len())),
            Err(error) if BodyTooSlow::is_why(&error) => (StatusCode::REQUEST_TIMEOUT, "too slow!".to_owned()),
            Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
        }
    };
    Router::new()
        .route("/", get(|| async { "hello!" }))
        .route(
            "/me",
            get(|ConnectInfo(me): ConnectInfo<SocketAddr>| async move { format!("{me}!") }),
        )
        .route("/read", post(read))
        .route("/refuse", post(|| async { (StatusCode::PAYLOAD_TOO_LARGE, "no!") }))
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[test]
fn a_connection_serves_one_request_after_the_other_and_knows_its_client() {
    let server = Server::start(routes(), patient());
    let mut client = server.connect();
    for _ in 0..3 {
        client.write_all(GET.as_bytes()).unwrap();
        assert!(one_answer(&mut client).ends_with("hello!"));
    }
    client.write_all(b"GET /me HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let me = format!("{}!", client.local_addr().unwrap());
    assert!(one_answer(&mut client).ends_with(&me));
}

#[test]
fn a_head_that_does_not_come_in_time_closes_the_connection() {
    let settings = ListenSettings {
        header_time: Duration::from_millis(50),
        ..patient()
    };
    let server = Server::start(routes(), settings);
    assert_eq!(server.ask(""), "");
    assert_eq!(server.ask("GET / HTTP/1.1\r\nhost: a\r\n"), "");
}

#[test]
fn a_second_head_has_its_own_time() {
    let settings = ListenSettings {
        header_time: Duration::from_secs(1),
        ..patient()
    };
    let server = Server::start(routes(), settings);
    let mut client = server.connect();
    client.write_all(GET.as_bytes()).unwrap();
    assert!(one_answer(&mut client).ends_with("hello!"));
    client.write_all(b"GET / HT").unwrap();
    assert_eq!(rest(&mut client), "");
}

#[test]
fn a_connection_that_is_not_used_is_closed() {
    let settings = ListenSettings {
        idle_time: Duration::from_millis(50),
        ..patient()
    };
    let server = Server::start(routes(), settings);
    let mut client = server.connect();
    client.write_all(GET.as_bytes()).unwrap();
    assert!(rest(&mut client).ends_with("hello!"));
}

#[test]
fn a_body_that_does_not_come_in_time_is_refused_and_the_connection_closed() {
    let settings = ListenSettings {
        body_time: Duration::from_millis(50),
        ..patient()
    };
    let server = Server::start(routes(), settings);
    let answer = server.ask("POST /read HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n12345");
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && answer.ends_with("too slow!"),
        "{answer}"
    );
    let whole = "POST /read HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 5\r\n\r\n12345";
    assert!(server.ask(whole).ends_with("5 bytes!"));
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let server = Server::start(routes(), patient());
    let head = |bytes: usize| {
        format!(
            "GET / HTTP/1.1\r\nconnection: close\r\nhost: a\r\na: {}\r\n\r\n",
            "a".repeat(bytes)
        )
    };
    assert!(server.ask(&head(15 * 1024)).starts_with("HTTP/1.1 200 "));
    assert!(server.ask(&head(17 * 1024)).starts_with("HTTP/1.1 431 "));
}

#[test]
fn a_client_that_sends_on_reads_why_it_was_refused() {
    let server = Server::start(routes(), patient());
    let mut client = server.connect();
    client
        .write_all(b"POST /refuse HTTP/1.1\r\nhost: a\r\ncontent-length: 4000000\r\n\r\n")
        .unwrap();
    // More than fits between the two, so that some of it is on its way when the answer is.
    client.write_all(&vec![0; 4_000_000]).unwrap();
    let answer = rest(&mut client);
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("no!"),
        "{answer}"
    );
}

#[test]
fn a_client_that_takes_nothing_of_its_answer_is_closed() {
    let (tell, told) = mpsc::channel::<()>();
    let router = Router::new().route(
        "/",
        get(move || {
            // Dropped with the answer.
            let tell = tell.clone();
            async move {
                let parts = std::iter::repeat_with(move || {
                    let _ = &tell;
                    Ok::<_, std::io::Error>(Bytes::from_static(&[0; 65_536]))
                });
                axum::body::Body::new(Endless(parts))
            }
        }),
    );
    let settings = ListenSettings {
        write_time: Duration::from_millis(50),
        ..patient()
    };
    let server = Server::start(router, settings);
    let mut client = server.connect();
    client.write_all(GET.as_bytes()).unwrap();
    server.end();
    assert!(told.recv().is_err(), "nobody has the answer any more");
}

/// A body without an end.
struct Endless<I>(I);

impl<I: Iterator<Item = io::Result<Bytes>> + Unpin> hyper::body::Body for Endless<I> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<hyper::body::Frame<Bytes>>>> {
        Poll::Ready(self.0.next().map(|part| part.map(hyper::body::Frame::data)))
    }
}

#[test]
fn connections_that_wait_make_room_for_a_client_that_asks() {
    let settings = ListenSettings {
        connections: 32,
        ..patient()
    };
    let server = Server::start(routes(), settings);
    let mut idle: Vec<_> = (0..200).map(|_| server.connect()).collect();
    for client in idle.iter_mut().step_by(2) {
        // Half a head is no request.
        let _ = client.write_all(b"GET / HTTP/1.1\r\n");
    }
    assert!(
        server
            .ask("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .ends_with("hello!")
    );
}

#[test]
fn what_was_asked_before_the_end_is_answered_and_who_only_waits_is_sent_home() {
    let (tell_begun, begun) = mpsc::channel();
    let answer = CancellationToken::new();
    let may_answer = answer.clone();
    let router = Router::new().route(
        "/",
        get(move || {
            tell_begun.send(()).unwrap();
            async move {
                may_answer.cancelled().await;
                "done!"
            }
        }),
    );
    let server = Server::start(router, patient());
    let (mut asking, mut waiting) = (server.connect(), server.connect());
    asking.write_all(GET.as_bytes()).unwrap();
    begun.recv().unwrap();
    server.ending.cancel();
    assert_eq!(rest(&mut waiting), "");
    answer.cancel();
    assert!(rest(&mut asking).ends_with("done!"));
    let address = server.address;
    server.end();
    assert!(Client::connect(address).is_err());
}
