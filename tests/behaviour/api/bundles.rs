//! Installing, upgrading and looking at bundles over the API.

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Method;
use hyper::body::{Frame, SizeHint};
use palisade_tests::{Guest, release};
use serde_json::json;

use super::{Api, ID, Reply, request};
use crate::lifecycle::{guest, on_one_thread};

fn bundle(guest: &Guest, sequence: u64) -> Vec<u8> {
    release(&guest.manifest, &guest.wasm(), sequence)
}

async fn install_as(api: &Api, key: &str, path: &str, bundle: Vec<u8>) -> Reply {
    let mut request = request(Method::POST, path, "all", bundle);
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    request
        .headers_mut()
        .insert("content-type", "application/zip".parse().unwrap());
    api.send(request).await
}

#[test]
fn a_bundle_is_installed_upgraded_and_rolled_back() {
    on_one_thread(async {
        let api = Api::new();
        let installed = api
            .post(
                "/plugins/install?enable=true&config=%7B%22a%22%3A1%7D",
                bundle(&guest("1.0.0"), 1),
            )
            .await;
        assert_eq!(installed.status, 201);
        let body = installed.ok();
        assert_eq!(
            (&body["plugin"], &body["state"], &body["version"]),
            (&json!(ID), &json!("active"), &json!("1.0.0"))
        );
        let path = format!("/plugins/upgrade?plugin={ID}");
        let dry = api
            .post(&format!("{path}&dry_run=true"), bundle(&guest("1.1.0"), 2))
            .await
            .ok();
        assert_eq!(dry["new_version"], "1.1.0");
        assert_eq!(api.house.supervisor.status(ID).unwrap().version, "1.0.0");
        let upgraded = api.post(&path, bundle(&guest("1.1.0"), 2)).await.ok();
        assert_eq!(
            (&upgraded["old_version"], &upgraded["new_version"]),
            (&json!("1.0.0"), &json!("1.1.0"))
        );
        let back = api.post(&format!("/plugins/rollback?plugin={ID}"), "").await.ok();
        assert_eq!(
            (&back["version"], &back["old_version"]),
            (&json!("1.0.0"), &json!("1.1.0"))
        );
        assert_eq!(api.get(&format!("/plugins/{ID}")).await.ok()["config"], json!(null));
        assert_eq!(
            api.get(&format!("/plugins/{ID}/config")).await.ok()["config"],
            json!({"a": 1})
        );
        let removed = api
            .ask(Method::DELETE, &format!("/plugins/{ID}"), r#"{"preserveData": true}"#)
            .await
            .ok();
        assert_eq!(
            (&removed["version"], &removed["archived"]),
            (&json!("1.0.0"), &json!(null))
        );
        api.get(&format!("/plugins/{ID}")).await.fails(404, "NOT_FOUND");
    });
}

#[test]
fn a_request_that_is_sent_again_is_carried_out_once() {
    on_one_thread(async {
        let api = Api::new();
        let first = install_as(&api, "k1", "/plugins/install", bundle(&guest("1.0.0"), 1)).await;
        let again = install_as(&api, "k1", "/plugins/install", bundle(&guest("1.0.0"), 1)).await;
        assert_eq!((first.status, &first.body), (again.status, &again.body));
        assert_eq!(first.status, 201);
        let other = install_as(&api, "k1", "/plugins/install?enable=true", bundle(&guest("1.0.0"), 1)).await;
        other.fails(422, "INVALID_ARGUMENT");
        let fresh = install_as(&api, "k2", "/plugins/install", bundle(&guest("1.0.0"), 1)).await;
        fresh.fails(409, "ALREADY_INSTALLED");
    });
}

#[test]
fn a_bundle_can_be_checked_without_installing_it() {
    on_one_thread(async {
        let api = Api::new();
        let good = api.post("/plugins/verify", bundle(&guest("1.0.0"), 1)).await.ok();
        assert_eq!((&good["valid"], &good["manifest"]["id"]), (&json!(true), &json!(ID)));
        assert!(good["key_id"].is_string());
        let mut tampered = bundle(&guest("1.0.0"), 1);
        *tampered.last_mut().unwrap() ^= 1;
        let bad = api.post("/plugins/verify", tampered).await.ok();
        assert_eq!((&bad["valid"], &bad["manifest"]), (&json!(false), &json!(null)));
        assert_eq!(bad["errors"].as_array().unwrap().len(), 1);
        assert_eq!(api.get("/plugins/list").await.ok()["total_count"], 0);
    });
}

/// A body that says how long it is, and dies when somebody reads it.
struct Unread(u64);

impl HttpBody for Unread {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        panic!("it was read")
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&guest("1.0.0")).await;
        let ten_gigabytes = 10_000_000_000;
        let cases = [
            (
                Method::POST,
                "/plugins/install".to_owned(),
                "PACKAGE_TOO_LARGE",
                50 << 20,
            ),
            (
                Method::POST,
                format!("/plugins/upgrade?plugin={ID}"),
                "PACKAGE_TOO_LARGE",
                50 << 20,
            ),
            (
                Method::POST,
                "/plugins/verify".to_owned(),
                "PACKAGE_TOO_LARGE",
                50 << 20,
            ),
            (
                Method::PUT,
                format!("/plugins/config?plugin={ID}"),
                "PAYLOAD_TOO_LARGE",
                1 << 20,
            ),
            (
                Method::POST,
                format!("/plugins/execute?plugin={ID}"),
                "PAYLOAD_TOO_LARGE",
                1 << 20,
            ),
            (
                Method::POST,
                format!("/plugins/{ID}/commands/echo"),
                "PAYLOAD_TOO_LARGE",
                1 << 20,
            ),
            (
                Method::PUT,
                format!("/plugins/state?plugin={ID}"),
                "PAYLOAD_TOO_LARGE",
                1 << 20,
            ),
        ];
        for (method, path, code, limit) in cases {
            let refused = api.ask(method, &path, Body::new(Unread(ten_gigabytes))).await;
            let problem = refused.fails(413, code);
            assert_eq!(
                problem["details"],
                json!({"actual_bytes": ten_gigabytes, "limit_bytes": limit}),
                "{path}"
            );
        }
    });
}

#[test]
fn the_limit_itself_is_not_too_large() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&guest("1.0.0")).await;
        let path = format!("/plugins/config/validate?plugin={ID}");
        let config = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - r#"{"a":""}"#.len()));
        api.post(&path, config(1 << 20)).await.ok();
        api.post(&path, config((1 << 20) + 1))
            .await
            .fails(413, "PAYLOAD_TOO_LARGE");
        // Nor does a body get further that does not say how long it is.
        let stream = Body::new(Chunks((1 << 20) + 1));
        api.post(&path, stream).await.fails(413, "PAYLOAD_TOO_LARGE");
    });
}

/// A body that does not say how long it is.
struct Chunks(usize);

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let length = self.0.min(65_536);
        self.0 -= length;
        let frame = (length > 0).then(|| Ok(Frame::data(Bytes::from(vec![b' '; length]))));
        std::task::Poll::Ready(frame)
    }
}
