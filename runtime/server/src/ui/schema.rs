//! A form made of a JSON Schema: [`Field`], and the value that comes back in one.
//!
//! A field is named by the JSON pointer of its value, which is also how errors find their field.

use askama::Template;
use palisade::REDACTED;
use serde_json::{Map, Value};

use super::form::Form;

/// How deep forms go into objects; what is deeper is edited as JSON. Nobody reads a form with more frames in frames.
const MAX_DEPTH: usize = 4;

/// How often a `$ref` is followed to another one: a schema that goes in circles is edited as JSON.
const MAX_REFERENCES: usize = 8;

/// One input of a form, or several in a frame.
#[derive(Clone, Debug, PartialEq, Template)]
#[template(path = "field.html")]
pub(super) struct Field {
    /// The JSON pointer of the value.
    pub(super) pointer: String,
    pub(super) label: String,
    pub(super) help: String,
    pub(super) is_required: bool,
    pub(super) kind: Kind,
    /// As it was typed.
    pub(super) text: String,
    /// What is wrong with what was typed.
    pub(super) error: Option<String>,
}

/// What an input is for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Text,
    Secret,
    Integer,
    Number,
    Boolean,
    /// One of these, each as its JSON.
    Choice(Vec<String>),
    /// Texts, one a line.
    Lines,
    /// Anything, as JSON.
    Json,
    /// The members of an object.
    Object(Vec<Field>),
}

impl Field {
    /// The form of a value: by its schema if it has one, else as JSON. It holds `value` to begin with.
    pub(super) fn of(schema: Option<&Value>, value: Option<&Value>) -> Self {
        let builder = Builder {
            root: schema.unwrap_or(&Value::Null),
        };
        builder.field(Spot::root(), schema.unwrap_or(&Value::Null), value)
    }

    /// The value that a form holds; `None` when something in it cannot be read, which is then said at its field.
    pub(super) fn read(&mut self, form: &Form) -> Option<Value> {
        self.parse(form).ok().map(|value| value.unwrap_or(Value::Null))
    }

    /// `Ok(None)` for a value that is left out.
    fn parse(&mut self, form: &Form) -> Result<Option<Value>, ()> {
        self.error = None;
        if !self.is_required && self.is_left_empty(form) {
            return Ok(None);
        }
        if let Kind::Object(members) = &mut self.kind {
            return Self::parse_object(members, form).map(|members| Some(Value::Object(members)));
        }
        self.text = form.text(&self.pointer).unwrap_or_default().to_owned();
        let parsed = self.kind.parse(&self.text);
        parsed
            .map(Some)
            .map_err(|expected| self.error = Some(format!("expected {expected}")))
    }

    /// Whether nothing was typed here. A required yes or no cannot be left empty, so "no" is nothing.
    fn is_left_empty(&self, form: &Form) -> bool {
        match &self.kind {
            Kind::Object(members) => members.iter().all(|member| member.is_left_empty(form)),
            Kind::Boolean if self.is_required => form.text(&self.pointer) != Some("true"),
            _ => form.filled(&self.pointer).is_none(),
        }
    }

    fn parse_object(members: &mut [Self], form: &Form) -> Result<Map<String, Value>, ()> {
        let mut values = Map::new();
        let mut is_whole = true;
        for member in members {
            match member.parse(form) {
                Ok(None) => {}
                // What the form has no fields for: members, not a member.
                Ok(Some(Value::Object(rest))) if member.pointer.ends_with(REST) => values.extend(rest),
                Ok(Some(value)) => {
                    values.insert(member.label.clone(), value);
                }
                Err(()) => is_whole = false,
            }
        }
        is_whole.then_some(values).ok_or(())
    }

