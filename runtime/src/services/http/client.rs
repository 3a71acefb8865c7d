//! The client that plugins' requests go through.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use super::address::{UrlHost, is_globally_reachable};
use super::connections::Connections;
use super::exchange::exchange;
use super::resolve::{Lookups, MAX_LOOKUPS, Resolver, SystemResolver};
use super::{HttpBounds, HttpError, HttpRequest, HttpResponse, HttpTransport, tls};
use crate::services::{Namespace, ServiceFuture};

/// Sends requests over HTTP/1.1, with a pool of connections for each namespace.
///
/// Requests run on one background thread of its own, `palisade-http`, so that they can be awaited under any executor,
/// and ten thousand that wait take no thread each. Dropping a response future closes its connection; dropping the
/// client ends the thread and every connection, without waiting for them.
///
/// What it bounds beyond [`HttpBounds`] are the limits of `hyper`: 100 fields in the head of a response, and as much of it
/// as is there when 408 KiB were read; 16 KiB of trailers, and as much of chunk extensions.
pub struct HttpClient {
    connections: Arc<Connections>,
    background: Handle,
    /// Gone only while the client is dropped.
    runtime: Option<Runtime>,
}

impl HttpClient {
    /// A client with the machine's resolver, the system's roots and the process's cryptography.
    #[must_use]
    pub fn builder() -> HttpClientBuilder {
        HttpClientBuilder::default()
    }
}

impl HttpTransport for HttpClient {
    fn send<'a>(
        &'a self,
        by: &'a Namespace,
        request: HttpRequest,
        bounds: HttpBounds,
    ) -> ServiceFuture<'a, Result<HttpResponse, HttpError>> {
        Box::pin(async move {
            check_literal(&request, bounds)?;
            let (connections, by) = (Arc::clone(&self.connections), by.clone());
            let sent = self.background.spawn(async move {
                let client = connections.client(by, bounds.private_network)?;
                exchange(&client, request, bounds).await
            });
            AbortOnDrop(sent).await
        })
    }
}

/// Refuses an address in the URL itself, of which no resolver is asked.
fn check_literal(request: &HttpRequest, bounds: HttpBounds) -> Result<(), HttpError> {
    match UrlHost::of(&request.url) {
        UrlHost::Name => Ok(()),
        UrlHost::Literal(address) if bounds.private_network || is_globally_reachable(address) => Ok(()),
        UrlHost::Literal(_) | UrlHost::Unknown => Err(HttpError::AddressRefused),
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

impl Drop for HttpClient {
    fn drop(&mut self) {
        // Waiting for the thread would be a panic inside of another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop(JoinHandle<Result<HttpResponse, HttpError>>);

impl Future for AbortOnDrop {
    type Output = Result<HttpResponse, HttpError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = ready!(Pin::new(&mut self.0).poll(context));
        Poll::Ready(ended.unwrap_or_else(|lost| Err(HttpError::Client(lost.into()))))
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How an [`HttpClient`] is made.
#[derive(Debug)]
pub struct HttpClientBuilder {
    resolver: Arc<dyn Resolver>,
    provider: Option<Arc<CryptoProvider>>,
    extra_roots: Vec<CertificateDer<'static>>,
}

impl Default for HttpClientBuilder {
    fn default() -> Self {
        Self {
            resolver: Arc::new(SystemResolver),
            provider: None,
            extra_roots: Vec::new(),
        }
    }
}

impl HttpClientBuilder {
    /// Asks this resolver instead of the machine's.
    #[must_use]
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Uses this cryptography instead of the one the process installed as its default.
    #[must_use]
    pub fn crypto_provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Trusts one more root certificate, in DER, beside those of the system: a private authority.
    #[must_use]
    pub fn extra_root(mut self, certificate: impl Into<Vec<u8>>) -> Self {
        self.extra_roots.push(CertificateDer::from(certificate.into()));
        self
    }

    /// Starts the client and its thread.
    ///
    /// While there is no [`CryptoProvider`], neither given nor installed by the process, every request is answered with
    /// [`HttpError::NoCryptoProvider`], those over plain HTTP too: `reqwest` makes no client without TLS.
    ///
    /// # Errors
    ///
    /// [`HttpError::Client`] when an extra root is no certificate or the thread cannot be started.
    pub fn build(self) -> Result<HttpClient, HttpError> {
        tls::roots(&self.extra_roots).map_err(|error| HttpError::Client(error.into()))?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(MAX_LOOKUPS)
            .thread_name("palisade-http")
            .enable_all()
            .build()
            .map_err(|error| HttpError::Client(error.into()))?;
        Ok(HttpClient {
            connections: Arc::new(Connections::new(
                Lookups::new(self.resolver),
                self.provider,
                self.extra_roots,
            )),
            background: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }
}
