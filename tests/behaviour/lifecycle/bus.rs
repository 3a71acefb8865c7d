//! Plugins that reach each other while one of them is replaced, stopped, or crashes.

use palisade::{Code, DisableOptions, InstallOptions, PluginData, PluginStatus, State};
use palisade_tests::{Guest, release};
use serde_json::json;

use super::{House, ID, on_one_thread, told};

const CALLER: &str = "test.caller";

/// What the plugins in here are granted, where they ask for it.
const POWERS: [&str; 4] = ["custom:tests:wait", "events:publish", "events:subscribe", "plugin:call"];

/// A call of `tests:wait`, whose name lies at address 512.
const WAIT: &str = "(drop (call $wait (i32.const 512) (i32.const 10) (i32.const 0) (i32.const 0)))";

/// The import and the data that [`WAIT`] needs.
const WAIT_IMPORT: &str = r#"(import "palisade_v1" "host_call" (func $wait (param i32 i32 i32 i32) (result i64)))"#;
const WAIT_DATA: &str = r#"(data (i32.const 512) "tests:wait")"#;

fn leak(text: String) -> &'static str {
    text.leak()
}

/// A plugin whose command calls that of another, and answers with its result.
fn caller(id: &str, to: &str) -> Guest {
    let length = to.len();
    let call = format!(
        "(call $call (i32.const 256) (i32.const {length}) (i32.const {}) (i32.const 2) (i32.const {}) (i32.const 4))",
        256 + length,
        258 + length
    );
    let signature = "(param i32 i32 i32 i32 i32 i32) (result i64)";
    Guest {
        manifest: json!({
            "id": id,
            "permissions": ["plugin:call", {"name": "custom:tests:wait", "optional": true}],
            "dependencies": [{"id": to, "version": "^1"}],
        }),
        ..Guest::calling(("plugin_call", signature), &format!("{to}go1234"), &call)
    }
}

