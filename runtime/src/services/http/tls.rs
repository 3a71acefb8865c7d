//! TLS as every plugin gets it: the roots of the system and of the operator, HTTP/1.1, no client certificate.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

/// TLS sessions one plugin can resume: as many as the servers a plugin talks to.
const MAX_SESSIONS: usize = 32;

/// Reads the roots of the system, which takes some milliseconds: once for a host, not for each plugin.
///
/// A machine without roots gets a configuration that trusts only `extra_roots`, or nobody: plain HTTP still works.
pub(super) fn config(
    provider: &Arc<CryptoProvider>,
    extra_roots: &[CertificateDer<'static>],
) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider)).with_safe_default_protocol_versions()?;
    let mut config = match Verifier::new_with_extra_roots(extra_roots.iter().cloned(), Arc::clone(provider)) {
        Ok(verifier) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth(),
        Err(_) => builder
            .with_root_certificates(roots(extra_roots)?)
            .with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The same for one plugin: sessions are not shared, because a server could tell by them which plugins run on one host.
pub(super) fn config_of_one(config: &ClientConfig) -> ClientConfig {
    let mut config = config.clone();
    config.resumption = Resumption::in_memory_sessions(MAX_SESSIONS);
    config
}

pub(super) fn roots(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone())?;
    }
    Ok(roots)
}
