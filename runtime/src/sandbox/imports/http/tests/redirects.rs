use super::*;

fn follow(url: &str) -> Value {
    json!({ "method": "GET", "url": url, "redirects": true })
}

fn with_hosts(transport: Arc<Scripted>) -> Network {
    let access = json!({
        "hosts": ["a.example", "b.example"], "ports": [80, 443], "methods": ["GET", "HEAD", "POST", "PUT"]
    });
    network(grant(&access), transport)
}

#[test]
fn redirects_are_followed_only_when_asked() {
    let transport = Scripted::new(&[("https://a.example/", 302, "/next")]);
    let network = with_hosts(transport.clone());
    let (head, _) = ask(&network, &json!({ "method": "GET", "url": "https://a.example/" })).unwrap();
    assert_eq!(
        (&head["status"], &head["headers"][0][1]),
        (&json!(302), &json!("/next"))
    );
    assert_eq!(transport.asked().len(), 1);
    let (head, _) = ask(&network, &follow("https://a.example/")).unwrap();
    assert_eq!(
        (&head["status"], &head["url"]),
        (&json!(200), &json!("https://a.example/next"))
    );
}

#[test]
fn five_redirects_are_followed_and_no_more() {
    let chain = [
        ("https://a.example/0", 301, "/1"),
        ("https://a.example/1", 302, "//b.example/2"),
        ("https://b.example/2", 303, "https://a.example/3"),
        ("https://a.example/3", 307, "4#part"),
        ("https://a.example/4", 308, "?5"),
        ("https://a.example/4?5", 302, "/6"),
    ];
    let transport = Scripted::new(&chain[..5]);
    let (head, _) = ask(&with_hosts(transport.clone()), &follow("https://a.example/0")).unwrap();
    assert_eq!(head["url"], "https://a.example/4?5");
    assert_eq!(transport.asked().len(), 6);
    let transport = Scripted::new(&chain);
    let error = refused(
        &with_hosts(transport.clone()),
        &follow("https://a.example/0"),
        Code::PluginUnavailable,
    );
    assert_eq!(error.details["reason"], "too many redirects");
    assert_eq!(transport.asked().len(), 6);
}

#[test]
fn a_redirect_goes_only_where_a_request_may() {
    for location in [
        "https://c.example/",
        "https://a.example.evil.net/",
        "https://a.example:8443/",
        "https://127.0.0.1/",
        // Never back to what others can read.
        "http://a.example/",
        "http://b.example/",
    ] {
        let transport = Scripted::new(&[("https://a.example/", 302, location)]);
        refused(
            &with_hosts(transport.clone()),
            &follow("https://a.example/"),
            Code::PermissionDenied,
        );
        assert_eq!(transport.asked().len(), 1, "{location}");
    }
    for location in ["https://user@a.example/x", "https://:secret@a.example/x"] {
        let transport = Scripted::new(&[("https://a.example/", 302, location)]);
        refused(
            &with_hosts(transport.clone()),
            &follow("https://a.example/"),
            Code::InvalidArgument,
        );
        assert_eq!(transport.asked().len(), 1, "{location}");
    }
    for location in [
        "ftp://a.example/",
        "file:///etc/passwd",
        "javascript:1",
        "https://",
        "https://[::1",
    ] {
        let transport = Scripted::new(&[("https://a.example/", 302, location)]);
        refused(
            &with_hosts(transport.clone()),
            &follow("https://a.example/"),
            Code::PluginUnavailable,
        );
        assert_eq!(transport.asked().len(), 1, "{location}");
    }
    let transport = Scripted::new(&[("http://a.example/", 301, "https://a.example/")]);
    ask(&with_hosts(transport.clone()), &follow("http://a.example/")).unwrap();
    assert_eq!(transport.asked().len(), 2);
}

