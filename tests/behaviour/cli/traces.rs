//! Spans that are sent to a collector, when the standard variables name one.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use super::{Desk, Ended};

/// Takes one request, and answers it.
struct Collector {
    endpoint: String,
    request: JoinHandle<(String, Vec<u8>)>,
}

impl Collector {
    fn start() -> Self {
        let (listener, endpoint) = listen();
        let request = thread::spawn(move || {
            let mut connection = listener.accept().unwrap().0;
            let mut reader = BufReader::new(connection.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head += &line;
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            connection
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                .unwrap();
            (head, body)
        });
        Self { endpoint, request }
    }
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    (listener, endpoint)
}

/// Calls a plugin with these variables set.
fn call(variables: &[(&str, &str)]) -> Ended {
    let desk = Desk::with_echo();
    let mut command = desk.command();
    command.args(["call", "echo.zip", "any", "hello", "--trust", "me.pub"]);
    command.envs(variables.iter().copied());
    Ended::of(command, b"").exits(0)
}

fn contains(body: &[u8], words: &str) -> bool {
    body.windows(words.len()).any(|window| window == words.as_bytes())
}

#[test]
fn a_call_is_a_span_at_the_collector_that_the_variables_name() {
    let collector = Collector::start();
    let ended = call(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint),
        ("OTEL_SERVICE_NAME", "desk-of-tests"),
    ]);
    assert_eq!((ended.text().as_str(), ended.stderr.as_str()), ("hello", ""));
    let (head, body) = collector.request.join().unwrap();
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    for words in ["plugin.call", "com.acme.echo", "1.2.3", "outcome", "desk-of-tests"] {
        assert!(contains(&body, words), "{words} in {}", String::from_utf8_lossy(&body));
    }
    assert!(
        !contains(&body, "hello"),
        "what a command is given is nobody's business"
    );
}

#[test]
fn nothing_is_sent_when_sending_is_disabled() {
    let (listener, endpoint) = listen();
    call(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_SDK_DISABLED", "true"),
    ]);
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_collector_that_is_not_there_is_a_warning() {
    let (listener, endpoint) = listen();
    drop(listener);
    let ended = call(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &endpoint)]);
    assert_eq!(ended.text(), "hello");
    assert!(
        ended.stderr.starts_with("warning: traces were not sent: "),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_collector_that_never_answers_is_a_warning_too() {
    let (_listener, endpoint) = listen();
    let ended = call(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &endpoint)]);
    assert_eq!(ended.text(), "hello");
    assert!(
        ended.stderr.starts_with("warning: traces were not sent: "),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_endpoint_that_is_none_is_a_warning_too() {
    let ended = call(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "not a url")]);
    assert_eq!(ended.text(), "hello");
    assert!(
        ended.stderr.starts_with("warning: traces were not sent: "),
        "{}",
        ended.stderr
    );
}
