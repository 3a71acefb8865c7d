//! What a host does about plugins that crash.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use palisade::{
    BreakerSettings, Code, Coded, CommandError, DisableOptions, EventKind, Health, InstallOptions, ManualClock,
    Namespace, StartRetries, State, Subscription, TransitionError,
};
use palisade_tests::{Guest, key, release};
use serde_json::json;

use super::{House, ID, WAITS, guest, on_one_thread, told};

fn house() -> (House, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    (House::by(Arc::<ManualClock>::clone(&clock), |_| {}), clock)
}

/// Traps without arguments, and answers with them otherwise.
fn crashing() -> Guest {
    Guest {
        command: "(if (i32.eqz (local.get $len)) (then unreachable))
            (i64.or (i64.shl (i64.extend_i32_u (local.get $args)) (i64.const 32)) (i64.extend_i32_u (local.get $len)))",
        ..guest("1.0.0")
    }
}

async fn crash(house: &House) {
    let error = house.supervisor.call(ID, "crash", b"").await.unwrap_err();
    assert_eq!(error.code(), Code::GuestTrap);
}

async fn after(house: &House, clock: &ManualClock, time: Duration) {
    clock.advance(time);
    house.supervisor.run_due().await;
}

async fn until_failed(house: &House) {
    let status = || house.supervisor.status(ID).unwrap();
    while status().state != State::Failed || status().operation.is_some() {
        tokio::task::yield_now().await;
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_fresh_instance_is_started_a_while_after_a_crash() {
    on_one_thread(async {
        let (house, clock) = house();
        house.run(&crashing()).await;
        let mut events = house.listen();
        crash(&house).await;
        after(&house, &clock, seconds(5) - Duration::from_millis(1)).await;
        assert_eq!(told(&mut events), ["executed GUEST_TRAP"]);
        after(&house, &clock, Duration::from_millis(1)).await;
        assert_eq!(told(&mut events), ["restarting", "restarted"]);
        // The second in a row waits twice as long.
        crash(&house).await;
        told(&mut events);
        after(&house, &clock, seconds(9)).await;
        assert!(!told(&mut events).contains(&"restarting".to_owned()));
        after(&house, &clock, seconds(1)).await;
        assert!(told(&mut events).contains(&"restarted".to_owned()));
    });
}

#[test]
fn a_command_that_comes_first_gets_its_instance_at_once_and_nothing_is_left_to_do() {
    on_one_thread(async {
        let (house, clock) = house();
        house.run(&crashing()).await;
        crash(&house).await;
        assert_eq!(house.answer("at once").await, "at once");
        let mut events = house.listen();
        after(&house, &clock, seconds(5)).await;
        assert!(told(&mut events).is_empty());
    });
}

/// Starts only while it has no state record; its command makes one and traps.
fn once() -> Guest {
    Guest {
        imports: r#"(import "palisade_v1" "state_get" (func $get (result i64)))
            (import "palisade_v1" "state_set" (func $set (param i32 i32) (result i64)))"#,
        extra: r#"(data (i32.const 256) "1")"#,
        init: "(if (i64.ne (call $get) (i64.const 0)) (then unreachable)) i64.const 0",
        command: "(drop (call $set (i32.const 256) (i32.const 1))) unreachable",
        // Checks would find out too.
        manifest: json!({"health": {"interval": "1h"}}),
        ..Guest::default()
    }
}

#[test]
fn an_instance_that_does_not_start_is_a_crash() {
    on_one_thread(async {
        let house = House::new();
        house.run(&once()).await;
        for _ in 0..6 {
            assert_eq!(
                house.supervisor.call(ID, "go", b"").await.unwrap_err().code(),
                Code::GuestTrap
            );
        }
        until_failed(&house).await;
        assert!(house.supervisor.status(ID).unwrap().failure.unwrap().quarantined);
    });
}

#[test]
fn a_plugin_that_never_starts_again_is_locked_away_without_another_command() {
    on_one_thread(async {
        let (house, clock) = house();
        house.run(&once()).await;
        crash(&house).await;
        let mut events = house.listen();
        // 5 + 10 + 20 + 40 + 80 s are within the five minutes that count.
        for delay in [5, 10, 20, 40, 80] {
            after(&house, &clock, seconds(delay)).await;
        }
        until_failed(&house).await;
        let words = told(&mut events);
        assert_eq!(words.iter().filter(|word| *word == "restarting").count(), 5);
        assert!(!words.contains(&"restarted".to_owned()));
        let refused = house.supervisor.enable(ID).await.unwrap_err();
        assert_eq!(refused.code(), Code::Quarantined);
        assert!(refused.details()["since"].is_string());
    });
}

/// A host whose plugins may crash without end, and whose breaker opens after three.
fn patient_house() -> (House, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let breaker = BreakerSettings {
        failures: NonZeroU32::new(3).unwrap(),
        pause: seconds(30),
    };
    let house = House::by(Arc::<ManualClock>::clone(&clock), |settings| settings.breaker = breaker);
    (house, clock)
}

async fn run_patiently(house: &House) {
    let mut patient = crashing();
    patient.manifest["restart"] = json!({"max_failures": 1_000});
    house.run(&patient).await;
}

async fn retry_after_ms(house: &House, args: &[u8]) -> u64 {
    let error = house.supervisor.call(ID, "crash", args).await.unwrap_err();
    assert!(matches!(error, CommandError::BreakerOpen { .. }), "{error}");
    assert_eq!(error.code(), Code::PluginUnavailable);
    error.details()["retry_after_ms"].as_u64().unwrap()
}

#[test]
fn after_too_many_crashes_in_a_row_commands_are_refused_until_a_trial_succeeds() {
    on_one_thread(async {
        let (house, clock) = patient_house();
        run_patiently(&house).await;
        crash(&house).await;
        crash(&house).await;
        house.answer("an answer between").await;
        crash(&house).await;
        crash(&house).await;
        assert_eq!(house.supervisor.status(ID).unwrap().health, Health::Healthy);
        let mut events = house.listen();
        crash(&house).await;
        assert_eq!(told(&mut events), ["executed GUEST_TRAP", "Healthy to Degraded"]);
        // The plugin is not even asked.
        assert_eq!(retry_after_ms(&house, b"well meant").await, 30_000);
        assert!(told(&mut events).is_empty());
        clock.advance(seconds(29));
        assert_eq!(retry_after_ms(&house, b"").await, 1_000);
        clock.advance(seconds(1));
        crash(&house).await;
        assert_eq!(retry_after_ms(&house, b"").await, 30_000);
        clock.advance(seconds(30));
        told(&mut events);
        assert_eq!(house.answer("a trial").await, "a trial");
        assert_eq!(told(&mut events), ["executed ok", "Degraded to Healthy"]);
        assert_eq!(house.answer("and on").await, "and on");
    });
}

#[test]
fn an_answer_that_is_an_error_opens_no_breaker() {
    on_one_thread(async {
        let (house, _clock) = patient_house();
        let refusing = Guest {
            command: "i64.const 0x80000000",
            ..guest("1.0.0")
        };
        house.run(&refusing).await;
        for _ in 0..10 {
            let error = house.supervisor.call(ID, "no", b"").await.unwrap_err();
            assert_eq!(error.code(), Code::GuestError);
        }
    });
}

#[test]
fn a_trial_that_nobody_waits_for_any_more_is_followed_by_another() {
    on_one_thread(async {
        let (house, clock) = patient_house();
        // Waits with arguments, and traps without.
        let call = "(call $call (i32.const 256) (i32.const 10) (i32.const 0) (i32.const 0))";
        let waits = Guest::calling(WAITS, "tests:wait", call);
        let hanging = Guest {
            command: format!("(if (i32.eqz (local.get $len)) (then unreachable)) {}", waits.command).leak(),
            manifest: json!({"permissions": ["custom:tests:wait"], "restart": {"max_failures": 1_000}}),
            ..waits
        };
        house.run(&hanging).await;
        for _ in 0..3 {
            crash(&house).await;
        }
        clock.advance(seconds(30));
        let supervisor = house.supervisor.clone();
        let trial = tokio::spawn(async move { supervisor.call(ID, "wait", b"x").await.map(drop) });
        house.waits.notified().await;
        retry_after_ms(&house, b"one trial at a time").await;
        trial.abort();
        assert!(trial.await.unwrap_err().is_cancelled());
        crash(&house).await;
        retry_after_ms(&house, b"").await;
    });
}

#[test]
fn a_new_generation_begins_with_a_closed_breaker() {
    on_one_thread(async {
        let (house, _clock) = patient_house();
        run_patiently(&house).await;
        for _ in 0..3 {
            crash(&house).await;
        }
        retry_after_ms(&house, b"").await;
        house.supervisor.reload(ID).await.unwrap();
        assert_eq!(house.answer("afresh").await, "afresh");
    });
}

/// A host that tries a start three times, and a plugin that does not start while it has a state record.
async fn house_of_retries(guest: &Guest) -> (House, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let house = House::by(Arc::<ManualClock>::clone(&clock), |settings| {
        settings.start_retries = StartRetries::tries(NonZeroU32::new(3).unwrap());
    });
    let bundle = release(&guest.manifest, &guest.wasm(), 1);
    let options = InstallOptions::default();
    house.supervisor.install(bundle, options).await.unwrap();
    (house, clock)
}

fn namespace() -> Namespace {
    Namespace {
        plugin_id: ID.into(),
        publisher: Some(key().public().id().to_string().into()),
    }
}

/// Waits until something is told.
async fn hear(events: &mut Subscription, word: fn(&EventKind) -> bool) {
    while !word(&events.next().await.kind) {}
}

fn is_warning(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Warning { .. })
}

fn spawn_enable(house: &House) -> tokio::task::JoinHandle<Result<(), TransitionError>> {
    let supervisor = house.supervisor.clone();
    tokio::spawn(async move { supervisor.enable(ID).await.map(drop) })
}

#[test]
fn a_start_is_tried_again_after_pauses_that_double() {
    on_one_thread(async {
        let (house, clock) = house_of_retries(&once()).await;
        let record = Some(b"1".to_vec());
        house.storage.set_state(&namespace(), record).await.unwrap();
        let mut events = house.listen();
        let enable = spawn_enable(&house);
        hear(&mut events, is_warning).await;
        after(&house, &clock, seconds(1) - Duration::from_millis(1)).await;
        palisade_tests::give_way().await;
        assert!(events.try_next().is_none(), "not yet");
        after(&house, &clock, Duration::from_millis(1)).await;
        hear(&mut events, is_warning).await;
        house.storage.set_state(&namespace(), None).await.unwrap();
        after(&house, &clock, seconds(2)).await;
        enable.await.unwrap().unwrap();
        assert_eq!(told(&mut events), ["loading to active", "enabled"]);
    });
}

#[test]
fn the_last_failure_of_a_start_is_what_is_told() {
    on_one_thread(async {
        let (house, clock) = house_of_retries(&Guest {
            init: "unreachable",
            ..guest("1.0.0")
        })
        .await;
        let mut events = house.listen();
        let enable = spawn_enable(&house);
        for pause in [1, 2] {
            hear(&mut events, is_warning).await;
            after(&house, &clock, seconds(pause)).await;
        }
        assert_eq!(enable.await.unwrap().unwrap_err().code(), Code::GuestTrap);
        assert_eq!(told(&mut events), ["loading to failed", "error GUEST_TRAP"]);
    });
}

#[test]
fn a_start_that_cannot_end_otherwise_is_tried_once() {
    on_one_thread(async {
        let (house, _clock) = house_of_retries(&guest("1.0.0")).await;
        let (path, _) = house.files().remove(0);
        std::fs::write(path, b"something else").unwrap();
        let mut events = house.listen();
        assert_eq!(
            house.supervisor.enable(ID).await.unwrap_err().code(),
            Code::CorruptedData
        );
        assert!(!told(&mut events).iter().any(|word| word.starts_with("warning")));
    });
}

#[test]
fn a_stop_ends_the_waiting_for_another_try() {
    on_one_thread(async {
        let (house, _clock) = house_of_retries(&Guest {
            init: "unreachable",
            ..guest("1.0.0")
        })
        .await;
        let mut events = house.listen();
        let enable = spawn_enable(&house);
        hear(&mut events, is_warning).await;
        let status = house.supervisor.disable(ID, DisableOptions::default()).await.unwrap();
        assert_eq!(status.status.state, State::Disabled);
        assert_eq!(enable.await.unwrap().unwrap_err().code(), Code::GuestTrap);

        let enable = spawn_enable(&house);
        hear(&mut events, is_warning).await;
        house.supervisor.shutdown(super::LONG).await;
        assert_eq!(enable.await.unwrap().unwrap_err().code(), Code::GuestTrap);
    });
}