#[test]
fn a_redirect_to_this_machine_reaches_nothing() {
    /// A server outside that redirects inside, before the real client.
    #[derive(Debug)]
    struct Outside {
        client: Arc<HttpClient>,
        location: String,
    }

    impl HttpTransport for Outside {
        fn send<'a>(
            &'a self,
            by: &'a Namespace,
            request: HttpRequest,
            bounds: HttpBounds,
        ) -> ServiceFuture<'a, Result<HttpResponse, HttpError>> {
            if request.url.host_str() != Some("outside.example") {
                return self.client.send(by, request, bounds);
            }
            let headers = [("location".parse().unwrap(), self.location.parse().unwrap())];
            let response = HttpResponse {
                status: 302,
                headers: headers.into_iter().collect(),
                body: Vec::new(),
                received_bytes: 0,
            };
            Box::pin(async { Ok(response) })
        }
    }

    let server = TestServer::start(|_| Reply::ok(b"inside"));
    let hosts = ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "0x7f.1"];
    let redirected_to = |host: &str, private_network| {
        let grant = grant(&json!({
            "hosts": ["outside.example", "127.0.0.1", "[::ffff:127.0.0.1]", "localhost"], "ports": [80, server.port]
        }));
        let outside = Outside {
            client: client(),
            location: format!("http://{host}:{}/", server.port),
        };
        let grant = NetworkGrant {
            private_network,
            ..grant
        };
        ask(&network(grant, Arc::new(outside)), &follow("http://outside.example/"))
    };
    for host in hosts {
        assert_eq!(
            redirected_to(host, false).unwrap_err().code,
            Code::PermissionDenied,
            "{host}"
        );
    }
    assert_eq!(server.connections(), 0);
    for host in hosts {
        assert_eq!(redirected_to(host, true).unwrap().1, b"inside", "{host}");
    }
}

#[test]
fn methods_change_as_browsers_change_them() {
    #[track_caller]
    fn check(status: u16, method: &str, then: &str) {
        let transport = Scripted::new(&[("https://a.example/", status, "/next")]);
        let head = json!({
            "method": method, "url": "https://a.example/", "redirects": true,
            "headers": [["content-type", "text/plain"], ["accept", "*/*"]]
        });
        let body: &[u8] = if matches!(method, "GET" | "HEAD") { b"" } else { b"body" };
        ask_with(&with_hosts(transport.clone()), &head, body).unwrap();
        let lines = [
            format!("{method} https://a.example/"),
            format!("{then} https://a.example/next"),
        ];
        assert_eq!(transport.lines(), lines, "{status}");
        let (last, _) = transport.asked().pop().unwrap();
        let kept = method == then;
        assert_eq!(last.body, if kept { body } else { b"" });
        assert_eq!(last.headers.contains_key("content-type"), kept);
        assert!(last.headers.contains_key("accept"));
    }
    for status in [301, 302, 303] {
        check(status, "POST", "GET");
        check(status, "HEAD", "HEAD");
    }
    for status in [301, 302, 307, 308] {
        check(status, "PUT", "PUT");
    }
    check(303, "PUT", "GET");
    check(307, "POST", "POST");
    check(308, "POST", "POST");
}

#[test]
fn a_method_that_a_redirect_changes_has_to_be_granted() {
    let transport = Scripted::new(&[("https://a.example/", 303, "/next")]);
    let network = network(
        grant(&json!({ "hosts": ["a.example"], "methods": ["POST"] })),
        transport.clone(),
    );
    let head = json!({ "method": "POST", "url": "https://a.example/", "redirects": true });
    refused(&network, &head, Code::PermissionDenied);
    assert_eq!(transport.asked().len(), 1);
}

#[test]
fn every_hop_counts() {
    let transport = Scripted::new(&[("https://a.example/0", 302, "/1"), ("https://a.example/1", 302, "/2")]);
    let mut network = with_hosts(transport.clone());
    network.shares = Arc::new(NetworkShares::new(&network.clock, minute(2), 10));
    refused(&network, &follow("https://a.example/0"), Code::RateLimitExceeded);
    assert_eq!(transport.asked().len(), 2);
}

#[test]
fn all_hops_have_one_deadline() {
    let chain = [
        ("https://a.example/0", 302, "/1"),
        ("https://a.example/1", 302, "/2"),
        ("https://a.example/2", 302, "/3"),
    ];
    let clock = Arc::new(ManualClock::new());
    let transport = Arc::new(Scripted {
        answers: chain.to_vec(),
        clock: Some(Arc::clone(&clock)),
        ..Scripted::default()
    });
    let mut network = with_hosts(transport.clone());
    network.clock = clock;
    let error = refused(&network, &follow("https://a.example/0"), Code::NetworkTimeout);
    assert_eq!(error.details["limit_ms"], 30_000);
    let times: Vec<_> = transport
        .asked()
        .iter()
        .map(|(_, bounds)| bounds.time.as_secs())
        .collect();
    assert_eq!(times, [30, 20, 10]);
}

#[test]
fn an_answer_that_only_looks_like_a_redirect_is_an_answer() {
    for (status, location) in [(302, ""), (300, "/next"), (304, "/next"), (201, "/next")] {
        let transport = Scripted::new(&[("https://a.example/", status, location)]);
        let (head, _) = ask(&with_hosts(transport.clone()), &follow("https://a.example/")).unwrap();
        assert_eq!(head["status"], status);
        assert_eq!(transport.asked().len(), 1);
    }
}
