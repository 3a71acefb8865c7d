//! `bench`: what it measures, and how two results are set against each other.

use serde_json::{Value, json};

use super::{Desk, Ended};

/// Runs `bench` on the echo for a moment.
fn bench(desk: &Desk, more: &[&str]) -> Ended {
    let bench = [
        "bench",
        "echo.zip",
        "any",
        "--trust",
        "me.pub",
        "--duration",
        "20ms",
        "--json",
    ];
    desk.run(bench.iter().chain(more))
}

/// A saved result of the echo in which no time can be a regression, and then some change.
fn saved(desk: &Desk, name: &str, change: impl FnOnce(&mut Value)) {
    bench(desk, &["--save", name]).exits(0);
    let mut saved: Value = serde_json::from_slice(&desk.read(name)).unwrap();
    saved["latency_us"]["p50"] = json!(1e9);
    saved["rate_per_s"] = json!(0.001);
    change(&mut saved);
    desk.write(name, saved.to_string());
}

#[track_caller]
fn check_compared(change: impl FnOnce(&mut Value), exit: i32, regressed: &[&str]) {
    let desk = Desk::with_echo();
    saved(&desk, "before.json", change);
    let answer = bench(&desk, &["--compare", "before.json"]).exits(exit).json();
    let differences = answer["compared"]["differences"].as_array().unwrap();
    let found = differences.iter().filter(|difference| difference["regressed"] == true);
    assert_eq!(
        found.map(|difference| &difference["what"]).collect::<Vec<_>>(),
        regressed
    );
    assert_eq!(answer["compared"]["regressed"], !regressed.is_empty());
}

#[track_caller]
fn check_refused(desk: &Desk, more: &[&str], says: &str) {
    let problem = bench(desk, more).exits(2).problem();
    assert_eq!(problem["code"], "INVALID_ARGUMENT");
    assert!(problem["message"].as_str().unwrap().contains(says), "{problem}");
}

#[test]
fn bench_tells_calls_times_fuel_and_memory() {
    let desk = Desk::with_echo();
    let answer = bench(&desk, &[]).exits(0).json();
    for number in ["calls", "rate_per_s", "fuel", "memory_bytes"] {
        assert!(answer[number].as_f64().unwrap() > 0.0, "{number}");
    }
    for percentile in ["p50", "p90", "p99", "p999", "max"] {
        assert!(answer["latency_us"][percentile].is_number(), "{percentile}");
    }
    assert_eq!(answer["compared"], Value::Null);
}

#[test]
fn the_same_plugin_takes_the_same_fuel_and_memory_each_time() {
    let desk = Desk::with_echo();
    let (one, two) = (bench(&desk, &[]).exits(0).json(), bench(&desk, &[]).exits(0).json());
    for number in ["fuel", "memory_bytes"] {
        assert_eq!(one[number], two[number]);
    }
}

#[test]
fn what_is_no_worse_than_before_is_no_finding() {
    check_compared(|_| {}, 0, &[]);
}

#[test]
fn more_fuel_than_before_is_a_regression() {
    check_compared(|saved| saved["fuel"] = json!(1), 20, &["fuel"]);
}

#[test]
fn more_memory_than_before_is_a_regression() {
    check_compared(|saved| saved["memory_bytes"] = json!(65_536), 20, &["memory_bytes"]);
}

#[test]
fn more_time_than_before_is_a_regression() {
    check_compared(|saved| saved["latency_us"]["p50"] = json!(0.001), 20, &["p50_us"]);
    check_compared(|saved| saved["rate_per_s"] = json!(1e12), 20, &["rate_per_s"]);
}

#[test]
fn people_read_the_differences_and_whose_the_times_are() {
    let desk = Desk::with_echo();
    saved(&desk, "before.json", |saved| saved["fuel"] = json!(1));
    let arguments = [
        "bench",
        "echo.zip",
        "any",
        "--trust",
        "me.pub",
        "--duration",
        "1ms",
        "--compare",
        "before.json",
    ];
    let text = desk.run(arguments).exits(20).text();
    assert!(text.contains("worse than before"), "{text}");
    assert!(text.contains("regressed: more than × 1.01"), "{text}");
    assert!(text.contains("compare those of one machine"), "{text}");
}

#[test]
fn a_file_that_no_bench_wrote_is_refused() {
    let desk = Desk::with_echo();
    desk.write("empty.json", "{}");
    check_refused(&desk, &["--compare", "empty.json"], "no result of `bench --save`");
    desk.write("cut.json", r#"{"plugin":"#);
    check_refused(&desk, &["--compare", "cut.json"], "no result of `bench --save`");
    // A time below zero would make everything well.
    saved(&desk, "below.json", |saved| saved["latency_us"]["p50"] = json!(-1.0));
    check_refused(&desk, &["--compare", "below.json"], "not above zero");
    saved(&desk, "nothing.json", |saved| saved["rate_per_s"] = json!(0));
    check_refused(&desk, &["--compare", "nothing.json"], "not above zero");
}

#[test]
fn a_result_of_other_work_is_refused_before_anything_is_measured_or_saved() {
    let desk = Desk::with_echo();
    let compare = ["--compare", "before.json", "--save", "now.json"];
    let others = [
        ("plugin", "another plugin"),
        ("command", "another command"),
        ("arguments", "another input"),
    ];
    for (member, says) in others {
        saved(&desk, "before.json", |saved| saved[member] = json!("0".repeat(64)));
        check_refused(&desk, &compare, says);
    }
    saved(&desk, "before.json", |saved| saved["concurrency"] = json!(2));
    check_refused(&desk, &compare, "another number of callers");
    assert!(!desk.path("now.json").exists());
}

#[test]
fn a_newer_version_is_compared_with_an_older_one() {
    check_compared(|saved| saved["version"] = json!("0.0.1"), 0, &[]);
}
