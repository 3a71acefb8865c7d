//! Whether plugins are well: at their start, while they run, and when they are replaced.

use std::sync::Arc;
use std::time::Duration;

use palisade::{
    Code, Coded, CommandError, DisableOptions, EventKind, Health, InstallOptions, ManualClock, Namespace, State,
    TransitionError,
};
use palisade_tests::{Guest, key, release};
use serde_json::json;
use tokio::runtime::Handle;

use super::{House, ID, LONG, WAITS, guest, on_one_thread, told, waiting};

/// Between two checks, unless a manifest says otherwise.
const INTERVAL: Duration = Duration::from_secs(30);

fn namespace() -> Namespace {
    Namespace {
        plugin_id: ID.into(),
        publisher: Some(key().public().id().to_string().into()),
    }
}

/// A plugin that is not well while it has a state record.
fn moody() -> Guest {
    Guest {
        imports: r#"(import "palisade_v1" "state_get" (func $get (result i64)))"#,
        extra: r#"(func (export "plugin_health") (result i64)
            (if (result i64) (i64.ne (call $get) (i64.const 0))
              (then (i64.const 0x80000000)) (else (i64.const 0))))"#,
        ..Guest::default()
    }
}

async fn make_ill(house: &House, is_ill: bool) {
    let record = is_ill.then(|| b"1".to_vec());
    house.storage.set_state(&namespace(), record).await.unwrap();
}

fn house() -> (House, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    (House::by(Arc::<ManualClock>::clone(&clock), |_| {}), clock)
}

fn health(house: &House) -> Health {
    house.supervisor.status(ID).unwrap().health
}

/// What is told of checks while time passes.
async fn after(house: &House, clock: &ManualClock, time: Duration) {
    clock.advance(time);
    house.supervisor.run_due().await;
}

#[test]
fn a_plugin_that_is_not_well_is_not_started() {
    on_one_thread(async {
        let house = House::new();
        let guest = moody();
        let bundle = release(&guest.manifest, &guest.wasm(), 1);
        house
            .supervisor
            .install(bundle, InstallOptions::default())
            .await
            .unwrap();
        make_ill(&house, true).await;
        let error = house.supervisor.enable(ID).await.unwrap_err();
        assert_eq!(error.code(), Code::HealthCheckFailed);
        assert_eq!(error.details()["cause"]["code"], "GUEST_ERROR");
        let status = house.supervisor.status(ID).unwrap();
        assert_eq!(
            (status.state, status.health, status.last_check),
            (State::Failed, Health::Unhealthy, None)
        );
        make_ill(&house, false).await;
        let status = house.supervisor.enable(ID).await.unwrap();
        assert_eq!(status.health, Health::Healthy);
        assert!(status.last_check.is_some());
    });
}

#[test]
fn a_replacement_that_is_not_well_is_rolled_back() {
    on_one_thread(async {
        let house = House::new();
        let before = house.run(&moody()).await;
        make_ill(&house, true).await;
        match house.supervisor.reload(ID).await.unwrap_err() {
            TransitionError::ReloadFailed { cause } => assert_eq!(cause.code(), Code::HealthCheckFailed),
            other => panic!("{other}"),
        }
        let mut after = house.supervisor.status(ID).unwrap();
        // That it was tried is all that is left of it.
        after.history.truncate(before.history.len());
        assert_eq!(after, before);
        assert_eq!(house.answer("still here").await, "still here");
    });
}

