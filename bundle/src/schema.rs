//! JSON Schema, as the manifest uses it: self-contained, without I/O, and bounded in time whoever wrote schema and
//! value.
//!
//! Evaluation is the `jsonschema` crate's. Around it stand the rules that make it safe for a stranger's schema:
//! references stay inside the document, patterns run in linear time, and the work a schema may cause is computed
//! before any is done (`effort`).

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value, json};

use crate::size::shorten;
use crate::text::printable;
use crate::{Blame, Code, Coded};

mod effort;
mod graph;

use effort::Effort;
pub use effort::{MAX_EVALUATION_DEPTH, MAX_EVALUATION_STEPS, MAX_VALUE_DEPTH};
use graph::Graph;

/// The compiled size of one regular expression: room for a class such as `\p{L}`, not for nine of it in a row.
/// Repetition counts multiply, and time with them.
const MAX_PATTERN_BYTES: usize = 96 * 1024;

/// The most regular expressions in one schema: compiled, these stay below 10 MiB.
pub const MAX_PATTERNS: usize = 100;

/// All violations of a small value are worth listing; of a large one the first is, because each costs memory.
const LISTED_BELOW_STEPS: u64 = 100_000;

/// More alternatives than this are not spelled out.
const MAX_ALTERNATIVES: usize = 4;

/// The most violations listed.
const MAX_VIOLATIONS: usize = 50;

/// A JSON Schema, compiled.
///
/// Drafts 4 to 2020-12 as `$schema` says, 2020-12 when it does not. No network or file is touched, ever.
///
/// ```
/// use palisade_bundle::Schema;
/// use serde_json::json;
///
/// let schema = Schema::compile(&json!({ "properties": { "port": { "type": "integer", "minimum": 1 } } }))?;
/// assert!(schema.violations(&json!({ "port": 443 })).is_empty());
/// let violations = schema.violations(&json!({ "port": 0 }));
/// assert_eq!((violations[0].pointer.as_str(), violations[0].expected.as_str()), ("/port", "at least 1"));
/// # Ok::<(), palisade_bundle::SchemaError>(())
/// ```
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
    effort: Effort,
    has_alternatives: bool,
}

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// [`SchemaError`] names the place in the schema and what would be right there.
    pub fn compile(schema: &Value) -> Result<Self, SchemaError> {
        let graph = Graph::of(schema)?;
        if graph.patterns > MAX_PATTERNS {
            return Err(SchemaError::Malformed {
                pointer: String::new(),
                expected: format!("at most {MAX_PATTERNS} regular expressions"),
                found: graph.patterns.to_string(),
            });
        }
        let effort = Effort::of(&graph)?;
        let has_alternatives = graph.nodes.iter().any(|node| node.has_alternatives);
        let validator = jsonschema::options()
            .offline()
            .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
            .build(schema)
            .map_err(|error| SchemaError::malformed(&error))?;
        Ok(Self {
            validator,
            effort,
            has_alternatives,
        })
    }

    /// What is wrong with a value; empty when nothing is.
    ///
    /// At most 50, and only the first for a large value, because each costs memory. A value whose check would take
    /// more than [`MAX_EVALUATION_STEPS`] is a violation itself: nothing is evaluated.
    #[must_use]
    pub fn violations(&self, value: &Value) -> Vec<Violation> {
        let steps = match self.effort.steps_for(value) {
            Ok(steps) => steps,
            Err(expected) => return vec![Violation::unplaced(expected)],
        };
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        if steps <= LISTED_BELOW_STEPS {
            let errors = self.validator.iter_errors(value).take(MAX_VIOLATIONS);
            let mut violations: Vec<_> = errors.flat_map(|error| Violation::of(&error)).collect();
            violations.truncate(MAX_VIOLATIONS);
            return violations;
        }
        if self.has_alternatives {
            return vec![Violation::unplaced(
                "a value that fits its schema; this one is too large to say where it does not".to_owned(),
            )];
        }
        let first = self.validator.validate(value).err();
        first.iter().flat_map(Violation::of).take(1).collect()
    }
}

