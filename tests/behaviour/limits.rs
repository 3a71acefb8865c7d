//! Every limit ends the guest with its own code, at once, and the next call works.

use std::sync::Arc;
use std::time::{Duration, Instant};

use palisade::{
    CallError, Clock, Code, Coded, HostServices, LimitSettings, LoadError, ManualClock, Plugin, Policy, Runtime,
    TrapKind,
};
use palisade_tests::{ECHO, Guest, SPIN, give_way};
use serde_json::json;

/// Fails the command `x` and echoes every other.
macro_rules! unless_x {
    ($sin:literal) => {
        concat!(
            "(if (i32.and (i32.eq (local.get $name_len) (i32.const 1)) ",
            "(i32.eq (i32.load8_u (local.get $name)) (i32.const 120))) (then ",
            $sin,
            "))
             (i64.or (i64.shl (i64.extend_i32_u (local.get $args)) (i64.const 32))
               (i64.extend_i32_u (local.get $len)))"
        )
    };
}

fn runtime() -> Runtime {
    Runtime::new().unwrap()
}

/// A runtime whose clock moves on by a second each time it is read.
fn runtime_in_a_hurry() -> Runtime {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::stepping(Duration::from_secs(1)));
    let services = HostServices {
        clock,
        ..HostServices::default()
    };
    Runtime::builder().services(services).build().unwrap()
}

/// The guest's command `x` fails with `code`, and what comes next is answered by a fresh instance.
#[track_caller]
fn check_command(runtime: &Runtime, guest: &Guest, code: Code) -> CallError {
    let plugin = pollster::block_on(guest.load(runtime)).unwrap();
    check_plugin(&plugin, code)
}

#[track_caller]
fn check_plugin(plugin: &Plugin, code: Code) -> CallError {
    assert_eq!(plugin.call_blocking("echo", b"before").unwrap().bytes(), b"before");
    let error = plugin.call_blocking("x", b"").unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert_eq!(plugin.call_blocking("echo", b"after").unwrap().bytes(), b"after");
    error
}

#[track_caller]
fn check_load(runtime: &Runtime, guest: &Guest, code: Code) -> LoadError {
    let error = pollster::block_on(guest.load(runtime)).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    error
}

#[test]
fn an_endless_command_uses_up_its_fuel() {
    let guest = Guest {
        command: unless_x!("(loop $again (br $again))"),
        ..Guest::default()
    };
    let error = check_command(&runtime(), &guest, Code::FuelExhausted);
    assert_eq!(error.details()["limit"], 1_000_000);
    assert_eq!(error.details()["consumed"], 1_000_000);
}

#[test]
fn an_endless_command_ends_at_its_deadline_however_much_fuel_it_has() {
    let guest = Guest {
        command: unless_x!("(loop $again (br $again))"),
        manifest: json!({"resource_limits": {"fuel": 1_000_000_000u64}}),
        ..Guest::default()
    };
    let error = check_command(&runtime_in_a_hurry(), &guest, Code::ExecutionTimeout);
    assert_eq!(error.details()["limit_ms"], 30_000);
}

#[test]
fn an_endless_start_in_any_phase_uses_up_its_fuel() {
    let phases = [
        (
            "instantiating",
            Guest {
                extra: "(func $spin (loop $again (br $again))) (start $spin)",
                ..Guest::default()
            },
        ),
        (
            "_initialize",
            Guest {
                extra: r#"(func (export "_initialize") (loop $again (br $again)))"#,
                ..Guest::default()
            },
        ),
        (
            "plugin_buffer",
            Guest {
                buffer: SPIN,
                ..Guest::default()
            },
        ),
        (
            "plugin_init",
            Guest {
                init: SPIN,
                ..Guest::default()
            },
        ),
    ];
    for (phase, guest) in phases {
        let error = check_load(&runtime(), &guest, Code::FuelExhausted);
        assert_eq!(error.details()["phase"], phase);
        assert_eq!(error.details()["limit"], 10_000_000);
        let error = check_load(
            &runtime_in_a_hurry_by(Duration::from_secs(20)),
            &guest,
            Code::InitializationTimeout,
        );
        assert_eq!(error.details()["phase"], phase);
    }
}

fn runtime_in_a_hurry_by(step: Duration) -> Runtime {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::stepping(step));
    let services = HostServices {
        clock,
        ..HostServices::default()
    };
    Runtime::builder().services(services).build().unwrap()
}

#[test]
fn an_endless_cleanup_uses_up_its_fuel() {
    let guest = Guest {
        cleanup: SPIN,
        ..Guest::default()
    };
    let plugin = pollster::block_on(guest.load(&runtime())).unwrap();
    assert_eq!(plugin.call_blocking("echo", b"ok").unwrap().bytes(), b"ok");
    let error = pollster::block_on(plugin.close()).unwrap_err();
    assert_eq!(error.code(), Code::FuelExhausted);
    assert_eq!(
        plugin.call_blocking("echo", b"").unwrap_err().code(),
        Code::PluginUnavailable
    );
}

