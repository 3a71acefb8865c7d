//! The samples that are about a plugin's life, on a host that ends with every command.

use palisade_tests::{release, sample};
use serde_json::json;

use super::Workshop;

/// A workshop with a sample installed and enabled.
fn with(name: &str, grants: &[&str]) -> Workshop {
    let workshop = Workshop::new();
    let (mut manifest, module) = sample(name);
    let built = json!({"name": name, "version": "1.0.0"});
    manifest
        .as_object_mut()
        .unwrap()
        .extend(built.as_object().unwrap().clone());
    let key = palisade_tests::key().public().to_pem();
    workshop.desk.write("samples.pub", key);
    workshop
        .run(&["trust", "add", "samples.pub", "--ids", "dev.palisade.*"])
        .exits(0);
    workshop.desk.write("sample.zip", release(&manifest, &module, 1));
    let grants = grants.iter().flat_map(|grant| ["--grant", grant]);
    let words: Vec<_> = ["install", "sample.zip", "--enable"]
        .into_iter()
        .chain(grants)
        .collect();
    workshop.run(&words).exits(0);
    workshop
}

#[test]
fn a_guest_book_holds_what_was_written_whatever_happens_to_its_plugin() {
    let (workshop, id) = (with("guestbook", &[]), "dev.palisade.guestbook");
    let entry = json!({"name": "Ada", "text": "I was here"});
    let signed = workshop.run(&["call", id, "sign", &entry.to_string()]).exits(0);
    assert_eq!(signed.json(), json!({"greeting": "Welcome", "entries": 1}));
    workshop
        .run(&["config", "set", id, r#"{"greeting": "Hello"}"#])
        .exits(0);
    workshop.run(&["reload", id]).exits(0);
    let signed = workshop.run(&["call", id, "sign", &entry.to_string()]).exits(0);
    assert_eq!(signed.json(), json!({"greeting": "Hello", "entries": 2}));
    workshop.run(&["restart", id]).exits(0);
    assert_eq!(
        workshop.run(&["call", id, "read"]).exits(0).json(),
        json!([entry, entry])
    );
    assert_eq!(workshop.answer(&["state", "get", id])["state"], json!([entry, entry]));
}

#[test]
fn a_ticker_is_listed_paused_and_run_by_hand() {
    let (workshop, id) = (with("ticker", &["schedule:run"]), "dev.palisade.ticker");
    let schedule = workshop.answer(&["schedule", id]);
    let [often, weekdays] = schedule["schedule"].as_array().unwrap().as_slice() else {
        panic!("two entries: {schedule}")
    };
    assert_eq!(
        (&often["name"], &often["when"]),
        (&json!("often"), &json!({"every": "1s"}))
    );
    assert_eq!(
        (&weekdays["allowed"], &weekdays["paused"]),
        (&json!(true), &json!(false))
    );
    assert!(weekdays["next"].is_string(), "{weekdays}");

    let paused = workshop.answer(&["schedule", id, "--pause", "often"]);
    assert_eq!(paused["schedule"][0]["paused"], json!(true));
    // Also for the next host. What was ticked before is there.
    let before = workshop.run(&["schedule", id, "--run", "weekdays"]).exits(0).json();
    let after = workshop.run(&["schedule", id, "--run", "often"]).exits(0).json();
    assert_eq!(after["ticks"], json!(before["ticks"].as_u64().unwrap() + 1));
    assert_eq!(workshop.code(&["schedule", id, "--run", "oftn"], 3), "NOT_FOUND");
    assert!(workshop.run(&["schedule", id]).exits(0).text().contains("paused"));
}
