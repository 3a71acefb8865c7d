//! JSON as signed documents use it: one spelling on writing, and on reading no duplicate member, no fraction, no
//! integer beyond 2^53−1, bounded size and depth.
//!
//! Writing follows RFC 8785: members sorted by their UTF-16 code units, no white space, only the escapes JSON demands.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::text::printable;

/// The largest integer that every JSON reader keeps exact (RFC 8259, section 6).
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Deep enough for every document of ours (a trust document needs 6), far from any stack.
const MAX_DEPTH: u32 = 16;

/// Why a text is not JSON of this profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Longer than the reader of this document allows.
    #[error("{actual_bytes} bytes are more than the {limit_bytes} allowed")]
    TooLarge {
        /// What was offered.
        actual_bytes: usize,
        /// What is allowed.
        limit_bytes: usize,
    },
    /// Not JSON, or JSON that this profile refuses: duplicate member, fraction, huge integer, too deep.
    #[error("{message} (line {line}, column {column})")]
    Malformed {
        /// What the reader stumbled over.
        message: String,
        /// Counted from 1; 0 when the shape and not the text is wrong.
        line: usize,
        /// Counted from 1; 0 when the shape and not the text is wrong.
        column: usize,
    },
    /// A number cannot be written in this profile.
    #[error("a number is not an integer between 0 and 2^53-1")]
    Number,
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        Self::Malformed {
            message: excerpt(message),
            line,
            column,
        }
    }
}

/// Messages may quote a document of a stranger: enough of it to be recognised, nothing that moves a cursor.
const MAX_EXCERPT_CHARS: usize = 160;

/// The beginning of `text`, safe to print.
pub(crate) fn excerpt(text: &str) -> String {
    let mut beginning: String = text.chars().take(MAX_EXCERPT_CHARS).collect();
    if beginning.len() < text.len() {
        beginning.push('…');
    }
    printable(&beginning)
}

/// Reads `bytes` into `T`, which should refuse unknown members.
///
/// # Errors
///
/// [`JsonError::TooLarge`], [`JsonError::Malformed`].
pub fn parse<T: DeserializeOwned>(bytes: &[u8], limit_bytes: usize) -> Result<T, JsonError> {
    Ok(serde_json::from_value(parse_value(bytes, limit_bytes)?)?)
}

/// Reads `bytes` into a tree without duplicate members.
pub(crate) fn parse_value(bytes: &[u8], limit_bytes: usize) -> Result<Value, JsonError> {
    if bytes.len() > limit_bytes {
        return Err(JsonError::TooLarge {
            actual_bytes: bytes.len(),
            limit_bytes,
        });
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth_left: MAX_DEPTH }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// The one spelling of `document`.
///
/// # Errors
///
/// [`JsonError::Number`] for what is no integer between 0 and 2^53−1; [`JsonError::Malformed`] for what is no JSON.
pub fn to_bytes(document: &impl Serialize) -> Result<Vec<u8>, JsonError> {
    let mut text = String::new();
    write_value(&serde_json::to_value(document)?, &mut text)?;
    Ok(text.into_bytes())
}

fn write_value(value: &Value, text: &mut String) -> Result<(), JsonError> {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => text.push_str(&value.to_string()),
        Value::Number(number) => match number.as_u64() {
            Some(integer) if integer <= MAX_INTEGER => text.push_str(&integer.to_string()),
            _ => return Err(JsonError::Number),
        },
        Value::Array(items) => {
            write_separated('[', items.iter(), ']', text, write_value)?;
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            write_separated('{', members.into_iter(), '}', text, |(name, value), text| {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_value(value, text)
            })?;
        }
    }
    Ok(())
}

fn write_separated<T>(
    open: char,
    items: impl Iterator<Item = T>,
    close: char,
    text: &mut String,
    mut write: impl FnMut(T, &mut String) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    text.push(open);
    for (position, item) in items.enumerate() {
        if position > 0 {
            text.push(',');
        }
        write(item, text)?;
    }
    text.push(close);
    Ok(())
}

#[derive(Clone, Copy)]
struct Strict {
    depth_left: u32,
}

