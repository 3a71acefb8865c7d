//! The sample plugins on a real host: each host call from the SDK to the service behind it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use palisade::{
    Bus, Clock, Code, Coded, DirectoryMapping, DirectoryQuota, EventKind, HostServices, HttpClient, LimitSettings,
    LocalBus, ManualClock, MemoryEvents, Plugin, Policy, Runtime, SqliteStorage, SystemClock,
};
use palisade_tests::{sample, verified};
use serde_json::{Value, json};

/// A host as an application would have it.
struct World {
    executor: tokio::runtime::Runtime,
    bus: Arc<LocalBus>,
    events: Arc<MemoryEvents>,
    runtime: Runtime,
}

impl World {
    fn new(folder: &std::path::Path) -> Self {
        Self::at(folder, Arc::new(SystemClock))
    }

    fn at(folder: &std::path::Path, clock: Arc<dyn Clock>) -> Self {
        let executor = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        let bus = Arc::new(LocalBus::new(executor.handle().clone(), Arc::new(SystemClock)));
        let events = Arc::new(MemoryEvents::new(1_000));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let http = HttpClient::builder().crypto_provider(provider).build().unwrap();
        let storage = SqliteStorage::open(folder.join("storage.db"), Arc::new(SystemClock)).unwrap();
        let services = HostServices {
            clock,
            bus: Arc::clone(&bus) as _,
            events: Arc::clone(&events) as _,
            http: Arc::new(http),
            storage: Arc::new(storage),
            ..HostServices::default()
        };
        let runtime = Runtime::builder().services(services).build().unwrap();
        Self {
            executor,
            bus,
            events,
            runtime,
        }
    }

    fn load(&self, name: &str, changed: &Value, policy: &Policy) -> Plugin {
        let (mut manifest, module) = sample(name);
        let members = manifest.as_object_mut().unwrap();
        members.extend(changed.as_object().unwrap().clone());
        let bundle = verified(&manifest, &module);
        let admitted = policy.admit(bundle).unwrap();
        self.executor.block_on(self.runtime.load(admitted)).unwrap()
    }

    fn call(&self, plugin: &Plugin, command: &str, args: &Value) -> Value {
        let output = self
            .executor
            .block_on(plugin.call(command, args.to_string().as_bytes()));
        output.unwrap().json().unwrap_or(Value::Null)
    }

    fn refused(&self, plugin: &Plugin, command: &str, args: &Value) -> String {
        let output = self
            .executor
            .block_on(plugin.call(command, args.to_string().as_bytes()));
        palisade::Coded::details(&output.unwrap_err())["code"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

fn allowing(permissions: &[&str]) -> Policy {
    permissions.iter().fold(Policy::deny_all(), |policy, permission| {
        policy.allow(permission).unwrap()
    })
}

#[test]
fn notes_are_kept_by_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let storage = allowing(&["storage"]);
    let added = {
        let world = World::new(folder.path());
        let notes = world.load("notes", &json!({}), &storage);
        world.call(&notes, "add", &json!({"text": "milk"}));
        world.call(
            &notes,
            "add",
            &json!({"text": "for a while", "keep_s": 9_000_000_000_000_000_u64}),
        );
        world.call(&notes, "add", &json!({"text": "bread"}))
    };
    // Another host over the same file.
    let world = World::new(folder.path());
    let notes = world.load("notes", &json!({}), &storage);
    assert_eq!(world.call(&notes, "list", &Value::Null), json!([1, 2, 3]));
    assert_eq!(world.call(&notes, "read", &added), json!("bread"));
    assert_eq!(world.call(&notes, "delete", &added), json!(true));
    assert_eq!(world.call(&notes, "delete", &added), json!(false));
    assert_eq!(world.call(&notes, "list", &Value::Null), json!([1, 2]));
    // Under another name it is another plugin.
    let other = world.load("notes", &json!({"id": "dev.palisade.other"}), &storage);
    assert_eq!(world.call(&other, "list", &Value::Null), json!([]));
}

#[test]
fn orders_go_from_the_publisher_to_the_subscriber() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path());
    let subscriber = world.load(
        "subscriber",
        &json!({}),
        &allowing(&["events:subscribe", "message:receive"]),
    );
    let publisher = world.load("publisher", &json!({}), &allowing(&["events:publish", "message:send"]));
    let order = json!({"item": "tea", "quantity": 2});
    assert_eq!(world.call(&publisher, "publish", &order), json!({"received": false}));
    world.bus.attach(subscriber.address());
    world.bus.attach(publisher.address());
    assert_eq!(world.call(&publisher, "publish", &order), json!({"received": true}));
    let message = json!({"to": "dev.palisade.subscriber", "order": {"item": "cake"}});
    world.call(&publisher, "tell", &message);
    world.call(&publisher, "publish", &json!({"item": "nothing", "quantity": 0}));
    // Commands and deliveries take turns, so all of them are through when their number is.
    while world.call(&subscriber, "count", &Value::Null) != json!({"count": 2}) || world.events.take().is_empty() {
        std::thread::yield_now();
    }
    let heard = world.call(&subscriber, "list", &Value::Null);
    let from = "dev.palisade.publisher";
    assert_eq!(
        heard,
        json!([
            {"topic": "orders.created", "from": from, "data": order},
            {"topic": null, "from": from, "data": {"item": "cake", "quantity": 1}},
        ])
    );
}

