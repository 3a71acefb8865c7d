//! What a service manager hands over and is told.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::{Served, token};
use crate::cli::operate::Workshop;

/// The next notification, as lines.
fn told(socket: &UnixDatagram) -> String {
    let mut text = [0; 4_096];
    let length = socket.recv(&mut text).unwrap();
    String::from_utf8_lossy(&text[..length]).into_owned()
}

#[test]
fn the_service_manager_is_told_of_the_start_of_a_reload_and_of_the_end() {
    let workshop = Workshop::new();
    let path = workshop.desk.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let token = token(&workshop, "all");
    let mut command = workshop.desk.command();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--json"])
        .env("NOTIFY_SOCKET", &path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let server = Served::of(command.spawn().unwrap(), token);
    assert_eq!(told(&socket), "READY=1\n");
    server.signal(Signal::HUP);
    let reloading = told(&socket);
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(told(&socket), "READY=1\n");
    server.end();
    assert_eq!(told(&socket), "STOPPING=1\n");
}

#[test]
fn a_watchdog_hears_of_it_for_as_long_as_it_runs() {
    let workshop = Workshop::new();
    let path = workshop.desk.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let token = token(&workshop, "all");
    let mut command = workshop.desk.command();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--json"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "20000")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let server = Served::of(command.spawn().unwrap(), token);
    for _ in 0..3 {
        while told(&socket) != "WATCHDOG=1\n" {}
    }
    // Nobody reads what comes now, which it could otherwise wait for.
    drop(socket);
    server.end();
}

#[test]
fn a_socket_that_is_handed_over_is_listened_on() {
    let workshop = Workshop::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let token = token(&workshop, "all");
    let ours = workshop.desk.command();
    // Handed over as the protocol has it: number 3, and the number of this very process in LISTEN_PID.
    let script = r#"LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" serve --json 3<&0 </dev/null"#;
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(ours.get_program());
    for (name, value) in ours.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .current_dir(ours.get_current_dir().unwrap())
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let server = Served::of(command.spawn().unwrap(), token);
    assert_eq!(server.socket(), address.to_string());
    assert_eq!(server.get("/plugins/status").send().unwrap().status(), 200);
    server.end();
}
