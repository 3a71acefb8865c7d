//! Commands that the host runs by the clock.

use palisade::{
    AuditAction, Code, Coded, DisableOptions, EventKind, InstallOptions, ScheduleError, Subscription, Supervisor,
};
use palisade_tests::{ECHO, Guest, release, trust};
use serde_json::{Value, json};

use super::{House, ID, on_one_thread, settings};

/// Runs `tick` every second, and `never` when somebody asks.
fn ticker(command: &'static str) -> Guest {
    Guest {
        command,
        manifest: json!({
            "permissions": ["schedule:run"],
            "commands": [{"name": "tick"}, {"name": "never"}],
            "schedule": [
                {"name": "tick", "command": "tick", "every": "1s"},
                {"name": "never", "command": "never", "cron": "0 0 30 2 *"},
            ],
        }),
        ..Guest::default()
    }
}

async fn run(house: &House, guest: &Guest, grants: &[&str]) {
    let bundle = release(&guest.manifest, &guest.wasm(), 1);
    let options = InstallOptions {
        grants: grants.iter().map(|&grant| grant.to_owned()).collect(),
        config: None,
    };
    house.supervisor.install(bundle, options).await.unwrap();
    house.supervisor.enable(ID).await.unwrap();
}

/// Waits until a command has run, and says which one and what came of it.
async fn executed(events: &mut Subscription) -> (String, &'static str) {
    loop {
        if let EventKind::Executed { command, status, .. } = &events.next().await.kind {
            return (command.clone(), *status);
        }
    }
}

#[test]
fn a_granted_schedule_runs_by_the_clock_until_it_is_paused_and_outlives_the_host() {
    on_one_thread(async {
        let house = House::new();
        let mut events = house.listen();
        run(&house, &ticker(ECHO), &["schedule:run"]).await;
        assert_eq!(executed(&mut events).await, ("tick".to_owned(), "ok"));
        assert_eq!(executed(&mut events).await, ("tick".to_owned(), "ok"));
        let [tick, never] = &house.supervisor.schedule(ID).unwrap()[..] else {
            panic!("two entries")
        };
        assert!(tick.allowed && !tick.paused && tick.next.is_some());
        assert_eq!((tick.last_status, &tick.when), (Some("ok"), &json!({"every": "1s"})));
        assert_eq!((never.next, never.last_status), (None, None));

        assert!(house.supervisor.pause_schedule(ID, "tick").await.unwrap().paused);
        let entry = house.trail.kept.entries().pop().unwrap();
        assert_eq!(
            (entry.action, &*entry.resource),
            (AuditAction::ConfigUpdate, "schedule:tick")
        );
        house.supervisor.shutdown(super::LONG).await;
        let House {
            folder,
            runtime,
            supervisor,
            trail,
            ..
        } = house;
        drop(supervisor);
        let supervisor = Supervisor::open(folder.path(), runtime, trust(), settings(&trail)).unwrap();
        assert!(supervisor.schedule(ID).unwrap()[0].paused);
        supervisor.start().await;
        supervisor.resume_schedule(ID, "tick").await.unwrap();
        let mut events = supervisor.subscribe(None, palisade::Replay::Nothing);
        assert_eq!(executed(&mut events).await, ("tick".to_owned(), "ok"));
    });
}

#[test]
fn a_schedule_that_was_not_granted_begins_nothing_but_can_be_run_by_hand() {
    on_one_thread(async {
        let house = House::new();
        let guest = Guest {
            manifest: {
                let mut manifest = ticker(ECHO).manifest;
                manifest["permissions"] = json!([{"name": "schedule:run", "optional": true}]);
                manifest
            },
            ..ticker(ECHO)
        };
        run(&house, &guest, &[]).await;
        let [tick, _] = &house.supervisor.schedule(ID).unwrap()[..] else {
            panic!("two entries")
        };
        assert!(!tick.allowed);
        assert_eq!(tick.next, None);
        house.supervisor.run_schedule(ID, "never").await.unwrap();
        let never = &house.supervisor.schedule(ID).unwrap()[1];
        assert_eq!(never.last_status, Some("ok"));
    });
}

#[test]
fn a_scheduled_command_that_fails_is_told_and_tried_again_at_its_next_time() {
    on_one_thread(async {
        let house = House::new();
        let mut events = house.listen();
        run(&house, &ticker("unreachable"), &["schedule:run"]).await;
        assert_eq!(executed(&mut events).await, ("tick".to_owned(), "GUEST_TRAP"));
        assert_eq!(executed(&mut events).await, ("tick".to_owned(), "GUEST_TRAP"));
    });
}

#[test]
fn what_is_not_on_the_schedule_cannot_be_run_and_the_nearest_name_is_offered() {
    on_one_thread(async {
        let house = House::new();
        run(&house, &ticker(ECHO), &["schedule:run"]).await;
        let error = house.supervisor.run_schedule(ID, "tock").await.unwrap_err();
        assert!(matches!(error, ScheduleError::NoSuchEntry { .. }), "{error}");
        assert_eq!(error.code(), Code::NotFound);
        assert_eq!(error.details()["suggestion"], json!("tick"));
        house.supervisor.disable(ID, DisableOptions::default()).await.unwrap();
        let error = house.supervisor.run_schedule(ID, "never").await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidState);
        let never = &house.supervisor.schedule(ID).unwrap()[1];
        assert_eq!((never.running, never.last_status), (false, Some("INVALID_STATE")));
        let _: Value = serde_json::to_value(never).unwrap();
    });
}