/// A plugin that publishes `{"n":1}` as `orders.created`.
fn publisher() -> Guest {
    let call = "(call $call (i32.const 256) (i32.const 14) (i32.const 270) (i32.const 7))";
    let signature = "(param i32 i32 i32 i32) (result i64)";
    Guest {
        manifest: json!({
            "id": "test.publisher",
            "permissions": ["events:publish"],
            "events": {"publish": ["orders.created"]},
        }),
        ..Guest::calling(("publish", signature), r#"orders.created{\"n\":1}"#, call)
    }
}

/// A plugin that takes `orders.created` and does `what` with it.
fn subscriber(what: &str) -> Guest {
    let on_event = format!(r#"(func (export "plugin_on_event") (param i32 i32) (result i64) {what})"#);
    Guest {
        imports: WAIT_IMPORT,
        extra: leak(format!("{WAIT_DATA} {on_event}")),
        manifest: json!({
            "permissions": ["events:subscribe", "custom:tests:wait"],
            "events": {"subscribe": ["orders.*"]},
        }),
        ..Guest::default()
    }
}

async fn run(house: &House, guest: &Guest) -> PluginStatus {
    let bundle = release(&guest.manifest, &guest.wasm(), 1);
    let options = InstallOptions {
        grants: POWERS.map(str::to_owned).to_vec(),
        config: None,
    };
    let id = house.supervisor.install(bundle, options).await.unwrap().id;
    house.supervisor.enable(&id).await.unwrap()
}

fn call(house: &House, id: &'static str) -> tokio::task::JoinHandle<Result<String, String>> {
    let supervisor = house.supervisor.clone();
    tokio::spawn(async move {
        match supervisor.call(id, "go", b"").await {
            Ok(output) => Ok(output.text().unwrap().to_owned()),
            Err(error) => Err(palisade::Coded::details(&error)["code"].as_str().unwrap().to_owned()),
        }
    })
}

async fn publish(house: &House) {
    house.supervisor.call("test.publisher", "go", b"").await.unwrap();
}

async fn until(reached: impl Fn() -> bool) {
    while !reached() {
        tokio::task::yield_now().await;
    }
}

fn reload(house: &House, id: &'static str) -> tokio::task::JoinHandle<PluginStatus> {
    let supervisor = house.supervisor.clone();
    tokio::spawn(async move { supervisor.reload(id).await.unwrap() })
}

fn state(house: &House, id: &str) -> State {
    house.supervisor.status(id).unwrap().state
}

/// A plugin whose command waits for the host and then answers with its arguments.
fn slow() -> Guest {
    Guest {
        imports: WAIT_IMPORT,
        extra: WAIT_DATA,
        command: leak(format!("{WAIT} {}", palisade_tests::ECHO)),
        manifest: json!({"permissions": ["custom:tests:wait"], "instance": {"max": 4}}),
        ..Guest::default()
    }
}

#[test]
fn a_reload_waits_for_the_call_of_another_plugin_and_parks_the_next_one() {
    on_one_thread(async {
        let house = House::new();
        run(&house, &slow()).await;
        run(
            &house,
            &Guest {
                manifest: json!({"id": CALLER, "permissions": ["plugin:call"], "instance": {"max": 4},
                "dependencies": [{"id": ID, "version": "^1"}]}),
                ..caller(CALLER, ID)
            },
        )
        .await;
        let first = call(&house, CALLER);
        house.waits.notified().await;
        assert_eq!(house.supervisor.status(ID).unwrap().active_requests, 1);
        let reloading = reload(&house, ID);
        until(|| state(&house, ID) == State::Reloading).await;
        let second = call(&house, CALLER);
        until(|| house.supervisor.status(CALLER).unwrap().active_requests == 2).await;
        palisade_tests::give_way().await;
        assert!(!reloading.is_finished() && !second.is_finished());

        house.go_on.notify_waiters();
        assert_eq!(first.await.unwrap(), Ok("1234".to_owned()));
        assert_eq!(reloading.await.unwrap().generation, Some(2));
        house.waits.notified().await;
        house.go_on.notify_waiters();
        assert_eq!(second.await.unwrap(), Ok("1234".to_owned()));
    });
}

#[test]
fn a_call_that_comes_back_to_a_plugin_in_a_drain_is_refused_and_the_drain_ends() {
    on_one_thread(async {
        let house = House::new();
        let back = caller("test.back", CALLER);
        // Two that need each other could neither be installed nor started; each uses the other where it is there.
        let optional = |id: &str| json!([{"id": id, "version": "^1", "kind": "optional"}]);
        let mut front = caller(CALLER, "test.back");
        front.manifest["dependencies"] = optional("test.back");
        let back = Guest {
            imports: leak(format!("{WAIT_IMPORT} {}", back.imports)),
            extra: leak(format!("{WAIT_DATA} {}", back.extra)),
            command: leak(format!("{WAIT} {}", back.command)),
            ..back
        };
        run(&house, &front).await;
        run(&house, &back).await;
        let mut events = house.listen();
        let outer = call(&house, CALLER);
        house.waits.notified().await;
        let reloading = reload(&house, CALLER);
        until(|| state(&house, CALLER) == State::Reloading).await;
        house.go_on.notify_waiters();
        assert_eq!(outer.await.unwrap(), Err("SECURITY_VIOLATION".to_owned()));
        assert_eq!(reloading.await.unwrap().state, State::Active);
        assert!(told(&mut events).contains(&"security:violation".to_owned()));
    });
}

#[test]
fn a_drain_interrupts_the_call_of_another_plugin_which_hears_of_it() {
    on_one_thread(async {
        let house = House::with(|settings| settings.drain_timeout = std::time::Duration::ZERO);
        run(&house, &slow()).await;
        run(&house, &caller(CALLER, ID)).await;
        let outer = call(&house, CALLER);
        house.waits.notified().await;
        house.supervisor.reload(ID).await.unwrap();
        assert_eq!(outer.await.unwrap(), Err("DRAIN_CANCELLED".to_owned()));
    });
}

#[test]
fn a_plugin_that_crashes_when_another_calls_it_is_locked_away_too() {
    on_one_thread(async {
        let house = House::new();
        let crashing = Guest {
            command: "unreachable",
            ..Guest::default()
        };
        run(&house, &crashing).await;
        run(&house, &caller(CALLER, ID)).await;
        for _ in 0..6 {
            assert_eq!(call(&house, CALLER).await.unwrap(), Err("GUEST_TRAP".to_owned()));
        }
        until(|| state(&house, ID) == State::Failed).await;
        assert!(house.supervisor.status(ID).unwrap().failure.unwrap().quarantined);
        assert_eq!(call(&house, CALLER).await.unwrap(), Err("NOT_FOUND".to_owned()));
        assert_eq!(state(&house, CALLER), State::Active);
    });
}

#[test]
fn an_event_whose_delivery_a_reload_interrupts_reaches_the_next_generation() {
    on_one_thread(async {
        let house = House::with(|settings| settings.drain_timeout = std::time::Duration::ZERO);
        run(&house, &subscriber(leak(format!("{WAIT} i64.const 0")))).await;
        run(&house, &publisher()).await;
        publish(&house).await;
        house.waits.notified().await;
        assert_eq!(house.supervisor.status(ID).unwrap().active_requests, 1);
        house.supervisor.reload(ID).await.unwrap();
        house.waits.notified().await;
        house.go_on.notify_waiters();
        until(|| house.supervisor.status(ID).unwrap().active_requests == 0).await;
        assert_eq!(house.supervisor.dead_letters(ID).unwrap(), []);
    });
}

#[test]
fn an_event_that_crashes_its_subscriber_is_given_up_after_three_tries_and_kept() {
    on_one_thread(async {
        let house = House::new();
        run(&house, &subscriber("unreachable")).await;
        run(&house, &publisher()).await;
        let mut events = house.listen();
        publish(&house).await;
        until(|| !house.supervisor.dead_letters(ID).unwrap().is_empty()).await;
        let letter = house.supervisor.dead_letters(ID).unwrap().remove(0);
        assert_eq!((letter.tries, letter.code, letter.to.as_str()), (3, "GUEST_TRAP", ID));
        assert_eq!(
            (letter.from.as_str(), letter.topic.as_deref()),
            ("test.publisher", Some("orders.created"))
        );
        assert_eq!(letter.data.0.get(), r#"{"n":1}"#);
        assert!(letter.at.is_some());
        assert_eq!(told(&mut events), ["executed ok", "warning"]);
        // Three crashes are forgiven; the next such event makes six of them.
        assert_eq!(state(&house, ID), State::Active);
        publish(&house).await;
        until(|| state(&house, ID) == State::Failed).await;
    });
}

#[test]
fn what_waits_for_a_plugin_that_is_stopped_is_kept_with_the_reason_until_the_plugin_is_gone() {
    on_one_thread(async {
        let house = House::new();
        run(&house, &subscriber(leak(format!("{WAIT} i64.const 0")))).await;
        run(&house, &publisher()).await;
        publish(&house).await;
        publish(&house).await;
        house.waits.notified().await;
        let options = DisableOptions {
            timeout: std::time::Duration::ZERO,
            ..DisableOptions::default()
        };
        house.supervisor.disable(ID, options).await.unwrap();
        until(|| house.supervisor.dead_letters(ID).unwrap().len() == 2).await;
        let letters = house.supervisor.dead_letters(ID).unwrap();
        let codes = [Code::PluginUnavailable, Code::InvalidState].map(Code::as_str);
        assert!(letters.iter().all(|letter| codes.contains(&letter.code)), "{letters:?}");

        // Nobody subscribes now, so nothing is lost.
        publish(&house).await;
        palisade_tests::give_way().await;
        assert_eq!(house.supervisor.dead_letters(ID).unwrap().len(), 2);
        house.supervisor.uninstall(ID, PluginData::Discard).await.unwrap();
        assert!(house.supervisor.dead_letters(ID).is_err());
        run(&house, &subscriber(leak(format!("{WAIT} i64.const 0")))).await;
        assert_eq!(house.supervisor.dead_letters(ID).unwrap(), []);
    });
}
