//! A JSON text as a tree that remembers where everything stands and keeps duplicate keys, so that every complaint can
//! point.
//!
//! `serde_json` reads the text; its raw values borrow from it, so a value's place is where its slice begins. Each
//! level is opened from the raw text of the level above, which costs depth times length: both are bounded.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Number;
use serde_json::value::RawValue;

use super::error::ManifestFault;
use super::{MAX_DEPTH, MAX_MANIFEST_BYTES, MAX_VALUES};

/// One value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Object(Vec<Member>),
}

/// One `"key": value` of an object, in the order of the text.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) value: Node,
}

/// Why there is no tree, and where.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) fault: ManifestFault,
    pub(super) span: Range<usize>,
}

/// Reads a whole text.
pub(super) fn read(bytes: &[u8]) -> Result<(&str, Node), Unreadable> {
    if bytes.len() > MAX_MANIFEST_BYTES {
        let fault = ManifestFault::TooLarge {
            actual_bytes: bytes.len(),
            limit_bytes: MAX_MANIFEST_BYTES,
        };
        return Err(Unreadable { fault, span: 0..0 });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        Unreadable {
            fault: ManifestFault::NotUtf8,
            span: offset..offset.saturating_add(1).min(bytes.len()),
        }
    })?;
    if text.starts_with('\u{feff}') {
        let reason = "it starts with a byte order mark; save the file as UTF-8 without BOM".to_owned();
        return Err(Unreadable {
            fault: ManifestFault::Syntax { reason },
            span: 0..3,
        });
    }
    let mut reader = SourceReader { text, values: 0 };
    let root: &RawValue = serde_json::from_str(text).map_err(|error| reader.syntax(text, &error))?;
    reader.node(root, 0).map(|node| (text, node))
}

struct SourceReader<'s> {
    text: &'s str,
    /// How many there are so far.
    values: usize,
}

impl<'s> SourceReader<'s> {
    fn node(&mut self, raw: &'s RawValue, depth: usize) -> Result<Node, Unreadable> {
        let span = self.span(raw);
        if depth > MAX_DEPTH {
            return Err(Unreadable {
                fault: ManifestFault::TooDeep { limit: MAX_DEPTH },
                span,
            });
        }
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(Unreadable {
                fault: ManifestFault::TooManyValues { limit: MAX_VALUES },
                span,
            });
        }
        let kind = match raw.get().as_bytes().first() {
            Some(b'{') => Kind::Object(self.members(raw, depth)?),
            Some(b'[') => {
                let items: Vec<&'s RawValue> = self.decode(raw)?;
                Kind::List(
                    items
                        .into_iter()
                        .map(|item| self.node(item, depth + 1))
                        .collect::<Result<_, _>>()?,
                )
            }
            Some(b'"') => Kind::Text(self.decode(raw)?),
            Some(b't' | b'f') => Kind::Bool(self.decode(raw)?),
            Some(b'n') => Kind::Null,
            _ => Kind::Number(self.decode(raw)?),
        };
        Ok(Node { span, kind })
    }

    fn members(&mut self, raw: &'s RawValue, depth: usize) -> Result<Vec<Member>, Unreadable> {
        let RawMembers(members) = self.decode(raw)?;
        let member = |(key, value): (&'s RawValue, &'s RawValue)| {
            let key_span = self.span(key);
            Ok(Member {
                key: self.decode(key)?,
                key_span,
                value: self.node(value, depth + 1)?,
            })
        };
        members.into_iter().map(member).collect()
    }

    fn decode<T: Deserialize<'s>>(&self, raw: &'s RawValue) -> Result<T, Unreadable> {
        serde_json::from_str(raw.get()).map_err(|error| self.syntax(raw.get(), &error))
    }

    fn span(&self, raw: &RawValue) -> Range<usize> {
        let start = raw.get().as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        start..start.saturating_add(raw.get().len())
    }

    /// Turns `serde_json`'s line and column inside `part` into a place in the whole text.
    fn syntax(&self, part: &str, error: &serde_json::Error) -> Unreadable {
        let base = part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        if error.is_eof() {
            let end = base.saturating_add(part.len());
            let reason = "it ends too early: a `}`, `]` or `\"` is missing".to_owned();
            return Unreadable {
                fault: ManifestFault::Syntax { reason },
                span: end..end,
            };
        }
        let line_start = match error.line().checked_sub(2) {
            None => 0,
            Some(breaks_before) => part.match_indices('\n').nth(breaks_before).map_or(0, |(at, _)| at + 1),
        };
        let inside = line_start
            .saturating_add(error.column().saturating_sub(1))
            .min(part.len());
        let at = self.text.floor_char_boundary(base.saturating_add(inside));
        let end = self.text.ceil_char_boundary(at.saturating_add(1)).min(self.text.len());
        let message = error.to_string();
        let reason = message.split(" at line ").next().unwrap_or_default().to_owned();
        Unreadable {
            fault: ManifestFault::Syntax { reason },
            span: at..end,
        }
    }
}

/// The members of one object with duplicates kept.
struct RawMembers<'s>(Vec<(&'s RawValue, &'s RawValue)>);

impl<'s> Deserialize<'s> for RawMembers<'s> {
    fn deserialize<D: Deserializer<'s>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'s> Visitor<'s> for Members {
            type Value = RawMembers<'s>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'s>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(RawMembers(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}