#[test]
fn three_failed_checks_in_a_row_are_the_end_of_a_plugin() {
    on_one_thread(async {
        let (house, clock) = house();
        house.run(&moody()).await;
        let started = house.supervisor.status(ID).unwrap().last_check;
        make_ill(&house, true).await;
        let mut events = house.listen();
        after(&house, &clock, INTERVAL - Duration::from_millis(1)).await;
        assert_eq!(health(&house), Health::Healthy, "nobody has looked yet");
        assert_eq!(house.supervisor.status(ID).unwrap().last_check, started);
        after(&house, &clock, Duration::from_millis(1)).await;
        assert_eq!(
            (health(&house), told(&mut events)),
            (
                Health::Degraded,
                vec!["Healthy to Degraded".to_owned(), "resource:usage".to_owned()]
            )
        );
        assert!(house.supervisor.status(ID).unwrap().last_check > started);
        after(&house, &clock, INTERVAL).await;
        assert_eq!((health(&house), told(&mut events)), (Health::Degraded, Vec::new()));
        assert_eq!(house.answer("it still serves").await, "it still serves");
        told(&mut events);
        after(&house, &clock, INTERVAL).await;
        while house.supervisor.status(ID).unwrap().operation.is_some() {
            tokio::task::yield_now().await;
        }
        let words = told(&mut events);
        assert_eq!(words.first().map(String::as_str), Some("Degraded to Unhealthy"));
        let end = ["active to failed", "error HEALTH_CHECK_FAILED"];
        assert_eq!(words[words.len() - 2..], end);
        let status = house.supervisor.status(ID).unwrap();
        assert_eq!(
            (status.state, status.failure.unwrap().code.as_str()),
            (State::Failed, "HEALTH_CHECK_FAILED")
        );
        let last = house.trail.kept.entries().pop().unwrap();
        assert_eq!(
            (last.action.as_str(), last.details["operation"].as_str()),
            ("disable", Some("health_check"))
        );
        // What has failed is not looked at any more, and can be started.
        after(&house, &clock, INTERVAL).await;
        assert!(told(&mut events).is_empty());
        make_ill(&house, false).await;
        house.supervisor.enable(ID).await.unwrap();
    });
}

#[test]
fn two_good_checks_in_a_row_make_it_healthy_again() {
    on_one_thread(async {
        let (house, clock) = house();
        house.run(&moody()).await;
        make_ill(&house, true).await;
        after(&house, &clock, INTERVAL).await;
        make_ill(&house, false).await;
        let mut events = house.listen();
        after(&house, &clock, INTERVAL).await;
        assert_eq!(health(&house), Health::Degraded);
        after(&house, &clock, INTERVAL).await;
        assert_eq!(
            (health(&house), told(&mut events)),
            (Health::Healthy, vec!["Degraded to Healthy".to_owned()])
        );
    });
}

#[test]
fn a_check_can_be_asked_for_and_says_what_is_wrong() {
    on_one_thread(async {
        let house = House::new();
        house.run(&moody()).await;
        assert_eq!(house.supervisor.check_health(ID).await.unwrap().health, Health::Healthy);
        make_ill(&house, true).await;
        let error = house.supervisor.check_health(ID).await.unwrap_err();
        assert!(matches!(error, CommandError::Unwell(_)), "{error}");
        assert_eq!(error.code(), Code::HealthCheckFailed);
        house.supervisor.disable(ID, DisableOptions::default()).await.unwrap();
        let error = house.supervisor.check_health(ID).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidState);
        assert_eq!(health(&house), Health::Unknown);
    });
}

#[test]
fn a_check_holds_up_no_drain_and_counts_for_nothing_then() {
    on_one_thread(async {
        let house = House::with(|settings| settings.drain_timeout = LONG);
        // Never answers while it has a state record.
        let call = "(call $call (i32.const 256) (i32.const 10) (i32.const 0) (i32.const 0))";
        let waits = Guest::calling(WAITS, "tests:wait", call);
        let health_export = format!(
            r#"{} (func (export "plugin_health") (result i64)
                (if (i64.ne (call $get) (i64.const 0)) (then (drop {call}))) (i64.const 0))"#,
            waits.extra
        );
        let hanging = Guest {
            imports: format!(
                r#"{} (import "palisade_v1" "state_get" (func $get (result i64)))"#,
                waits.imports
            )
            .leak(),
            extra: health_export.leak(),
            manifest: json!({"permissions": ["custom:tests:wait"]}),
            ..waits
        };
        house.run(&hanging).await;
        make_ill(&house, true).await;
        let supervisor = house.supervisor.clone();
        let check = tokio::spawn(async move { supervisor.check_health(ID).await });
        house.waits.notified().await;
        make_ill(&house, false).await;
        let status = house.supervisor.reload(ID).await.unwrap();
        assert_eq!((status.generation, status.health), (Some(2), Health::Healthy));
        assert_eq!(check.await.unwrap().unwrap_err().code(), Code::PluginUnavailable);
    });
}

