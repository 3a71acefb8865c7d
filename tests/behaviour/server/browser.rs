//! The dashboard in a real browser: `tests/browser/dashboard.js` operates it, this starts what it operates.
//!
//! A browser that is missing is told and skipped on a developer's machine; on CI it fails the test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use palisade::{AuditLog, CheckpointKey, InstallOptions, Journal, SystemClock};
use palisade_server::{Scopes, ServiceSettings, Token, router};
use palisade_tests::{Guest, release};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use crate::lifecycle::{House, waiting};

/// What the browser logs in with.
const TOKEN: &str = "pal_the_token_of_the_browser";

const GREETER: &str = "com.acme.greeter";

/// Works for as long as its arguments are long, and answers with them.
const WORK: &str = "
    (local $left i32)
    (local.set $left (i32.mul (local.get $len) (i32.const 400)))
    (block $done
      (loop $again
        (br_if $done (i32.eqz (local.get $left)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $again)))
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $args)) (i64.const 32))
      (i64.extend_i32_u (local.get $len)))";

/// A plugin that answers with its arguments, and whose forms have a field of every kind.
fn greeter(version: &str, more: &Value) -> Guest {
    let input = json!({
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
            "name": {"type": "string", "description": "Whom to greet"},
            "times": {"type": "integer", "minimum": 1, "description": "How often"},
            "loud": {"type": "boolean"},
            "language": {"enum": ["en", "fr", "mi"], "description": "Of the greeting"},
            "tags": {"type": "array", "items": {"type": "string"}, "description": "What it is filed under."},
            "from": {
                "type": "object",
                "description": "Who greets",
                "properties": {"name": {"type": "string"}, "weight": {"type": "number"}}
            }
        }
    });
    let mut manifest = json!({
        "id": GREETER,
        "name": "Greeter",
        "version": version,
        "author": "Acme",
        "description": "Greets people by name, in three languages.",
        "commands": [
            {"name": "greet", "description": "Greets someone by name.", "input_schema": input, "idempotent": true},
            {"name": "languages", "description": "Which languages it knows."}
        ],
        "resource_limits": {"memory": "256KB"},
        "config": {"greeting": "Hello", "retries": 3},
        "config_schema": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "greeting": {"type": "string", "minLength": 1, "description": "The word before the name"},
                "retries": {"type": "integer", "minimum": 0, "maximum": 10, "description": "How often it tries again"},
                "key": {"type": "string", "writeOnly": true, "description": "Of the dictionary service"}
            }
        }
    });
    let (Some(members), Some(more)) = (manifest.as_object_mut(), more.as_object()) else {
        panic!("objects")
    };
    members.extend(more.clone());
    Guest {
        manifest,
        command: WORK,
        ..Guest::default()
    }
}

fn named(id: &str, name: &str, guest: Guest) -> Guest {
    let mut manifest = guest.manifest.clone();
    let members = manifest.as_object_mut().unwrap();
    for (key, value) in [("id", id), ("name", name), ("author", "Acme")] {
        members.insert(key.to_owned(), value.into());
    }
    Guest { manifest, ..guest }
}

fn bundle(guest: &Guest, sequence: u64) -> Vec<u8> {
    release(&guest.manifest, &guest.wasm(), sequence)
}

async fn install(house: &House, guest: &Guest, grants: &[&str]) -> String {
    let options = InstallOptions {
        grants: grants.iter().map(|grant| (*grant).to_owned()).collect(),
        config: None,
    };
    house.supervisor.install(bundle(guest, 1), options).await.unwrap().id
}

/// Plugins in the states that an operator meets.
async fn furnish(house: &House) {
    let id = install(house, &greeter("1.0.0", &json!({})), &[]).await;
    house.supervisor.enable(&id).await.unwrap();
    let reports = named("com.acme.reports", "Reports", waiting());
    let id = install(house, &reports, &["custom:tests:wait"]).await;
    house.supervisor.enable(&id).await.unwrap();
    let broken = Guest {
        init: "unreachable",
        ..Guest::default()
    };
    let id = install(house, &named("com.acme.broken", "Currency rates", broken), &[]).await;
    house.supervisor.enable(&id).await.unwrap_err();
    let id = install(house, &named("com.acme.archive", "Archive", Guest::default()), &[]).await;
    house.supervisor.enable(&id).await.unwrap();
    house.supervisor.disable(&id, Default::default()).await.unwrap();
}

/// What the script asks of the test, besides the dashboard.
fn for_the_script(house: &House) -> Router {
    let go_on = Arc::clone(&house.go_on);
    let more = json!({"permissions": [
        {"name": "storage:read", "reason": "to remember names"},
        {"name": "storage:write", "reason": "to remember names", "optional": true}
    ]});
    let newer = bundle(&greeter("2.0.0", &more), 2);
    let another = named("com.acme.weather", "Weather", greeter("1.4.0", &more));
    let another = bundle(&another, 1);
    Router::new()
        .route("/test/go-on", post(async move || go_on.notify_waiters()))
        .route("/test/upgrade", get(async move || newer))
        .route("/test/another", get(async move || another))
}

#[test]
fn an_operator_gets_along_with_the_dashboard() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    if let Some(missing) = missing(&scripts) {
        let on_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!on_ci, "{missing} is missing");
        eprintln!("skipped: {missing} is missing");
        return;
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let kept = tempfile::tempdir().unwrap();
        let key = CheckpointKey::from_seed(&[9; 32]).unwrap();
        let log = AuditLog::open(kept.path(), Arc::new(SystemClock), key).unwrap();
        let journal = Journal::open(kept.path().join("journal"), Arc::new(SystemClock)).unwrap();
        let house = House::with(|settings| settings.audit = Arc::new(log.clone()));
        furnish(&house).await;
        let settings = ServiceSettings::new(house.supervisor.clone())
            .tokens([Token::new("ada", TOKEN, Scopes::ALL)])
            .journal(kept.path().join("journal"))
            .audit(log);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = router(settings).merge(for_the_script(&house));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        let operated = tokio::task::spawn_blocking(move || operate(&scripts, &address)).await;
        server.abort();
        drop(journal);
        operated.unwrap();
    });
}

fn missing(scripts: &Path) -> Option<&'static str> {
    let is_there = |program: &str, argument: &str| Command::new(program).arg(argument).output().is_ok();
    if !is_there("node", "--version") {
        return Some("node");
    }
    if !is_there(&chromium(), "--version") {
        return Some("chromium");
    }
    (!scripts.join("node_modules").is_dir()).then_some("tests/browser/node_modules (`npm ci` there)")
}

fn chromium() -> String {
    std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned())
}

/// Runs the script. `PALISADE_IMAGES=update` has it replace the pictures of the documentation, `PALISADE_IMAGES=FOLDER`
/// leaves all pictures there.
fn operate(scripts: &Path, address: &str) {
    let pictures = tempfile::tempdir().unwrap();
    let wish = std::env::var("PALISADE_IMAGES").unwrap_or_default();
    let folder = match wish.as_str() {
        "" | "update" => pictures.path().to_owned(),
        folder => PathBuf::from(folder),
    };
    let mut node = Command::new("node");
    node.arg("dashboard.js")
        .args([address, TOKEN])
        .arg(&folder)
        .current_dir(scripts);
    if wish == "update" {
        node.arg("--update-images");
    }
    let output = node.env("CHROMIUM", chromium()).output().unwrap();
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{said}{complained}");
}
