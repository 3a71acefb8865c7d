//! The JSON Schema of `plugin.json`, from the Rust types.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::Manifest;
use super::read::camel_case;

pub(super) fn of_manifest() -> Value {
    let mut schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<Manifest>()
        .to_value();
    refuse_null(&mut schema);
    accept_aliases(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert(
            "patternProperties".to_owned(),
            json!({ "^x-": { "description": "Free for anybody, kept as it is." } }),
        );
        if let Some(properties) = root.get_mut("properties").and_then(Value::as_object_mut) {
            let link = json!({ "type": "string", "description": "A link to this schema, for editors." });
            properties.insert("$schema".to_owned(), link);
        }
    }
    schema
}

/// A key that is left out is left out: `null` is no other way to say so, though `Option` suggests it.
fn refuse_null(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(refuse_null);
            if let Some(Value::Array(types)) = members.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    members.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(branches)) = members.get_mut("anyOf") {
                branches.retain(|branch| *branch != json!({ "type": "null" }));
                if let [Value::Object(only)] = branches.as_slice() {
                    let only = only.clone();
                    members.remove("anyOf");
                    only.into_iter().for_each(|(key, value)| {
                        members.entry(key).or_insert(value);
                    });
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(refuse_null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Accepts the camelCase spelling of every key of every object, but not beside the snake_case one.
fn accept_aliases(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(accept_aliases);
            add_aliases(members);
        }
        Value::Array(items) => items.iter_mut().for_each(accept_aliases),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn add_aliases(object: &mut Map<String, Value>) {
    let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    let spelled: Vec<_> = properties
        .keys()
        .map(|key| (key.clone(), camel_case(key)))
        .filter(|(key, alias)| key != alias)
        .collect();
    let mut either = Vec::new();
    for (key, alias) in spelled {
        if let Some(mut meaning) = properties.get(&key).cloned() {
            if let Some(meaning) = meaning.as_object_mut() {
                meaning.insert("description".to_owned(), json!(format!("Another spelling of `{key}`.")));
                meaning.insert("deprecated".to_owned(), json!(true));
            }
            properties.insert(alias.clone(), meaning);
            either.push(json!({ "not": { "required": [key, alias] } }));
        }
    }
    if !either.is_empty() {
        object.insert("allOf".to_owned(), Value::Array(either));
    }
}
