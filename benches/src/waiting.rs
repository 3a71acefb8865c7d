//! What a guest costs that waits for an answer: memory, and no thread.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use palisade::{HostServices, HttpClient, LimitSettings, Limits, Plugin, Policy, Runtime};
use serde_json::json;

use crate::bundle;

/// How many wait at once.
const GUESTS: usize = 10_000;

/// Guests that wait before anything is measured: by then every thread there is has started.
const WARM: usize = 100;

/// Longer than any machine takes.
const LONG: Duration = Duration::from_secs(3_600);

/// What makes this program the server: both ends of ten thousand connections are more descriptors than a process may have.
pub(crate) const SERVE: &str = "--serve-slowly";

/// Lets guests wait for a server that answers nobody, and prints what one of them costs.
pub(crate) fn measure() -> Result<()> {
    let mut server = SlowServer::start()?;
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    executor.block_on(async {
        let plugin = asking(server.port).await?;
        let mut waiting: Vec<_> = (0..WARM).map(|_| tokio::spawn(wait(plugin.clone()))).collect();
        server.expect(WARM)?;
        let (threads, memory) = (threads()?, resident_bytes()?);
        waiting.extend((WARM..GUESTS).map(|_| tokio::spawn(wait(plugin.clone()))));
        server.expect(GUESTS)?;
        let more_threads = self::threads()?.saturating_sub(threads);
        let grown = resident_bytes()?.saturating_sub(memory);
        let per_guest = grown / u64::try_from(GUESTS - WARM)?;
        println!(
            "{GUESTS} guests wait for a server at once: {} KiB of memory each, {threads} threads and {more_threads} more",
            per_guest / 1024
        );
        server.answer();
        for guest in waiting {
            guest.await??;
        }
        Ok(())
    })
}

async fn wait(plugin: Plugin) -> Result<()> {
    let session = plugin.open().await?;
    match session.call("ask", b"").await {
        Ok(_answered) => Ok(()),
        // Without the session, which cannot be shared between threads as an error must be.
        Err(failure) => Err(failure.into_parts().0.into()),
    }
}

/// A plugin whose command is one request to `port`.
async fn asking(port: u16) -> Result<Plugin> {
    let head = format!(r#"{{\"method\":\"GET\",\"url\":\"http://127.0.0.1:{port}/\"}}"#);
    let length = head.replace('\\', "").len();
    let wat = include_str!("asking.wat")
        .replace("HEAD_LENGTH", &length.to_string())
        .replace("HEAD", &head);
    let manifest = json!({
        "permissions": ["network:http"],
        "network": {"hosts": ["127.0.0.1"], "ports": [port]},
    });
    let mut ceiling = Limits::CEILING;
    (ceiling.requests_per_minute, ceiling.requests_in_flight) = (1_000_000, 20_000);
    (
        ceiling.host_calls_in_flight,
        ceiling.request_time,
        ceiling.execution_time,
    ) = (20_000, LONG, LONG);
    let limits = LimitSettings {
        requests_per_minute: Some(1_000_000),
        requests_in_flight: Some(20_000),
        host_calls_in_flight: Some(20_000),
        execution_time: Some(LONG),
        ..LimitSettings::default()
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let services = HostServices {
        http: Arc::new(HttpClient::builder().crypto_provider(provider).build()?),
        ..HostServices::default()
    };
    let instances = u32::try_from(GUESTS)? + 10;
    let builder = Runtime::builder()
        .services(services)
        .ceiling(ceiling)
        .instances(instances);
    let policy = Policy::deny_all()
        .allow("network")?
        .allow_private_network()
        .limits(limits);
    let admitted = policy.admit(bundle::verified(&manifest, &wat::parse_str(wat)?)?)?;
    Ok(builder.build()?.load(admitted).await?)
}

/// A server that answers nobody before it is told to.
struct SlowServer {
    child: Child,
    said: std::io::Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl SlowServer {
    fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = BufReader::new(child.stdout.take().context("it has an output")?).lines();
        let port = said.next().context("the server says its port")??.parse()?;
        Ok(Self { child, said, port })
    }

    /// Waits until so many requests have come.
    fn expect(&mut self, requests: usize) -> Result<()> {
        let wanted = requests.to_string();
        let mut said = self.said.by_ref().map_while(Result::ok);
        said.find(|line| *line == wanted).context("the server ended").map(drop)
    }

    fn answer(&mut self) {
        drop(self.child.stdin.take());
    }
}

impl Drop for SlowServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server: keeps every connection, and answers all of them when its input ends.
pub(crate) fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let mut connections: Vec<TcpStream> = Vec::new();
    while connections.len() < GUESTS {
        let (mut stream, _) = listener.accept()?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.extend(byte);
        }
        connections.push(stream);
        if [WARM, GUESTS].contains(&connections.len()) {
            println!("{}", connections.len());
        }
    }
    std::io::stdin().read_to_end(&mut Vec::new())?;
    for mut stream in connections {
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")?;
    }
    Ok(())
}

fn threads() -> Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

/// Memory of this process that is in use, from Linux's `/proc/self/statm` in pages of 4 KiB.
fn resident_bytes() -> Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split_whitespace().nth(1).context("statm has seven numbers")?;
    Ok(pages.parse::<u64>()? * 4096)
}
