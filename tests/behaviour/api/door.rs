//! What every request goes through, whatever it asks for.

use axum::body::Body;
use axum::http::{Method, Request};
use palisade_server::{Scopes, Token};

use super::{Api, ID, Reply};
use crate::lifecycle::{guest, on_one_thread};

async fn with_headers(api: &Api, headers: &[(&str, &str)]) -> Reply {
    let request = Request::builder()
        .uri("/plugins/status")
        .header("authorization", "Bearer all");
    let request = headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value));
    api.send(request.body(Body::empty()).unwrap()).await
}

const HOST: (&str, &str) = ("host", "localhost:7420");

#[test]
fn a_page_of_another_name_gets_nothing() {
    on_one_thread(async {
        let api = Api::new();
        for host in ["localhost", "LOCALHOST:7420", "127.0.0.1:80", "[::1]:7420"] {
            with_headers(&api, &[("host", host)]).await.ok();
        }
        for hosts in [
            &["evil.example"][..],
            &["127.0.0.1.evil.example"],
            &["localhost", "localhost"],
            &["a b"],
            &[],
        ] {
            let headers: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            with_headers(&api, &headers).await.fails(403, "FORBIDDEN");
        }
        let named = Api::with(|settings| settings.hosts(["Plugins.Example".to_owned()]));
        with_headers(&named, &[("host", "plugins.example:8443")]).await.ok();
    });
}

#[test]
fn a_request_of_another_origin_is_refused_also_with_a_token() {
    on_one_thread(async {
        let api = Api::new();
        with_headers(&api, &[HOST, ("origin", "http://localhost:7420")])
            .await
            .ok();
        for origin in ["http://localhost:7421", "http://evil.example", "null", ""] {
            with_headers(&api, &[HOST, ("origin", origin)])
                .await
                .fails(403, "FORBIDDEN");
        }
    });
}

#[test]
fn a_request_keeps_its_id_and_its_trace() {
    on_one_thread(async {
        let api = Api::new();
        let kept = with_headers(&api, &[HOST, ("x-request-id", "abc-123")]).await;
        assert_eq!(kept.header("x-request-id"), "abc-123");
        let long = "x".repeat(129);
        for strange in ["", "a b", long.as_str()] {
            let answered = with_headers(&api, &[HOST, ("x-request-id", strange)]).await;
            assert_eq!(answered.header("x-request-id").len(), 24, "{strange}");
        }
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let traced = with_headers(&api, &[HOST, ("traceparent", trace)]).await;
        assert!(
            traced
                .header("traceparent")
                .starts_with("00-0af7651916cd43dd8448eb211c80319c-")
        );
        assert_eq!(with_headers(&api, &[HOST]).await.header("traceparent"), "");
    });
}

#[test]
fn an_error_names_the_request_that_it_is_about() {
    on_one_thread(async {
        let api = Api::new();
        let request = Request::builder().method("POST").uri("/plugins/enable?plugin=nobody");
        let request = request
            .header("host", "localhost")
            .header("authorization", "Bearer all")
            .header("x-request-id", "r-1");
        let problem = api
            .send(request.body(Body::empty()).unwrap())
            .await
            .fails(404, "NOT_FOUND");
        assert_eq!(
            (problem["operation_id"].as_str(), problem["operation"].as_str()),
            (Some("r-1"), Some("enable"))
        );
        assert_eq!(problem["plugin"], "nobody");
        assert_eq!(problem["timestamp"], "2027-01-15T08:00:00Z");
        assert_eq!(problem["status"], 404);
    });
}

#[test]
fn every_answer_forbids_what_pages_do_not_need() {
    on_one_thread(async {
        let api = Api::new();
        for reply in [api.get("/plugins/status").await, api.get("/nowhere").await] {
            assert!(
                reply
                    .header("content-security-policy")
                    .starts_with("default-src 'self'")
            );
            assert_eq!(reply.header("x-content-type-options"), "nosniff");
            assert_eq!(reply.header("x-frame-options"), "DENY");
        }
    });
}

