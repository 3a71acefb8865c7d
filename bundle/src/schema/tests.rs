use serde_json::json;

use super::*;

#[track_caller]
fn compile(schema: Value) -> Schema {
    Schema::compile(&schema).unwrap()
}

#[track_caller]
fn refusal(schema: Value) -> String {
    Schema::compile(&schema).unwrap_err().to_string()
}

fn listed(schema: Value, value: Value) -> String {
    let violations = compile(schema).violations(&value);
    violations
        .iter()
        .map(|it| format!("{} {}\n", it.pointer, it.expected))
        .collect()
}

#[test]
fn says_in_words_what_is_expected_and_where() {
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["city"],
        "properties": {
            "city": { "type": "string", "minLength": 1, "maxLength": 3 },
            "units": { "enum": ["metric", "imperial"] },
            "days": { "type": "integer", "minimum": 1, "maximum": 7 },
            "tags": { "type": "array", "uniqueItems": true, "items": { "pattern": "^[a-z]+$" } },
            "mode": { "const": "fast" },
            "either": { "anyOf": [{ "type": "string" }, { "type": "null" }] },
            "several": { "type": ["number", "boolean"] }
        }
    });
    let value = json!({
        "units": "kelvin", "days": 9, "tags": ["a", "B", "a"], "mode": "slow", "either": 1, "several": "x", "a/b": 1
    });
    insta::assert_snapshot!(listed(schema, value));
}

#[test]
fn a_value_that_fits_has_no_violations() {
    assert!(
        compile(json!({ "type": "object" }))
            .violations(&json!({ "a": [1, 2] }))
            .is_empty()
    );
    assert!(compile(json!(true)).violations(&json!(null)).is_empty());
    assert_eq!(listed(json!(false), json!(1)), " nothing here\n");
}

#[test]
fn references_inside_the_document_work() {
    let schema = json!({
        "$defs": {
            "a port": { "type": "integer" },
            "tree": { "properties": { "left": { "$ref": "#/$defs/tree" }, "value": { "type": "integer" } } }
        },
        "properties": {
            "port": { "$ref": "#/$defs/a%20port" },
            "tree": { "$ref": "#/$defs/tree" },
            "again": { "$ref": "#" }
        }
    });
    assert_eq!(listed(schema.clone(), json!({ "port": "x" })), "/port a whole number\n");
    assert_eq!(
        listed(
            schema.clone(),
            json!({ "tree": { "left": { "left": { "value": "x" } } } })
        ),
        "/tree/left/left/value a whole number\n"
    );
    assert_eq!(
        listed(schema, json!({ "again": { "again": { "port": "x" } } })),
        "/again/again/port a whole number\n"
    );
}

#[test]
fn references_to_anything_else_are_refused() {
    for reference in [
        "https://example.com/s.json",
        "http://127.0.0.1/#/a",
        "file:///etc/passwd",
        "other.json#/a",
        "#anchor",
        "",
        "//x",
    ] {
        let error = Schema::compile(&json!({ "properties": { "a": { "$ref": reference } } })).unwrap_err();
        assert_eq!(error.pointer(), "/properties/a/$ref");
        assert!(matches!(error, SchemaError::ExternalReference { .. }), "{reference}");
    }
    insta::assert_snapshot!(refusal(json!({ "$ref": "https://example.com/s.json" })), @"`/$ref`: `https://example.com/s.json` is outside this schema");
    insta::assert_snapshot!(refusal(json!({ "$ref": "#/$defs/a" })), @"`/$ref`: there is nothing at `#/$defs/a`");
    insta::assert_snapshot!(refusal(json!({ "$defs": { "unused": { "$ref": "https://example.com/s.json" } } })), @"`/$defs/unused/$ref`: `https://example.com/s.json` is outside this schema");
}

#[test]
fn a_property_may_be_called_like_a_keyword() {
    let schema = json!({ "properties": { "$ref": { "type": "string" }, "items": { "type": "integer" } } });
    assert_eq!(listed(schema, json!({ "$ref": "https://example.com", "items": 1 })), "");
    assert_eq!(
        listed(
            json!({ "const": { "$ref": "https://example.com" } }),
            json!({ "$ref": "https://example.com" })
        ),
        ""
    );
}

