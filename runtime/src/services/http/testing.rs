//! Servers on loopback and names that resolve as a test says.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use rustls::crypto::{CryptoProvider, ring};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;

use super::{HttpClientBuilder, Resolver};

/// A request as a server got it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Which of the server's connections it came over.
    pub(crate) connection: usize,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// What a server does with a request.
pub(crate) enum Reply {
    /// Sends these bytes and waits for the next request.
    Bytes(Vec<u8>),
    /// Sends these bytes and closes the connection.
    Last(Vec<u8>),
    /// Sends these bytes, then some more over and over.
    Endless(Vec<u8>, Vec<u8>),
    /// Sends these bytes and nothing more, without closing.
    Silence(Vec<u8>),
}

impl Reply {
    pub(crate) fn ok(body: &[u8]) -> Self {
        Self::with("", body)
    }

    /// Status 200 with more `headers`, each ended by CR LF.
    pub(crate) fn with(headers: &str, body: &[u8]) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n", body.len());
        Self::Bytes([head.as_bytes(), body].concat())
    }

    /// A body in chunks of `size` bytes.
    pub(crate) fn chunked(headers: &str, body: &[u8], size: usize) -> Self {
        let mut bytes = format!("HTTP/1.1 200 OK\r\n{headers}transfer-encoding: chunked\r\n\r\n").into_bytes();
        for chunk in body.chunks(size) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        Self::Bytes(bytes)
    }
}

type Handler = Arc<dyn Fn(&Received) -> Reply + Send + Sync>;

/// What happened on a server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    Asked,
    Closed,
}

struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<Received>>,
    happened: Sender<Happened>,
}

/// A server on a free port of 127.0.0.1, gone when it is dropped.
pub(crate) struct TestServer {
    pub(crate) port: u16,
    seen: Arc<Seen>,
    happened: Receiver<Happened>,
    runtime: Option<Runtime>,
}

impl TestServer {
    pub(crate) fn start(handler: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(None, Arc::new(handler))
    }

    pub(crate) fn start_tls(
        tls: Arc<rustls::ServerConfig>,
        handler: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(tls.into()), Arc::new(handler))
    }

    fn listen(tls: Option<TlsAcceptor>, handler: Handler) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, happened) = channel();
        let seen = Arc::new(Seen {
            connections: AtomicUsize::new(0),
            requests: Mutex::default(),
            happened: sender,
        });
        runtime.spawn(accept(listener, tls, handler, Arc::clone(&seen)));
        Self {
            port,
            seen,
            happened,
            runtime: Some(runtime),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// Waits until something happens on the server.
    pub(crate) fn next(&self) -> Happened {
        self.happened.recv().unwrap()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, handler: Handler, seen: Arc<Seen>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let number = seen.connections.fetch_add(1, Ordering::SeqCst);
        let (tls, handler, seen) = (tls.clone(), Arc::clone(&handler), Arc::clone(&seen));
        tokio::spawn(async move {
            let _ended = match tls {
                None => serve((number, stream), &handler, &seen).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => serve((number, stream), &handler, &seen).await,
                    Err(error) => Err(error),
                },
            };
            let _nobody_listens = seen.happened.send(Happened::Closed);
        });
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    (number, mut stream): (usize, S),
    handler: &Handler,
    seen: &Seen,
) -> io::Result<()> {
    while let Some(received) = receive(number, &mut stream).await? {
        let reply = handler(&received);
        seen.requests.lock().unwrap().push(received);
        let _nobody_listens = seen.happened.send(Happened::Asked);
        match reply {
            Reply::Bytes(bytes) => stream.write_all(&bytes).await?,
            Reply::Last(bytes) => {
                stream.write_all(&bytes).await?;
                return stream.shutdown().await;
            }
            Reply::Endless(bytes, more) => {
                stream.write_all(&bytes).await?;
                loop {
                    stream.write_all(&more).await?;
                    tokio::task::yield_now().await;
                }
            }
            Reply::Silence(bytes) => stream.write_all(&bytes).await?,
        }
    }
    Ok(())
}

async fn receive<S: AsyncRead + Unpin>(connection: usize, stream: &mut S) -> io::Result<Option<Received>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let mut received = Received {
        connection,
        head: String::from_utf8(bytes[..end].to_vec()).unwrap(),
        body: bytes[end..].to_vec(),
    };
    let length = received
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while received.body.len() < length {
        if stream.read_buf(&mut received.body).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(received))
}

/// Gives the answers it was made with, one after the other and the last one for ever.
#[derive(Debug)]
pub(crate) struct ScriptedResolver {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl ScriptedResolver {
    pub(crate) fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(parse).collect()),
            asked: AtomicUsize::new(0),
        })
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolver for ScriptedResolver {
    fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        if answers.len() > 1 {
            return Ok(answers.pop_front().unwrap());
        }
        answers.front().cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

pub(crate) fn crypto() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// A builder whose client takes every name for 127.0.0.1.
pub(crate) fn local_client() -> HttpClientBuilder {
    HttpClientBuilder::default()
        .crypto_provider(crypto())
        .resolver(ScriptedResolver::new(&[&["127.0.0.1"]]))
}
