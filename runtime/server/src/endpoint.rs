//! One call of the API, said once: the router and the OpenAPI document are made from it.

use axum::http::Method;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use crate::caller::{scope, scope_of};
use crate::token::Scope;

/// A call of the API.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) scope: Option<Scope>,
    pub(crate) is_classic: bool,
    pub(crate) about_plugin: bool,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<Body>,
    pub(crate) answers: Vec<Answer>,
    /// Statuses of problem documents, besides those of every call.
    pub(crate) fails: &'static [u16],
}

/// A parameter in the query.
#[derive(Clone)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) schema: Value,
    pub(crate) is_required: bool,
}

/// The body of a request.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) media_type: &'static str,
    pub(crate) schema: Schema,
    pub(crate) is_required: bool,
}

/// What is answered when all goes well.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) media_type: &'static str,
    pub(crate) schema: Schema,
}

/// The schema of a body; made late, by one generator for all.
#[derive(Clone, Copy)]
pub(crate) struct Schema(fn(&mut SchemaGenerator) -> Value);

impl Schema {
    /// The schema of `T` as JSON.
    pub(crate) fn of<T: JsonSchema>() -> Self {
        Self(|generator| generator.subschema_for::<T>().to_value())
    }

    /// Bytes of whatever kind.
    pub(crate) fn bytes() -> Self {
        Self(|_| json!({}))
    }

    pub(crate) fn to_value(self, generator: &mut SchemaGenerator) -> Value {
        (self.0)(generator)
    }
}

/// What any call about a plugin can fail with, besides what every call can: it may not be there.
const PLUGIN_FAILS: &[u16] = &[404];

/// What an operation on a plugin can fail with: another one is running, its state does not allow it, its bundle or
/// configuration does not fit, a limit is hit, or it does not end in time.
pub(crate) const OPERATION_FAILS: &[u16] = &[404, 409, 413, 415, 422, 429, 503, 504, 507];

impl Endpoint {
    fn new(method: Method, name: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            method,
            path,
            summary,
            scope: None,
            is_classic: false,
            about_plugin: false,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            fails: &[],
        }
    }

    pub(crate) fn get(name: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::GET, name, path, summary)
    }

    pub(crate) fn put(name: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::PUT, name, path, summary).fails(OPERATION_FAILS)
    }

    pub(crate) fn post(name: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::POST, name, path, summary).fails(OPERATION_FAILS)
    }

    pub(crate) fn delete(name: &'static str, path: &'static str, summary: &'static str) -> Self {
        Self::new(Method::DELETE, name, path, summary).fails(OPERATION_FAILS)
    }

    /// The scope that its handler asks for.
    pub(crate) fn needs<S: scope::Needed>(self) -> Self {
        Self {
            scope: Some(scope_of::<S>()),
            ..self
        }
    }

    /// It is about one plugin, which `?plugin=` names, or the path `/plugins/{id}/…`.
    pub(crate) fn about_plugin(self) -> Self {
        let fails = if self.fails.is_empty() {
            PLUGIN_FAILS
        } else {
            self.fails
        };
        Self {
            about_plugin: true,
            fails,
            ..self
        }
    }

    /// It is one of the six calls that are older than this API.
    pub(crate) fn classic(self) -> Self {
        Self {
            is_classic: true,
            ..self
        }
    }

    pub(crate) fn takes(self, name: &'static str, schema: Value, description: &'static str) -> Self {
        self.with_parameter(name, schema, description, false)
    }

    pub(crate) fn requires(self, name: &'static str, schema: Value, description: &'static str) -> Self {
        self.with_parameter(name, schema, description, true)
    }

    fn with_parameter(
        mut self,
        name: &'static str,
        schema: Value,
        description: &'static str,
        is_required: bool,
    ) -> Self {
        self.parameters.push(Parameter {
            name,
            description,
            schema,
            is_required,
        });
        self
    }

    /// JSON of type `T` is sent along.
    pub(crate) fn json<T: JsonSchema>(self) -> Self {
        self.body("application/json", Schema::of::<T>(), true)
    }

    /// JSON of type `T` may be sent along.
    pub(crate) fn optional_json<T: JsonSchema>(self) -> Self {
        self.body("application/json", Schema::of::<T>(), false)
    }

    /// A bundle is sent along.
    pub(crate) fn bundle(self) -> Self {
        self.body("application/zip", Schema::bytes(), true)
    }

    pub(crate) fn body(self, media_type: &'static str, schema: Schema, is_required: bool) -> Self {
        Self {
            body: Some(Body {
                media_type,
                schema,
                is_required,
            }),
            ..self
        }
    }

    /// JSON of type `T` is answered.
    pub(crate) fn answers<T: JsonSchema>(self, status: u16) -> Self {
        self.answers_with(status, "application/json", Schema::of::<T>())
    }

    pub(crate) fn answers_with(mut self, status: u16, media_type: &'static str, schema: Schema) -> Self {
        self.answers.push(Answer {
            status,
            media_type,
            schema,
        });
        self
    }

    pub(crate) fn fails(self, fails: &'static [u16]) -> Self {
        Self { fails, ..self }
    }

    /// The path on which the plugin is named, instead of in the query.
    pub(crate) fn alias(&self) -> Option<String> {
        let rest = self.path.strip_prefix("/plugins/")?;
        (self.about_plugin && !rest.starts_with('{')).then(|| format!("/plugins/{{id}}/{rest}"))
    }
}