impl Strict {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let depth_left = self.depth_left.checked_sub(1);
        depth_left
            .map(|depth_left| Self { depth_left })
            .ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, true, false, a string, an integer between 0 and 2^53-1, an array or an object")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        if value > MAX_INTEGER {
            return Err(E::invalid_value(de::Unexpected::Unsigned(value), &self));
        }
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(seed)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(de::Error::custom(format_args!("duplicate member `{name}`")));
            }
            let value = members.next_value_seed(seed)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check_refused(text: &str, message: &str) {
        match parse_value(text.as_bytes(), 1 << 20) {
            Err(JsonError::Malformed { message: actual, .. }) => {
                assert!(actual.contains(message), "{text}: {actual}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn refuses_a_duplicate_member_at_any_depth() {
        check_refused(r#"{"a":1,"a":1}"#, "duplicate member `a`");
        check_refused(r#"[{"b":{"a":1,"\u0061":2}}]"#, "duplicate member `a`");
        assert_eq!(parse_value(br#"{"a":{"a":1}}"#, 99), Ok(json!({"a": {"a": 1}})));
    }

    #[test]
    fn refuses_numbers_that_readers_disagree_about() {
        for number in ["1.0", "-1", "1e3", "9007199254740992", "18446744073709551616", "-0"] {
            check_refused(number, "");
        }
        assert_eq!(
            parse_value(b"9007199254740991", 99),
            Ok(json!(9_007_199_254_740_991_u64))
        );
    }

    #[test]
    fn refuses_one_level_too_many() {
        let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse_value(nested(16).as_bytes(), 99).is_ok());
        check_refused(&nested(17), "nested too deeply");
        check_refused(&"[".repeat(100_000), "nested too deeply");
    }

    #[test]
    fn refuses_one_byte_too_many() {
        assert!(parse_value(b"[1]", 3).is_ok());
        assert_eq!(
            parse_value(b"[1] ", 3),
            Err(JsonError::TooLarge {
                actual_bytes: 4,
                limit_bytes: 3
            })
        );
    }

    #[test]
    fn refuses_trailing_text_and_broken_unicode() {
        check_refused("{} {}", "trailing characters");
        check_refused(r#""\ud800""#, "");
        assert!(parse_value(b"\"\xff\"", 99).is_err());
        assert!(parse_value(b"\xef\xbb\xbf{}", 99).is_err());
    }

    #[test]
    fn quotes_a_stranger_briefly_and_harmlessly() {
        let name = format!("\u{1b}[2J{}", "x".repeat(100_000));
        let name = Value::from(name);
        match parse_value(format!("{{{name}:1,{name}:2}}").as_bytes(), 1 << 20) {
            Err(JsonError::Malformed { message, .. }) => {
                assert!(message.starts_with("duplicate member `\\u{1b}[2Jxxx"), "{message}");
                assert!(message.len() < 200, "{}", message.len());
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn writes_members_in_the_order_of_rfc_8785() {
        // The sample of RFC 8785, section 3.2.3.
        let document = json!({
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O"
        });
        let text = String::from_utf8(to_bytes(&document).unwrap()).unwrap();
        let order: Vec<_> = ["Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"]
            .iter()
            .map(|word| text.find(word).unwrap())
            .collect();
        assert!(order.is_sorted(), "{text}");
    }

    #[test]
    fn writes_only_the_escapes_json_demands() {
        let document = json!({"t": "\u{20ac}$\u{f}\nA'B\"\\/\u{7f}<"});
        let expected = "{\"t\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\/\u{7f}<\"}";
        assert_eq!(String::from_utf8(to_bytes(&document).unwrap()).unwrap(), expected);
    }

    #[test]
    fn does_not_write_a_number_it_would_not_read() {
        for number in [json!(-1), json!(0.5), json!(9_007_199_254_740_992_u64)] {
            assert_eq!(to_bytes(&number), Err(JsonError::Number));
        }
    }

    fn any_document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0..=MAX_INTEGER).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote_and_writes_it_the_same(document in any_document()) {
            let bytes = to_bytes(&document).unwrap();
            let read = parse_value(&bytes, usize::MAX).unwrap();
            prop_assert_eq!(&read, &document);
            prop_assert_eq!(to_bytes(&read).unwrap(), bytes);
        }
    }
}
