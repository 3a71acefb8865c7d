//! How a value is read: a function from [`At`] to an `Option`, which reports to [`Problems`] what it does not like.
//!
//! Reading goes on after a problem, so that one run names all of them; the result counts only when there was none.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde_json::{Number, Value};

use super::MAX_PROBLEMS;
use super::error::{Location, ManifestError, ManifestFault, ManifestProblem};
use super::source::{Kind, Member, Node, Unreadable};
use super::values::any;
use crate::size::shorten;
use crate::suggest::closest;
use crate::text::printable;

/// A value and the way to it.
pub(super) struct At<'a> {
    node: &'a Node,
    path: Path<'a>,
}

#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Member { parent: &'a Path<'a>, key: &'a str },
    Item { parent: &'a Path<'a>, index: usize },
}

impl<'a> At<'a> {
    pub(super) fn root(node: &'a Node) -> Self {
        Self { node, path: Path::Root }
    }

    pub(super) fn pointer(&self) -> String {
        self.path.to_string()
    }

    pub(super) fn kind(&self) -> &'a Kind {
        &self.node.kind
    }

    pub(super) fn as_text(&self) -> Option<&'a str> {
        match &self.node.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_u32(&self) -> Option<u32> {
        self.as_number()?.as_u64()?.try_into().ok()
    }

    pub(super) fn as_number(&self) -> Option<&'a Number> {
        match &self.node.kind {
            Kind::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The items of a list; of anything else, none.
    pub(super) fn items(&'a self) -> impl Iterator<Item = At<'a>> {
        let items: &'a [Node] = match &self.node.kind {
            Kind::List(items) => items,
            _ => &[],
        };
        let at = |(index, node)| At {
            node,
            path: Path::Item {
                parent: &self.path,
                index,
            },
        };
        items.iter().enumerate().map(at)
    }

    /// Calls `found` with the place that `pointer` names below this one, or with the deepest that exists on the way.
    pub(super) fn descend(&self, pointer: &str, found: &mut dyn FnMut(&At<'_>)) {
        let Some(rest) = pointer.strip_prefix('/') else {
            return found(self);
        };
        let (segment, rest) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let segment = segment.replace("~1", "/").replace("~0", "~");
        let child = match &self.node.kind {
            Kind::Object(members) => {
                let named = |name: &str| members.iter().find(|member| member.key == name);
                named(&segment)
                    .or_else(|| named(&camel_case(&segment)))
                    .map(|member| self.member(member))
            }
            Kind::List(_) => segment.parse().ok().and_then(|index| self.items().nth(index)),
            _ => None,
        };
        match child {
            Some(child) => child.descend(rest, found),
            None => found(self),
        }
    }

    pub(super) fn member<'m>(&'m self, member: &'m Member) -> At<'m> {
        At {
            node: &member.value,
            path: Path::Member {
                parent: &self.path,
                key: &member.key,
            },
        }
    }

    /// What stands here, for a message.
    fn found(&self) -> String {
        match &self.node.kind {
            Kind::Null => "null".to_owned(),
            Kind::Bool(value) => value.to_string(),
            Kind::Number(number) => shorten(&number.to_string()),
            Kind::Text(text) => format!("\"{}\"", quoted(text)),
            Kind::List(items) if items.is_empty() => "an empty list".to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Object(_) => "an object".to_owned(),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member { parent, key } => write!(f, "{parent}/{}", escaped(key)),
            Self::Item { parent, index } => write!(f, "{parent}/{index}"),
        }
    }
}

/// A key as a segment of a JSON pointer.
fn escaped(key: &str) -> String {
    quoted(key).replace('~', "~0").replace('/', "~1")
}

/// Text of the manifest as a message may repeat it: short, one line, no terminal tricks.
fn quoted(text: &str) -> String {
    printable(&shorten(text))
}

/// What was found wrong so far.
pub(super) struct Problems<'s> {
    text: &'s str,
    found: Vec<ManifestProblem>,
}

impl<'s> Problems<'s> {
    pub(super) fn new(text: &'s str) -> Self {
        Self {
            text,
            found: Vec::new(),
        }
    }

    /// What was read, when nothing was found wrong.
    pub(super) fn verdict<T>(self, value: Option<T>) -> Result<T, ManifestError> {
        let mut found = self.found.into_iter();
        match (found.next(), value) {
            (None, Some(value)) => Ok(value),
            (Some(first), _) => Err(ManifestError::new(first, found.collect())),
            (None, None) => {
                let fault = ManifestFault::Syntax {
                    reason: "it cannot be read".to_owned(),
                };
                Err(ManifestError::unreadable(
                    self.text.as_bytes(),
                    Unreadable { fault, span: 0..0 },
                ))
            }
        }
    }

    pub(super) fn report(&mut self, at: &At<'_>, fault: ManifestFault) {
        self.record(at.pointer(), at.node.span.clone(), fault);
    }

    /// Reports the value at `at` as breaking the rule `expected`.
    pub(super) fn unexpected(&mut self, at: &At<'_>, expected: &str) {
        self.unexpected_but(at, expected, None);
    }

    pub(super) fn unexpected_but(&mut self, at: &At<'_>, expected: &str, suggestion: Option<String>) {
        if matches!((&at.node.kind, &at.path), (Kind::Null, Path::Member { .. })) {
            return self.contrary(at, &format!("{expected}, or no key at all"), at.found(), suggestion);
        }
        self.contrary(at, expected, at.found(), suggestion);
    }