#[test]
fn an_endless_buffer_ends_the_command_that_needed_it() {
    // The first buffer is given; a bigger one never comes.
    let guest = Guest {
        buffer: "(if (i32.gt_u (local.get $len) (i32.const 4096)) (then (loop $again (br $again)))) i32.const 1024",
        ..Guest::default()
    };
    let plugin = pollster::block_on(guest.load(&runtime())).unwrap();
    let error = plugin.call_blocking("echo", &[0; 5000]).unwrap_err();
    assert_eq!(error.code(), Code::FuelExhausted);
    assert_eq!(plugin.call_blocking("echo", b"ok").unwrap().bytes(), b"ok");
}

#[test]
fn memory_ends_exactly_at_its_limit() {
    // Grows page by page to the limit, and traps when the growth is refused, as an allocator would.
    let guest = |limit: &str| Guest {
        command: unless_x!(
            "(loop $again
               (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
               (br_if $again (i32.lt_u (memory.size) (i32.const 16))))"
        ),
        manifest: json!({"resource_limits": {"memory": limit}}),
        ..Guest::default()
    };
    let plugin = pollster::block_on(guest("1MiB").load(&runtime())).unwrap();
    let output = plugin.call_blocking("x", b"").unwrap();
    assert_eq!(output.receipt().peak_memory_bytes, 1024 * 1024);

    let error = check_command(&runtime(), &guest("983040"), Code::MemoryLimitExceeded);
    assert_eq!(error.details()["used"], 1024 * 1024);
    assert_eq!(error.details()["limit"], 983_040);
}

#[test]
fn a_guest_that_survives_a_refused_growth_may_go_on() {
    let guest = Guest {
        command: unless_x!("(drop (memory.grow (i32.const 2000)))"),
        ..Guest::default()
    };
    let plugin = pollster::block_on(guest.load(&runtime())).unwrap();
    assert_eq!(plugin.call_blocking("x", b"still here").unwrap().bytes(), b"still here");
}

#[test]
fn a_module_that_starts_with_too_much_memory_is_refused() {
    let guest = |limit: u64| Guest {
        manifest: json!({"resource_limits": {"memory": limit}}),
        ..Guest::default()
    };
    assert!(pollster::block_on(guest(131_072).load(&runtime())).is_ok());
    let error = check_load(&runtime(), &guest(131_071), Code::MemoryLimitExceeded);
    assert_eq!(error.details()["used"], 131_072);
}

#[test]
fn deep_recursion_overflows_the_guests_stack_and_not_ours() {
    let guest = Guest {
        extra: "(func $deeper (result i32) (i32.add (call $deeper) (i32.const 1)))",
        command: unless_x!("(drop (call $deeper))"),
        manifest: json!({"resource_limits": {"fuel": 100_000_000}}),
        ..Guest::default()
    };
    let error = check_command(&runtime(), &guest, Code::GuestTrap);
    assert_eq!(error.details()["kind"], TrapKind::StackOverflow.as_str());
    assert_eq!(error.details()["backtrace"][0], "deeper");
}

#[test]
fn a_trap_says_its_kind_and_last_words() {
    let guest = Guest {
        imports: r#"(import "palisade_v1" "log" (func $log (param i32 i32 i32)))"#,
        extra: r#"(data (i32.const 16) "cannot go on")"#,
        command: unless_x!("(call $log (i32.const 5) (i32.const 16) (i32.const 12)) unreachable"),
        ..Guest::default()
    };
    let error = check_command(&runtime(), &guest, Code::GuestTrap);
    assert_eq!(error.to_string(), "the plugin trapped (unreachable): cannot go on");
}

/// A guest that sleeps for ten years in the command `x`.
fn sleeper() -> Guest {
    Guest {
        imports: r#"(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))"#,
        // A relative subscription to the monotonic clock, 315,360,000 s long.
        extra: r#"(data (i32.const 24) "\01\00\00\00")
                  (func $sleep (i64.store (i32.const 32) (i64.const 315360000000000000))
                    (drop (call $poll (i32.const 8) (i32.const 128) (i32.const 1) (i32.const 256))))"#,
        command: unless_x!("(call $sleep)"),
        ..Guest::default()
    }
}

