use super::*;
use crate::services::http::resolve::{Lookups, ResolveError};

/// Ways to write an address of this machine or of a private network as the host of a URL.
const NOTATIONS: [&str; 57] = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.000.000.001",
    "0177.0.0.1",
    "0177.0.0.01",
    "017700000001",
    "0x7f.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "0X7F.1",
    "0x7f000001",
    "0x7F.0x000001",
    "2130706433",
    "127.0.0.1.",
    "127.1.",
    "127.0.0.0x1",
    "127.0.0.2",
    "127.255.255.254",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "127。0。0。1",
    "127．0．0．1",
    "①②⑦.⓪.⓪.①",
    "１２７.０.０.１",
    "0",
    "0.0.0.0",
    "0x0",
    "00000",
    "10.0.0.1",
    "10.1",
    "0xa000001",
    "167772161",
    "172.16.0.1",
    "192.168.0.1",
    "192.168.1",
    "3232235521",
    "0300.0250.0.1",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "100.64.0.1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:FFFF:127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::127.0.0.1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::1]",
    "[fe80::1]",
];

/// Hosts that no URL can have.
const NO_URLS: [&str; 9] = [
    "[::1%25eth0]",
    "[fe80::1%eth0]",
    "[::1",
    "[127.0.0.1]",
    "127.0.0.256",
    "0x100000000",
    "256.1",
    "1.2.3.4.5",
    "127.0.0.1%00",
];

#[test]
fn no_notation_of_a_private_address_reaches_anything() {
    let server = TestServer::start(|_| Reply::ok(b"inside"));
    let resolver = ScriptedResolver::new(&[&["127.0.0.1"]]);
    let client = local_client().resolver(resolver.clone()).build().unwrap();
    for host in NOTATIONS {
        let request = get(&format!("http://{host}:{}/", server.port));
        let refused = send(&client, request, PUBLIC);
        assert!(matches!(refused, Err(HttpError::AddressRefused)), "{host}: {refused:?}");
    }
    for host in NO_URLS {
        let url = format!("http://{host}:{}/", server.port);
        assert!(Url::parse(&url).is_err(), "{host}");
    }
    assert_eq!((server.connections(), resolver.asked()), (0, 0));

    for host in ["127.1", "0x7f000001", "[::ffff:127.0.0.1]", "name.example"] {
        let allowed = send(&client, get(&format!("http://{host}:{}/", server.port)), WIDE);
        assert_eq!(allowed.unwrap().body, b"inside", "{host}");
    }
}

#[test]
fn names_of_private_addresses_reach_nothing() {
    let server = TestServer::start(|_| Reply::ok(b"inside"));
    let answers: [&[&str]; 6] = [
        &["127.0.0.1"],
        &["::1"],
        &["192.168.0.1"],
        &["::ffff:127.0.0.1"],
        // One that is public and one that is not, in both orders.
        &["1.1.1.1", "127.0.0.1"],
        &["127.0.0.1", "1.1.1.1"],
    ];
    let resolver = ScriptedResolver::new(&answers);
    let client = local_client().resolver(resolver.clone()).build().unwrap();
    for host in [
        "localhost",
        "localhost.",
        "a.example",
        "a.example",
        "a.example",
        "a.example",
    ] {
        let refused = send(&client, get(&format!("http://{host}:{}/", server.port)), PUBLIC);
        assert!(matches!(refused, Err(HttpError::AddressRefused)), "{host}: {refused:?}");
    }
    assert_eq!((server.connections(), resolver.asked()), (0, answers.len()));
}

#[test]
fn a_resolver_that_changes_its_answer_is_checked_each_time() {
    let resolver = ScriptedResolver::new(&[&["1.1.1.1"], &["127.0.0.1"]]);
    let checked = Lookups::new(resolver).checked(false);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let resolve = || runtime.block_on(checked.clone().addresses("a.example".to_owned()));
    assert_eq!(resolve().unwrap(), ["1.1.1.1".parse::<std::net::IpAddr>().unwrap()]);
    assert!(matches!(resolve(), Err(ResolveError::Refused)));
}

#[test]
fn the_answer_that_was_checked_is_the_one_that_is_dialled() {
    let server = TestServer::start(|_| Reply::ok(b"first"));
    let resolver = ScriptedResolver::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let client = local_client().resolver(resolver.clone()).build().unwrap();
    let url = format!("http://a.example:{}/", server.port);
    assert_eq!(send(&client, get(&url), WIDE).unwrap().body, b"first");
    assert_eq!(resolver.asked(), 1);
}

#[test]
fn names_without_an_address_are_told_apart_from_refused_ones() {
    for answers in [&[][..], &[&[][..]]] {
        let client = local_client().resolver(ScriptedResolver::new(answers)).build().unwrap();
        let failed = send(&client, get("http://a.example/"), PUBLIC).unwrap_err();
        assert!(
            matches!(
                failed,
                HttpError::Failed {
                    reason: "cannot resolve"
                }
            ),
            "{failed:?}"
        );
    }
}

#[test]
fn what_a_plugin_reads_of_a_failure_holds_no_address() {
    let client = local_client().build().unwrap();
    // Nothing listens there any more.
    let port = TestServer::start(|_| Reply::ok(b"")).port;
    let failed = send(&client, get(&format!("http://a.example:{port}/")), WIDE).unwrap_err();
    assert!(
        matches!(
            failed,
            HttpError::Failed {
                reason: "cannot connect" | "protocol"
            }
        ),
        "{failed:?}"
    );
    assert!(!failed.to_string().contains("127.0.0.1"));
}