    pub(super) fn contrary(&mut self, at: &At<'_>, expected: &str, found: String, suggestion: Option<String>) {
        self.report(
            at,
            ManifestFault::Unexpected {
                expected: expected.to_owned(),
                found,
                suggestion,
            },
        );
    }

    /// Whether another problem would not be kept; finding its suggestion would be wasted.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= MAX_PROBLEMS
    }

    /// Takes back that `key` is missing: it stands there misspelt.
    fn explained(&mut self, object: &At<'_>, key: &str) {
        let pointer = object.pointer();
        let is_explained = |problem: &ManifestProblem| {
            problem.pointer == pointer && problem.fault == ManifestFault::MissingKey { key: key.to_owned() }
        };
        self.found.retain(|problem| !is_explained(problem));
    }

    fn record(&mut self, pointer: String, span: Range<usize>, fault: ManifestFault) {
        if !self.is_full() {
            let location = Location::of(self.text.as_bytes(), span);
            self.found.push(ManifestProblem {
                pointer,
                fault,
                location,
            });
        }
    }
}

/// The members of one object, taken out by name.
pub(super) struct Fields<'a, 'p, 's> {
    at: &'a At<'a>,
    members: &'a [Member],
    problems: &'p mut Problems<'s>,
    known: Vec<&'static str>,
    taken: Vec<&'a str>,
}

/// Reads an object. `read` takes members out by name, required ones with `?` last; what nobody took is unknown.
pub(super) fn object<'s, T>(
    at: &At<'_>,
    problems: &mut Problems<'s>,
    read: impl FnOnce(&mut Fields<'_, '_, 's>) -> Option<T>,
) -> Option<T> {
    let Kind::Object(members) = &at.node.kind else {
        problems.unexpected(at, "an object");
        return None;
    };
    report_duplicates(at, members, problems);
    let mut fields = Fields {
        at,
        members,
        problems,
        known: Vec::new(),
        taken: Vec::new(),
    };
    let value = read(&mut fields);
    fields.finish();
    value
}

impl<'a, 's> Fields<'a, '_, 's> {
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&At<'_>, &mut Problems<'s>) -> Option<T>,
    ) -> Option<T> {
        match self.take(key) {
            Some(at) => read(&at, self.problems),
            None => {
                self.problems
                    .report(self.at, ManifestFault::MissingKey { key: key.to_owned() });
                None
            }
        }
    }

    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&At<'_>, &mut Problems<'s>) -> Option<T>,
    ) -> Option<T> {
        let at = self.take(key)?;
        read(&at, self.problems)
    }

    pub(super) fn or_default<T: Default>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&At<'_>, &mut Problems<'s>) -> Option<T>,
    ) -> T {
        self.optional(key, read).unwrap_or_default()
    }

    /// Reports a problem with what is at `pointer` below the object.
    pub(super) fn complain(&mut self, pointer: &str, complain: impl Fn(&At<'_>, &mut Problems<'s>)) {
        self.at.descend(pointer, &mut |place| complain(place, self.problems));
    }

    /// Takes all members whose key starts with `prefix`, whatever they are.
    pub(super) fn free(&mut self, prefix: &str) -> Vec<(String, Value)> {
        let mut free = Vec::new();
        for member in self.members.iter().filter(|member| member.key.starts_with(prefix)) {
            self.taken.push(&member.key);
            free.push((member.key.clone(), any(&self.at.member(member), self.problems)));
        }
        free
    }

    fn finish(self) {
        for member in self.members {
            if self.problems.is_full() {
                return;
            }
            if self.taken.iter().any(|key| *key == member.key) {
                continue;
            }
            let suggestion = closest(&member.key, self.known.iter().copied()).map(str::to_owned);
            if let Some(meant) = &suggestion {
                self.problems.explained(self.at, meant);
            }
            let fault = ManifestFault::UnknownKey {
                key: quoted(&member.key),
                suggestion,
                known: self.known.clone(),
            };
            let pointer = self.at.member(member).pointer();
            self.problems.record(pointer, member.key_span.clone(), fault);
        }
    }

    fn take(&mut self, key: &'static str) -> Option<At<'a>> {
        self.known.push(key);
        let alias = camel_case(key);
        let named = |name: &str| self.members.iter().find(|member| member.key == name);
        let (canonical, other) = (named(key), if alias == key { None } else { named(&alias) });
        self.taken
            .extend(canonical.into_iter().chain(other).map(|member| member.key.as_str()));
        if let (Some(_), Some(other)) = (canonical, other) {
            let pointer = self.at.member(other).pointer();
            let fault = ManifestFault::BothSpellings {
                key: key.to_owned(),
                alias: other.key.clone(),
            };
            self.problems.record(pointer, other.key_span.clone(), fault);
        }
        canonical.or(other).map(|member| self.at.member(member))
    }
}

pub(super) fn report_duplicates(at: &At<'_>, members: &[Member], problems: &mut Problems<'_>) {
    let mut seen = BTreeSet::new();
    for member in members {
        if !seen.insert(member.key.as_str()) {
            let fault = ManifestFault::DuplicateKey {
                key: quoted(&member.key),
            };
            problems.record(at.member(member).pointer(), member.key_span.clone(), fault);
        }
    }
}

/// `max_core_version` → `maxCoreVersion`.
pub(super) fn camel_case(key: &str) -> String {
    let mut words = key.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut characters = word.chars();
        camel.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(characters.as_str());
    }
    camel
}
