//! The client against servers on loopback: `addresses` who may be dialled, `lookups` who waits for names, `sizes` what is
//! received, `connections` whose they are and when they end, `tls` who is believed.

use std::time::Duration;

use pollster::block_on;

use super::testing::{Reply, ScriptedResolver, TestServer, local_client};
use super::*;

mod addresses;
mod connections;
mod lookups;
mod sizes;
mod tls;

fn plugin(id: &str) -> Namespace {
    Namespace {
        plugin_id: id.into(),
        publisher: None,
    }
}

fn get(url: &str) -> HttpRequest {
    HttpRequest {
        method: Method::GET,
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    }
}

/// Room for everything, private networks included.
const WIDE: HttpBounds = HttpBounds {
    time: Duration::from_secs(30),
    response_bytes: 10 * 1024 * 1024,
    private_network: true,
};

const PUBLIC: HttpBounds = HttpBounds {
    private_network: false,
    ..WIDE
};

fn send(client: &HttpClient, request: HttpRequest, bounds: HttpBounds) -> Result<HttpResponse, HttpError> {
    block_on(client.send(&plugin("a"), request, bounds))
}
