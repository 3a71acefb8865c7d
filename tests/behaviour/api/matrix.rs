//! Every route with every token and every method: who gets in is what the OpenAPI document says.

use axum::body::Body;
use axum::http::{Method, Request};
use palisade_server::Scope;
use serde_json::Value;

use super::{Api, Reply, secret_of};
use crate::lifecycle::on_one_thread;

const METHODS: [Method; 6] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
];

/// The table of http.md: which scope opens which path with which method. A path `/plugins/x` that is about a plugin is
/// `/plugins/{id}/x` as well.
const TABLE: &[(&str, &str, Option<Scope>)] = &[
    ("GET", "/livez", None),
    ("GET", "/readyz", None),
    ("GET", "/openapi.json", Some(Scope::Read)),
    ("GET", "/plugins", Some(Scope::Read)),
    ("GET", "/plugins/{id}", Some(Scope::Read)),
    ("DELETE", "/plugins/{id}", Some(Scope::Manage)),
    ("POST", "/plugins/{id}/commands/{command}", Some(Scope::Execute)),
    ("GET", "/plugins/status", Some(Scope::Read)),
    ("GET", "/plugins/list", Some(Scope::Read)),
    ("GET", "/plugins/health", Some(Scope::Read)),
    ("POST", "/plugins/health/check", Some(Scope::Manage)),
    ("POST", "/plugins/reload", Some(Scope::Manage)),
    ("GET", "/plugins/config", Some(Scope::Read)),
    ("PUT", "/plugins/config", Some(Scope::Manage)),
    ("POST", "/plugins/config/validate", Some(Scope::Read)),
    ("GET", "/plugins/config/history", Some(Scope::Read)),
    ("POST", "/plugins/install", Some(Scope::Install)),
    ("POST", "/plugins/upgrade", Some(Scope::Install)),
    ("POST", "/plugins/verify", Some(Scope::Read)),
    ("GET", "/plugins/bundle", Some(Scope::Read)),
    ("POST", "/plugins/enable", Some(Scope::Manage)),
    ("POST", "/plugins/disable", Some(Scope::Manage)),
    ("POST", "/plugins/uninstall", Some(Scope::Manage)),
    ("POST", "/plugins/restart", Some(Scope::Manage)),
    ("POST", "/plugins/rollback", Some(Scope::Manage)),
    ("POST", "/plugins/release", Some(Scope::Manage)),
    ("POST", "/plugins/execute", Some(Scope::Execute)),
    ("GET", "/plugins/permissions", Some(Scope::Manage)),
    ("PUT", "/plugins/permissions", Some(Scope::Manage)),
    ("POST", "/plugins/grant", Some(Scope::Manage)),
    ("POST", "/plugins/revoke", Some(Scope::Manage)),
    ("GET", "/plugins/state", Some(Scope::Manage)),
    ("PUT", "/plugins/state", Some(Scope::Manage)),
    ("GET", "/plugins/data", Some(Scope::Manage)),
    ("PUT", "/plugins/data", Some(Scope::Manage)),
    ("GET", "/plugins/schedule", Some(Scope::Read)),
    ("POST", "/plugins/schedule/pause", Some(Scope::Manage)),
    ("POST", "/plugins/schedule/resume", Some(Scope::Manage)),
    ("POST", "/plugins/schedule/run", Some(Scope::Manage)),
    ("GET", "/plugins/events", Some(Scope::Read)),
    ("GET", "/plugins/logs", Some(Scope::Read)),
    ("GET", "/plugins/audit", Some(Scope::Audit)),
    ("GET", "/plugins/audit/verify", Some(Scope::Audit)),
    ("GET", "/plugins/audit/export", Some(Scope::Audit)),
    ("GET", "/plugins/dependencies", Some(Scope::Read)),
    ("GET", "/metrics", Some(Scope::Metrics)),
];

/// What the table says of a path and a method.
fn row(method: &str, path: &str) -> Option<Option<Scope>> {
    let short = path.replacen("/plugins/{id}/", "/plugins/", 1);
    let is_it = |(of, at, _): &&(&str, &str, Option<Scope>)| *of == method && (*at == path || *at == short);
    TABLE.iter().find(is_it).map(|(_, _, scope)| *scope)
}

/// What the document says of them.
fn documented(document: &Value, method: &str, path: &str) -> Option<Option<Scope>> {
    let operation = document["paths"][path].get(method.to_ascii_lowercase())?;
    let scope = operation["security"].as_array().unwrap().first();
    Some(scope.map(|scope| scope["token"][0].as_str().unwrap().parse().unwrap()))
}

async fn ask(api: &Api, method: &Method, path: &str, secret: Option<&str>) -> Reply {
    let path = path.replace("{id}", "nobody").replace("{command}", "echo");
    let request = Request::builder().method(method).uri(path).header("host", "localhost");
    let request = match secret {
        Some(secret) => request.header("authorization", format!("Bearer {secret}")),
        None => request,
    };
    api.send(request.body(Body::empty()).unwrap()).await
}

#[test]
fn the_document_says_what_the_table_says() {
    let document = palisade_server::openapi();
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    for path in &paths {
        for method in METHODS {
            let (method, documented) = (method.as_str(), documented(&document, method.as_str(), path));
            assert_eq!(documented, row(method, path), "{method} {path}");
        }
    }
    for (method, path, _) in TABLE {
        assert!(
            documented(&document, method, path).is_some(),
            "{method} {path} is not documented"
        );
    }
}

#[test]
fn every_route_lets_in_exactly_whom_the_document_names() {
    on_one_thread(async {
        let api = Api::new();
        let document = palisade_server::openapi();
        let mut asked = 0;
        for path in document["paths"].as_object().unwrap().keys() {
            for method in METHODS {
                let of = if method == Method::HEAD {
                    Method::GET
                } else {
                    method.clone()
                };
                let Some(scope) = documented(&document, of.as_str(), path) else {
                    let reply = ask(&api, &method, path, Some("all")).await;
                    assert_eq!(reply.status, 405, "{method} {path}");
                    assert!(!reply.header("allow").is_empty(), "{method} {path}");
                    continue;
                };
                let mut check = async |secret: Option<&str>, expected: Option<u16>| {
                    let status = ask(&api, &method, path, secret).await.status.as_u16();
                    match expected {
                        Some(expected) => assert_eq!(status, expected, "{method} {path} with {secret:?}"),
                        None => assert!(
                            !matches!(status, 401 | 403 | 405),
                            "{method} {path} with {secret:?}: {status}"
                        ),
                    }
                    asked += 1;
                };
                check(None, scope.map(|_| 401)).await;
                check(Some("wrong"), scope.map(|_| 401)).await;
                check(Some("none"), scope.map(|_| 403)).await;
                check(Some("all"), None).await;
                for narrow in Scope::ALL {
                    let is_right = scope.is_none_or(|scope| scope == *narrow);
                    check(Some(&secret_of(*narrow)), (!is_right).then_some(403)).await;
                }
            }
        }
        assert!(asked > 600, "{asked}");
    });
}