#[test]
fn a_ten_year_sleep_ends_at_the_deadline() {
    let admitted = |limits| {
        let guest = sleeper();
        let bundle = palisade::Bundle::open(palisade_tests::signed(&guest.manifest, &guest.wasm())).unwrap();
        let verified = palisade_tests::trust().verify(bundle, palisade_tests::now()).unwrap();
        Policy::deny_all().limits(limits).admit(verified).unwrap()
    };
    let limits = LimitSettings {
        execution_time: Some(Duration::from_millis(50)),
        ..LimitSettings::default()
    };
    let plugin = pollster::block_on(runtime().load(admitted(limits))).unwrap();
    let start = Instant::now();
    let error = check_plugin(&plugin, Code::ExecutionTimeout);
    assert_eq!(error.details()["limit_ms"], 50);
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[test]
fn a_guest_can_wait_without_any_runtime_and_on_a_thread_of_one() {
    let guest = Guest {
        extra: r#"(data (i32.const 24) "\01\00\00\00")
                  (func $sleep (i64.store (i32.const 32) (i64.const 2000000))
                    (drop (call $poll (i32.const 8) (i32.const 128) (i32.const 1) (i32.const 256))))"#,
        ..sleeper()
    };
    let runtime = runtime();
    let plugin = pollster::block_on(guest.load(&runtime)).unwrap();
    assert_eq!(plugin.call_blocking("x", b"slept").unwrap().bytes(), b"slept");
    let single = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(single.block_on(plugin.call("x", b"slept")).unwrap().bytes(), b"slept");
    single.block_on(async {
        assert_eq!(plugin.call_blocking("x", b"slept").unwrap().bytes(), b"slept");
    });
}

#[test]
fn one_spinning_plugin_does_not_stop_another() {
    let runtime = runtime();
    let spinner = Guest {
        command: SPIN,
        manifest: json!({"resource_limits": {"fuel": 1_000_000_000u64}}),
        ..Guest::default()
    };
    // One thread for both: only a spinner that pauses lets the other run.
    let single = tokio::runtime::Builder::new_current_thread().build().unwrap();
    single.block_on(async {
        let spinner = spinner.load(&runtime).await.unwrap();
        let echo = Guest::default().load(&runtime).await.unwrap();
        let spinning = tokio::spawn(async move { spinner.call("x", b"").await });
        let echoing = tokio::spawn(async move {
            for _ in 0..100 {
                assert_eq!(echo.call("echo", b"hello").await.unwrap().bytes(), b"hello");
                give_way().await;
            }
        });
        echoing.await.unwrap();
        assert!(
            !spinning.is_finished(),
            "the spinner has a thousand slices, and a hundred of ours went between"
        );
        assert_eq!(spinning.await.unwrap().unwrap_err().code(), Code::FuelExhausted);
    });
}

#[test]
fn a_guest_that_calls_the_host_all_the_time_pauses_too() {
    let runtime = runtime();
    let chatterbox = Guest {
        imports: r#"(import "palisade_v1" "log" (func $log (param i32 i32 i32)))"#,
        command: "(loop $again (call $log (i32.const 0) (i32.const 0) (i32.const 1)) (br $again)) unreachable",
        manifest: json!({"resource_limits": {"fuel": 100_000_000}}),
        ..Guest::default()
    };
    let single = tokio::runtime::Builder::new_current_thread().build().unwrap();
    single.block_on(async {
        let chatterbox = chatterbox.load(&runtime).await.unwrap();
        let talking = tokio::spawn(async move { chatterbox.call("x", b"").await });
        let waiting = tokio::spawn(async {
            for _ in 0..50 {
                give_way().await;
            }
        });
        waiting.await.unwrap();
        assert!(!talking.is_finished(), "a hundred slices are longer than fifty of ours");
        assert_eq!(talking.await.unwrap().unwrap_err().code(), Code::FuelExhausted);
    });
}

#[test]
fn a_guest_that_called_the_host_a_lot_computes_at_full_speed_afterwards() {
    // The clock moves by a millisecond a reading: thirty thousand pauses are the deadline, and a hundred are enough.
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::stepping(Duration::from_millis(1)));
    let services = HostServices {
        clock,
        ..HostServices::default()
    };
    let runtime = Runtime::builder().services(services).build().unwrap();
    let guest = Guest {
        imports: r#"(import "palisade_v1" "log" (func $log (param i32 i32 i32)))"#,
        command: "(local $i i32)
            (loop $talk
              (call $log (i32.const 0) (i32.const 0) (i32.const 0))
              (br_if $talk (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1100))))
            (loop $compute
              (br_if $compute (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 15000000))))
            i64.const 0",
        manifest: json!({"resource_limits": {"fuel": 200_000_000}}),
        ..Guest::default()
    };
    let plugin = pollster::block_on(guest.load(&runtime)).unwrap();
    assert!(plugin.call_blocking("x", b"").unwrap().receipt().fuel > 90_000_000);
}

