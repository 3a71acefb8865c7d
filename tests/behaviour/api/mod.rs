//! The management API, asked without a network: requests go into the router as a server would hand them over.

mod bundles;
mod classic;
mod commands;
mod config;
mod door;
mod events;
mod matrix;
mod openapi;
mod permissions;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use palisade::{AuditLog, CheckpointKey, ManualClock};
use palisade_server::{Scope, Scopes, ServiceSettings, Token, router};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::lifecycle::House;

/// The plugin most tests are about.
const ID: &str = "test.guest";

/// 2027-01-15T08:00:00Z, when bundles of the tests are valid.
const NOW: Duration = Duration::from_secs(1_800_000_000);

/// A host with its API.
struct Api {
    house: House,
    clock: Arc<ManualClock>,
    router: Router,
}

/// What was answered.
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Api {
    fn new() -> Self {
        Self::with(|settings| settings)
    }

    fn with(change: impl FnOnce(ServiceSettings) -> ServiceSettings) -> Self {
        let clock = Arc::new(ManualClock::new());
        clock.advance(NOW);
        let by: Arc<dyn palisade::Clock> = Arc::<ManualClock>::clone(&clock);
        let house = House::by(by, |_| {});
        let tokens = Scope::ALL
            .iter()
            .map(|scope| Token::new(&name_of(*scope), &secret_of(*scope), [*scope].into_iter().collect()));
        let settings = ServiceSettings::new(house.supervisor.clone())
            .tokens(tokens)
            .tokens([
                Token::new("all", "all", Scopes::ALL),
                Token::new("none", "none", Scopes::NONE),
            ])
            .audit(audit(&house, &clock));
        let router = router(change(settings));
        Self { house, clock, router }
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    async fn ask(&self, method: Method, path: &str, body: impl Into<Body>) -> Reply {
        self.send(request(method, path, "all", body)).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, Body::empty()).await
    }

    async fn post(&self, path: &str, body: impl Into<Body>) -> Reply {
        self.ask(Method::POST, path, body).await
    }

    async fn put(&self, path: &str, body: impl Into<Body>) -> Reply {
        self.ask(Method::PUT, path, body).await
    }
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body of an answer that went well.
    #[track_caller]
    fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
        self.json()
    }

    #[track_caller]
    fn fails(&self, status: u16, code: &str) -> Value {
        let problem = self.json();
        assert_eq!(
            (self.status.as_u16(), problem["code"].as_str().unwrap()),
            (status, code),
            "{problem}"
        );
        assert_eq!(self.header("content-type"), "application/problem+json");
        problem
    }
}

fn request(method: Method, path: &str, secret: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:7420");
    let request = request.header("authorization", format!("Bearer {secret}"));
    request.body(body.into()).unwrap()
}

fn audit(house: &House, clock: &Arc<ManualClock>) -> AuditLog {
    let key = CheckpointKey::from_seed(&[9; 32]).unwrap();
    let clock: Arc<dyn palisade::Clock> = Arc::<ManualClock>::clone(clock);
    AuditLog::open(house.folder.path(), clock, key).unwrap()
}

fn name_of(scope: Scope) -> String {
    format!("{scope} only")
}

fn secret_of(scope: Scope) -> String {
    format!("secret-{scope}")
}

/// The body without what differs from run to run.
fn settled(mut body: Value) -> Value {
    let changing = ["operation_id", "plugin_dir"];
    match &mut body {
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                match changing.contains(&name.as_str()) {
                    true => *value = "…".into(),
                    false => *value = settled(value.take()),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = settled(item.take())),
        _ => {}
    }
    body
}
