use super::*;

#[test]
fn an_answer_is_a_head_and_a_body() {
    let server = TestServer::start(|_| Reply::with("x-a: 1\r\nx-a: 2\r\n", b"hello"));
    let url = server.url("/path?q=1#part");
    let (head, body) = ask(&beside(&server), &json!({ "method": "GET", "url": url })).unwrap();
    let headers = json!([["x-a", "1"], ["x-a", "2"], ["content-length", "5"]]);
    let expected = json!({ "status": 200, "url": server.url("/path?q=1"), "headers": headers });
    assert_eq!((head, body), (expected, b"hello".to_vec()));
    assert_eq!(server.requests()[0].line(), "GET /path?q=1 HTTP/1.1");
}

#[test]
fn what_is_asked_arrives_as_it_was_asked() {
    let server = TestServer::start(|_| Reply::ok(b""));
    let head = json!({ "method": "POST", "url": server.url("/"), "headers": [["X-A", "1"], ["x-a", "two words"]] });
    ask_with(&beside(&server), &head, b"the body").unwrap();
    let received = &server.requests()[0];
    assert_eq!(received.body, b"the body");
    assert_eq!(received.header("content-length"), Some("8"));
    let lines: Vec<_> = received.head.lines().filter(|line| line.starts_with("x-a")).collect();
    assert_eq!(lines, ["x-a: 1", "x-a: two words"]);
}

#[test]
fn a_head_that_is_malformed_sends_nothing() {
    let transport = Scripted::new(&[]);
    let network = network(grant(&json!({ "hosts": ["a.example"] })), transport.clone());
    let url = "https://a.example/";
    let long = "x".repeat(8_000);
    let many: Vec<_> = (0..65).map(|_| ["a", "b"]).collect();
    for head in [
        json!(null),
        json!([]),
        json!({}),
        json!({ "method": "GET" }),
        json!({ "url": url }),
        json!({ "method": "GET", "url": url, "proxy": "http://b.example" }),
        json!({ "method": "GET", "url": url, "timeout_ms": 0 }),
        json!({ "method": "GET", "url": url, "timeout_ms": -1 }),
        json!({ "method": "GET", "url": url, "redirects": 5 }),
        json!({ "method": "GET", "url": url, "headers": { "a": "b" } }),
        json!({ "method": "GET", "url": url, "headers": [["a"]] }),
        json!({ "method": "GET", "url": url, "headers": many }),
        json!({ "method": "GET", "url": url, "headers": [["a", long], ["b", long], ["c", long]] }),
        json!({ "method": "", "url": url }),
        json!({ "method": "G ET", "url": url }),
        json!({ "method": "GET / HTTP/1.1\r\nx: y", "url": url }),
        json!({ "method": "GET", "url": "a.example" }),
        json!({ "method": "GET", "url": "/path" }),
        json!({ "method": "GET", "url": "ftp://a.example/" }),
        json!({ "method": "GET", "url": "file:///etc/passwd" }),
        json!({ "method": "GET", "url": "https://" }),
        json!({ "method": "GET", "url": "https://a.example:99999/" }),
        json!({ "method": "GET", "url": "https://a.exa\tmple/" }),
        json!({ "method": "GET", "url": "https://a.example/\r\nhost: b.example" }),
        json!({ "method": "GET", "url": format!("{url}{long}") }),
        json!({ "method": "GET", "url": "https://user@a.example/" }),
        json!({ "method": "GET", "url": "https://user:secret@a.example/" }),
        json!({ "method": "GET", "url": "https://:secret@a.example/" }),
        json!({ "method": "GET", "url": "https://b.example@a.example/" }),
    ] {
        refused(&network, &head, Code::InvalidArgument);
    }
    let two_methods = br#"{"method": "GET", "url": "https://a.example/", "method": "GET"}"#;
    assert!(block_on(network.request(two_methods, Vec::new())).is_err());
    let huge = format!(r#"{{"method": "GET", "url": "{url}"{}}}"#, " ".repeat(64 * 1024));
    assert!(block_on(network.request(huge.as_bytes(), Vec::new())).is_err());
    assert!(transport.asked().is_empty());

    ask(
        &network,
        &json!({ "method": "GET", "url": url, "timeout_ms": 1, "headers": [["a", ""]] }),
    )
    .unwrap();
}

#[test]
fn headers_cannot_smuggle_a_second_request() {
    let transport = Scripted::new(&[]);
    let network = network(grant(&json!({ "hosts": ["a.example"] })), transport.clone());
    for (name, value) in [
        ("x", "1\r\nhost: b.example"),
        ("x", "1\n"),
        ("x", "1\r"),
        ("x", "nul\0"),
        ("x", "line\u{2028}separator"),
        ("x\r\nhost", "b.example"),
        ("x: y\r\nz", "1"),
        ("", "1"),
        ("x y", "1"),
        ("host", "b.example"),
        ("Host", "b.example"),
        ("content-length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("connection", "upgrade"),
        ("keep-alive", "timeout=9"),
        ("upgrade", "h2c"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("expect", "100-continue"),
        ("proxy-authorization", "Basic YTpi"),
        ("proxy-connection", "keep-alive"),
    ] {
        let head = json!({ "method": "GET", "url": "https://a.example/", "headers": [[name, value]] });
        refused(&network, &head, Code::InvalidArgument);
    }
    assert!(transport.asked().is_empty());
}

#[test]
fn a_body_goes_only_with_methods_that_take_one() {
    let server = TestServer::start(|_| Reply::ok(b""));
    let network = beside(&server);
    for method in ["GET", "HEAD"] {
        let error = ask_with(&network, &json!({ "method": method, "url": server.url("/") }), b"x").unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_request_may_be_as_large_as_the_limit() {
    let server = TestServer::start(|_| Reply::ok(b""));
    let network = beside(&server);
    let head = json!({ "method": "POST", "url": server.url("/") });
    ask_with(&network, &head, &vec![b'x'; 10_485_760]).unwrap();
    assert_eq!(server.requests()[0].body.len(), 10_485_760);
    let error = ask_with(&network, &head, &vec![b'x'; 10_485_761]).unwrap_err();
    assert_eq!(error.code, Code::PayloadTooLarge);
    let details = json!({ "actual_bytes": 10_485_761, "limit_bytes": 10_485_760 });
    assert_eq!(Value::Object(error.details), details);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_response_above_the_limit_is_an_error() {
    let server = TestServer::start(|_| Reply::ok(b"12345"));
    let mut network = beside(&server);
    let head = json!({ "method": "GET", "url": server.url("/") });
    network.grant.limits.response_bytes = 5;
    assert_eq!(ask(&network, &head).unwrap().1, b"12345");
    network.grant.limits.response_bytes = 4;
    let error = refused(&network, &head, Code::PayloadTooLarge);
    assert_eq!(Value::Object(error.details), json!({ "limit_bytes": 4 }));
}

#[test]
fn a_server_that_drips_meets_the_deadline_the_plugin_asked_for() {
    let server = TestServer::start(|_| Reply::Silence(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ndrip".to_vec()));
    let head = json!({ "method": "GET", "url": server.url("/"), "timeout_ms": 200 });
    let error = refused(&beside(&server), &head, Code::NetworkTimeout);
    assert_eq!(
        Value::Object(error.details),
        json!({ "resource": "time", "limit_ms": 200 })
    );
}
