//! The metrics, as whoever collects them reads them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use palisade::{InstallOptions, PluginData};
use palisade_tests::{Guest, release};
use serde_json::json;

use super::{Api, ID};
use crate::lifecycle::{guest, on_one_thread, on_threads, spoiler, waiting};

/// Traps without arguments, and answers with them otherwise.
const TRAPS_WITHOUT_ARGUMENTS: &str = "(if (i32.eqz (local.get $len)) (then unreachable))
    (i64.or (i64.shl (i64.extend_i32_u (local.get $args)) (i64.const 32)) (i64.extend_i32_u (local.get $len)))";

fn counting() -> Guest {
    Guest {
        command: TRAPS_WITHOUT_ARGUMENTS,
        manifest: json!({"version": "1.0.0", "commands": [{"name": "echo", "encoding": "bytes"}]}),
        ..Guest::default()
    }
}

async fn scrape(api: &Api) -> String {
    let reply = api.get("/metrics").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    reply.text()
}

/// The number of a series.
fn value(metrics: &str, series: &str) -> Option<f64> {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(|number| number.parse().unwrap())
}

fn promtool(arguments: &[&str], input: &str) {
    let tool = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut tool = tool.unwrap_or_else(|error| panic!("promtool, of Debian's package prometheus: {error}"));
    tool.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

fn operations() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations")
}

/// Every metric that is declared.
fn declared(metrics: &str) -> Vec<&str> {
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next()).collect()
}

/// Every word that looks like a metric of ours.
fn named(text: &str) -> Vec<&str> {
    let words = text.split(|symbol: char| !symbol.is_ascii_alphanumeric() && symbol != '_');
    words.filter(|word| word.starts_with("palisade_")).collect()
}

/// Plugins in several states, with something counted in most metrics.
async fn busy() -> Api {
    let api = Api::new();
    let supervisor = &api.house.supervisor;
    api.house.run(&counting()).await;
    supervisor.call(ID, "echo", b"1").await.unwrap();
    supervisor.call(ID, "echo", b"").await.unwrap_err();
    supervisor.call(ID, "\"}\nevil 1\n", b"1").await.unwrap_err();
    supervisor.reload(ID).await.unwrap();
    let failing = Guest {
        manifest: json!({"id": "test.failing"}),
        ..spoiler("1.0.0")
    };
    let bundle = release(&failing.manifest, &failing.wasm(), 1);
    supervisor.install(bundle, InstallOptions::default()).await.unwrap();
    supervisor.enable("test.failing").await.unwrap_err();
    api
}

