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
    let mut command = through_a_shell(&workshop, "WATCHDOG_PID=$$", "--listen 127.0.0.1:0 </dev/null");
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000000");
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
    // As the protocol has it, the first one is number 3.
    let mut command = through_a_shell(&workshop, "LISTEN_FDS=1 LISTEN_PID=$$", "3<&0 </dev/null");
    command.stdin(Stdio::from(OwnedFd::from(listener)));
    let server = Served::of(command.spawn().unwrap(), token);
    assert_eq!(server.socket(), address.to_string());
    assert_eq!(server.get("/plugins/status").send().unwrap().status(), 200);
    server.end();
}

/// A server that is told its own number, which only the process that becomes it can know before.
fn through_a_shell(workshop: &Workshop, variables: &str, words: &str) -> Command {
    let ours = workshop.desk.command();
    let mut command = Command::new("sh");
    let script = format!(r#"{variables} exec "$0" serve --json {words}"#);
    command.args(["-c", &script]).arg(ours.get_program());
    for (name, value) in ours.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .current_dir(ours.get_current_dir().unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}
