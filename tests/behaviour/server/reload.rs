//! SIGHUP: what is read again.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use super::Served;
use crate::cli::operate::{ID, Workshop};

const FIRST: &str = "first-token-of-the-operator";
const SECOND: &str = "second-token-of-the-operator";

fn write_tokens(workshop: &Workshop, text: &str) {
    workshop.desk.write("etc/tokens", text);
    fs::set_permissions(workshop.desk.path("etc/tokens"), fs::Permissions::from_mode(0o600)).unwrap();
}

fn status(server: &Served, token: &str) -> u16 {
    let request = server.client.get(format!("{}/plugins/status", server.address));
    request.bearer_auth(token).send().unwrap().status().as_u16()
}

#[test]
fn tokens_are_read_again_and_a_bad_file_changes_nothing() {
    let workshop = Workshop::new();
    write_tokens(&workshop, FIRST);
    workshop.desk.write("etc/palisade.toml", "token-file = \"tokens\"\n");
    let server = Served::start(&workshop, &["--config", "etc/palisade.toml"]);
    assert_eq!((status(&server, FIRST), status(&server, SECOND)), (200, 401));

    write_tokens(&workshop, &format!("{SECOND} plugin:read\n"));
    server.signal(Signal::HUP);
    server.says("the trust store was read again");
    assert_eq!((status(&server, FIRST), status(&server, SECOND)), (401, 200));

    write_tokens(&workshop, "short\n");
    server.signal(Signal::HUP);
    server.says("the tokens stay as they were");
    server.says("the trust store was read again");
    assert_eq!(status(&server, SECOND), 200);

    workshop.desk.write("etc/palisade.toml", "tokenfile = \"tokens\"\n");
    server.signal(Signal::HUP);
    server.says("there is no setting `tokenfile`");
    server.says("the settings stay as they were");
    assert_eq!(status(&server, SECOND), 200);

    workshop.desk.write("etc/palisade.toml", "max-connections = 7\n");
    server.signal(Signal::HUP);
    server.says("`max-connections` has changed, and takes effect at the next start");
    server.says("the trust store was read again");
    assert_eq!(status(&server, SECOND), 401, "there is no token file any more");
    server.end();
}

#[test]
fn a_bundle_that_is_revoked_stops_when_the_trust_store_is_read_again() {
    let workshop = Workshop::with_echo();
    let server = Served::start(&workshop, &[]);
    let digest = workshop.answer(&["trust", "list"]);
    let key = digest["publishers"][0]["keys"][0]["key_id"]
        .as_str()
        .unwrap_or_else(|| panic!("{digest}"));
    workshop.run(&["trust", "revoke", key]).exits(0);
    assert_eq!(server.state(ID).as_deref(), Some("active"));
    server.signal(Signal::HUP);
    server.says("is revoked, and was stopped");
    server.says("the trust store was read again");
    assert_eq!(server.state(ID).as_deref(), Some("disabled"));
    server.end();
}
