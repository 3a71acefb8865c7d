//! What a plugin may send, and where to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use palisade_bundle::manifest::{HostPattern, HttpMethod, NetworkAccess};
use palisade_bundle::{Code, Permission};
use reqwest::{Method, Url};

use super::HostCallError;
use super::asked::check_user_info;
use super::credential::Credential;
use crate::services::is_globally_reachable;

/// The powers of one plugin on the network.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct NetworkGrant {
    /// Everything it may do; `network:http` and `network:https` are looked for.
    pub(in crate::sandbox) permissions: BTreeSet<Permission>,
    /// Hosts, methods and ports its manifest asks for.
    pub(in crate::sandbox) access: NetworkAccess,
    /// What bounds one request.
    pub(in crate::sandbox) limits: RequestLimits,
    /// Whether the operator allows addresses that are not public ones.
    pub(in crate::sandbox) private_network: bool,
    /// Secrets by the name the plugin has for them.
    pub(in crate::sandbox) credentials: BTreeMap<String, Credential>,
}

/// What bounds one request; how many there may be is in the plugin's shares.
#[derive(Clone, Copy, Debug)]
pub(in crate::sandbox) struct RequestLimits {
    /// Bytes of body that may be sent.
    pub(in crate::sandbox) request_bytes: u64,
    /// Bytes of body that may be received, and that they may be after decompressing.
    pub(in crate::sandbox) response_bytes: u64,
    /// How long everything may take, redirects included.
    pub(in crate::sandbox) time: Duration,
}

impl RequestLimits {
    pub(super) fn check_body(&self, body: &Bytes) -> Result<(), HostCallError> {
        let (actual_bytes, limit_bytes) = (u64::try_from(body.len()).unwrap_or(u64::MAX), self.request_bytes);
        if actual_bytes <= limit_bytes {
            return Ok(());
        }
        let message = format!("the request has {actual_bytes} bytes, of {limit_bytes} allowed");
        Err(HostCallError::new(Code::PayloadTooLarge, message)
            .with("actual_bytes", actual_bytes)
            .with("limit_bytes", limit_bytes))
    }
}

impl NetworkGrant {
    /// Whether this may be sent there: scheme, user info, host, port and method. Holds for every hop.
    pub(super) fn check(&self, method: &Method, url: &Url) -> Result<(), HostCallError> {
        let permission = scheme_of(url);
        if !self.permissions.contains(&permission) {
            return Err(denied(&permission, format!("the plugin lacks `{permission}`")));
        }
        check_user_info(url)?;
        if !is_any(&self.access.hosts, url) {
            let host = url.host_str().unwrap_or_default();
            let message = format!("the host {host} is not among those the plugin may talk to");
            return Err(denied(&permission, message).with("host", host));
        }
        let port = url.port_or_known_default().unwrap_or_default();
        if !self.access.ports.contains(&port) {
            let message = format!("port {port} is not among those the plugin may use");
            return Err(denied(&permission, message).with("port", port));
        }
        if !self.access.methods.iter().any(|allowed| method_of(*allowed) == *method) {
            let message = format!("{method} is not among the methods the plugin may use");
            return Err(denied(&permission, message).with("method", method.as_str()));
        }
        Ok(())
    }

    /// The secret called `name`, when it may be sent there. Never in the clear over a public network.
    pub(super) fn credential(&self, name: &str, url: &Url) -> Result<&Credential, HostCallError> {
        let permission = scheme_of(url);
        let denied = |why| denied(&permission, format!("the credential {why}")).with("credential", name);
        let credential = self.credentials.get(name).ok_or_else(|| denied("was not granted"))?;
        if !is_any(&credential.hosts, url) {
            return Err(denied("is not for this host"));
        }
        // With the operator's word for private networks a secret may go in the clear, and only there.
        if url.scheme() != "https" && !(self.private_network && is_private(url)) {
            return Err(denied("is sent over https only"));
        }
        Ok(credential)
    }
}

/// The permission that the scheme of a URL takes.
pub(super) fn scheme_of(url: &Url) -> Permission {
    match url.scheme() {
        "https" => Permission::NetworkHttps,
        _ => Permission::NetworkHttp,
    }
}

/// Whether a URL names this machine or a network that is not public by its address; a name may lead anywhere.
fn is_private(url: &Url) -> bool {
    let address = url.host_str().and_then(literal);
    address.is_some_and(|address| !is_globally_reachable(address)) || url.domain() == Some("localhost")
}

fn denied(permission: &Permission, message: String) -> HostCallError {
    HostCallError::new(Code::PermissionDenied, message).with("permission", permission.as_str())
}

fn is_any(patterns: &[HostPattern], url: &Url) -> bool {
    patterns.iter().any(|pattern| matches(pattern.as_str(), url))
}

/// Label by label: `*.example.com` is any one label before `example.com`, and no address.
fn matches(pattern: &str, url: &Url) -> bool {
    let Some(name) = url.domain() else {
        let asked = url.host_str().and_then(literal);
        return asked.is_some() && asked == literal(pattern);
    };
    match pattern.strip_prefix("*.") {
        Some(parent) => name
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        None => name == pattern,
    }
}

/// An address as a URL writes it.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn method_of(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Options => Method::OPTIONS,
    }
}
