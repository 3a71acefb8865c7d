//! What a loaded plugin may send: its manifest, the operator's word and the limits, put together.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use palisade_bundle::manifest::NetworkAccess;
use palisade_bundle::{Manifest, Permission};
use secrecy::ExposeSecret as _;

use super::imports::{Credential, MalformedSecret, Network, NetworkGrant, RequestLimits};
use super::shares::Shares;
use crate::limits::Limits;
use crate::policy::Grant;
use crate::services::{HostServices, Namespace};

/// What a plugin may send, and where.
///
/// # Errors
///
/// [`MalformedSecret`] when the operator's value of a credential cannot stand in a header.
pub(super) fn grant(manifest: &Manifest, grant: &Grant, limits: &Limits) -> Result<NetworkGrant, MalformedSecret> {
    let schemes = [Permission::NetworkHttp, Permission::NetworkHttps];
    let access = manifest.network.clone().unwrap_or_else(nowhere);
    let operator = grant.network();
    let mut credentials = BTreeMap::new();
    for declared in &access.credentials {
        if let Some(secret) = operator.secrets.get(&declared.name) {
            credentials.insert(
                declared.name.clone(),
                Credential::new(declared, secret.expose_secret())?,
            );
        }
    }
    Ok(NetworkGrant {
        permissions: schemes.into_iter().filter(|scheme| grant.allows(scheme)).collect(),
        access,
        limits: RequestLimits {
            request_bytes: limits.request_bytes,
            response_bytes: limits.response_bytes,
            time: limits.request_time,
        },
        private_network: operator.private,
        credentials,
    })
}

/// Nothing may be sent anywhere.
pub(super) fn nothing() -> NetworkGrant {
    NetworkGrant {
        permissions: BTreeSet::new(),
        access: nowhere(),
        limits: RequestLimits {
            request_bytes: 0,
            response_bytes: 0,
            time: std::time::Duration::ZERO,
        },
        private_network: false,
        credentials: BTreeMap::new(),
    }
}

/// The way to the network of one load of a plugin.
pub(super) fn of(
    grant: NetworkGrant,
    namespace: &Namespace,
    limits: &Limits,
    services: &HostServices,
    shares: &Shares,
) -> Network {
    let per_minute = NonZeroU32::new(limits.requests_per_minute).unwrap_or(NonZeroU32::MIN);
    Network {
        namespace: namespace.clone(),
        grant,
        shares: shares.network(&services.clock, per_minute, limits.requests_in_flight),
        transport: Arc::clone(&services.http),
        clock: Arc::clone(&services.clock),
    }
}

/// What a manifest without the section says.
fn nowhere() -> NetworkAccess {
    NetworkAccess {
        hosts: Vec::new(),
        methods: Vec::new(),
        ports: Vec::new(),
        max_concurrent: None,
        credentials: Vec::new(),
    }
}
