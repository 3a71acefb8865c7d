//! How a process begins, or does not.

use std::num::NonZeroU32;

use super::*;
use crate::native::testing::NoPause;
use crate::native::{Pause, ServiceState, StartRetries};

#[test]
fn one_that_never_becomes_ready_is_ended_and_everything_is_given_back() {
    let host = Host::hasty();
    let command = sh("echo pid $$; exec sleep 1000").ready_when(Readiness::tcp(free_port()));
    let service = host.service(command);
    let error = block_on(service.start()).unwrap_err();
    assert_eq!(error.code(), Code::InitializationTimeout);
    let fault = fault(error);
    assert!(
        matches!(
            fault,
            ServiceFault::NotReady {
                last: ProbeFailure::NoConnection(_),
                ..
            }
        ),
        "{fault}"
    );
    assert!(host.nothing_is_taken());
    assert_eq!(service.state(), ServiceState::Failed);
    // It may have been ended before it said anything.
    if let Some(pid) = host.lines().iter().find_map(|line| line.strip_prefix("pid ")) {
        assert!(!exists(Pid::from_raw(pid.parse().unwrap()).unwrap()));
    }
}

#[test]
fn one_that_ends_at_once_fails_with_its_status_and_what_it_said_is_kept() {
    let host = Host::new();
    let service = host.service(sh("echo no configuration >&2; exit 7").ready_when(Readiness::tcp(free_port())));
    let fault = fault(block_on(service.start()).unwrap_err());
    assert_eq!(fault.to_string(), "the process ended, status 7");
    assert_eq!(host.lines(), ["no configuration"]);
    assert!(host.nothing_is_taken());
}

#[test]
fn one_that_is_killed_while_it_starts_fails_with_the_signal() {
    let host = Host::new();
    let service = host.service(sh("kill -9 $$").ready_when(Readiness::tcp(free_port())));
    let fault = fault(block_on(service.start()).unwrap_err());
    assert_eq!(fault.to_string(), "the process ended, signal 9");
}

#[test]
fn a_port_that_somebody_listens_on_is_refused_before_anything_runs() {
    let host = Host::new();
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = other.local_addr().unwrap().port();
    let service = host.service(sh("echo ran").ready_when(Readiness::tcp(port)));
    let error = block_on(service.start()).unwrap_err();
    assert!(error.can_change());
    assert!(matches!(fault(error), ServiceFault::PortTaken { port: taken } if taken == port));
    assert!(host.lines().is_empty());
    assert!(host.nothing_is_taken());
}

#[test]
fn a_program_that_is_not_there_is_not_tried_again() {
    let host = Host::new();
    let pause = Arc::new(NoPause::default());
    let service = host
        .service(ProcessCommand::new("/nowhere/at/all"))
        .retries(StartRetries::tries(NonZeroU32::new(3).unwrap()))
        .pause(Arc::clone(&pause) as Arc<dyn Pause>);
    let error = block_on(service.start()).unwrap_err();
    assert!(!error.to_string().contains("nowhere"), "{error}");
    assert!(matches!(fault(error), ServiceFault::NotSpawned(_)));
    assert!(pause.seconds().is_empty());
}

#[test]
fn one_that_fails_is_run_anew_for_each_try() {
    let host = Host::new();
    let pause = Arc::new(NoPause::default());
    let service = host
        .service(sh("echo try; exit 1").ready_when(Readiness::tcp(free_port())))
        .retries(StartRetries::tries(NonZeroU32::new(3).unwrap()))
        .pause(Arc::clone(&pause) as Arc<dyn Pause>);
    block_on(service.start()).unwrap_err();
    assert_eq!(pause.seconds(), [1, 2]);
    assert_eq!(host.lines().iter().filter(|line| *line == "try").count(), 3);
    assert!(host.nothing_is_taken());
}

#[test]
fn at_the_limit_of_processes_the_next_is_refused_and_nothing_runs() {
    let mut host = Host::new();
    host.resources = Arc::new(ResourceTracker::new().limit("process", 1));
    let first = host.service(sh("exec sleep 1000"));
    let handle = block_on(first.start()).unwrap();
    let error = block_on(host.service(sh("echo ran")).start()).unwrap_err();
    assert_eq!(error.to_string(), "Resource limit exceeded for process");
    assert!(host.lines().is_empty());
    block_on(first.stop(handle)).unwrap();
    assert!(host.nothing_is_taken());
}

#[test]
fn an_abandoned_start_ends_its_process() {
    let host = Host::new();
    // Time stands still: it would wait forever.
    let command = sh("echo pid $$; exec sleep 1000").ready_when(Readiness::tcp(free_port()));
    let service = host.service(command);
    let mut start = service.start();
    while host.lines().is_empty() {
        assert!(poll_once(&mut start).is_pending());
        thread::yield_now();
    }
    let pid = host.wait_for_pid();
    drop(start);
    assert_eq!(service.state(), ServiceState::Failed);
    wait_until_gone(pid);
    assert!(host.nothing_is_taken());
}

#[test]
fn a_server_is_ready_when_its_health_is_ok_and_not_before() {
    let host = Host::new();
    let port = free_port();
    let service = host.service(server(port, &[(503, "starting"), (200, "not yet"), (200, "OK")]));
    let handle = block_on(service.start()).unwrap();
    assert_eq!(handle.service_name, "test");
    assert_eq!(handle.metadata["ports"], port.to_string());
    assert_eq!(block_on(service.health_check(&handle)).unwrap(), HealthStatus::Healthy);
    block_on(service.stop(handle)).unwrap();
}

#[test]
fn it_works_on_every_kind_of_runtime() {
    let host = Host::new();
    let service = host.service(server(free_port(), &[(200, "OK")]));
    let life = async || {
        let handle = service.start().await.unwrap();
        assert_eq!(service.health_check(&handle).await.unwrap(), HealthStatus::Healthy);
        service.stop(handle).await.unwrap();
        service.reset().unwrap();
    };
    block_on(life());
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(life());
    tokio::runtime::Builder::new_multi_thread()
        .build()
        .unwrap()
        .block_on(life());
}

#[test]
fn a_runtime_with_one_thread_goes_on_while_a_service_starts() {
    let host = Host::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let service = Arc::new(host.service(sh("exec sleep 1000").ready_when(Readiness::tcp(free_port()))));
    runtime.block_on(async {
        let starting = tokio::spawn({
            let service = Arc::clone(&service);
            async move { service.start().await.map(drop) }
        });
        // This runs while the start waits, and only here does time pass.
        while !starting.is_finished() {
            host.clock.advance(Duration::from_secs(3600));
            tokio::task::yield_now().await;
        }
        assert!(starting.await.unwrap().is_err());
    });
}

#[test]
fn the_default_times_are_those_of_a_real_clock() {
    let services = HostServices {
        clock: Arc::new(SystemClock),
        ..HostServices::default()
    };
    let service = ProcessService::new("test", sh("exec sleep 1000"), &services);
    let handle = block_on(service.start()).unwrap();
    block_on(service.stop(handle)).unwrap();
}
