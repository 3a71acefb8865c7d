//! What people and programs read.

use super::*;

#[track_caller]
fn error(text: &str) -> ManifestError {
    Manifest::parse(text.as_bytes()).unwrap_err()
}

/// Every problem of a text, one a line, with the bytes each points at.
#[track_caller]
fn report(text: &str) -> String {
    let line = |problem: &ManifestProblem| {
        let spot = text
            .get(problem.location.span.clone())
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default();
        let suggestion = problem
            .suggestion()
            .map(|suggestion| format!(" [{suggestion}]"))
            .unwrap_or_default();
        format!("{problem}{suggestion} -> {spot}\n")
    };
    error(text).problems().map(line).collect()
}

const START: &str = r#"{ "id": "a", "name": "A", "version": "1.0.0", "author": "A", "#;

#[test]
fn one_run_names_every_problem_in_the_order_of_the_text() {
    let text = r#"{
  "id": "Com.Acme",
  "nam": "Weather",
  "version": "1.2",
  "permisions": [],
  "permissions": ["storage:raed", { "name": "log:write", "optinal": true }],
  "commands": [{ "name": "sayHello", "input_schema": { "properties": { "a": { "type": "strng" } } } }],
  "resourceLimits": { "memory": "64 Mib", "fuel": "many" },
  "instance": { "mode": "sesion" }
}"#;
    insta::assert_snapshot!(report(text));
    insta::assert_snapshot!(error(text), @"the key `author` is missing (line 1, column 1), and 10 more problems");
    insta::assert_json_snapshot!(error(text).details());
}

#[test]
fn syntax_errors_point_at_the_place() {
    let texts = [
        "",
        "{",
        "{\n  \"id\": \"a\",\n}",
        "{\n  \"id\": \"a\"\n  \"name\": 1\n}",
        "{ \"id\": 'a' }",
        "{} {}",
        "\u{feff}{}",
        "{ \"ä\": \"\\ud800\" }",
        "{ \"id\": 01 }",
        "{ \"id\": 1e999 }",
        "{ // comment\n}",
        "{ \"a\": \"\u{1}\" }",
    ];
    insta::assert_snapshot!(texts.map(report).concat());
}

#[test]
fn what_is_no_object_or_no_text_is_said() {
    insta::assert_snapshot!(["[]", "null", "\"x\"", "12"].map(report).concat());
    let error = Manifest::parse(b"{ \"id\": \"\xff\" }").unwrap_err();
    insta::assert_snapshot!(error, @"the manifest is not UTF-8 text (line 1, column 10)");
}

#[test]
fn duplicate_keys_are_found_everywhere() {
    let text = format!(
        r#"{START} "id": "b", "instance": {{ "max": 1, "max": 2 }}, "config": {{ "a": {{ "b": 1, "\u0062": 2 }} }}, "x-a": [{{ "c": 1, "c": 1 }}] }}"#
    );
    insta::assert_snapshot!(report(&text));
}

#[test]
fn pointers_escape_and_texts_are_safe_to_print() {
    let text = format!(
        r#"{START} "config": {{ "a/b~c": {{ "x": 1, "x": 2 }} }}, "\u001b[31mred\u202e": 1, "{}": 2 }}"#,
        "k".repeat(100)
    );
    insta::assert_snapshot!(report(&text));
}

#[test]
fn columns_count_characters_and_spans_count_bytes() {
    let text = "{ \"name\": \"Grüße 世界\", \"bad\": 1 }";
    let error = error(text);
    let bad = error.problems().find(|problem| problem.pointer == "/bad").unwrap();
    assert_eq!((bad.location.line, bad.location.column), (1, 23));
    assert_eq!(text.get(bad.location.span.clone()), Some("\"bad\""));
}

#[test]
fn help_suggests() {
    let help = |members: Value| parse(&with(members)).unwrap_err().help();
    assert_eq!(help(json!({ "licence": "MIT" })), ["did you mean `license`?"]);
    assert_eq!(
        help(json!({ "permissions": ["storage:raed"] })),
        [
            "did you mean `storage:read`?",
            "`palisade help permissions` lists every permission"
        ]
    );
    assert_eq!(
        help(json!({ "fruit": 1 })),
        ["`palisade schema manifest` describes every key"]
    );
}

#[test]
fn no_more_than_a_screenful_is_reported() {
    let members: serde_json::Map<String, Value> =
        (0..100).map(|number| (format!("unknown{number}"), json!(1))).collect();
    let error = parse(&with(Value::Object(members))).unwrap_err();
    assert_eq!(error.problems().count(), MAX_PROBLEMS);
}
