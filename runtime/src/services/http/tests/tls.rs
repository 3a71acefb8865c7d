use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

use super::*;
use crate::services::http::testing::crypto;

/// The certificate of a private authority, and a server that has it.
fn server(name: &str) -> (Vec<u8>, TestServer) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(crypto())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let server = TestServer::start_tls(Arc::new(config), |_| Reply::ok(b"secret"));
    (cert.der().to_vec(), server)
}

fn fetch(client: &HttpClient, server: &TestServer) -> Result<HttpResponse, HttpError> {
    send(client, get(&format!("https://inside.example:{}/", server.port)), WIDE)
}

#[test]
fn a_server_of_a_private_authority_is_believed_when_the_authority_is() {
    let (root, server) = server("inside.example");
    let client = local_client().extra_root(root).build().unwrap();
    assert_eq!(fetch(&client, &server).unwrap().body, b"secret");
    assert_eq!(fetch(&client, &server).unwrap().body, b"secret");
}

#[test]
fn a_server_of_an_unknown_authority_is_not_believed() {
    let (_, server) = server("inside.example");
    let (other_root, _other) = self::server("inside.example");
    for client in [local_client(), local_client().extra_root(other_root)] {
        let failed = fetch(&client.build().unwrap(), &server).unwrap_err();
        assert!(matches!(failed, HttpError::Failed { reason: "TLS" }), "{failed:?}");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_server_with_a_certificate_for_another_name_is_not_believed() {
    let (root, server) = server("outside.example");
    let client = local_client().extra_root(root).build().unwrap();
    let failed = fetch(&client, &server).unwrap_err();
    assert!(matches!(failed, HttpError::Failed { reason: "TLS" }), "{failed:?}");
    assert!(server.requests().is_empty());
}

#[test]
fn a_root_that_is_no_certificate_is_refused_at_once() {
    assert!(matches!(
        local_client().extra_root(*b"no certificate").build(),
        Err(HttpError::Client(_))
    ));
}
