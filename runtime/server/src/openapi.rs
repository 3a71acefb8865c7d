//! The API as OpenAPI 3.1, made from its endpoints.

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
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in endpoints {
        let method = endpoint.method.as_str().to_ascii_lowercase();
        let mut add = |path: &str, with_id: bool| {
            let operation = operation(endpoint, with_id, &mut generator);
            let item = paths.entry(path).or_insert_with(|| json!({}));
            item[method.as_str()] = operation;
        };
        add(endpoint.path, endpoint.path.contains("{id}"));
        if let Some(alias) = endpoint.alias() {
            add(&alias, true);
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".to_owned(), problem());
    schemas.insert("ClassicProblem".to_owned(), classic_problem());
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
    let mut operation = json!({
        "operationId": format!("{}{suffix}", endpoint.name),
        "summary": endpoint.summary,
        "parameters": parameters(endpoint, with_id),
        "responses": responses(endpoint, generator),
        "security": endpoint.scope.map(|scope| json!([{"token": [scope.as_str()]}])).unwrap_or_else(|| json!([])),
    });
    if let Some(body) = &endpoint.body {
        let schema = body.schema.to_value(generator);
        operation["requestBody"] = json!({
            "required": body.is_required,
            "content": {body.media_type: {"schema": schema}}
        });
    }
    operation
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
        let schema = answer.schema.to_value(generator);
        let response = responses
            .entry(answer.status.to_string())
            .or_insert_with(|| json!({"description": "What was asked for", "content": {}}));
        response["content"][answer.media_type] = json!({"schema": schema});
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

fn problem() -> Value {
    let blames: Vec<_> = Blame::ALL.iter().map(|blame| blame.as_str()).collect();
    json!({
        "type": "object",
        "description": "RFC 9457, and the fields of docs/errors.md.",
        "required": ["type", "title", "status", "detail", "code", "message", "details", "operation", "operation_id",
            "timestamp", "severity", "recoverable"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"enum": codes()},
            "message": {"type": "string"},
            "details": {"type": "object"},
            "plugin": {"type": "string"},
            "operation": {"type": "string"},
            "operation_id": {"type": "string", "description": "Under this the log of the server says more."},
            "timestamp": {"type": "string", "format": "date-time"},
            "severity": {"enum": ["low", "medium", "high", "critical"]},
            "recoverable": {"type": "boolean", "description": "Whether the same request can succeed later."},
            "blame": {"enum": blames},
            "help": {"type": "array", "items": {"type": "string"}}
        }
    })
}

fn classic_problem() -> Value {
    let mut problem = problem();
    problem["description"] =
        json!("As a problem, with `status` as the word and `timestamp` in seconds that older clients expect.");
    problem["properties"]["status"] = json!({"const": "error"});
    problem["properties"]["http_status"] = json!({"type": "integer"});
    problem["properties"]["timestamp"] = json!({"type": "integer", "description": "Seconds since 1970."});
    problem["required"]
        .as_array_mut()
        .into_iter()
        .for_each(|required| required.push(json!("http_status")));
    problem
}
