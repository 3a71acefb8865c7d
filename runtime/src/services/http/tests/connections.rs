use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::services::http::testing::Happened;

#[test]
fn a_plugin_uses_its_connections_again_and_no_other_plugin_does() {
    let server = TestServer::start(|_| Reply::ok(b"hello"));
    let client = local_client().build().unwrap();
    let signed = Namespace {
        publisher: Some("acme".into()),
        ..plugin("a")
    };
    let by_plugin: Vec<BTreeSet<usize>> = [plugin("a"), plugin("b"), signed]
        .iter()
        .map(|by| {
            let before = server.requests().len();
            for _ in 0..10 {
                block_on(client.send(by, get(&server.url("/")), WIDE)).unwrap();
            }
            let requests = server.requests();
            requests[before..].iter().map(|request| request.connection).collect()
        })
        .collect();
    let used: BTreeSet<_> = by_plugin.iter().flatten().collect();
    assert_eq!(used.len(), by_plugin.iter().map(BTreeSet::len).sum::<usize>(), "shared");
    // A connection may be made just before another one is free again.
    assert!(
        by_plugin.iter().all(|connections| connections.len() < 5),
        "{by_plugin:?}"
    );
}

#[test]
fn a_connection_to_a_private_network_is_not_used_once_that_is_no_longer_allowed() {
    let server = TestServer::start(|_| Reply::ok(b"hello"));
    let client = local_client().build().unwrap();
    let url = format!("http://a.example:{}/", server.port);
    assert!(send(&client, get(&url), WIDE).is_ok());
    assert!(matches!(
        send(&client, get(&url), PUBLIC),
        Err(HttpError::AddressRefused)
    ));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn connections_of_the_plugin_that_was_idle_longest_make_room() {
    let server = TestServer::start(|_| Reply::ok(b"hello"));
    let client = local_client().build().unwrap();
    for id in 0..257 {
        block_on(client.send(&plugin(&id.to_string()), get(&server.url("/")), WIDE)).unwrap();
    }
    assert_eq!(server.connections(), 257);
    block_on(client.send(&plugin("1"), get(&server.url("/")), WIDE)).unwrap();
    assert_eq!(server.connections(), 257, "still there");
    block_on(client.send(&plugin("0"), get(&server.url("/")), WIDE)).unwrap();
    assert_eq!(server.connections(), 258, "made room");
}

#[test]
fn a_server_that_never_comes_to_an_end_meets_the_deadline() {
    let short = HttpBounds {
        time: Duration::from_millis(200),
        ..WIDE
    };
    let no_head: fn() -> Reply = || Reply::Silence(Vec::new());
    let half_a_body = || Reply::Silence(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_vec());
    let drip = || {
        Reply::Endless(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
            b"1\r\nx\r\n".to_vec(),
        )
    };
    let no_end_of_beginnings = || Reply::Endless(Vec::new(), b"HTTP/1.1 100 Continue\r\n\r\n".to_vec());
    for reply in [no_head, half_a_body, drip, no_end_of_beginnings] {
        let server = TestServer::start(move |_| reply());
        let client = local_client().build().unwrap();
        let late = send(&client, get(&server.url("/")), short).unwrap_err();
        assert!(
            matches!(late, HttpError::TimedOut { limit } if limit == short.time),
            "{late:?}"
        );
    }
}

#[test]
fn a_request_that_is_dropped_closes_its_connection() {
    let server = TestServer::start(|_| Reply::Silence(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec()));
    let client = Arc::new(local_client().build().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let (task_client, url) = (Arc::clone(&client), server.url("/"));
    let request = runtime.spawn(async move { task_client.send(&plugin("a"), get(&url), WIDE).await.is_ok() });
    assert_eq!(server.next(), Happened::Asked);
    request.abort();
    assert_eq!(server.next(), Happened::Closed);
}

#[test]
fn a_client_can_be_dropped_inside_of_another_runtime() {
    let server = TestServer::start(|_| Reply::ok(b"hello"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let client = local_client().build().unwrap();
        client.send(&plugin("a"), get(&server.url("/")), WIDE).await.unwrap();
        drop(client);
    });
    assert_eq!([server.next(), server.next()], [Happened::Asked, Happened::Closed]);
}

#[test]
fn proxies_of_the_environment_redirects_and_cookies_are_left_alone() {
    let server = TestServer::start(|_| {
        Reply::Bytes(b"HTTP/1.1 302 Found\r\nlocation: /next\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n".to_vec())
    });
    let client = local_client().build().unwrap();
    for _ in 0..2 {
        let response = send(&client, get(&server.url("/")), WIDE).unwrap();
        assert_eq!(
            (response.status, &response.headers["location"]),
            (302, &"/next".parse().unwrap())
        );
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.header("cookie").is_none()));
}

#[test]
fn without_cryptography_every_request_is_refused_in_words() {
    let client = HttpClient::builder().build().unwrap();
    let refused = send(&client, get("https://127.0.0.1/"), WIDE).unwrap_err();
    assert!(matches!(refused, HttpError::NoCryptoProvider), "{refused:?}");
}
