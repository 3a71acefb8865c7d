//! `token`, beside a server.

use serde_json::json;

use super::Served;
use crate::cli::operate::Workshop;

#[test]
fn a_token_that_is_revoked_while_the_server_runs_is_refused_at_once() {
    let workshop = Workshop::new();
    let server = Served::start(&workshop, &[]);
    let status = || server.get("/plugins/status").send().unwrap().status();
    assert_eq!(status(), 200);
    workshop.run(&["token", "revoke", "all"]).exits(0);
    assert_eq!(status(), 401);
}

#[test]
fn a_token_made_while_the_server_runs_opens_what_its_scopes_say() {
    let workshop = Workshop::new();
    let mut server = Served::start(&workshop, &[]);
    let made = workshop.answer(&["token", "create", "narrow", "--scope", "audit:read", "--expires", "1d"]);
    assert_eq!(
        (&made["name"], &made["scopes"]),
        (&json!("narrow"), &json!(["audit:read"]))
    );
    assert!(made["expires"].is_string());
    made["token"].as_str().unwrap().clone_into(&mut server.token);
    assert_eq!(server.get("/plugins/status").send().unwrap().status(), 403);
    assert_eq!(server.get("/plugins/audit").send().unwrap().status(), 200);
}

#[test]
fn the_list_tells_nothing_that_opens_anything() {
    let workshop = Workshop::new();
    let made = workshop.answer(&["token", "create", "ada", "--all-scopes"]);
    let secret = made["token"].as_str().unwrap();
    let listed = workshop.answer(&["token", "list"]);
    assert_eq!(listed["tokens"][0]["name"], "ada");
    assert!(!listed.to_string().contains(secret));
    assert!(!workshop.run(&["token", "list"]).exits(0).text().contains(secret));
    let file = workshop.desk.path("data/palisade/tokens.json");
    assert!(!std::fs::read_to_string(file).unwrap().contains(secret));
}

#[test]
fn refuses_a_second_token_of_a_name_an_unknown_scope_and_none() {
    let workshop = Workshop::new();
    workshop
        .run(&["token", "create", "ada", "--scope", "plugin:read"])
        .exits(0);
    assert_eq!(
        workshop.code(&["token", "create", "ada", "--all-scopes"], 9),
        "INVALID_STATE"
    );
    let unknown = workshop
        .run(&["token", "create", "bob", "--scope", "plugin:reed"])
        .exits(2);
    assert!(
        unknown.stderr.contains("did you mean `plugin:read`?"),
        "{}",
        unknown.stderr
    );
    workshop.run(&["token", "create", "bob"]).exits(2);
    workshop.run(&["token", "create", "two words", "--all-scopes"]).exits(2);
    workshop
        .run(&["token", "create", "bob", "--all-scopes", "--expires", "2001-01-01"])
        .exits(2);
    assert_eq!(workshop.code(&["token", "revoke", "adaa"], 3), "NOT_FOUND");
    assert_eq!(
        workshop.answer(&["token", "list"])["tokens"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let workshop = Workshop::new();
    let refused = workshop.run(&["serve", "--listen", "0.0.0.0:0"]).exits(2);
    assert!(
        refused
            .stderr
            .contains("help: palisade token create NAME --scope plugin:read"),
        "{}",
        refused.stderr
    );
}

#[test]
fn one_server_has_a_data_directory_at_a_time() {
    let workshop = Workshop::new();
    let server = Served::start(&workshop, &[]);
    assert_eq!(
        workshop.code(&["serve", "--listen", "127.0.0.1:0"], 9),
        "OPERATION_IN_PROGRESS"
    );
    // Nor does another listen where one does.
    let address = server.socket().to_owned();
    let elsewhere = workshop.desk.path("elsewhere").to_string_lossy().into_owned();
    let taken = workshop
        .run(&["serve", "--listen", &address, "--data-dir", &elsewhere])
        .exits(9);
    assert!(taken.stderr.contains("cannot listen on"), "{}", taken.stderr);
}