#[test]
fn what_is_not_there_and_what_does_not_fit_are_problems_too() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&guest("1.0.0")).await;
        api.get("/nowhere").await.fails(404, "NOT_FOUND");
        let wrong = api.ask(Method::DELETE, "/plugins/status", "").await;
        wrong.fails(405, "METHOD_NOT_ALLOWED");
        assert_eq!(wrong.header("allow"), "GET,HEAD");
        let unknown = api
            .post(&format!("/plugins/rollback?plugin={ID}&verison=1.0.0"), "")
            .await;
        let problem = unknown.fails(400, "INVALID_ARGUMENT");
        assert_eq!(
            problem["message"],
            "there is no parameter `verison`; did you mean `version`?"
        );
        let typed = Request::post(format!("/plugins/execute?plugin={ID}")).header("host", "localhost");
        let typed = typed
            .header("authorization", "Bearer all")
            .header("content-type", "text/plain");
        api.send(typed.body(Body::from("{}")).unwrap())
            .await
            .fails(415, "INVALID_ARGUMENT");
        let twice = api.get(&format!("/plugins/config?plugin={ID}&plugin=other")).await;
        twice.fails(400, "INVALID_ARGUMENT");
        let text = api.get("/plugins/%FF").await;
        text.fails(400, "INVALID_ARGUMENT");
    });
}

#[test]
fn what_fails_in_the_host_is_not_told_to_whoever_asks() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&guest("1.0.0")).await;
        std::fs::remove_dir_all(api.house.folder.path().join("bundles")).unwrap();
        let problem = api.get(&format!("/plugins/bundle?plugin={ID}")).await;
        let folder = api.house.folder.path().display().to_string();
        assert!(problem.status.is_client_error() || problem.status.is_server_error());
        assert!(
            !problem.text().contains(&folder) && !problem.text().contains("No such file"),
            "{}",
            problem.text()
        );
    });
}

#[test]
fn a_refused_token_is_on_record_and_a_burst_of_them_once() {
    on_one_thread(async {
        let api = Api::new();
        let refused = || async {
            let request = super::request(Method::GET, "/plugins/status", "wrong", "");
            let reply = api.send(request).await;
            reply.fails(401, "UNAUTHORIZED");
            assert!(reply.header("www-authenticate").starts_with("Bearer "));
        };
        for _ in 0..50 {
            refused().await;
        }
        api.clock.advance(std::time::Duration::from_secs(10));
        refused().await;
        // The notes are written by a thread of their own, in the order in which reading comes after them.
        let records = loop {
            let page = api.get("/plugins/audit?action=authentication_failure").await.ok();
            if page["records"].as_array().unwrap().len() == 2 {
                break page["records"].clone();
            }
            std::thread::yield_now();
        };
        let counts: Vec<_> = records
            .as_array()
            .unwrap()
            .iter()
            .map(|record| &record["details"]["refused"])
            .collect();
        assert_eq!(counts, [1, 50]);
    });
}

#[test]
fn a_bare_supervisor_lets_in_only_who_has_a_token_of_its_data_directory() {
    on_one_thread(async {
        let api = Api::new();
        let router = palisade_server::router(api.house.supervisor.clone());
        let bare = Api { router, ..api };
        bare.get("/livez").await.ok();
        bare.get("/plugins/status").await.fails(401, "UNAUTHORIZED");
        let file = palisade_server::TokenFile::in_directory(bare.house.folder.path());
        file.change(|tokens| tokens.push(Token::new("ada", "all", Scopes::ALL)))
            .unwrap();
        bare.get("/plugins/status").await.ok();
        file.change(Vec::clear).unwrap();
        bare.get("/plugins/status").await.fails(401, "UNAUTHORIZED");
    });
}
