//! `--watch`: bundles in a folder.

use std::fs;

use serde_json::json;

use super::{Served, json_of};
use crate::cli::operate::{ID, Workshop};

/// Puts a bundle of the desk into the folder, in one step.
fn put(workshop: &Workshop, bundle: &str, name: &str) {
    let folder = workshop.desk.path("drop");
    fs::create_dir_all(&folder).unwrap();
    fs::copy(workshop.desk.path(bundle), folder.join(".part")).unwrap();
    fs::rename(folder.join(".part"), folder.join(name)).unwrap();
}

fn version(server: &Served) -> String {
    let status = json_of(server.get(&format!("/plugins/{ID}")).send().unwrap());
    status["version"]
        .as_str()
        .unwrap_or_else(|| panic!("{status}"))
        .to_owned()
}

#[test]
fn what_is_there_and_what_is_put_there_is_installed_and_upgraded_and_stays_when_its_file_is_gone() {
    let workshop = Workshop::new();
    put(&workshop, &workshop.version("1.0.0", 1, json!({})), "a.zip");
    let server = Served::start(&workshop, &["--watch", "drop"]);
    server.says("enabled com.acme.echo 1.0.0");
    assert_eq!(server.state(ID).as_deref(), Some("active"));
    put(&workshop, &workshop.version("1.1.0", 2, json!({})), "b.zip");
    server.says("upgraded com.acme.echo 1.0.0 to 1.1.0");
    assert_eq!(version(&server), "1.1.0");
    fs::remove_file(workshop.desk.path("drop/a.zip")).unwrap();
    fs::remove_file(workshop.desk.path("drop/b.zip")).unwrap();
    // Seen after that.
    workshop.desk.write("drop/c.zip", "no bundle");
    server.says("c.zip was not taken in");
    assert_eq!(version(&server), "1.1.0");
    server.end();
}

#[test]
fn what_was_taken_in_by_an_earlier_server_is_left_alone_also_after_a_rollback() {
    let workshop = Workshop::with_echo();
    let (first, second) = (
        workshop.version("1.1.0", 2, json!({})),
        workshop.version("1.2.0", 3, json!({})),
    );
    for (bundle, name) in [(&first, "1.zip"), (&second, "2.zip")] {
        workshop.run(&["upgrade", ID, bundle]).exits(0);
        put(&workshop, bundle, name);
    }
    workshop.desk.write("drop/3.zip", "no bundle");
    let server = Served::start(&workshop, &["--watch", "drop"]);
    server.says("3.zip was not taken in");
    assert_eq!(version(&server), "1.2.0");
    server.end();
}

#[test]
fn nothing_is_granted_by_a_file_and_the_line_to_type_is_told() {
    let workshop = Workshop::new();
    put(&workshop, &workshop.version("1.0.0", 1, json!({})), "a.zip");
    let server = Served::start(&workshop, &["--watch", "drop"]);
    server.says("enabled com.acme.echo 1.0.0");
    let more = json!({ "permissions": [{ "name": "storage:read", "reason": "to look" }] });
    put(&workshop, &workshop.version("1.1.0", 2, more.clone()), "b.zip");
    server.says("APPROVAL_REQUIRED");
    server.says("palisade upgrade com.acme.echo");
    assert_eq!(version(&server), "1.0.0");
    let mut other = more;
    other["id"] = json!("com.acme.other");
    put(&workshop, &workshop.version("1.0.0", 3, other), "c.zip");
    server.says("PERMISSION_DENIED");
    server.says("--enable --accept-permissions");
    assert_eq!(server.state("com.acme.other"), None);
    server.end();
}

#[test]
fn a_file_is_read_once_it_is_complete() {
    let workshop = Workshop::new();
    fs::create_dir_all(workshop.desk.path("drop")).unwrap();
    let server = Served::start(&workshop, &["--watch", "drop"]);
    let bundle = fs::read(workshop.desk.path(&workshop.version("1.0.0", 1, json!({})))).unwrap();
    let (first, second) = bundle.split_at(bundle.len() / 2);
    workshop.desk.write("drop/a.zip", first);
    server.says("a.zip was not taken in");
    workshop.desk.write("drop/a.zip", [first, second].concat());
    server.says("enabled com.acme.echo 1.0.0");
    server.end();
}

#[test]
fn a_folder_that_is_not_there_is_named_before_anything_starts() {
    let refused = Workshop::new().run(&["serve", "--watch", "nowhere"]).exits(3);
    assert!(
        refused.stderr.contains("`nowhere` cannot be watched"),
        "{}",
        refused.stderr
    );
}
