//! The JSON Schema accepts what `parse` accepts and refuses the usual mistakes.

use super::*;

fn validator() -> jsonschema::Validator {
    jsonschema::options().offline().build(&Manifest::schema()).unwrap()
}

#[test]
fn the_schema_is_committed() {
    insta::assert_json_snapshot!(Manifest::schema());
}

#[test]
fn the_schema_accepts_what_parse_accepts() {
    let validator = validator();
    let examples = [
        minimal(),
        complete(),
        serde_json::from_slice(&parse(&complete()).unwrap().to_json()).unwrap(),
        serde_json::from_slice(&parse(&minimal()).unwrap().to_json()).unwrap(),
        with(json!({ "entryPoint": "a.wasm", "resourceLimits": { "executionTime": 30 }, "minCoreVersion": "1.0.0" })),
        with(
            json!({ "permissions": ["read:storage", "storage.write", "network", { "name": "custom:a:b" }], "abi_version": 1 }),
        ),
        with(json!({ "commands": [{ "name": "a", "inputSchema": { "type": "object" }, "outputSchema": false }] })),
        with(json!({ "schedule": [{ "name": "a", "every": 1.5, "command": "b" }], "x-any": [1] })),
        with(
            json!({ "network": {}, "health": {}, "restart": {}, "events": {}, "instance": {}, "resource_limits": {} }),
        ),
    ];
    for example in examples {
        assert!(parse(&example).is_ok(), "{example}");
        let errors: Vec<_> = validator
            .iter_errors(&example)
            .map(|error| format!("{} {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{example}");
    }
}

#[test]
fn the_schema_refuses_the_usual_mistakes() {
    let validator = validator();
    let mistakes = [
        json!({ "name": "A", "version": "1.0.0", "author": "A" }),
        with(json!({ "id": "Com.Acme" })),
        with(json!({ "id": "com.nul" })),
        with(json!({ "name": "" })),
        with(json!({ "version": "1.2" })),
        with(json!({ "permisions": [] })),
        with(json!({ "permissions": ["storage:raed"] })),
        with(json!({ "permissions": [{ "name": "storage:read", "why": "" }] })),
        with(json!({ "entry_point": "plugin.wat" })),
        with(json!({ "entry_point": "a.wasm", "entryPoint": "a.wasm" })),
        with(json!({ "manifest_version": 2 })),
        with(json!({ "abi_version": "1.0.0" })),
        with(json!({ "homepage": "acme.example" })),
        with(json!({ "commands": [] })),
        with(json!({ "commands": [{ "name": "Greet" }] })),
        with(json!({ "commands": [{ "name": "a", "encoding": "text" }] })),
        with(json!({ "instance": { "max": 0 } })),
        with(json!({ "resource_limits": { "memory": "lots" } })),
        with(json!({ "resource_limits": { "fuel": 0 } })),
        with(json!({ "resource_limits": { "execution_time": "1 week" } })),
        with(json!({ "network": { "ports": [0] } })),
        with(json!({ "network": { "hosts": ["https://a.example"] } })),
        with(json!({ "config": [] })),
        with(json!({ "config_schema": "object" })),
        with(json!({ "dependencies": [{ "id": "a" }] })),
        with(json!({ "schedule": [{ "name": "a", "command": "b" }] })),
        with(json!({ "schedule": [{ "name": "a", "every": "1m", "cron": "* * * * *", "command": "b" }] })),
        with(json!({ "schedule": [{ "name": "a", "every": "1m", "command": "b", "when": 1 }] })),
        with(json!({ "restart": { "mode": "never" } })),
        with(json!({ "description": null })),
    ];
    for mistake in mistakes {
        assert!(parse(&mistake).is_err(), "{mistake}");
        assert!(!validator.is_valid(&mistake), "{mistake}");
    }
}