#[test]
fn an_abandoned_command_takes_its_instance_along() {
    let runtime = runtime();
    let guest = Guest {
        extra: "(global $calls (mut i32) (i32.const 0))",
        command: "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                  (if (i32.eq (local.get $len) (i32.const 0)) (then (loop $again (br $again))))
                  (i32.store (i32.const 0) (global.get $calls))
                  i64.const 4",
        manifest: json!({"resource_limits": {"fuel": 1_000_000_000u64}}),
        ..Guest::default()
    };
    let single = tokio::runtime::Builder::new_current_thread().build().unwrap();
    single.block_on(async {
        let plugin = guest.load(&runtime).await.unwrap();
        assert_eq!(plugin.call("count", b"1").await.unwrap().bytes(), 1u32.to_le_bytes());
        assert_eq!(plugin.call("count", b"1").await.unwrap().bytes(), 2u32.to_le_bytes());
        let abandoned = tokio::spawn({
            let plugin = plugin.clone();
            async move { plugin.call("spin", b"").await }
        });
        tokio::task::yield_now().await;
        abandoned.abort();
        assert!(abandoned.await.unwrap_err().is_cancelled());
        assert_eq!(plugin.call("count", b"1").await.unwrap().bytes(), 1u32.to_le_bytes());
    });
}

#[test]
fn the_same_input_on_a_fresh_instance_costs_the_same_fuel_whatever_the_load() {
    let guest = Guest {
        imports: r#"(import "palisade_v1" "log" (func $log (param i32 i32 i32)))"#,
        command: "(local $i i32)
            (loop $again
              (call $log (i32.const 2) (local.get $args) (local.get $len))
              (drop (memory.grow (i32.const 1)))
              (memory.copy (i32.const 65536) (i32.const 0) (i32.const 60000))
              (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 30))))
            i64.const 0",
        manifest: json!({"instance": {"mode": "fresh"}, "resource_limits": {"fuel": 100_000_000}}),
        ..Guest::default()
    };
    let runtime = runtime();
    let plugin = pollster::block_on(guest.load(&runtime)).unwrap();
    let expected = plugin.call_blocking("x", b"the same").unwrap().receipt().fuel;
    assert!(expected > 1_800_000, "more than one slice: {expected}");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    assert_eq!(plugin.call_blocking("x", b"the same").unwrap().receipt().fuel, expected);
                }
            });
        }
    });
}

#[test]
fn a_fresh_instance_has_nothing_left_from_another_caller() {
    let guest = |mode: &str| Guest {
        command: "(i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
                  (i64.or (i64.shl (i64.const 64) (i64.const 32)) (i64.const 4))",
        manifest: json!({"instance": {"mode": mode}}),
        ..Guest::default()
    };
    let runtime = runtime();
    let fresh = pollster::block_on(guest("fresh").load(&runtime)).unwrap();
    let session = pollster::block_on(guest("session").load(&runtime)).unwrap();
    for count in 1..=5u32 {
        assert_eq!(fresh.call_blocking("x", b"").unwrap().bytes(), 1u32.to_le_bytes());
        assert_eq!(session.call_blocking("x", b"").unwrap().bytes(), count.to_le_bytes());
    }
}

#[test]
fn arguments_end_exactly_at_their_limit() {
    let guest = Guest {
        memory: r#"(memory (export "memory") 20)"#,
        command: "i64.const 0",
        ..Guest::default()
    };
    let plugin = pollster::block_on(guest.load(&runtime())).unwrap();
    assert!(plugin.call_blocking("x", &vec![0; 1024 * 1024]).is_ok());
    let error = plugin.call_blocking("x", &vec![0; 1024 * 1024 + 1]).unwrap_err();
    assert_eq!(error.code(), Code::PayloadTooLarge);
    assert_eq!(error.details()["actual_bytes"], 1024 * 1024 + 1);
}

#[test]
fn one_instance_more_than_there_is_room_for_is_refused() {
    let runtime = Runtime::builder().instances(2).build().unwrap();
    let first = pollster::block_on(Guest::default().load(&runtime)).unwrap();
    let _second = pollster::block_on(Guest::default().load(&runtime)).unwrap();
    check_load(&runtime, &Guest::default(), Code::ResourceExhausted);
    drop(first);
    assert!(pollster::block_on(Guest::default().load(&runtime)).is_ok());
}

#[test]
fn the_guest_without_a_sin_is_answered() {
    assert!(Guest::default().command == ECHO);
    let plugin = pollster::block_on(Guest::default().load(&runtime())).unwrap();
    let output = plugin.call_blocking("echo", b"hello").unwrap();
    assert_eq!(output.text().unwrap(), "hello");
    assert_eq!((output.receipt().bytes_in, output.receipt().bytes_out), (5, 5));
}