#[test]
fn a_plugin_that_is_busy_is_not_ill() {
    on_one_thread(async {
        let (house, clock) = house();
        let mut busy = waiting();
        busy.manifest["instance"] = json!({"max": 1});
        house.run(&busy).await;
        let supervisor = house.supervisor.clone();
        let command = tokio::spawn(async move { supervisor.call(ID, "wait", b"").await.map(drop) });
        house.waits.notified().await;
        let supervisor = house.supervisor.clone();
        let check = tokio::spawn(async move { supervisor.check_health(ID).await });
        while house.supervisor.status(ID).unwrap().active_requests < 2 {
            tokio::task::yield_now().await;
        }
        // Longer than a check may take: its time begins with its turn.
        clock.advance(Duration::from_secs(11));
        house.go_on.notify_waiters();
        command.await.unwrap().unwrap();
        assert_eq!(check.await.unwrap().unwrap().health, Health::Healthy);
    });
}

#[test]
fn what_is_used_is_told_with_a_check_when_it_is_not_what_it_was() {
    on_one_thread(async {
        let (house, clock) = house();
        house.run(&guest("1.0.0")).await;
        after(&house, &clock, INTERVAL).await;
        let mut events = house.listen();
        after(&house, &clock, INTERVAL).await;
        assert!(told(&mut events).is_empty(), "nothing was done");
        let fuel = house.supervisor.call(ID, "echo", b"").await.unwrap().receipt().fuel;
        after(&house, &clock, INTERVAL).await;
        let executed = events.try_next().unwrap();
        assert!(matches!(executed.kind, EventKind::Executed { .. }));
        match &events.try_next().unwrap().kind {
            EventKind::ResourceUsage { metrics } => {
                assert_eq!((metrics.fuel, metrics.memory), (fuel, 2 * 64 * 1024));
            }
            other => panic!("{other:?}"),
        }
        assert!(events.try_next().is_none());
    });
}

#[test]
fn a_plugin_near_a_limit_is_degraded() {
    on_one_thread(async {
        let house = House::new();
        // Thirteen pages of sixteen.
        let large = Guest {
            memory: r#"(memory (export "memory") 13)"#,
            manifest: json!({"resource_limits": {"memory": "1MiB"}}),
            ..Guest::default()
        };
        house.run(&large).await;
        assert_eq!(health(&house), Health::Healthy, "it has not been looked at");
        house.answer("").await;
        assert_eq!(
            (health(&house), house.supervisor.health()),
            (Health::Degraded, Health::Degraded)
        );
        house.supervisor.disable(ID, DisableOptions::default()).await.unwrap();
        assert_eq!(house.supervisor.health(), Health::Healthy, "nothing runs");
    });
}

#[test]
fn checks_come_by_themselves_as_time_passes() {
    on_one_thread(async {
        let house = House::new();
        let mut guest = moody();
        guest.manifest = json!({"health": {"interval": "1s"}});
        house.run(&guest).await;
        make_ill(&house, true).await;
        let mut events = house.listen();
        let event = events.next().await;
        let to = Health::Degraded;
        assert_eq!(
            event.kind,
            EventKind::HealthChanged {
                from: Health::Healthy,
                to
            }
        );
    });
}

#[test]
fn nobody_looks_after_a_plugin_that_is_stopped_or_whose_host_is_gone() {
    on_one_thread(async {
        let house = House::new();
        let tasks = || Handle::current().metrics().num_alive_tasks();
        let none = tasks();
        house.run(&guest("1.0.0")).await;
        house.supervisor.disable(ID, DisableOptions::default()).await.unwrap();
        while tasks() > none {
            tokio::task::yield_now().await;
        }
        house.supervisor.enable(ID).await.unwrap();
        assert!(tasks() > none);
        drop(house);
        while tasks() > none {
            tokio::task::yield_now().await;
        }
    });
}
