//! The end of a host.

use std::sync::Arc;
use std::time::Duration;

use palisade::{Code, Coded, CommandError, State, TransitionError};
use serde_json::json;
use tokio::task::JoinHandle;

use super::reload::spawn_reload;
use super::{House, ID, LONG, guest, on_one_thread, waiting};

#[test]
fn a_host_that_shuts_down_stops_what_runs_and_begins_nothing() {
    on_one_thread(async {
        let house = House::new();
        house.run(&guest("1.0.0")).await;
        let mut second = guest("1.0.0");
        second.manifest["id"] = json!("test.second");
        house.run(&second).await;
        let mut events = house.listen();
        assert!(house.supervisor.shutdown(LONG).await.is_empty());
        let order: Vec<_> = std::iter::from_fn(|| events.try_next())
            .map(|event| Arc::clone(&event.plugin_id))
            .collect();
        assert_eq!(
            (order.first().map(|id| &**id), order.last().map(|id| &**id)),
            (Some("test.second"), Some(ID))
        );
        for status in house.supervisor.list() {
            assert_eq!((status.state, status.enabled), (State::Disabled, true));
        }
        assert!(house.supervisor.enable(ID).await.is_err());
    });
}

/// A command that waits for the host, and a reload that waits for the command.
async fn reload_of_a_busy_plugin(
    house: &House,
) -> (
    JoinHandle<Result<(), CommandError>>,
    JoinHandle<Result<(), TransitionError>>,
) {
    house.run(&waiting()).await;
    let supervisor = house.supervisor.clone();
    let call = tokio::spawn(async move { supervisor.call(ID, "echo", b"").await.map(drop) });
    house.waits.notified().await;
    let reloading = spawn_reload(&house.supervisor);
    while house.supervisor.status(ID).unwrap().state != State::Reloading {
        tokio::task::yield_now().await;
    }
    (call, reloading)
}

#[test]
fn a_host_that_shuts_down_waits_for_what_is_under_way_and_stops_that_too() {
    on_one_thread(async {
        let house = House::new();
        let (call, reloading) = reload_of_a_busy_plugin(&house).await;
        let supervisor = house.supervisor.clone();
        let shutdown = tokio::spawn(async move { supervisor.shutdown(LONG).await });
        palisade_tests::give_way().await;
        house.go_on.notify_waiters();
        call.await.unwrap().unwrap();
        reloading.await.unwrap().unwrap();
        assert!(shutdown.await.unwrap().is_empty());
        assert_eq!(house.supervisor.status(ID).unwrap().state, State::Disabled);
    });
}

#[test]
fn a_host_that_shuts_down_waits_no_longer_than_it_was_told_to() {
    on_one_thread(async {
        let house = House::new();
        let (call, reloading) = reload_of_a_busy_plugin(&house).await;
        let left = house.supervisor.shutdown(Duration::ZERO).await;
        assert_eq!((left.len(), left[0].1.code()), (1, Code::OperationInProgress));
        house.go_on.notify_waiters();
        call.await.unwrap().unwrap();
        reloading.await.unwrap().unwrap();
    });
}