#[test]
fn files_sees_its_folder_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("a.txt"), "hello").unwrap();
    std::fs::write(folder.path().join("secret"), "x").unwrap();
    let world = World::new(folder.path());
    let both = ["filesystem:read", "filesystem:write"];
    let mapping = DirectoryMapping::read_only(&data, "/data");
    let reader = world.load("files", &json!({}), &allowing(&both).map_directory(mapping).unwrap());
    assert_eq!(world.call(&reader, "read", &json!({"path": "a.txt"})), json!("hello"));
    for outside in ["../secret", "/etc/passwd", "../data/../secret"] {
        world.refused(&reader, "read", &json!({"path": outside}));
    }
    world.refused(&reader, "write", &json!({"path": "b.txt", "text": "no"}));
    assert!(!data.join("b.txt").exists());
    drop(reader);

    let mapping = DirectoryMapping::writable(&data, "/data", DirectoryQuota::default());
    let writer = world.load("files", &json!({}), &allowing(&both).map_directory(mapping).unwrap());
    world.call(&writer, "write", &json!({"path": "b.txt", "text": "yes"}));
    assert_eq!(std::fs::read_to_string(data.join("b.txt")).unwrap(), "yes");
    let denied = world.events.take().into_iter().filter(|event| {
        matches!(&event.kind, EventKind::PermissionDenied { permission, .. } if permission.as_str() == "filesystem:write")
    });
    assert_eq!(
        denied.count(),
        0,
        "a folder that is read-only is no lack of a permission"
    );
}

/// Answers every request on loopback with its number, until it is dropped.
struct Server {
    port: u16,
    requests: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, heads) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (counted, kept) = (Arc::clone(&requests), Arc::clone(&heads));
        // Ends with the process, as its connections do.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (counted, kept) = (Arc::clone(&counted), Arc::clone(&kept));
                std::thread::spawn(move || serve(stream.unwrap(), &counted, &kept));
            }
        });
        Self { port, requests, heads }
    }

    fn count(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn serve(stream: TcpStream, requests: &AtomicUsize, heads: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut stream = stream;
    let mut head = String::new();
    while let Some(Ok(line)) = lines.next() {
        if !line.is_empty() {
            head += &(line + "\n");
            continue;
        }
        heads.lock().unwrap().push(std::mem::take(&mut head));
        let body = requests.fetch_add(1, Ordering::SeqCst).to_string();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn fetching(server: &Server) -> Value {
    json!({
        "network": {"hosts": ["127.0.0.1"], "ports": [server.port], "max_concurrent": 32},
        "instance": {"max": 32},
        "resource_limits": {"fuel": 100_000_000},
    })
}

fn fetching_is_allowed() -> Policy {
    let limits = LimitSettings {
        host_calls_in_flight: Some(32),
        ..LimitSettings::default()
    };
    allowing(&["network:http"]).allow_private_network().limits(limits)
}

#[test]
fn exactly_100_of_101_requests_in_a_minute_go_out_with_32_at_once_and_a_reload_between() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    // The minute does not pass, however long the machine takes.
    let world = World::at(folder.path(), Arc::new(ManualClock::new()));
    let address = json!({"url": format!("http://127.0.0.1:{}/", server.port)}).to_string();
    let mut codes = BTreeMap::<String, usize>::new();
    for requests in [60, 41] {
        let plugin = world.load("fetcher", &fetching(&server), &fetching_is_allowed());
        let calls: Vec<_> = (0..requests)
            .map(|_| {
                let (plugin, address) = (plugin.clone(), address.clone());
                world
                    .executor
                    .spawn(async move { plugin.call("fetch", address.as_bytes()).await })
            })
            .collect();
        for call in calls {
            let code = match world.executor.block_on(call).unwrap() {
                Ok(_) => "ok".to_owned(),
                Err(error) => error.details()["code"].as_str().unwrap().to_owned(),
            };
            *codes.entry(code).or_default() += 1;
        }
    }
    assert_eq!(
        codes,
        BTreeMap::from([("RATE_LIMIT_EXCEEDED".to_owned(), 1), ("ok".to_owned(), 100)])
    );
    assert_eq!(server.count(), 100);
}

#[test]
fn a_request_elsewhere_reaches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let world = World::new(folder.path());
    let url = |host: &str| json!({"url": format!("http://{host}:{}/", server.port)});
    let allowed = world.load("fetcher", &fetching(&server), &fetching_is_allowed());
    let page = world.call(&allowed, "fetch", &url("127.0.0.1"));
    assert_eq!(page["status"], 200);
    for elsewhere in ["localhost", "127.0.0.2", "[::1]"] {
        assert_eq!(
            world.refused(&allowed, "fetch", &url(elsewhere)),
            "PERMISSION_DENIED",
            "{elsewhere}"
        );
    }
    let public_only = world.load("fetcher", &fetching(&server), &allowing(&["network:http"]));
    assert_eq!(
        world.refused(&public_only, "fetch", &url("127.0.0.1")),
        "PERMISSION_DENIED"
    );
    assert_eq!(server.count(), 1);
    assert!(server.heads.lock().unwrap()[0].starts_with("GET / HTTP/1.1"));
}

#[test]
fn a_permission_that_is_missing_is_named_at_admission() {
    let (manifest, module) = sample("fetcher");
    let error = Policy::deny_all().admit(verified(&manifest, &module)).unwrap_err();
    assert_eq!(error.code(), Code::PermissionDenied);
    assert_eq!(error.details()["permission"], "network:http");
}
