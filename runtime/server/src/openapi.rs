//! The API as OpenAPI 3.1, made from its endpoints.

use std::collections::BTreeMap;

use palisade::{Blame, Code};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::endpoint::Endpoint;

/// What every call can fail with: a request that says nothing sensible, or a host that fails.
const ALWAYS: [u16; 2] = [400, 500];

/// What a call with a scope can fail with: without a token, and with one that may not.
const SCOPED: [u16; 2] = [401, 403];

/// The document.
pub(crate) fn document(endpoints: &[Endpoint]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for endpoint in endpoints {
        let method = endpoint.method.as_str().to_ascii_lowercase();
        let mut add = |path: &str, with_id: bool| {
            let operation = operation(endpoint, with_id, &mut generator);
            paths
                .entry(path.to_owned())
                .or_default()
                .insert(method.clone(), operation);
        };
        add(endpoint.path, endpoint.path.contains("{id}"));
        if let Some(alias) = endpoint.alias() {
            add(&alias, true);
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem(false));
    schemas.insert("ClassicProblem".to_owned(), problem(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Palisade management API",
            "description": "Install, watch and operate sandboxed plugins. Errors are RFC 9457 problem documents; their `code` is one of docs/errors.md.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"}
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {
                "type": "http",
                "scheme": "bearer",
                "description": "A token of `palisade token create`. The scopes it needs are named by each call."
            }}
        }
    })
}

fn operation(endpoint: &Endpoint, with_id: bool, generator: &mut SchemaGenerator) -> Value {
    let suffix = if with_id && endpoint.alias().is_some() {
        "_by_path"
    } else {
        ""
    };
    let security = endpoint.scope.map(|scope| json!({"token": [scope.as_str()]}));
    let mut operation = Map::from_iter([
        ("operationId".to_owned(), json!(format!("{}{suffix}", endpoint.name))),
        ("summary".to_owned(), json!(endpoint.summary)),
        ("parameters".to_owned(), json!(parameters(endpoint, with_id))),
        ("responses".to_owned(), responses(endpoint, generator)),
        ("security".to_owned(), security.into_iter().collect()),
    ]);
    if let Some(body) = &endpoint.body {
        let content = json!({body.media_type: {"schema": body.schema.to_value(generator)}});
        let body = json!({"required": body.is_required, "content": content});
        operation.insert("requestBody".to_owned(), body);
    }
    Value::Object(operation)
}

fn parameters(endpoint: &Endpoint, with_id: bool) -> Vec<Value> {
    let of_plugin = endpoint.about_plugin.then(|| match with_id {
        true => json!({"name": "id", "in": "path", "required": true, "description": "The id of the plugin",
            "schema": {"type": "string", "minLength": 1}}),
        false => json!({"name": "plugin", "in": "query", "required": true, "description": "The id of the plugin",
            "schema": {"type": "string", "minLength": 1}}),
    });
    let of_query = endpoint.parameters.iter().map(|parameter| {
        let place = if endpoint.path.contains(&format!("{{{}}}", parameter.name)) {
            "path"
        } else {
            "query"
        };
        json!({"name": parameter.name, "in": place, "required": parameter.is_required,
            "description": parameter.description, "schema": parameter.schema})
    });
    of_plugin.into_iter().chain(of_query).collect()
}

fn responses(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for answer in &endpoint.answers {
        let status = answer.status.to_string();
        let of_same_status = endpoint.answers.iter().filter(|other| other.status == answer.status);
        let content: Map<_, _> = of_same_status
            .map(|answer| {
                let schema = answer.schema.to_value(generator);
                (answer.media_type.to_owned(), json!({"schema": schema}))
            })
            .collect();
        responses.insert(status, json!({"description": "What was asked for", "content": content}));
    }
    let scoped = if endpoint.scope.is_some() { &SCOPED[..] } else { &[] };
    let name = if endpoint.is_classic {
        "ClassicProblem"
    } else {
        "Problem"
    };
    for status in ALWAYS.iter().chain(scoped).chain(endpoint.fails) {
        let problem = json!({"schema": {"$ref": format!("#/components/schemas/{name}")}});
        let response = json!({"description": meaning(*status), "content": {"application/problem+json": problem}});
        responses.entry(status.to_string()).or_insert(response);
    }
    Value::Object(responses)
}

/// What an error status says, in one sentence.
fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request says nothing sensible.",
        401 => "A token is needed.",
        403 => "The token lacks the scope, or it is not allowed here.",
        404 => "There is nothing by this name.",
        409 => "Something else is going on, or the state does not allow it.",
        412 => "It was changed since.",
        413 => "The body is over its limit.",
        415 => "The body is of another type.",
        422 => "The bundle or the configuration is not acceptable.",
        429 => "Too many requests; `Retry-After` says when to try again.",
        503 => "It is on its way up or down; `Retry-After` says when to try again.",
        504 => "It did not end in time.",
        507 => "A limit was hit.",
        _ => "The host or the plugin failed.",
    }
}

fn codes() -> Vec<&'static str> {
    Code::ALL.iter().map(|code| code.as_str()).collect()
}

/// The schema of a problem document, as most calls answer with, or as older clients expect it.
fn problem(is_classic: bool) -> Value {
    let blames: Vec<_> = Blame::ALL.iter().map(|blame| blame.as_str()).collect();
    let (status, timestamp, description) = match is_classic {
        false => (
            json!({"type": "integer"}),
            json!({"type": "string", "format": "date-time"}),
            "RFC 9457, and the fields of docs/errors.md.",
        ),
        true => (
            json!({"const": "error"}),
            json!({"type": "integer", "description": "Seconds since 1970."}),
            "As a problem, with `status` as the word and `timestamp` in seconds that older clients expect.",
        ),
    };
    let mut properties = Map::from_iter([
        ("type".to_owned(), json!({"type": "string", "format": "uri"})),
        ("title".to_owned(), json!({"type": "string"})),
        ("status".to_owned(), status),
        ("detail".to_owned(), json!({"type": "string"})),
        ("code".to_owned(), json!({"enum": codes()})),
        ("message".to_owned(), json!({"type": "string"})),
        ("details".to_owned(), json!({"type": "object"})),
        ("operation".to_owned(), json!({"type": "string"})),
        (
            "operation_id".to_owned(),
            json!({"type": "string", "description": "Under this the log of the server says more."}),
        ),
        ("timestamp".to_owned(), timestamp),
        (
            "severity".to_owned(),
            json!({"enum": ["low", "medium", "high", "critical"]}),
        ),
        (
            "recoverable".to_owned(),
            json!({"type": "boolean", "description": "Whether the same request can succeed later."}),
        ),
    ]);
    if is_classic {
        properties.insert("http_status".to_owned(), json!({"type": "integer"}));
    }
    let required: Vec<_> = properties.keys().cloned().collect();
    properties.insert("plugin".to_owned(), json!({"type": "string"}));
    properties.insert("blame".to_owned(), json!({"enum": blames}));
    properties.insert("help".to_owned(), json!({"type": "array", "items": {"type": "string"}}));
    json!({"type": "object", "description": description, "required": required, "properties": properties})
}