    /// Says what is wrong at the field of `pointer`, or of what it is in. Whether there is such a field.
    pub(super) fn complain(&mut self, pointer: &str, expected: &str) -> bool {
        if let Kind::Object(members) = &mut self.kind {
            if members.iter_mut().any(|member| member.complain(pointer, expected)) {
                return true;
            }
            // The whole form has no place of its own; the message above it says what is wrong.
            if self.pointer.is_empty() {
                return false;
            }
        }
        let is_within = pointer
            .strip_prefix(&self.pointer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_within {
            self.error = Some(format!("expected {expected}"));
        }
        is_within
    }

    /// Its name in the page, made of what is allowed there.
    fn id(&self) -> String {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
        format!("field{}", self.pointer.chars().map(plain).collect::<String>())
    }

    fn members(&self) -> &[Self] {
        match &self.kind {
            Kind::Object(members) => members,
            _ => &[],
        }
    }

    fn choices(&self) -> &[String] {
        match &self.kind {
            Kind::Choice(choices) => choices,
            _ => &[],
        }
    }

    fn is_whole_form(&self) -> bool {
        self.pointer.is_empty()
    }
}

/// The last part of the pointer of what an object holds beyond its schema; not a pointer that any error has.
const REST: &str = "/\u{2026}";

impl Kind {
    fn parse(&self, text: &str) -> Result<Value, &'static str> {
        let number = |expected| serde_json::from_str::<serde_json::Number>(text.trim()).map_err(|_| expected);
        match self {
            Self::Text | Self::Secret => Ok(text.into()),
            Self::Integer => match number("a whole number")? {
                number if number.is_i64() || number.is_u64() => Ok(Value::Number(number)),
                _ => Err("a whole number"),
            },
            Self::Number => number("a number").map(Value::Number),
            Self::Boolean => match text {
                "true" => Ok(true.into()),
                "false" | "" => Ok(false.into()),
                _ => Err("yes or no"),
            },
            Self::Choice(choices) => match choices.iter().any(|choice| choice == text) {
                true => serde_json::from_str(text).map_err(|_| "one of the choices"),
                false => Err("one of the choices"),
            },
            Self::Lines => Ok(text.lines().filter(|line| !line.is_empty()).map(Value::from).collect()),
            Self::Json => serde_json::from_str(text).map_err(|_| "JSON"),
            Self::Object(_) => Err("the fields of an object"),
        }
    }

    fn text_of(&self, value: &Value) -> String {
        match (self, value) {
            (Self::Text | Self::Secret, Value::String(text)) => text.clone(),
            (Self::Lines, Value::Array(lines)) => lines.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
            (Self::Json, value) => serde_json::to_string_pretty(value).unwrap_or_default(),
            (_, value) => value.to_string(),
        }
    }

    /// Whether a field of this kind can show `value` and give it back.
    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text | Self::Secret, value) => value.is_string(),
            (Self::Integer, value) => value.is_i64() || value.is_u64(),
            (Self::Number, value) => value.is_number(),
            (Self::Boolean, value) => value.is_boolean(),
            (Self::Choice(choices), value) => choices.contains(&value.to_string()),
            (Self::Lines, Value::Array(lines)) => {
                let is_line = |line: &Value| {
                    line.as_str()
                        .is_some_and(|line| !line.is_empty() && !line.contains('\n'))
                };
                lines.iter().all(is_line)
            }
            (Self::Lines, _) => false,
            (Self::Json, _) => true,
            (Self::Object(_), value) => value.is_object(),
        }
    }
}

/// Where in the value a field is.
struct Spot {
    pointer: String,
    label: String,
    is_required: bool,
    depth: usize,
}

impl Spot {
    fn root() -> Self {
        Self {
            pointer: String::new(),
            label: String::new(),
            is_required: true,
            depth: 0,
        }
    }

    fn member(&self, name: &str, is_required: bool) -> Self {
        let part = name.replace('~', "~0").replace('/', "~1");
        Self {
            pointer: format!("{}/{part}", self.pointer),
            label: name.to_owned(),
            is_required,
            depth: self.depth + 1,
        }
    }

    fn rest(&self) -> Self {
        Self {
            pointer: format!("{}{REST}", self.pointer),
            label: "more, as JSON".to_owned(),
            is_required: false,
            depth: self.depth + 1,
        }
    }

