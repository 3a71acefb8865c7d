//! How a server ends.

use std::fs;
use std::sync::mpsc;
use std::thread;

use palisade_tests::{Guest, key, release, sample};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Served, json_of};
use crate::cli::operate::Workshop;

const NOTES: &str = "dev.palisade.notes";

/// Clients that ask one after the other, all the time.
const CLIENTS: usize = 4;

/// A workshop with the sample that counts what it was given, enabled.
fn with_notes() -> Workshop {
    let workshop = Workshop::new();
    let (mut manifest, module) = sample("notes");
    (manifest["name"], manifest["version"]) = (json!("notes"), json!("1.0.0"));
    workshop.desk.write("samples.pub", key().public().to_pem());
    workshop
        .run(&["trust", "add", "samples.pub", "--ids", "dev.palisade.*"])
        .exits(0);
    workshop.desk.write("notes.zip", release(&manifest, &module, 1));
    workshop
        .run(&["install", "notes.zip", "--enable", "--accept-permissions"])
        .exits(0);
    workshop
}

/// Installs and enables a plugin, which may need another.
fn install(server: &Served, workshop: &Workshop, sequence: u64, (id, on): (&str, Option<&str>)) {
    let on = on.map(|on| json!({ "id": on, "version": "*", "kind": "required" }));
    let manifest = json!({ "id": id, "dependencies": Vec::from_iter(on) });
    let bundle = workshop.guest("1.0.0", sequence, manifest, Guest::default());
    let bundle = fs::read(workshop.desk.path(&bundle)).unwrap();
    let installed = server.post("/plugins/install?enable=true").body(bundle).send().unwrap();
    assert_eq!(installed.status(), 201, "{}", installed.text().unwrap());
}

fn add(server: &Served) -> reqwest::Result<reqwest::blocking::Response> {
    let body = json!({ "command": "add", "args": { "text": "milk" } });
    server
        .post(&format!("/plugins/execute?plugin={NOTES}"))
        .body(body.to_string())
        .send()
}

/// The number of the next note.
fn next(server: &Served) -> u64 {
    let added = json_of(add(server).unwrap());
    added["result"]["id"].as_u64().unwrap_or_else(|| panic!("{added}"))
}

#[test]
fn under_load_every_command_that_was_accepted_is_answered_and_the_next_server_finds_everything() {
    let workshop = with_notes();
    let mut server = Served::start(&workshop, &[]);
    install(&server, &workshop, 1, ("com.acme.echo", None));
    install(&server, &workshop, 2, ("com.acme.middle", Some("com.acme.echo")));
    install(&server, &workshop, 3, ("com.acme.top", Some("com.acme.middle")));
    let answered: u64 = thread::scope(|scope| {
        let (tell, busy) = mpsc::channel();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (server, tell) = (&server, tell.clone());
                scope.spawn(move || {
                    let mut answered = 0;
                    while let Ok(answer) = add(server) {
                        match answer.status().as_u16() {
                            200 => answered += 1,
                            // Its plugin had stopped before it began.
                            status => assert_eq!(status, 503, "{}", answer.text().unwrap()),
                        }
                        let _ = tell.send(());
                    }
                    answered
                })
            })
            .collect();
        busy.iter().take(100).for_each(drop);
        server.signal(Signal::TERM);
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    let status = server.ended();
    assert_eq!(status.code(), Some(0), "{:?}", server.said());

    let events = workshop.run(&["events", "--json"]).exits(0).text();
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let stopped = events.filter(|event| event["event"] == "plugin:disabled" || event["type"] == "plugin:disabled");
    let mut stopped: Vec<_> = stopped
        .map(|event| event["plugin_id"].as_str().unwrap().to_owned())
        .collect();
    stopped.drain(..stopped.len().saturating_sub(4));
    stopped.retain(|id| id != NOTES);
    assert_eq!(stopped, ["com.acme.top", "com.acme.middle", "com.acme.echo"]);
    for file in fs::read_dir(workshop.desk.path("data/palisade")).unwrap() {
        let name = file.unwrap().file_name();
        assert!(
            !name.to_string_lossy().ends_with("-wal"),
            "{name:?} was not put into its database"
        );
    }

    let second = Served::start_again(&workshop, &server.token);
    for id in [NOTES, "com.acme.echo", "com.acme.middle", "com.acme.top"] {
        assert_eq!(second.state(id).as_deref(), Some("active"), "{id}");
    }
    assert_eq!(next(&second), answered + 1, "what was done and what was answered");
    second.end();
}

#[test]
fn a_server_that_is_about_to_end_says_so_first_and_a_second_signal_does_not_wait() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let workshop = Workshop::new();
        let mut server = Served::start(&workshop, &["--shutdown-delay", "1h"]);
        let ready = || server.get("/readyz").send().unwrap().status();
        assert_eq!(ready(), 200);
        server.signal(signal);
        while ready() != 503 {
            thread::yield_now();
        }
        assert_eq!(server.get("/livez").send().unwrap().status(), 200);
        server.signal(signal);
        assert_eq!(server.ended().code(), Some(code));
    }
}

#[test]
fn an_event_stream_ends_with_the_server() {
    let workshop = Workshop::with_echo();
    let server = Served::start(&workshop, &[]);
    let stream = server
        .get("/plugins/events")
        .header("accept", "text/event-stream")
        .send()
        .unwrap();
    assert_eq!(stream.status(), 200);
    server.end();
    let _ = stream.bytes();
}

#[test]
fn a_plugin_that_does_not_start_is_told_about_and_the_others_are_served() {
    let workshop = Workshop::with_echo();
    let picky = Guest {
        init: "unreachable",
        ..Guest::default()
    };
    let bundle = workshop.guest("1.0.0", 9, json!({ "id": "com.acme.picky" }), picky);
    workshop.run(&["install", &bundle]).exits(0);
    workshop.run(&["enable", "com.acme.picky"]).exits(7);
    let server = Served::start(&workshop, &[]);
    assert_eq!(server.state("com.acme.echo").as_deref(), Some("active"));
    server.end();
}
