use serde_json::json;

use super::*;

fn order() -> Value {
    json!({
        "type": "object",
        "required": ["name", "count", "urgent"],
        "properties": {
            "name": {"type": "string", "description": "Whom it is for"},
            "count": {"type": "integer"},
            "weight": {"type": ["number", "null"]},
            "urgent": {"type": "boolean"},
            "size": {"enum": ["small", "large", 3]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "address": {"$ref": "#/$defs/Address"},
            "more": {"type": "array", "items": {"type": "integer"}}
        },
        "$defs": {"Address": {"type": "object", "required": ["street"], "properties": {"street": {"type": "string"}}}}
    })
}

#[track_caller]
fn check(fields: &[(&str, &str)], value: Option<Value>) {
    assert_eq!(Field::of(Some(&order()), None).read(&Form::of(fields)), value);
}

#[test]
fn every_kind_of_field_gives_its_kind_of_value() {
    check(
        &[
            ("/name", "Ada"),
            ("/count", "3"),
            ("/weight", "1.5"),
            ("/urgent", "true"),
            ("/size", "\"large\""),
            ("/tags", "a\nb c\n"),
            ("/address/street", "High Street"),
            ("/more", "[1, 2]"),
        ],
        Some(json!({
            "name": "Ada", "count": 3, "weight": 1.5, "urgent": true, "size": "large", "tags": ["a", "b c"],
            "address": {"street": "High Street"}, "more": [1, 2]
        })),
    );
}

#[test]
fn what_is_left_empty_is_left_out_unless_it_has_to_be_there() {
    let fields = [
        ("/name", ""),
        ("/count", "0"),
        ("/weight", ""),
        ("/tags", ""),
        ("/size", ""),
    ];
    let value = json!({"name": "", "count": 0, "urgent": false});
    check(&fields, Some(value));
}

#[test]
fn what_cannot_be_read_is_said_at_its_field() {
    for (count, more) in [("many", "[]"), ("1.5", "[]"), ("", "[]"), ("1", "[")] {
        let mut form = Field::of(Some(&order()), None);
        assert_eq!(form.read(&Form::of(&[("/count", count), ("/more", more)])), None);
        let wrong: Vec<_> = form.members().iter().filter(|field| field.error.is_some()).collect();
        assert_eq!(wrong.len(), 1, "{count} {more}");
    }
}

#[test]
fn an_error_is_said_at_the_nearest_field_there_is() {
    let mut form = Field::of(Some(&order()), None);
    assert!(form.complain("/more/1", "a number"));
    assert!(form.complain("/address/street", "a street"));
    assert!(!form.complain("/elsewhere", "nothing"));
    assert!(!form.complain("", "less"));
    let at = |pointer: &str| form.members().iter().find(|field| field.pointer == pointer).unwrap();
    assert_eq!(at("/more").error.as_deref(), Some("expected a number"));
    assert_eq!(at("/address").members()[0].error.as_deref(), Some("expected a street"));
}

#[test]
fn what_a_value_holds_beyond_its_schema_comes_back() {
    let schema = json!({"type": "object", "properties": {"known": {"type": "string"}}});
    let value = json!({"known": "a", "other": [1, {"deep": true}]});
    let mut form = Field::of(Some(&schema), Some(&value));
    let typed: Vec<_> = form
        .members()
        .iter()
        .map(|field| (field.pointer.clone(), field.text.clone()))
        .collect();
    let typed: Vec<_> = typed
        .iter()
        .map(|(pointer, text)| (pointer.as_str(), text.as_str()))
        .collect();
    assert_eq!(form.read(&Form::of(&typed)), Some(value));
}

#[test]
fn without_a_schema_and_where_a_value_does_not_fit_it_there_is_json() {
    let mut form = Field::of(None, Some(&json!({"a": 1})));
    assert_eq!(form.kind, Kind::Json);
    assert_eq!(form.read(&Form::of(&[("", "{\"a\": 2}")])), Some(json!({"a": 2})));
    let form = Field::of(Some(&order()), Some(&json!({"count": "three"})));
    let count = form.members().iter().find(|field| field.label == "count").unwrap();
    assert_eq!((&count.kind, count.text.as_str()), (&Kind::Json, "\"three\""));
}

#[test]
fn a_schema_that_goes_in_circles_is_edited_as_json() {
    let schema = json!({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}});
    assert_eq!(Field::of(Some(&schema), None).kind, Kind::Json);
    let nested = json!({"properties": {"self": {"$ref": "#"}}});
    let form = Field::of(Some(&nested), None);
    assert!(form.render().unwrap().matches("<fieldset").count() <= MAX_DEPTH);
}