    fn field(self, kind: Kind, help: String, value: Option<&Value>) -> Field {
        Field {
            text: value.map(|value| kind.text_of(value)).unwrap_or_default(),
            pointer: self.pointer,
            label: self.label,
            is_required: self.is_required,
            error: None,
            help,
            kind,
        }
    }
}

struct Builder<'a> {
    root: &'a Value,
}

impl<'a> Builder<'a> {
    fn field(&self, spot: Spot, schema: &'a Value, value: Option<&Value>) -> Field {
        let help = text_at(schema, "description");
        let schema = self.resolved(schema);
        let help = if help.is_empty() {
            text_at(schema, "description")
        } else {
            help
        };
        let value = value.or_else(|| schema.get("default"));
        let kind = match self.object(&spot, schema, value) {
            Some(object) => object,
            None => kind_of(schema),
        };
        let is_fitting = value.is_none_or(|value| kind.holds(value) || value == REDACTED);
        spot.field(if is_fitting { kind } else { Kind::Json }, help, value)
    }

    fn object(&self, spot: &Spot, schema: &'a Value, value: Option<&Value>) -> Option<Kind> {
        let properties = schema.get("properties")?.as_object()?;
        if spot.depth >= MAX_DEPTH || value.is_some_and(|value| !value.is_object()) {
            return None;
        }
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map_or_else(Vec::new, |names| names.iter().filter_map(Value::as_str).collect());
        let value_at = |name: &str| value.and_then(|value| value.get(name));
        let mut members: Vec<Field> = properties
            .iter()
            .map(|(name, schema)| {
                let spot = spot.member(name, required.contains(&name.as_str()));
                self.field(spot, schema, value_at(name))
            })
            .collect();
        // Those that have to be filled in come first.
        members.sort_by_key(|member| !member.is_required);
        let known = |name: &String| properties.contains_key(name);
        let rest: Map<String, Value> = value
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter(|(name, _)| !known(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !rest.is_empty() || (properties.is_empty() && spot.depth == 0) {
            let help = "members that have no field".to_owned();
            let rest = (!rest.is_empty()).then_some(Value::Object(rest));
            members.push(spot.rest().field(Kind::Json, help, rest.as_ref()));
        }
        Some(Kind::Object(members))
    }

    /// The schema itself, where it is said elsewhere in the document, or where it is said that it may be missing.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        for _ in 0..MAX_REFERENCES {
            let reference = schema
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|path| path.strip_prefix('#'));
            let next = match reference {
                Some(pointer) => self.root.pointer(pointer),
                None => only_choice(schema),
            };
            match next {
                Some(next) => schema = next,
                None => return schema,
            }
        }
        &Value::Null
    }
}

/// Of `anyOf` or `oneOf`, the one that is not `null`, if there is one besides.
fn only_choice(schema: &Value) -> Option<&Value> {
    let choices = schema.get("anyOf").or_else(|| schema.get("oneOf"))?.as_array()?;
    let mut fitting = choices
        .iter()
        .filter(|choice| choice.get("type").and_then(Value::as_str) != Some("null"));
    let only = fitting.next()?;
    fitting.next().is_none().then_some(only)
}

fn kind_of(schema: &Value) -> Kind {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        return Kind::Choice(choices.iter().map(Value::to_string).collect());
    }
    let is_secret = schema.get("writeOnly") == Some(&Value::Bool(true)) || text_at(schema, "format") == "password";
    match type_of(schema) {
        Some("string") if is_secret => Kind::Secret,
        Some("string") => Kind::Text,
        Some("integer") => Kind::Integer,
        Some("number") => Kind::Number,
        Some("boolean") => Kind::Boolean,
        Some("array") if schema.get("items").and_then(type_of) == Some("string") => Kind::Lines,
        _ => Kind::Json,
    }
}

/// The one type of a schema, `null` aside.
fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(only) => Some(only),
        Value::Array(types) => {
            let mut types = types.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            let only = types.next()?;
            types.next().is_none().then_some(only)
        }
        _ => None,
    }
}

fn text_at(schema: &Value, name: &str) -> String {
    schema.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
