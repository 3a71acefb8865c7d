//! Ten thousand guests wait for a slow server at once, and no thread waits with them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use palisade::{HostServices, HttpClient, LimitSettings, Limits, Plugin, Policy, Runtime};
use palisade_tests::Guest;
use serde_json::json;

const GUESTS: usize = 10_000;

/// Nobody waits for that long, and a busy machine may take its time.
const LONG: Duration = Duration::from_secs(3_600);

/// Set in the process that is the server: both ends of ten thousand connections are more descriptors than one may have.
const SERVER: &str = "PALISADE_TEST_SLOW_SERVER";

const NAME: &str = "waiting::ten_thousand_guests_wait_without_a_thread_each";

#[test]
fn ten_thousand_guests_wait_without_a_thread_each() {
    if std::env::var_os(SERVER).is_some() {
        return answer_all_at_once();
    }
    let mut server = SlowServer::start();
    let executor = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    executor.block_on(async {
        let plugin = fetcher(server.port).await;
        // The first ones start every thread there is.
        let mut calls: Vec<_> = (0..100).map(|_| tokio::spawn(wait(plugin.clone()))).collect();
        server.expect("100");
        let (threads, memory) = (threads(), resident_bytes());
        calls.extend((100..GUESTS).map(|_| tokio::spawn(wait(plugin.clone()))));
        server.expect(&GUESTS.to_string());
        let per_guest = resident_bytes().saturating_sub(memory) / (GUESTS as u64 - 100);
        println!("{per_guest} bytes of memory a waiting guest");
        // One that was idle may have ended meanwhile.
        assert!(self::threads() <= threads);
        assert!(per_guest < 256 * 1024, "{per_guest}");
        server.answer();
        for call in calls {
            call.await.unwrap();
        }
    });
}

/// One guest in a session of its own.
async fn wait(plugin: Plugin) {
    let session = plugin.open().await.unwrap();
    let (output, _session) = session.call("go", b"").await.unwrap();
    assert!(output.bytes().ends_with(b"done"));
}

async fn fetcher(port: u16) -> Plugin {
    let head = format!(r#"{{\"method\":\"GET\",\"url\":\"http://127.0.0.1:{port}/\"}}"#);
    let length = head.replace('\\', "").len();
    let call = format!("(call $call (i32.const 256) (i32.const {length}) (i32.const 0) (i32.const 0))");
    let guest = Guest {
        manifest: json!({
            "permissions": ["network:http"],
            "network": {"hosts": ["127.0.0.1"], "ports": [port]},
        }),
        ..Guest::calling(
            ("http_request", "(param i32 i32 i32 i32) (result i64)"),
            head.leak(),
            call.leak(),
        )
    };
    let mut ceiling = Limits::CEILING;
    (ceiling.requests_per_minute, ceiling.requests_in_flight) = (1_000_000, 20_000);
    (
        ceiling.host_calls_in_flight,
        ceiling.request_time,
        ceiling.execution_time,
    ) = (20_000, LONG, LONG);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let services = HostServices {
        http: Arc::new(HttpClient::builder().crypto_provider(provider).build().unwrap()),
        ..HostServices::default()
    };
    let instances = u32::try_from(GUESTS).unwrap() + 10;
    let builder = Runtime::builder()
        .services(services)
        .ceiling(ceiling)
        .instances(instances);
    let limits = LimitSettings {
        requests_per_minute: Some(1_000_000),
        requests_in_flight: Some(20_000),
        host_calls_in_flight: Some(20_000),
        execution_time: Some(LONG),
        ..LimitSettings::default()
    };
    let policy = Policy::deny_all()
        .allow("network")
        .unwrap()
        .allow_private_network()
        .limits(limits);
    guest.load_with(&builder.build().unwrap(), &policy).await.unwrap()
}

/// A server that answers nobody before it is told to.
struct SlowServer {
    child: Child,
    said: std::io::Lines<BufReader<std::process::ChildStdout>>,
    port: u16,
}

impl SlowServer {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(SERVER, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = said
            .find_map(|line| line.unwrap().strip_prefix("port ")?.parse().ok())
            .unwrap();
        Self { child, said, port }
    }

    /// Waits until so many requests have come.
    fn expect(&mut self, requests: &str) {
        let wanted = format!("waiting {requests}");
        assert!(self.said.any(|line| line.unwrap() == wanted), "the server ended");
    }

    fn answer(&mut self) {
        drop(self.child.stdin.take());
    }
}

impl Drop for SlowServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server: keeps every connection, and answers all of them when its input ends.
fn answer_all_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("\nport {}", listener.local_addr().unwrap().port());
    let mut connections: Vec<TcpStream> = Vec::new();
    while connections.len() < GUESTS {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        connections.push(stream);
        if [100, GUESTS].contains(&connections.len()) {
            println!("waiting {}", connections.len());
        }
    }
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    for mut stream in connections {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\ndone")
            .unwrap();
    }
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Memory of this process that is in use, from Linux's `/proc/self/statm` in pages of 4 KiB.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
