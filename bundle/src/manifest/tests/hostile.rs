//! Input nobody meant well.

use proptest::prelude::*;

use super::*;

#[test]
fn the_largest_manifest_is_read_and_one_byte_more_is_refused() {
    let mut text = serde_json::to_vec(&minimal()).unwrap();
    text.resize(MAX_MANIFEST_BYTES, b' ');
    assert!(Manifest::parse(&text).is_ok());
    text.push(b' ');
    let error = Manifest::parse(&text).unwrap_err();
    insta::assert_snapshot!(error, @"the manifest has 262145 bytes, 262144 are allowed");
}

#[test]
fn the_deepest_manifest_is_read_and_one_level_more_is_refused() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let manifest = |levels: usize| {
        format!(
            r#"{{ "id": "a", "name": "A", "version": "1.0.0", "author": "A", "x-a": {} }}"#,
            nested(levels)
        )
    };
    assert!(Manifest::parse(manifest(MAX_DEPTH).as_bytes()).is_ok());
    let error = Manifest::parse(manifest(MAX_DEPTH + 1).as_bytes()).unwrap_err();
    assert_eq!(error.first().fault, ManifestFault::TooDeep { limit: MAX_DEPTH });
    let bottomless = "[".repeat(MAX_MANIFEST_BYTES);
    assert!(Manifest::parse(bottomless.as_bytes()).is_err());
}

#[test]
fn the_most_values_are_read_and_one_more_is_refused() {
    // The manifest itself and its five members are six.
    let manifest = |values: usize| with(json!({ "x-a": vec![1; values - 6] }));
    assert!(parse(&manifest(MAX_VALUES)).is_ok());
    let error = parse(&manifest(MAX_VALUES + 1)).unwrap_err();
    assert_eq!(error.first().fault, ManifestFault::TooManyValues { limit: MAX_VALUES });
}

#[test]
fn a_schema_that_doubles_is_read_in_no_time() {
    let mut definitions = serde_json::Map::new();
    for level in 0..200 {
        let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
        definitions.insert(format!("d{level}"), json!({ "anyOf": [next.clone(), next] }));
    }
    definitions.insert("d200".to_owned(), json!({ "type": "string" }));
    let schema = json!({ "$defs": definitions, "$ref": "#/$defs/d0" });
    let manifest = with(json!({ "config": { "a": 1 }, "config_schema": schema }));
    assert_eq!(parse(&manifest).unwrap_err().first().pointer, "/config");
}

#[test]
fn a_schema_with_too_many_patterns_is_refused() {
    let schema = |patterns: usize| {
        let property = |number: usize| (format!("p{number}"), json!({ "pattern": "^a$" }));
        let properties: serde_json::Map<String, Value> = (0..patterns).map(property).collect();
        with(json!({ "config_schema": { "properties": properties } }))
    };
    assert!(parse(&schema(100)).is_ok());
    insta::assert_snapshot!(parse(&schema(101)).unwrap_err(), @"`/config_schema`: expected at most 100 regular expressions, found 101 (line 3, column 20)");
}

proptest! {
    #[test]
    fn reading_never_panics_on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Manifest::parse(&bytes);
    }

    #[test]
    fn reading_never_panics_on_a_manifest_with_wounds(
        wounds in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let mut text = serde_json::to_vec_pretty(&complete()).unwrap();
        for (place, byte, kind) in wounds {
            let place = place.index(text.len());
            match kind {
                0 => text[place] = byte,
                1 => { text.remove(place); }
                _ => text.insert(place, byte),
            }
        }
        if let Err(error) = Manifest::parse(&text) {
            for problem in error.problems() {
                prop_assert!(problem.location.span.end <= text.len() + 1);
                prop_assert!(!problem.to_string().contains('\n'));
            }
            let _ = (error.details(), error.help(), error.code());
        }
    }

    #[test]
    fn reading_never_panics_on_any_json(value in any_json()) {
        let manifest = with(json!({ "config": value, "config_schema": value, "commands": value, "x-a": value }));
        let _ = parse(&manifest);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "name",
        "$ref",
        "items",
        "properties",
        "anyOf",
        "type",
        "pattern",
        "enum",
        "input_schema",
        "$defs",
        "a~/b",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec!["#", "#/items", "#/%", "string", "(", "a"]).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(key.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