#[test]
fn promtool_accepts_them_with_plugins_in_several_states() {
    on_one_thread(async {
        let metrics = scrape(&busy().await).await;
        promtool(&["check", "metrics"], &metrics);
        assert_eq!(value(&metrics, r#"palisade_plugins{state="failed"}"#), Some(1.0));
        assert_eq!(value(&metrics, r#"palisade_plugins{state="disabled"}"#), Some(0.0));
        assert_eq!(
            value(&metrics, r#"palisade_plugin_up{plugin="test.failing"}"#),
            Some(0.0)
        );
        assert!(!metrics.contains("evil"), "{metrics}");
    });
}

#[test]
fn each_thing_is_counted_once() {
    on_one_thread(async {
        let metrics = scrape(&busy().await).await;
        let expected = [
            (r#"palisade_plugin_up{plugin="test.guest"}"#, 1.0),
            (
                r#"palisade_call_duration_seconds_count{plugin="test.guest",command="echo",outcome="ok"}"#,
                1.0,
            ),
            (
                r#"palisade_call_duration_seconds_count{plugin="test.guest",command="echo",outcome="trap"}"#,
                1.0,
            ),
            (
                r#"palisade_calls_rejected_total{plugin="test.guest",reason="INVALID_COMMAND"}"#,
                1.0,
            ),
            (r#"palisade_traps_total{plugin="test.guest",reason="unreachable"}"#, 1.0),
            (r#"palisade_reloads_total{plugin="test.guest",result="success"}"#, 1.0),
            (r#"palisade_active_requests{plugin="test.guest"}"#, 0.0),
            ("palisade_events_dropped_total", 0.0),
        ];
        for (series, expected) in expected {
            assert_eq!(value(&metrics, series), Some(expected), "{series}\n{metrics}");
        }
    });
}

#[test]
fn counts_are_exact_under_parallel_commands_and_reloads() {
    on_threads(async {
        let api = Api::new();
        api.house.run(&counting()).await;
        let callers: Vec<_> = (0..8)
            .map(|_| {
                let supervisor = api.house.supervisor.clone();
                tokio::spawn(async move {
                    for _ in 0..100 {
                        supervisor.call(ID, "echo", b"1").await.unwrap();
                    }
                })
            })
            .collect();
        for _ in 0..5 {
            api.house.supervisor.reload(ID).await.unwrap();
        }
        for caller in callers {
            caller.await.unwrap();
        }
        let metrics = scrape(&api).await;
        let calls = r#"palisade_call_duration_seconds_count{plugin="test.guest",command="echo",outcome="ok"}"#;
        assert_eq!(value(&metrics, calls), Some(800.0));
        let all = r#"palisade_call_duration_seconds_bucket{le="+Inf",plugin="test.guest",command="echo",outcome="ok"}"#;
        assert_eq!(value(&metrics, all), Some(800.0), "{metrics}");
        let reloads = r#"palisade_reloads_total{plugin="test.guest",result="success"}"#;
        assert_eq!(value(&metrics, reloads), Some(5.0));
    });
}

#[test]
fn a_command_that_is_given_up_is_counted_as_that() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&waiting()).await;
        let supervisor = api.house.supervisor.clone();
        let call = tokio::spawn(async move { supervisor.call(ID, "wait", b"").await });
        api.house.waits.notified().await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        let cancelled =
            r#"palisade_call_duration_seconds_count{plugin="test.guest",command="other",outcome="cancelled"}"#;
        assert_eq!(value(&scrape(&api).await, cancelled), Some(1.0));
    });
}

#[test]
fn hostile_names_of_commands_are_one_series() {
    on_one_thread(async {
        let api = Api::new();
        api.house.run(&guest("1.0.0")).await;
        for name in ["a", "b\"} 1\n# evil", "\u{202e}", ""] {
            api.house.supervisor.call(ID, name, b"1").await.unwrap();
        }
        let metrics = scrape(&api).await;
        promtool(&["check", "metrics"], &metrics);
        let other = r#"palisade_call_duration_seconds_count{plugin="test.guest",command="other",outcome="ok"}"#;
        assert_eq!(value(&metrics, other), Some(4.0));
        assert!(!metrics.contains("evil"), "{metrics}");
    });
}

#[test]
fn the_series_of_a_plugin_vanish_with_it() {
    on_one_thread(async {
        let api = busy().await;
        assert!(scrape(&api).await.contains(r#"plugin="test.guest""#));
        api.house.supervisor.uninstall(ID, PluginData::Discard).await.unwrap();
        let metrics = scrape(&api).await;
        assert!(!metrics.contains(r#"plugin="test.guest""#), "{metrics}");
        assert!(metrics.contains(r#"plugin="test.failing""#));
    });
}

#[test]
fn alert_rules_and_dashboard_are_sound_and_name_nothing_that_there_is_not() {
    let metrics = on_one_thread(async { scrape(&busy().await).await });
    let declared = declared(&metrics);
    let rules = operations().join("prometheus-alerts.yaml");
    promtool(&["check", "rules", rules.to_str().unwrap()], "");
    let dashboard = std::fs::read_to_string(operations().join("grafana-dashboard.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&dashboard).unwrap();
    let explained = std::fs::read_to_string(operations().join("../metrics.md")).unwrap();
    let texts = [std::fs::read_to_string(rules).unwrap(), dashboard, explained.clone()];
    for name in texts.iter().flat_map(|text| named(text)) {
        let parts = ["_bucket", "_count", "_sum"];
        let whole = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        assert!(declared.contains(&name) || declared.contains(&whole), "{name}");
    }
    for name in declared {
        assert!(explained.contains(&format!("`{name}`")), "docs/metrics.md lacks {name}");
    }
}
