//! Connections, kept apart: each plugin has a `reqwest` client of its own, and with it its own pool of connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::redirect;
use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;

use super::resolve::Lookups;
use super::{HttpError, tls};
use crate::services::Namespace;

/// Plugins whose connections are kept; the one that was idle longest makes room for another. More than a busy host runs,
/// and a client without connections is a few KiB.
const MAX_CLIENTS: usize = 256;

/// Idle connections to one server: as many as a plugin's requests in flight would be a standing load on the server.
const MAX_IDLE_OF_ONE_SERVER: usize = 4;

/// How long a connection is kept for the next request; shorter than servers usually wait (nginx 75 s, AWS 60 s), so
/// that a request rarely meets a connection that is just being closed.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// How long connecting may take when nobody waits for it any more; the deadline of a request is usually shorter.
const CONNECT_TIME: Duration = Duration::from_secs(60);

/// Every plugin's connections.
#[derive(Debug)]
pub(super) struct Connections {
    lookups: Lookups,
    /// Instead of the one the process installed, which may be later than this was made.
    provider: Option<Arc<CryptoProvider>>,
    extra_roots: Vec<CertificateDer<'static>>,
    /// Read when the first request is made.
    tls: OnceLock<Result<ClientConfig, rustls::Error>>,
    clients: Mutex<Clients>,
}

#[derive(Debug, Default)]
struct Clients {
    by_plugin: HashMap<Key, Client>,
    /// How many times a client was asked for.
    uses: u64,
}

/// Whose client, and whether it may reach private networks: a connection that was made while it might is not used when
/// it may no longer.
type Key = (Namespace, bool);

#[derive(Debug)]
struct Client {
    client: reqwest::Client,
    last_use: u64,
}

impl Connections {
    pub(super) fn new(
        lookups: Lookups,
        provider: Option<Arc<CryptoProvider>>,
        extra_roots: Vec<CertificateDer<'static>>,
    ) -> Self {
        Self {
            lookups,
            provider,
            extra_roots,
            tls: OnceLock::new(),
            clients: Mutex::default(),
        }
    }

    /// The client of one plugin.
    pub(super) fn client(&self, of: Namespace, private_network: bool) -> Result<reqwest::Client, HttpError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.uses += 1;
        let last_use = clients.uses;
        let key = (of, private_network);
        if let Some(known) = clients.by_plugin.get_mut(&key) {
            known.last_use = last_use;
            return Ok(known.client.clone());
        }
        let client = self.connect(private_network)?;
        clients.make_room();
        let known = Client {
            client: client.clone(),
            last_use,
        };
        clients.by_plugin.insert(key, known);
        Ok(client)
    }

    fn connect(&self, private_network: bool) -> Result<reqwest::Client, HttpError> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config_of_one(self.tls()?))
            .dns_resolver(self.lookups.checked(private_network))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(MAX_IDLE_OF_ONE_SERVER)
            .pool_idle_timeout(IDLE_TIME)
            .connect_timeout(CONNECT_TIME)
            .build();
        client.map_err(|error| HttpError::Client(error.into()))
    }

    fn tls(&self) -> Result<&ClientConfig, HttpError> {
        let provider = self.provider.as_ref().or_else(|| CryptoProvider::get_default());
        let provider = provider.ok_or(HttpError::NoCryptoProvider)?;
        let config = self.tls.get_or_init(|| tls::config(provider, &self.extra_roots));
        config.as_ref().map_err(|error| HttpError::Client(error.clone().into()))
    }
}

impl Clients {
    fn make_room(&mut self) {
        if self.by_plugin.len() < MAX_CLIENTS {
            return;
        }
        let oldest = self.by_plugin.iter().min_by_key(|(_, client)| client.last_use);
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            self.by_plugin.remove(&key);
        }
    }
}
