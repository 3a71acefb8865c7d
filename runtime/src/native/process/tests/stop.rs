//! How a process ends, and that nothing of it is left.

use std::io::Read;
use std::net::TcpStream;

use rustix::process::{Signal, kill_process};

use super::*;
use crate::native::ServiceState;

/// Says that it was asked to end, and does not. The signal is waited for, not caught: a shell or a handler could miss it
/// on the way into its wait.
const STUBBORN: &str = "
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print('pid', os.getpid())
while True:
    signal.sigwait([signal.SIGTERM])
    print('asked')
";

/// A listener, and the start of a Python program that connects to it with `socket.create_connection(TEST)`.
fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (
        listener,
        format!("import os, signal, socket\nTEST = ('127.0.0.1', {port})\n"),
    )
}

/// Waits until whoever is at the other end is gone.
fn wait_for_end(mut stream: TcpStream) {
    // A reset is an end too.
    let _ = stream.read(&mut [0]);
}

#[test]
fn a_stopped_server_is_gone_with_its_port_and_its_status_is_taken() {
    let host = Host::new();
    let port = free_port();
    let service = host.service(server(port, &[(200, "OK")]));
    let handle = block_on(service.start()).unwrap();
    block_on(service.stop(handle.clone())).unwrap();
    assert_eq!(service.state(), ServiceState::Stopped);
    assert!(check_free(port).is_ok());
    assert!(host.nothing_is_taken());
    let again = block_on(service.stop(handle.clone())).unwrap_err();
    assert_eq!(again.to_string(), "Invalid state transition: Stopped -> Stopping");
    assert!(matches!(
        fault(block_on(service.health_check(&handle)).unwrap_err()),
        ServiceFault::UnknownHandle
    ));
}

#[test]
fn one_that_ignores_being_asked_is_killed_when_its_time_is_over_and_not_before() {
    let host = Host::new();
    let service = host.service(python(STUBBORN).stop_within(Duration::from_secs(5)));
    let handle = block_on(service.start()).unwrap();
    let pid = host.wait_for_pid();
    thread::scope(|scope| {
        let stop = scope.spawn(|| block_on(service.stop(handle)));
        host.wait_for("asked");
        host.clock.advance(Duration::from_millis(4_999));
        assert!(exists(pid));
        assert_eq!(service.state(), ServiceState::Stopping);
        host.clock.advance(Duration::from_millis(1));
        stop.join().unwrap().unwrap();
    });
    assert!(!exists(pid));
    assert_eq!(service.state(), ServiceState::Stopped);
}

#[test]
fn what_it_forked_ends_with_it_even_if_that_ignores_being_asked() {
    let host = Host::new();
    let (listener, start) = listener();
    let service = host.service(python(&format!(
        "{start}
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection = socket.create_connection(TEST)
while True:
    signal.pause()
"
    )));
    let handle = block_on(service.start()).unwrap();
    let (grandchild, _) = listener.accept().unwrap();
    block_on(service.stop(handle)).unwrap();
    wait_for_end(grandchild);
}

#[test]
fn what_it_forked_ends_when_it_ends_by_itself() {
    let host = Host::new();
    let (listener, start) = listener();
    let service = host.service(python(&format!(
        "{start}
if os.fork() == 0:
    connection = socket.create_connection(TEST)
    while True:
        signal.pause()
socket.create_connection(TEST).recv(1)
"
    )));
    let handle = block_on(service.start()).unwrap();
    let connections = [(); 2].map(|()| listener.accept().unwrap().0);
    // Which of them is the parent does not matter: a byte more or less is nothing to the other.
    for mut connection in &connections {
        std::io::Write::write_all(&mut connection, b"!").unwrap();
    }
    connections.into_iter().for_each(wait_for_end);
    while block_on(service.health_check(&handle)).unwrap() == HealthStatus::Healthy {
        thread::yield_now();
    }
    block_on(service.stop(handle)).unwrap();
}

#[test]
fn one_that_got_away_with_the_output_does_not_hold_up_the_end() {
    let host = Host::new();
    let (listener, start) = listener();
    let service = host.service(python(&format!(
        "{start}
if os.fork() == 0:
    os.setsid()
    socket.create_connection(TEST).recv(1)
    os._exit(0)
while True:
    signal.pause()
"
    )));
    let handle = block_on(service.start()).unwrap();
    let (escaped, _) = listener.accept().unwrap();
    block_on(service.stop(handle)).unwrap();
    assert_eq!(service.state(), ServiceState::Stopped);
    drop(escaped);
}

#[test]
fn a_dead_or_ill_process_is_unhealthy_which_is_no_error_and_can_be_stopped() {
    let host = Host::new();
    let service = host.service(sh("echo pid $$; exec sleep 1000"));
    let handle = block_on(service.start()).unwrap();
    assert_eq!(block_on(service.health_check(&handle)).unwrap(), HealthStatus::Healthy);
    let pid = host.wait_for_pid();
    kill_process(pid, Signal::KILL).unwrap();
    // Its status is taken though nobody stopped it.
    wait_until_gone(pid);
    assert_eq!(
        block_on(service.health_check(&handle)).unwrap(),
        HealthStatus::Unhealthy
    );
    block_on(service.stop(handle)).unwrap();

    let ill = host.service(server(free_port(), &[(200, "OK"), (500, "OK")]));
    let handle = block_on(ill.start()).unwrap();
    assert_eq!(block_on(ill.health_check(&handle)).unwrap(), HealthStatus::Unhealthy);
    block_on(ill.stop(handle)).unwrap();
}

#[test]
fn a_service_that_is_dropped_while_it_runs_is_ended() {
    let host = Host::new();
    let service = host.service(sh("trap '' TERM; echo pid $$; while :; do sleep 1000; done"));
    block_on(service.start()).unwrap();
    let pid = host.wait_for_pid();
    drop(service);
    wait_until_gone(pid);
    assert!(host.nothing_is_taken());
}

#[test]
fn an_abandoned_stop_goes_on_to_the_end() {
    let host = Host::new();
    let service = host.service(python(STUBBORN));
    let handle = block_on(service.start()).unwrap();
    let pid = host.wait_for_pid();
    let mut stop = service.stop(handle);
    assert!(poll_once(&mut stop).is_pending());
    host.wait_for("asked");
    drop(stop);
    assert_eq!(service.state(), ServiceState::Failed);
    host.clock.advance(Duration::from_secs(3600));
    wait_until_gone(pid);
}
