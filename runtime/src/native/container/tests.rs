//! What needs no container engine: how a command is put to it, and that none is an error.

use std::process::Command;

use palisade_bundle::{Code, Coded};

use super::*;
use crate::native::ServiceState;
use crate::services::{DiscardLog, LogSink};

/// Set in the process that looks for an engine where none is.
const WITHOUT_ENGINE: &str = "PALISADE_TEST_WITHOUT_ENGINE";

fn output() -> Output {
    Output {
        service: "test".into(),
        log: Arc::new(DiscardLog) as Arc<dyn LogSink>,
    }
}

#[track_caller]
fn check_image(image: &str, expected: &str) {
    let command = ContainerCommand::new(image.parse().unwrap());
    assert_eq!(command.to_request(output()).descriptor(), expected);
}

#[test]
fn an_image_keeps_registry_port_tag_and_digest() {
    let digest = "a".repeat(64);
    check_image("redis", "redis:latest");
    check_image("redis:7.2", "redis:7.2");
    check_image("localhost:5000/team/cache", "localhost:5000/team/cache:latest");
    let pinned = format!("redis@sha256:{digest}");
    check_image(&pinned, &pinned);
    let both = format!("localhost:5000/redis:7@sha256:{digest}");
    check_image(&both, &both);
}

#[test]
fn arguments_variables_and_ports_are_asked_for() {
    let command = ContainerCommand::new("redis".parse().unwrap())
        .args(["--appendonly", "yes"])
        .variable("MODE", "test")
        .port(16_379, 6_379)
        .port(18_080, 80);
    let request = command.to_request(output());
    assert_eq!(request.cmd().collect::<Vec<_>>(), ["--appendonly", "yes"]);
    assert_eq!(request.env_vars().collect::<Vec<_>>(), [("MODE".into(), "test".into())]);
    let ports = request.ports().unwrap().iter();
    let ports: Vec<_> = ports
        .map(|port| (port.host_port(), port.container_port().as_u16()))
        .collect();
    assert_eq!(ports, [(16_379, 6_379), (18_080, 80)]);
}

#[test]
fn what_a_container_is_given_is_not_shown() {
    let command = ContainerCommand::new("redis".parse().unwrap()).variable("PASSWORD", "hunter2");
    assert!(!format!("{command:?}").contains("hunter2"));
}

#[test]
fn an_engine_that_is_not_there_is_an_error() {
    if std::env::var_os(WITHOUT_ENGINE).is_some() {
        let command = ContainerCommand::new("redis".parse().unwrap());
        let service = ContainerService::new("cache", command, &HostServices::default());
        let error = pollster::block_on(service.start()).unwrap_err();
        assert_eq!(error.code(), Code::InitializationFailed);
        assert!(error.to_string().contains("the container engine"), "{error}");
        assert_eq!(service.state(), ServiceState::Failed);
        return;
    }
    // The engine is found by a variable of the process.
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "native::container::tests::an_engine_that_is_not_there_is_an_error",
        ])
        .env(WITHOUT_ENGINE, "1")
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && printed.contains("1 passed"), "{printed}");
}
