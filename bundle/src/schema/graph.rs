//! A schema as a graph: which subschemas look at the same value, which at a part of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::SchemaError;
use crate::size::shorten;
use crate::text::printable;

/// Keywords whose value is a subschema for the same value.
const SAME: &[&str] = &["not", "if", "then", "else"];
/// Keywords whose value is a list of subschemas for the same value.
const SAME_LIST: &[&str] = &["allOf", "anyOf", "oneOf"];
/// Keywords whose value is an object of subschemas for the same value.
const SAME_MAP: &[&str] = &["dependentSchemas", "dependencies"];
/// Keywords whose value is a subschema for parts of the value.
const PART: &[&str] = &[
    "items",
    "additionalItems",
    "contains",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
];
/// Keywords that hold definitions: reached by reference only.
const DEFINITIONS: &[&str] = &["$defs", "definitions"];
/// Keywords that make the meaning of a reference depend on more than its text.
const UNSUPPORTED: &[&str] = &["$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"];

/// Evaluating `unevaluated…` looks at the neighbours again to see what they covered.
const LOOKS_AGAIN: &[&str] = &["unevaluatedItems", "unevaluatedProperties"];

/// The drafts whose rules this graph knows. Another meta-schema could give any keyword a meaning.
const DRAFTS: &[&str] = &[
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-04/schema",
];

/// Every subschema that evaluation can reach, and every definition. The root is the first.
pub(super) struct Graph {
    pub(super) nodes: Vec<Subschema>,
    /// How many regular expressions there are.
    pub(super) patterns: usize,
}

#[derive(Default)]
pub(super) struct Subschema {
    pub(super) pointer: String,
    /// Steps of its own keywords for one value.
    pub(super) own: u64,
    /// Subschemas for the same value.
    pub(super) same: Vec<usize>,
    /// Groups of subschemas for parts; a part meets at most one of each group.
    pub(super) parts: Vec<Vec<usize>>,
    /// Whether failing it costs memory: every complaint of every branch is kept.
    pub(super) has_alternatives: bool,
    /// Whether it looks at `same` a second time.
    pub(super) looks_again: bool,
}

impl Graph {
    pub(super) fn of(schema: &Value) -> Result<Self, SchemaError> {
        let mut builder = Builder {
            root: schema,
            numbers: HashMap::new(),
            found: Vec::new(),
            patterns: 0,
        };
        builder.number(schema, String::new());
        let mut nodes = Vec::new();
        while let Some((value, pointer)) = builder.found.get(nodes.len()).cloned() {
            nodes.push(builder.node(value, pointer)?);
        }
        Ok(Self {
            nodes,
            patterns: builder.patterns,
        })
    }
}

struct Builder<'v> {
    root: &'v Value,
    /// Subschemas by address: a reference and the place it names are one node.
    numbers: HashMap<*const Value, usize>,
    found: Vec<(&'v Value, String)>,
    patterns: usize,
}

impl<'v> Builder<'v> {
    fn number(&mut self, value: &'v Value, pointer: String) -> usize {
        let next = self.found.len();
        let number = *self.numbers.entry(std::ptr::from_ref(value)).or_insert(next);
        if number == next {
            self.found.push((value, pointer));
        }
        number
    }

    fn node(&mut self, value: &'v Value, pointer: String) -> Result<Subschema, SchemaError> {
        let Value::Object(keywords) = value else {
            return Ok(Subschema {
                pointer,
                own: 1,
                ..Subschema::default()
            });
        };
        refuse_foreign(keywords, &pointer)?;
        let mut node = Subschema {
            own: 1,
            ..Subschema::default()
        };
        node.has_alternatives = ["anyOf", "oneOf"].iter().any(|keyword| keywords.contains_key(*keyword));
        node.looks_again = LOOKS_AGAIN.iter().any(|keyword| keywords.contains_key(*keyword));
        for (keyword, value) in keywords {
            let here = format!("{pointer}/{}", escape(keyword));
            self.keyword(&mut node, keyword, value, here)?;
        }
        node.pointer = pointer;
        Ok(node)
    }

    fn keyword(
        &mut self,
        node: &mut Subschema,
        keyword: &str,
        value: &'v Value,
        here: String,
    ) -> Result<(), SchemaError> {
        match (keyword, value) {
            ("$ref", Value::String(reference)) => {
                let target = self.resolve(reference, here)?;
                node.same.push(target);
            }
            (_, Value::Object(map)) if keyword == "properties" => {
                node.own = node.own.saturating_add(length(map.len()));
                node.parts.push(self.members(map, &here));
            }
            (_, Value::Object(map)) if keyword == "patternProperties" => {
                self.patterns = self.patterns.saturating_add(map.len());
                let lengths: u64 = map.keys().map(|pattern| length(pattern.len())).sum();
                node.own = node.own.saturating_add(lengths);
                node.parts
                    .extend(self.members(map, &here).into_iter().map(|number| vec![number]));
            }
            (_, Value::Object(map)) if SAME_MAP.contains(&keyword) => {
                node.own = node.own.saturating_add(values(value));
                node.same.extend(self.members(map, &here));
            }
            (_, Value::Array(list)) if SAME_LIST.contains(&keyword) => node.same.extend(self.items(list, &here)),
            (_, Value::Array(list)) if matches!(keyword, "prefixItems" | "items") => {
                node.parts.push(self.items(list, &here))
            }
            (_, Value::Object(_) | Value::Bool(_)) if SAME.contains(&keyword) => {
                node.same.push(self.number(value, here))
            }
            (_, Value::Object(_) | Value::Bool(_)) if PART.contains(&keyword) => {
                let part = self.number(value, here);
                node.parts.push(vec![part]);
            }
            (_, Value::Object(map)) if DEFINITIONS.contains(&keyword) => {
                self.members(map, &here);
            }
            ("pattern", Value::String(pattern)) => {
                self.patterns = self.patterns.saturating_add(1);
                node.own = node.own.saturating_add(length(pattern.len()));
            }
            _ => node.own = node.own.saturating_add(values(value)),
        }
        Ok(())
    }

