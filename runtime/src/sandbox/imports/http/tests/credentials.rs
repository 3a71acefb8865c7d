use super::*;

fn with_credentials(transport: Arc<Scripted>) -> Network {
    let access = json!({
        "hosts": ["a.example", "b.example"],
        "ports": [80, 443, 8443],
        "methods": ["GET"],
        "credentials": [
            { "name": "plain", "hosts": ["a.example"] },
            { "name": "key", "header": "x-api-key", "hosts": ["a.example", "b.example"] }
        ]
    });
    network(grant(&access), transport)
}

fn sent(transport: &Scripted) -> Vec<(Option<String>, Option<String>)> {
    let text = |request: &HttpRequest, name: &str| {
        let value = request.headers.get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    transport
        .asked()
        .iter()
        .map(|(request, _)| (text(request, "authorization"), text(request, "x-api-key")))
        .collect()
}

#[test]
fn the_host_adds_the_secret_that_a_request_names() {
    let transport = Scripted::new(&[]);
    let network = with_credentials(transport.clone());
    for credential in [json!("plain"), json!("key"), json!(null)] {
        let head = json!({ "method": "GET", "url": "https://a.example/", "credential": credential });
        let (answer, _) = ask(&network, &head).unwrap();
        assert!(!answer.to_string().contains("s3cret"));
    }
    let secret = || Some("Bearer s3cret".to_owned());
    assert_eq!(sent(&transport), [(secret(), None), (None, secret()), (None, None)]);
}

#[test]
fn a_secret_goes_only_where_it_may() {
    let transport = Scripted::new(&[]);
    let mut network = with_credentials(transport.clone());
    network.grant.private_network = false;
    for (url, credential) in [
        ("https://b.example/", "plain"),
        ("https://a.example/", "unknown"),
        ("http://a.example/", "plain"),
    ] {
        let head = json!({ "method": "GET", "url": url, "credential": credential });
        let error = refused(&network, &head, Code::PermissionDenied);
        assert_eq!(error.details["credential"], credential);
    }
    assert!(transport.asked().is_empty());
}

#[test]
fn a_plugin_sets_no_header_in_place_of_a_secret() {
    let transport = Scripted::new(&[]);
    let network = with_credentials(transport.clone());
    let head = |credential: Value, header: &str| {
        json!({
            "method": "GET", "url": "https://a.example/", "credential": credential, "headers": [[header, "mine"]]
        })
    };
    refused(&network, &head(json!("plain"), "Authorization"), Code::InvalidArgument);
    refused(&network, &head(json!("key"), "X-Api-Key"), Code::InvalidArgument);
    ask(&network, &head(json!(null), "Authorization")).unwrap();
    ask(&network, &head(json!("key"), "Authorization")).unwrap();
    assert_eq!(sent(&transport)[0], (Some("mine".to_owned()), None));
}

#[test]
fn secrets_stay_with_their_origin() {
    let elsewhere = ["https://b.example/", "https://a.example:8443/"];
    for location in elsewhere {
        // There and back again: what was dropped stays dropped.
        let transport = Scripted::new(&[
            ("https://a.example/", 302, "/next"),
            ("https://a.example/next", 302, location),
            (location, 302, "https://a.example/end"),
        ]);
        let network = with_credentials(transport.clone());
        let head = json!({
            "method": "GET", "url": "https://a.example/", "credential": "key", "redirects": true,
            "headers": [["authorization", "mine"], ["cookie", "a=b"], ["accept", "text/plain"]]
        });
        ask(&network, &head).unwrap();
        let (own, secret) = (Some("mine".to_owned()), Some("Bearer s3cret".to_owned()));
        let both = (own, secret);
        assert_eq!(
            sent(&transport),
            [both.clone(), both, (None, None), (None, None)],
            "{location}"
        );
        let cookies: Vec<_> = transport
            .asked()
            .iter()
            .map(|(request, _)| request.headers.contains_key("cookie"))
            .collect();
        assert_eq!(cookies, [true, true, false, false]);
        assert!(
            transport
                .asked()
                .iter()
                .all(|(request, _)| request.headers.contains_key("accept"))
        );
    }
}

#[test]
fn secrets_are_never_printed() {
    let network = with_credentials(Scripted::new(&[]));
    assert!(!format!("{network:?}").contains("s3cret"));
}

#[test]
fn a_secret_that_no_header_can_carry_is_refused() {
    let access = grant(&json!({ "credentials": [{ "name": "key", "hosts": ["a.example"] }] })).access;
    let declared = &access.credentials[0];
    for secret in ["a\r\nhost: b.example", "a\n", "ä"] {
        let refused = Credential::new(declared, secret).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the value of the credential `key` is not visible ASCII"
        );
    }
}