/// A place in a value that does not fit its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer (RFC 6901) into the value; empty for the whole.
    pub pointer: String,
    /// The keyword of the schema that is not met, such as `required`; empty when the value was not evaluated.
    pub keyword: String,
    /// What would be right, in words.
    pub expected: String,
}

impl Violation {
    /// The violation as a member of `errors` in the details of `CONFIG_INVALID`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({ "pointer": self.pointer, "expected": self.expected })
    }

    fn unplaced(expected: String) -> Self {
        Self {
            pointer: String::new(),
            keyword: String::new(),
            expected,
        }
    }

    /// One violation, or one a key where `jsonschema` lists several keys at once.
    fn of(error: &ValidationError<'_>) -> Vec<Self> {
        let place = error.instance_path().as_str();
        let keyword = error.kind().keyword().to_owned();
        let unknown = match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected.as_slice(),
            _ => &[],
        };
        if unknown.is_empty() {
            return vec![Self {
                pointer: place.to_owned(),
                keyword,
                expected: expected(error),
            }];
        }
        let at_key = |key: &String| Self {
            pointer: format!("{place}/{}", graph::escape(key)),
            keyword: keyword.clone(),
            expected: "no key of this name".to_owned(),
        };
        unknown.iter().map(at_key).collect()
    }
}

/// Why a schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// It breaks the rules of JSON Schema.
    #[error("{}expected {expected}, found {found}", place(pointer))]
    Malformed {
        /// Where in the schema.
        pointer: String,
        /// What would be right.
        expected: String,
        /// What stands there, shortened.
        found: String,
    },
    /// It refers to another document. Nothing is ever fetched.
    #[error("{}`{reference}` is outside this schema", place(pointer))]
    ExternalReference {
        /// Where in the schema.
        pointer: String,
        /// The reference, shortened.
        reference: String,
    },
    /// It refers to a place that is not in it.
    #[error("{}there is nothing at `{reference}`", place(pointer))]
    DanglingReference {
        /// Where in the schema.
        pointer: String,
        /// The reference, shortened.
        reference: String,
    },
    /// A reference leads back to itself without going into the value, so that checking would not end.
    #[error("{}this leads back to itself without going into the value", place(pointer))]
    EndlessReference {
        /// Where in the schema.
        pointer: String,
    },
    /// A keyword that makes the meaning of references depend on where they are followed from, or is for documents in
    /// documents.
    #[error("{}`{keyword}` is not supported", place(pointer))]
    UnsupportedKeyword {
        /// Where in the schema.
        pointer: String,
        /// The keyword.
        keyword: String,
    },
}

impl SchemaError {
    /// JSON pointer to the place in the schema.
    #[must_use]
    pub fn pointer(&self) -> &str {
        match self {
            Self::Malformed { pointer, .. }
            | Self::ExternalReference { pointer, .. }
            | Self::DanglingReference { pointer, .. }
            | Self::EndlessReference { pointer }
            | Self::UnsupportedKeyword { pointer, .. } => pointer,
        }
    }

    /// What would be right there, in words.
    #[must_use]
    pub fn expected(&self) -> &str {
        match self {
            Self::Malformed { expected, .. } => expected,
            Self::ExternalReference { .. } => {
                "`#` or `#/` and the way to a place in this schema, such as \"#/$defs/port\""
            }
            Self::DanglingReference { .. } => "the way to a place that is in this schema",
            Self::EndlessReference { .. } => "a reference that goes into the value, below `properties` or `items`",
            Self::UnsupportedKeyword { .. } => "`$ref` and `$defs` only",
        }
    }

    /// What stands there, shortened.
    #[must_use]
    pub fn found(&self) -> &str {
        match self {
            Self::Malformed { found, .. } => found,
            Self::ExternalReference { reference, .. } | Self::DanglingReference { reference, .. } => reference,
            Self::EndlessReference { .. } => "one that leads back to itself",
            Self::UnsupportedKeyword { keyword, .. } => keyword,
        }
    }

    fn malformed(error: &ValidationError<'_>) -> Self {
        let found = match error.kind() {
            ValidationErrorKind::Format { format } if format == "regex" => {
                format!(
                    "{}, which is none, is too large, or looks around or back",
                    found(error.instance())
                )
            }
            _ => found(error.instance()),
        };
        Self::Malformed {
            pointer: error.instance_path().as_str().to_owned(),
            expected: expected(error),
            found,
        }
    }
}