#[test]
fn keywords_that_change_what_references_mean_are_refused() {
    insta::assert_snapshot!(refusal(json!({ "items": { "$id": "https://a.example/b" } })), @"`/items/$id`: `$id` is not supported");
    insta::assert_snapshot!(refusal(json!({ "$dynamicRef": "#x" })), @"`/$dynamicRef`: `$dynamicRef` is not supported");
    insta::assert_snapshot!(refusal(json!({ "$schema": "https://a.example/meta" })), @r#"`/$schema`: expected a draft of JSON Schema such as "https://json-schema.org/draft/2020-12/schema", found "https://a.example/meta""#);
    assert!(
        Schema::compile(&json!({ "$id": "https://a.example/b", "$schema": "http://json-schema.org/draft-07/schema#" }))
            .is_ok()
    );
}

#[test]
fn a_malformed_schema_is_refused_at_the_place() {
    insta::assert_snapshot!(refusal(json!({ "properties": { "a": { "type": "strin" } } })), @r#"`/properties/a/type`: expected one of "array", "boolean", "integer", "null", "number", "object", "string", or a list, found "strin""#);
    insta::assert_snapshot!(refusal(json!({ "minimum": "1" })), @r#"`/minimum`: expected a number, found "1""#);
    insta::assert_snapshot!(refusal(json!({ "properties": { "a": { "pattern": "(" } } })), @r#"`/properties/a/pattern`: expected a regular expression, found "(", which is none, is too large, or looks around or back"#);
    insta::assert_snapshot!(refusal(json!({ "properties": { "a": { "pattern": "(?=a)b" } } })), @r#"`/properties/a/pattern`: expected a regular expression, found "(?=a)b", which is none, is too large, or looks around or back"#);
    insta::assert_snapshot!(refusal(json!({ "pattern": "(?:a{1000}){1000}" })), @r#"`/pattern`: expected a regular expression, found "(?:a{1000}){1000}", which is none, is too large, or looks around or back"#);
    insta::assert_snapshot!(refusal(json!("string")), @r#"expected true or false or an object, found "string""#);
    assert!(Schema::compile(&json!({ "pattern": "^[\\p{L}\\w -]+$" })).is_ok());
}

#[test]
fn a_reference_that_leads_back_to_itself_is_refused() {
    insta::assert_snapshot!(refusal(json!({ "$ref": "#" })), @"this leads back to itself without going into the value");
    let circle = json!({
        "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "anyOf": [{ "$ref": "#/$defs/a" }] } },
        "items": { "$ref": "#/$defs/a" }
    });
    insta::assert_snapshot!(refusal(circle), @"`/$defs/a`: this leads back to itself without going into the value");
}

#[test]
fn definitions_that_double_cost_nothing() {
    let mut definitions = serde_json::Map::new();
    for level in 0..60 {
        let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
        definitions.insert(format!("d{level}"), json!({ "allOf": [next.clone(), next] }));
    }
    definitions.insert("d60".to_owned(), json!({ "type": "string" }));
    let schema = compile(json!({ "$defs": definitions, "$ref": "#/$defs/d0" }));
    assert_eq!(
        schema.violations(&json!("text")).first().map(|it| it.keyword.as_str()),
        Some("")
    );
}

#[test]
fn overlapping_recursion_is_checked_only_as_deep_as_it_is_cheap() {
    let node = json!({ "oneOf": [
        { "properties": { "left": { "$ref": "#" }, "right": { "$ref": "#" }, "kind": { "const": "add" } } },
        { "properties": { "left": { "$ref": "#" }, "kind": { "const": "neg" } } }
    ] });
    let schema = compile(node);
    let nested = |depth: usize| {
        (0..depth).fold(
            json!({ "kind": "neg" }),
            |inner, _| json!({ "kind": "neg", "left": inner }),
        )
    };
    assert!(schema.violations(&nested(5)).is_empty());
    insta::assert_snapshot!(schema.violations(&nested(30)).remove(0).expected, @"a smaller value or a simpler schema: checking this one takes too many steps");
}

#[test]
fn values_of_the_greatest_depth_are_checked_and_deeper_ones_are_not() {
    let nested = |depth: usize| (1..depth).fold(json!(1), |inner, _| json!([inner]));
    let schema = compile(json!({ "items": { "$ref": "#" } }));
    assert!(schema.violations(&nested(MAX_VALUE_DEPTH)).is_empty());
    assert_eq!(
        schema.violations(&nested(MAX_VALUE_DEPTH + 1)).remove(0).expected,
        "at most 32 levels of nesting"
    );
}

#[test]
fn evaluation_of_the_greatest_depth_fits_a_small_stack() {
    let chain = |length: u64, link: fn(Value) -> Value| {
        let mut definitions = serde_json::Map::new();
        for level in 1..length {
            let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
            definitions.insert(format!("d{level}"), link(next));
        }
        definitions.insert(format!("d{length}"), json!({ "type": "string" }));
        compile(json!({ "$defs": definitions, "$ref": "#/$defs/d1" }))
    };
    let links: [fn(Value) -> Value; 4] = [
        |next| json!({ "allOf": [next] }),
        |next| json!({ "anyOf": [next] }),
        |next| json!({ "oneOf": [next] }),
        |next| json!({ "if": true, "then": next }),
    ];
    for link in links {
        // The root, and two subschemas a link.
        let deepest = chain(MAX_EVALUATION_DEPTH / 2, link).violations(&json!(1)).remove(0);
        assert!(deepest.expected.contains("text"), "{}", deepest.expected);
        let deeper = chain(MAX_EVALUATION_DEPTH / 2 + 1, link)
            .violations(&json!(1))
            .remove(0);
        assert_eq!(deeper.keyword, "");
    }
    chain(20_000, |next| json!({ "allOf": [next] }));
}

#[test]
fn a_large_value_gets_its_first_violation_only() {
    let schema = compile(json!({ "items": { "type": "string" } }));
    let small = Value::Array(vec![json!(1); 100]);
    let large = Value::Array(vec![json!(1); 100_000]);
    assert_eq!(schema.violations(&small).len(), MAX_VIOLATIONS);
    assert_eq!(schema.violations(&large).len(), 1);
}

#[test]
fn a_hostile_pattern_runs_in_linear_time() {
    let schema = compile(json!({ "pattern": "^(a|a?)+$" }));
    assert_eq!(schema.violations(&json!("a".repeat(50_000) + "b")).len(), 1);
}
