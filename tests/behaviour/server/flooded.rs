//! Clients that want to use a server up, and one that does not.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::{Served, rest};
use crate::cli::operate::Workshop;

/// What the server may grow by, whatever is done to it.
const GROWTH_KIB: u64 = 64 * 1024;

impl Served {
    /// A line of `/proc/PID/status`, in KiB.
    fn kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':')
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.socket()).unwrap()
    }

    /// What a good client is answered, and how long it takes.
    fn good(&self) -> Duration {
        let began = Instant::now();
        let answer = self.get("/plugins/status").send().unwrap();
        let status = answer.status();
        let body = answer.text().unwrap();
        assert_eq!(status, 200, "{body}");
        began.elapsed()
    }
}

/// Sends as much of 10 GB as is taken, and reads the answer.
fn upload(server: &Served, head: &str, piece: &[u8]) -> (u64, String) {
    let mut connection = server.connect();
    let head = format!(
        "POST /plugins/install HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
         content-type: application/zip\r\n{head}\r\n\r\n",
        server.token
    );
    connection.write_all(head.as_bytes()).unwrap();
    let mut reading = connection.try_clone().unwrap();
    let answer = thread::spawn(move || {
        let mut first = [0; 512];
        let length = reading.read(&mut first).unwrap_or_default();
        String::from_utf8_lossy(&first[..length]).into_owned()
    });
    let mut sent = 0;
    // Ends when it is not taken any more.
    while sent < 10_000_000_000 && !answer.is_finished() && connection.write_all(piece).is_ok() {
        sent += piece.len() as u64;
    }
    (sent, answer.join().unwrap())
}

#[test]
fn an_upload_of_10_gb_is_refused_before_it_is_read() {
    let workshop = Workshop::new();
    let server = Served::start(&workshop, &[]);
    server.good();
    let before = server.kib("VmRSS");
    let (sent, answer) = upload(&server, "content-length: 10000000000", &[0; 65_536]);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let peak = server.kib("VmHWM");
    println!("Content-Length: {sent} bytes sent, memory {before} KiB, at most {peak} KiB");
    assert!(peak - before < GROWTH_KIB, "{before} to {peak} KiB");

    let chunk = [b"10000\r\n".as_slice(), &[0; 65_536], b"\r\n"].concat();
    let (sent, answer) = upload(&server, "transfer-encoding: chunked", &chunk);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(sent < 1_000_000_000, "{sent} bytes were taken");
    let peak = server.kib("VmHWM");
    println!("chunked: {sent} bytes sent, memory {before} KiB, at most {peak} KiB");
    assert!(peak - before < GROWTH_KIB, "{before} to {peak} KiB");
    server.good();
    server.end();
}

#[test]
fn slow_clients_and_bad_tokens_cost_a_good_client_nothing() {
    let workshop = Workshop::with_echo();
    let server = Served::start(&workshop, &[]);
    server.good();
    let before = server.kib("VmRSS");
    let slow: Vec<_> = (0..1_000)
        .map(|number: u32| {
            let mut connection = server.connect();
            let head = match number % 2 {
                0 => "GET /plugins/status HTTP/1.1\r\nhost: loc",
                _ => "POST /plugins/install HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n1",
            };
            connection.write_all(head.as_bytes()).unwrap();
            connection
        })
        .collect();
    let mut times: Vec<_> = thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for number in 0..250 {
                    let request = server.client.get(format!("{}/plugins/status", server.address));
                    let answer = request.bearer_auth(format!("pal_guess{number}")).send().unwrap();
                    assert_eq!(answer.status(), 401);
                }
            });
        }
        (0..500).map(|_| server.good()).collect()
    });
    times.sort();
    let (middle, late) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    let after = server.kib("VmHWM");
    println!("good client: median {middle:?}, p99 {late:?}; memory {before} to at most {after} KiB");
    assert!(after.saturating_sub(before) < GROWTH_KIB, "{before} to {after} KiB");
    drop(slow);
    server.end();
}

#[test]
fn idle_connections_give_way_to_a_good_client() {
    let workshop = Workshop::new();
    let server = Served::start(&workshop, &["--max-connections", "1000"]);
    let idle: Vec<_> = (0..3_000).map(|_| server.connect()).collect();
    for _ in 0..100 {
        server.good();
    }
    drop(idle);
    server.end();
}

#[test]
fn a_client_that_does_not_finish_its_head_is_closed() {
    let workshop = Workshop::new();
    let server = Served::start(&workshop, &[]);
    let mut connection = server.connect();
    connection
        .write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n")
        .unwrap();
    assert_eq!(rest(&connection), "");
    server.end();
}
