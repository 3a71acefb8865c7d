//! The dashboard, asked without a browser: who gets in, who may press what, and where nothing leads.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use palisade::State;
use palisade_server::{Scope, Scopes, ServiceSettings, Token, TokenFile, router};
use palisade_tests::Guest;
use tower::ServiceExt as _;

use crate::lifecycle::{House, on_one_thread};

const ID: &str = "test.guest";

/// A dashboard and what answers for it.
struct Desk {
    house: House,
    router: Router,
}

struct Reply {
    status: StatusCode,
    location: String,
    cookie: String,
    text: String,
}

impl Desk {
    async fn new() -> Self {
        let house = House::with(|_| {});
        house.run(&Guest::default()).await;
        let reads = [Scope::Read].into_iter().collect();
        let settings = ServiceSettings::new(house.supervisor.clone())
            .tokens([Token::new("ada", "all", Scopes::ALL), Token::new("eve", "reads", reads)]);
        let router = router(settings);
        Self { house, router }
    }

    async fn ask(&self, method: Method, path: &str, cookie: &str, body: &str) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1:7420");
        let request = request
            .header("cookie", cookie)
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .map_or("", |value| value.to_str().unwrap())
                .to_owned()
        };
        let (status, location, cookie) = (response.status(), header("location"), header("set-cookie"));
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Reply {
            status,
            location,
            cookie,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn log_in(&self, token: &str) -> String {
        let reply = self.ask(Method::POST, "/ui/login", "", &format!("token={token}")).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.text);
        reply.cookie.split(';').next().unwrap().to_owned()
    }

    /// What the forms of a session carry.
    async fn form_token(&self, cookie: &str) -> String {
        let page = self.ask(Method::GET, "/ui", cookie, "").await.text;
        let after = page.split("data-csrf=\"").nth(1).unwrap();
        after.split('"').next().unwrap().to_owned()
    }

    fn state(&self) -> State {
        self.house.supervisor.status(ID).unwrap().state
    }
}

#[test]
fn nobody_sees_a_page_without_a_session() {
    on_one_thread(async {
        let desk = Desk::new().await;
        for path in [
            "/ui",
            "/ui/plugins",
            "/ui/events",
            "/ui/events/live",
            "/ui/plugins/test.guest/live",
            "/ui/trust",
        ] {
            for cookie in ["", "palisade_session=", "palisade_session=guessed"] {
                let reply = desk.ask(Method::GET, path, cookie, "").await;
                assert_eq!(reply.status, StatusCode::SEE_OTHER, "{path}");
                assert!(reply.location.starts_with("/ui/login"), "{}", reply.location);
            }
        }
        let refused = desk.ask(Method::POST, "/ui/login", "", "token=wrong").await;
        assert_eq!(
            (refused.status, refused.cookie.as_str()),
            (StatusCode::UNAUTHORIZED, "")
        );
    });
}

#[test]
fn a_form_counts_only_with_the_token_of_its_own_session() {
    on_one_thread(async {
        let desk = Desk::new().await;
        let (ada, other) = (desk.log_in("all").await, desk.log_in("all").await);
        let (own, others) = (desk.form_token(&ada).await, desk.form_token(&other).await);
        let path = "/ui/plugins/test.guest/do/disable";
        for csrf in ["", "csrf=", "csrf=guessed", &format!("csrf={others}")] {
            let reply = desk.ask(Method::POST, path, &ada, csrf).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{csrf}");
            assert_eq!(desk.state(), State::Active);
        }
        let reply = desk.ask(Method::POST, path, &ada, &format!("csrf={own}")).await;
        assert_eq!(reply.location, "/ui/plugins/test.guest?done=disable");
        assert_eq!(desk.state(), State::Disabled);
    });
}

#[test]
fn what_a_token_may_not_do_its_session_may_not_either() {
    on_one_thread(async {
        let desk = Desk::new().await;
        let eve = desk.log_in("reads").await;
        let csrf = format!("csrf={}", desk.form_token(&eve).await);
        let page = desk.ask(Method::GET, "/ui/plugins/test.guest", &eve, "").await;
        assert!(page.text.contains("your token lacks the scope plugin:manage"));
        assert!(!page.text.contains("/do/disable"));
        for path in [
            "do/disable",
            "do/reload",
            "do/uninstall",
            "commands/echo",
            "config",
            "permissions",
            "schedule",
        ] {
            let reply = desk
                .ask(Method::POST, &format!("/ui/plugins/test.guest/{path}"), &eve, &csrf)
                .await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{path}");
            assert!(reply.text.contains("the token lacks the scope"), "{}", reply.text);
        }
        assert_eq!(desk.state(), State::Active);
        let audit = desk.ask(Method::GET, "/ui/audit", &eve, "").await;
        assert_eq!(audit.status, StatusCode::FORBIDDEN);
    });
}

#[test]
fn a_session_ends_with_its_token() {
    on_one_thread(async {
        let desk = Desk::new().await;
        let file = TokenFile::in_directory(desk.house.supervisor.folder());
        file.change(|tokens| tokens.push(Token::new("guest", "lent", Scopes::ALL)))
            .unwrap();
        let guest = desk.log_in("lent").await;
        assert_eq!(desk.ask(Method::GET, "/ui", &guest, "").await.status, StatusCode::OK);
        file.change(Vec::clear).unwrap();
        let reply = desk.ask(Method::GET, "/ui", &guest, "").await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER);
    });
}

#[test]
fn logging_in_leads_to_the_dashboard_and_nowhere_else() {
    on_one_thread(async {
        let desk = Desk::new().await;
        // In base64: what a link to the login page could say.
        let nexts = [
            ("L3VpL2F1ZGl0", "/ui/audit"),
            ("Ly9ldmlsLmV4YW1wbGU", "/ui"),
            ("aHR0cHM6Ly9ldmlsLmV4YW1wbGU", "/ui"),
            ("L3VpLy9ldmls", "/ui"),
            ("L3VpbGV2aWw", "/ui"),
            ("L3VpL1xldmls", "/ui"),
            ("%00", "/ui"),
        ];
        for (next, location) in nexts {
            let reply = desk
                .ask(Method::POST, "/ui/login", "", &format!("token=all&next={next}"))
                .await;
            assert_eq!(reply.location, location, "{next}");
        }
    });
}

#[test]
fn its_links_follow_to_where_it_is_mounted() {
    on_one_thread(async {
        let mut desk = Desk::new().await;
        desk.router = Router::new().nest("/admin", desk.router);
        let reply = desk.ask(Method::POST, "/admin/ui/login", "", "token=all").await;
        assert_eq!(reply.location, "/admin/ui");
        assert!(reply.cookie.contains("; Path=/admin/ui;"), "{}", reply.cookie);
        let cookie = reply.cookie.split(';').next().unwrap();
        let page = desk.ask(Method::GET, "/admin/ui", cookie, "").await.text;
        assert!(
            page.contains("href=\"/admin/ui/plugins\"") && !page.contains("\"/ui"),
            "{page}"
        );
    });
}
