//! Pages that are written by hand say what the code does.

use std::fs;
use std::path::Path;
use std::time::Duration;

use palisade::{Limits, Manifest};

fn page(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// The first row of a page's tables whose first cell begins so, without that cell.
#[track_caller]
fn cells<'a>(page: &'a str, first: &str) -> Vec<&'a str> {
    let row = page.lines().find(|line| line.starts_with(&format!("| {first}")));
    let row = row.unwrap_or_else(|| panic!("no row `{first}`"));
    row.split('|')
        .map(str::trim)
        .filter(|cell| !cell.is_empty())
        .skip(1)
        .collect()
}

#[test]
fn the_limits_are_those_of_the_code() {
    let page = page("docs/limits.md");
    let count = |units: u64| {
        let millions = units / 1_000_000;
        if millions >= 1000 {
            format!("{},000,000,000", millions / 1000)
        } else {
            format!("{millions},000,000")
        }
    };
    let size = |bytes: u64| format!("{} MiB", bytes >> 20);
    let time = |time: Duration| format!("{} s", time.as_secs());
    let (default, ceiling) = (Limits::DEFAULT, Limits::CEILING);
    let rows = [
        ("fuel per command", count(default.fuel), count(ceiling.fuel)),
        (
            "fuel for a start",
            format!("{} each", count(default.lifecycle_fuel)),
            count(ceiling.lifecycle_fuel),
        ),
        ("memory", size(default.memory_bytes), size(ceiling.memory_bytes)),
        (
            "wall clock per command",
            time(default.execution_time),
            time(ceiling.execution_time),
        ),
        (
            "wall clock for a start",
            time(default.initialization_time),
            time(ceiling.initialization_time),
        ),
        (
            "arguments of a command",
            size(default.args_bytes),
            size(ceiling.args_bytes),
        ),
        (
            "reply to a command",
            size(default.output_bytes),
            size(ceiling.output_bytes),
        ),
    ];
    for (first, default, ceiling) in rows {
        assert_eq!(cells(&page, first)[..2], [default, ceiling], "{first}");
    }
    assert!(cells(&page, "log ")[0].ends_with(&format!("{} a command", size(default.log_bytes))));
}

#[test]
fn the_manifest_on_its_page_is_one() {
    let page = page("docs/manifest.md");
    let (_, rest) = page.split_once("```json\n").unwrap();
    let (manifest, _) = rest.split_once("```").unwrap();
    Manifest::parse(manifest.as_bytes()).unwrap();
}

#[test]
fn every_member_of_the_manifest_is_on_its_page() {
    let page = page("docs/manifest.md");
    let schema = Manifest::schema();
    let members = schema["properties"].as_object().unwrap();
    assert!(members.len() > 20, "{members:?}");
    let is_an_alias = |member: &str| member.contains(char::is_uppercase);
    for member in members
        .keys()
        .filter(|member| *member != "$schema" && !is_an_alias(member))
    {
        assert!(
            page.contains(&format!("`{member}`")),
            "docs/manifest.md does not name `{member}`"
        );
    }
}
