use super::*;
use crate::sandbox::shares::AllShares;

#[test]
fn exactly_100_of_101_requests_in_a_minute_reach_the_server() {
    let server = TestServer::start(|_| Reply::ok(b""));
    let clock = Arc::new(ManualClock::new());
    let all = AllShares::default();
    let time: Arc<dyn Clock> = clock;
    let load = || {
        let mut network = beside(&server);
        network.shares = all.of(&namespace()).network(&time, minute(100), 32);
        Arc::new(network)
    };
    let head = json!({ "method": "GET", "url": server.url("/") }).to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    // 32 at once before the plugin is loaded again, and three times 23 after.
    let mut codes = Vec::new();
    for (network, at_once) in [(load(), 32), (load(), 23), (load(), 23), (load(), 23)] {
        let requests: Vec<_> = (0..at_once)
            .map(|_| {
                let (network, head) = (Arc::clone(&network), head.clone());
                runtime.spawn(async move { network.request(head.as_bytes(), Vec::new()).await })
            })
            .collect();
        for request in requests {
            codes.push(runtime.block_on(request).unwrap().err().map(|error| error.code));
        }
    }
    let (sent, refused): (Vec<_>, Vec<_>) = codes.into_iter().partition(Option::is_none);
    assert_eq!((sent.len(), refused), (100, vec![Some(Code::RateLimitExceeded)]));
    assert_eq!(server.requests().len(), 100);
}

fn spend(shares: &NetworkShares) -> usize {
    std::iter::repeat_with(|| shares.spend())
        .take_while(Result::is_ok)
        .count()
}

fn manual() -> (Arc<ManualClock>, Arc<dyn Clock>) {
    let clock = Arc::new(ManualClock::new());
    (Arc::clone(&clock), clock)
}

#[test]
fn the_rate_comes_back_evenly() {
    let (time, clock) = manual();
    let shares = NetworkShares::new(&clock, minute(100), 10);
    assert_eq!(spend(&shares), 100);
    let error = shares.spend().unwrap_err();
    assert_eq!(error.code, Code::RateLimitExceeded);
    assert_eq!(Value::Object(error.details), json!({ "retry_after_ms": 600 }));
    time.advance(Duration::from_millis(599));
    assert_eq!(spend(&shares), 0);
    time.advance(Duration::from_millis(1));
    assert_eq!(spend(&shares), 1);
    time.advance(Duration::from_secs(30));
    assert_eq!(spend(&shares), 50);
    time.advance(Duration::from_secs(3_600));
    assert_eq!(spend(&shares), 100);
}

#[test]
fn other_limits_after_a_reload_forget_nothing_that_was_spent() {
    let (time, clock) = manual();
    let all = AllShares::default();
    let load = |per_minute| all.of(&namespace()).network(&clock, minute(per_minute), 10);
    let spend_some = |requests| (0..requests).for_each(|_| load(100).spend().unwrap());
    spend_some(50);
    assert_eq!(spend(&load(10)), 5, "half of it is left, whatever it is");
    assert_eq!(spend(&load(1_000)), 0, "all of it is spent, whatever it is");
    for per_minute in [1, 100, 7, 100] {
        assert_eq!(spend(&load(per_minute)), 0);
    }
    time.advance(Duration::from_secs(60));
    assert_eq!(spend(&load(100)), 100);
}

#[test]
fn plugins_have_shares_of_their_own() {
    let (_, clock) = manual();
    let all = AllShares::default();
    let other = Namespace {
        publisher: Some("acme".into()),
        ..namespace()
    };
    assert_eq!(spend(&all.of(&namespace()).network(&clock, minute(3), 10)), 3);
    assert_eq!(spend(&all.of(&other).network(&clock, minute(3), 10)), 3);
    assert_eq!(spend(&all.of(&namespace()).network(&clock, minute(3), 10)), 0);
}

#[test]
fn only_as_many_requests_are_in_flight_as_may_be() {
    let (_, clock) = manual();
    let shares = NetworkShares::new(&clock, minute(100), 2);
    let (first, _second) = (shares.enter().unwrap(), shares.enter().unwrap());
    let error = shares.enter().unwrap_err();
    assert_eq!(error.code, Code::ResourceExhausted);
    assert_eq!(
        Value::Object(error.details),
        json!({ "resource": "network_requests", "limit": 2 })
    );
    drop(first);
    let third = shares.enter().unwrap();
    shares.resize(minute(100), 1);
    drop(third);
    assert!(shares.enter().is_err(), "the second is still there");
}

#[test]
fn what_is_refused_costs_nothing() {
    let transport = Scripted::new(&[]);
    let access = json!({ "hosts": ["a.example"], "methods": ["GET", "POST"] });
    let mut network = network(grant(&access), transport.clone());
    network.shares = Arc::new(NetworkShares::new(&network.clock, minute(1), 1));
    network.grant.limits.request_bytes = 3;
    let head = |method, url| json!({ "method": method, "url": url });
    refused(&network, &head("GET", "https://b.example/"), Code::PermissionDenied);
    refused(&network, &head("PUT", "https://a.example/"), Code::PermissionDenied);
    refused(&network, &head("GET", "a.example"), Code::InvalidArgument);
    let post = head("POST", "https://a.example/");
    assert_eq!(
        ask_with(&network, &post, b"four").unwrap_err().code,
        Code::PayloadTooLarge
    );
    let place = network.shares.enter().unwrap();
    refused(&network, &post, Code::ResourceExhausted);
    drop(place);
    ask_with(&network, &post, b"yes").unwrap();
    refused(&network, &post, Code::RateLimitExceeded);
    assert_eq!(transport.asked().len(), 1);
}

#[test]
fn the_rate_is_counted_before_a_name_is_looked_up() {
    let resolver = crate::services::http_testing::ScriptedResolver::new(&[&["127.0.0.1"]]);
    let server = TestServer::start(|_| Reply::ok(b""));
    let mut network = beside(&server);
    network.transport = Arc::new(local_client().resolver(resolver.clone()).build().unwrap());
    network.shares = Arc::new(NetworkShares::new(&network.clock, minute(1), 1));
    let url = |name: &str| json!({ "method": "GET", "url": format!("http://{name}.inside.example:{}/", server.port) });
    ask(&network, &url("a")).unwrap();
    refused(&network, &url("b"), Code::RateLimitExceeded);
    assert_eq!(resolver.asked(), 1);
}