impl Coded for SchemaError {
    fn code(&self) -> Code {
        match self {
            Self::Malformed { .. }
            | Self::ExternalReference { .. }
            | Self::DanglingReference { .. }
            | Self::EndlessReference { .. }
            | Self::UnsupportedKeyword { .. } => Code::InvalidManifest,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Malformed { .. }
            | Self::ExternalReference { .. }
            | Self::DanglingReference { .. }
            | Self::EndlessReference { .. }
            | Self::UnsupportedKeyword { .. } => Blame::Bundle,
        }
    }

    fn details(&self) -> Map<String, Value> {
        Map::from_iter([
            ("pointer".to_owned(), json!(self.pointer())),
            ("expected".to_owned(), json!(self.expected())),
            ("found".to_owned(), json!(self.found())),
        ])
    }
}

fn expected(error: &ValidationError<'_>) -> String {
    use ValidationErrorKind as Kind;
    match error.kind() {
        Kind::Type {
            kind: TypeKind::Single(single),
        } => type_word(*single).to_owned(),
        Kind::Type {
            kind: TypeKind::Multiple(several),
        } => several.iter().map(type_word).collect::<Vec<_>>().join(" or "),
        Kind::Required { property } => format!("the key `{}`", printable(property.as_str().unwrap_or_default())),
        Kind::Enum { options } => match options.as_array() {
            Some(options) => format!(
                "one of {}",
                options.iter().take(20).map(found).collect::<Vec<_>>().join(", ")
            ),
            None => "one of a few values".to_owned(),
        },
        Kind::Constant { expected_value } => format!("exactly {}", found(expected_value)),
        Kind::Minimum { limit } => format!("at least {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        Kind::Maximum { limit } => format!("at most {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("a multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("at least {limit} characters"),
        Kind::MaxLength { limit } => format!("at most {limit} characters"),
        Kind::MinItems { limit } => format!("at least {limit} items"),
        Kind::MaxItems { limit } => format!("at most {limit} items"),
        Kind::AdditionalItems { limit } => format!("at most {limit} items"),
        Kind::MinProperties { limit } => format!("at least {limit} keys"),
        Kind::MaxProperties { limit } => format!("at most {limit} keys"),
        Kind::UniqueItems => "each item once".to_owned(),
        Kind::Contains => "an item of the form `contains` asks for".to_owned(),
        Kind::Pattern { pattern } => format!("text that matches `{}`", printable(&shorten(pattern))),
        Kind::Format { format } if format == "regex" => "a regular expression".to_owned(),
        Kind::Format { format } => format!("text of the format {}", printable(&shorten(format))),
        Kind::FalseSchema => "nothing here".to_owned(),
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => alternatives(error, context),
        Kind::OneOfMultipleValid { .. } => "exactly one of the forms its schema lists".to_owned(),
        Kind::Not { .. } => "anything but the form its schema excludes".to_owned(),
        Kind::PropertyNames { error } => format!("keys that are each {}", expected(error)),
        _ => format!("what `{}` of its schema asks for", error.kind().keyword()),
    }
}

/// What each branch would have liked, when all of them are about this value and not about a part of it.
fn alternatives(error: &ValidationError<'_>, branches: &[Vec<ValidationError<'static>>]) -> String {
    let of_branch = |branch: &Vec<ValidationError<'static>>| match branch.as_slice() {
        [only] if only.instance_path() == error.instance_path() => Some(expected(only)),
        _ => None,
    };
    match branches.iter().map(of_branch).collect::<Option<Vec<_>>>() {
        Some(wishes) if wishes.len() <= MAX_ALTERNATIVES => wishes.join(", or "),
        _ => "one of the forms its schema lists".to_owned(),
    }
}

/// `pointer` as the beginning of a message; nothing for the whole document.
pub(crate) fn place(pointer: &str) -> String {
    if pointer.is_empty() {
        String::new()
    } else {
        format!("`{pointer}`: ")
    }
}

fn found(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => format!("\"{}\"", printable(&shorten(text))),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn type_word(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "text",
    }
}

#[cfg(test)]
mod tests;
