use super::*;

#[track_caller]
fn check(hosts: &[&str], url: &str, allowed: bool) {
    let transport = Scripted::new(&[]);
    let network = network(grant(&json!({ "hosts": hosts })), transport.clone());
    let answer = ask(&network, &json!({ "method": "GET", "url": url }));
    assert_eq!(answer.is_ok(), allowed, "{hosts:?} {url}: {answer:?}");
    assert_eq!(transport.asked().len(), usize::from(allowed));
    if let Err(error) = answer {
        assert_eq!(error.code, Code::PermissionDenied, "{error:?}");
        assert_eq!(error.details["permission"], "network:https");
    }
}

#[test]
fn hosts_are_compared_whole() {
    let hosts = ["api.example.com", "192.0.2.7", "[2001:db8::1]"];
    check(&hosts, "https://api.example.com/", true);
    check(&hosts, "https://API.Example.COM/", true);
    check(&hosts, "https://192.0.2.7/", true);
    check(&hosts, "https://0xc0000207/", true);
    check(&hosts, "https://[2001:db8:0::1]/", true);
    check(&hosts, "https://example.com/", false);
    check(&hosts, "https://api.example.com./", false);
    check(&hosts, "https://api.example.com.evil.net/", false);
    check(&hosts, "https://evil-api.example.com/", false);
    check(&hosts, "https://x.api.example.com/", false);
    check(&hosts, "https://192.0.2.8/", false);
    check(&hosts, "https://[::ffff:192.0.2.7]/", false);
    check(&hosts, "https://evil.net/?api.example.com", false);
    check(&hosts, "https://evil.net#@api.example.com/", false);
    check(&hosts, "https://evil.net\\@api.example.com/", false);
    check(&[], "https://api.example.com/", false);
}

#[test]
fn a_wildcard_is_one_label() {
    let hosts = ["*.example.com"];
    check(&hosts, "https://api.example.com/", true);
    check(&hosts, "https://xn--bcher-kva.example.com/", true);
    check(&hosts, "https://bücher.example.com/", true);
    check(&hosts, "https://example.com/", false);
    check(&hosts, "https://.example.com/", false);
    check(&hosts, "https://a.b.example.com/", false);
    check(&hosts, "https://apiexample.com/", false);
    check(&hosts, "https://api.example.com.evil.net/", false);
    check(&hosts, "https://192.0.2.7/", false);
}

#[test]
fn ports_methods_and_schemes_are_granted_one_by_one() {
    let transport = Scripted::new(&[]);
    let mut network = network(
        grant(&json!({ "hosts": ["a.example"], "ports": [80, 443, 8443], "methods": ["GET"] })),
        transport.clone(),
    );
    let ask_for = |network: &Network, method: &str, url: &str| ask(network, &json!({ "method": method, "url": url }));
    for url in ["https://a.example/", "https://a.example:8443/", "http://a.example/"] {
        ask_for(&network, "GET", url).unwrap();
    }
    for (method, url, name) in [
        ("GET", "https://a.example:8444/", "port"),
        ("GET", "http://a.example:8080/", "port"),
        ("POST", "https://a.example/", "method"),
        ("get", "https://a.example/", "method"),
        ("CONNECT", "https://a.example/", "method"),
        ("TRACE", "https://a.example/", "method"),
    ] {
        let error = ask_for(&network, method, url).unwrap_err();
        assert_eq!(error.code, Code::PermissionDenied);
        assert!(error.details.contains_key(name), "{error:?}");
    }
    network.grant.permissions = [Permission::NetworkHttps].into();
    ask_for(&network, "GET", "https://a.example/").unwrap();
    let error = ask_for(&network, "GET", "http://a.example/").unwrap_err();
    assert_eq!(error.details["permission"], "network:http");
    network.grant.permissions = [Permission::NetworkHttp].into();
    ask_for(&network, "GET", "http://a.example/").unwrap();
    let error = ask_for(&network, "GET", "https://a.example/").unwrap_err();
    assert_eq!(error.details["permission"], "network:https");
    assert_eq!(transport.asked().len(), 5);
}

#[test]
fn a_private_address_is_refused_although_its_host_is_granted() {
    let server = TestServer::start(|_| Reply::ok(b"inside"));
    let mut network = beside(&server);
    network.grant.private_network = false;
    for host in ["127.0.0.1", "a.inside.example"] {
        let url = format!("http://{host}:{}/", server.port);
        let error = refused(
            &network,
            &json!({ "method": "GET", "url": url }),
            Code::PermissionDenied,
        );
        assert!(!String::from_utf8(error.to_json()).unwrap().contains("127.0.0.1"));
    }
    assert_eq!(server.connections(), 0);
}
