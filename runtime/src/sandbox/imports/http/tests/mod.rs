//! `http_request` without a guest: `heads` what is asked, `grants` what is allowed, `credentials`, `redirects`, `shares` how
//! often.

use std::num::NonZeroU32;
use std::sync::Mutex;

use palisade_bundle::{Manifest, Permission};
use pollster::block_on;
use serde_json::{Value, json};

use super::*;
use crate::services::http_testing::{Reply, TestServer, local_client};
use crate::services::{HttpClient, ManualClock, ServiceFuture};

mod credentials;
mod grants;
mod heads;
mod redirects;
mod shares;

const MIB: u64 = 1024 * 1024;

fn minute(requests: u32) -> NonZeroU32 {
    NonZeroU32::new(requests).unwrap()
}

fn namespace() -> Namespace {
    Namespace {
        plugin_id: "com.acme.fetcher".into(),
        publisher: None,
    }
}

/// The grant of a plugin whose manifest has this `network`, with the default limits.
fn grant(network: &Value) -> NetworkGrant {
    let manifest = json!({
        "id": "com.acme.fetcher", "name": "Fetcher", "version": "1.0.0", "author": "Acme", "network": network
    });
    let access = Manifest::parse(manifest.to_string().as_bytes())
        .unwrap()
        .network
        .unwrap();
    let secret = |declared| (Credential::new(declared, "Bearer s3cret")).unwrap();
    NetworkGrant {
        permissions: [Permission::NetworkHttp, Permission::NetworkHttps].into(),
        limits: RequestLimits {
            request_bytes: 10 * MIB,
            response_bytes: 10 * MIB,
            time: Duration::from_secs(30),
        },
        private_network: true,
        credentials: access
            .credentials
            .iter()
            .map(|declared| (declared.name.clone(), secret(declared)))
            .collect(),
        access,
    }
}

fn network(grant: NetworkGrant, transport: Arc<dyn HttpTransport>) -> Network {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
    Network {
        namespace: namespace(),
        grant,
        shares: Arc::new(NetworkShares::new(&clock, minute(100), 10)),
        transport,
        clock,
    }
}

fn client() -> Arc<HttpClient> {
    Arc::new(local_client().build().unwrap())
}

/// A plugin that may send anything to this server and to names, which all lead there.
fn beside(server: &TestServer) -> Network {
    let access = json!({
        "hosts": ["127.0.0.1", "*.inside.example", "other.example"],
        "methods": ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"],
        "ports": [server.port]
    });
    network(grant(&access), client())
}

fn ask(network: &Network, head: &Value) -> Result<(Value, Vec<u8>), HostCallError> {
    ask_with(network, head, &[])
}

fn ask_with(network: &Network, head: &Value, body: &[u8]) -> Result<(Value, Vec<u8>), HostCallError> {
    block_on(network.request(head.to_string().as_bytes(), body.to_vec())).map(|answer| {
        let (length, rest) = answer.split_first_chunk::<4>().unwrap();
        let (head, body) = rest.split_at(u32::from_le_bytes(*length) as usize);
        (serde_json::from_slice(head).unwrap(), body.to_vec())
    })
}

#[track_caller]
fn refused(network: &Network, head: &Value, code: Code) -> HostCallError {
    let error = ask(network, head).unwrap_err();
    assert_eq!(error.code, code, "{head}: {error:?}");
    error
}

/// Answers from a list of URLs, and remembers what it was asked.
#[derive(Debug, Default)]
struct Scripted {
    answers: Vec<(&'static str, u16, &'static str)>,
    asked: Mutex<Vec<(HttpRequest, HttpBounds)>>,
    /// Moved on by ten seconds with each request.
    clock: Option<Arc<ManualClock>>,
}

impl Scripted {
    /// Status and `location` by URL; 200 for every other URL.
    fn new(answers: &[(&'static str, u16, &'static str)]) -> Arc<Self> {
        Arc::new(Self {
            answers: answers.to_vec(),
            ..Self::default()
        })
    }

    fn asked(&self) -> Vec<(HttpRequest, HttpBounds)> {
        self.asked.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        let line = |(request, _): &(HttpRequest, HttpBounds)| format!("{} {}", request.method, request.url);
        self.asked().iter().map(line).collect()
    }
}

impl HttpTransport for Scripted {
    fn send<'a>(
        &'a self,
        _by: &'a Namespace,
        request: HttpRequest,
        bounds: HttpBounds,
    ) -> ServiceFuture<'a, Result<HttpResponse, HttpError>> {
        let answer = self.answers.iter().find(|(url, ..)| *url == request.url.as_str());
        let mut headers = HeaderMap::new();
        if let Some((.., location)) = answer.filter(|(.., location)| !location.is_empty()) {
            headers.insert("location", location.parse().unwrap());
        }
        self.asked.lock().unwrap().push((request, bounds));
        if let Some(clock) = &self.clock {
            clock.advance(Duration::from_secs(10));
        }
        let response = HttpResponse {
            status: answer.map_or(200, |(_, status, _)| *status),
            headers,
            body: Vec::new(),
            received_bytes: 0,
        };
        Box::pin(async { Ok(response) })
    }
}
