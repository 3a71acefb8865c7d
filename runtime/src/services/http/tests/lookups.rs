use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::*;
use crate::services::http::resolve::Resolver;

/// Answers at once, but for names that start with `slow`: those wait to be let go.
#[derive(Debug)]
struct Slow {
    asked: Sender<()>,
    gate: Mutex<Receiver<()>>,
}

impl Resolver for Slow {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if name.starts_with("slow") {
            self.asked.send(()).unwrap();
            // Let go with a message, or all at once by the end of the sender.
            let _either = self.gate.lock().unwrap().recv();
        }
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

#[test]
fn names_that_take_forever_hold_up_only_the_plugin_that_asks_for_them() {
    let server = TestServer::start(|_| Reply::ok(b"hello"));
    let (asked, lookups) = channel();
    let (let_go, gate) = channel();
    let slow = Slow {
        asked,
        gate: Mutex::new(gate),
    };
    let client = Arc::new(local_client().resolver(Arc::new(slow)).build().unwrap());
    let url = |host: &str| format!("http://{host}.example:{}/", server.port);
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let requests: Vec<_> = (0..20)
        .map(|index| {
            let (client, url) = (Arc::clone(&client), url(&format!("slow{index}")));
            runtime.spawn(async move { client.send(&plugin("a"), get(&url), WIDE).await.is_ok() })
        })
        .collect();
    lookups.recv().unwrap();
    lookups.recv().unwrap();

    let fast = |by: &str, bounds| block_on(client.send(&plugin(by), get(&url("fast")), bounds));
    assert!(fast("b", WIDE).is_ok());
    assert!(lookups.try_recv().is_err(), "no third one for the plugin");

    // Giving up does not make room while the name server has not answered.
    requests.iter().for_each(tokio::task::JoinHandle::abort);
    let short = HttpBounds {
        time: Duration::from_millis(200),
        ..WIDE
    };
    assert!(matches!(fast("a", short), Err(HttpError::TimedOut { .. })));
    drop(let_go);
    assert!(fast("a", WIDE).is_ok());
}