    fn members(&mut self, map: &'v Map<String, Value>, here: &str) -> Vec<usize> {
        map.iter()
            .map(|(key, value)| self.number(value, format!("{here}/{}", escape(key))))
            .collect()
    }

    fn items(&mut self, list: &'v [Value], here: &str) -> Vec<usize> {
        list.iter()
            .enumerate()
            .map(|(index, value)| self.number(value, format!("{here}/{index}")))
            .collect()
    }

    fn resolve(&mut self, reference: &str, here: String) -> Result<usize, SchemaError> {
        let shown = || printable(&shorten(reference));
        let pointer = reference
            .strip_prefix('#')
            .filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        let Some(pointer) = pointer else {
            return Err(SchemaError::ExternalReference {
                pointer: here,
                reference: shown(),
            });
        };
        let decoded = percent_decoded(pointer);
        match decoded.as_deref().and_then(|pointer| self.root.pointer(pointer)) {
            Some(target) => Ok(self.number(target, decoded.unwrap_or_default())),
            None => Err(SchemaError::DanglingReference {
                pointer: here,
                reference: shown(),
            }),
        }
    }
}

fn refuse_foreign(keywords: &Map<String, Value>, pointer: &str) -> Result<(), SchemaError> {
    let unsupported = |keyword: &str| SchemaError::UnsupportedKeyword {
        pointer: format!("{pointer}/{}", escape(keyword)),
        keyword: keyword.to_owned(),
    };
    if let Some(keyword) = UNSUPPORTED.iter().find(|keyword| keywords.contains_key(**keyword)) {
        return Err(unsupported(keyword));
    }
    let embedded = ["$id", "id", "$schema"]
        .into_iter()
        .find(|keyword| keywords.get(*keyword).is_some_and(Value::is_string));
    if let Some(keyword) = embedded.filter(|_| !pointer.is_empty()) {
        return Err(unsupported(keyword));
    }
    match keywords.get("$schema").and_then(Value::as_str) {
        Some(draft) if !DRAFTS.contains(&draft.trim_end_matches('#')) => Err(SchemaError::Malformed {
            pointer: format!("{pointer}/$schema"),
            expected: "a draft of JSON Schema such as \"https://json-schema.org/draft/2020-12/schema\"".to_owned(),
            found: format!("\"{}\"", printable(&shorten(draft))),
        }),
        _ => Ok(()),
    }
}

impl Graph {
    /// An order in which every subschema comes after those it looks at the same value with.
    pub(super) fn same_value_order(&self) -> Result<Vec<usize>, SchemaError> {
        let mut users: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut waiting: Vec<usize> = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            waiting.push(node.same.len());
            for child in &node.same {
                users.entry(*child).or_default().push(number);
            }
        }
        let mut order: Vec<usize> = (0..self.nodes.len())
            .filter(|number| waiting.get(*number) == Some(&0))
            .collect();
        let mut done = 0;
        while let Some(number) = order.get(done).copied() {
            done += 1;
            for user in users.get(&number).into_iter().flatten() {
                if let Some(count) = waiting.get_mut(*user) {
                    *count -= 1;
                    if *count == 0 {
                        order.push(*user);
                    }
                }
            }
        }
        if order.len() == self.nodes.len() {
            Ok(order)
        } else {
            Err(self.endless(&order))
        }
    }

    /// A subschema on a circle, given those that are on none.
    fn endless(&self, ordered: &[usize]) -> SchemaError {
        let ordered: BTreeSet<usize> = ordered.iter().copied().collect();
        let mut passed = BTreeSet::new();
        let mut place = (0..self.nodes.len()).find(|number| !ordered.contains(number));
        while let Some(node) = place
            .filter(|number| passed.insert(*number))
            .and_then(|number| self.nodes.get(number))
        {
            place = node.same.iter().copied().find(|number| !ordered.contains(number));
        }
        let node = place.and_then(|number| self.nodes.get(number));
        SchemaError::EndlessReference {
            pointer: node.map(|node| node.pointer.clone()).unwrap_or_default(),
        }
    }
}

/// A key as a segment of a JSON pointer.
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// How many values there are in `value`, itself included.
fn values(value: &Value) -> u64 {
    let mut count: u64 = 0;
    let mut left = vec![value];
    while let Some(value) = left.pop() {
        count += 1;
        match value {
            Value::Array(items) => left.extend(items),
            Value::Object(members) => left.extend(members.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    count
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The fragment of a URI as text (RFC 6901 §6), or nothing when it is not UTF-8 in percent encoding.
fn percent_decoded(fragment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}
