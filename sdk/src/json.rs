//! JSON from outside into a plugin's types, with an answer that says where it does not fit.

use serde::Deserialize;
use serde_json::error::Category;

use crate::reject::Reject;

/// Reads `text` as a `T`; `what` names the text in the message.
///
/// # Errors
///
/// A [`Reject`] with the given code and the details `pointer` (RFC 6901) and, when known, `expected`.
pub(crate) fn read<'de, T: Deserialize<'de>>(text: &'de [u8], what: &str, code: &str) -> Result<T, Reject> {
    serde_json::from_slice(text).map_err(|error| explain(text, &error, what, code))
}

/// Not generic, so that a plugin holds it once however many types it reads.
#[cold]
fn explain(text: &[u8], error: &serde_json::Error, what: &str, code: &str) -> Reject {
    let whole = error.to_string();
    if error.classify() != Category::Data {
        return Reject::new(code, format!("{what}: not JSON: {whole}"));
    }
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = whole.strip_suffix(&position).unwrap_or(&whole);
    let pointer = pointer_at(text, offset_of(text, error.line(), error.column()));
    let place = if pointer.is_empty() {
        what.to_owned()
    } else {
        format!("{what} at {pointer}")
    };
    let reject = Reject::new(code, format!("{place}: {message}")).with_detail("pointer", pointer);
    match expected(message) {
        Some(expected) => reject.with_detail("expected", expected),
        None => reject,
    }
}

/// What serde says it wanted: "invalid type: integer `5`, expected a string", "missing field `name`".
fn expected(message: &str) -> Option<String> {
    match message.strip_prefix("missing field ") {
        Some(field) => Some(format!("the field {field}")),
        None => message
            .rsplit_once("expected ")
            .map(|(_, expected)| expected.to_owned()),
    }
}

/// The number of bytes read when serde gave up; lines and columns count from 1, columns in bytes.
fn offset_of(text: &[u8], line: usize, column: usize) -> usize {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum::<usize>() + column
}

/// One level of nesting, and where in it the scan stands.
enum Level {
    Object { key: Option<String> },
    Array { index: usize },
}

/// The pointer of the value that ends at `offset`, or that `offset` lies in.
fn pointer_at(text: &[u8], offset: usize) -> String {
    let mut rest = text.get(..offset).unwrap_or(text);
    let mut levels: Vec<Level> = Vec::new();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, levels.last_mut()) {
            (b'{', _) => levels.push(Level::Object { key: None }),
            (b'[', _) => levels.push(Level::Array { index: 0 }),
            (b'}' | b']', _) => drop(levels.pop()),
            (b',', Some(Level::Object { key })) => *key = None,
            (b',', Some(Level::Array { index })) => *index += 1,
            (b'"', level) => {
                let (string, after) = split_string(rest);
                rest = after;
                if let Some(Level::Object { key: key @ None }) = level {
                    *key = string;
                }
            }
            _ => {}
        }
    }
    levels.iter().map(segment).collect()
}

/// Splits after the closing quote; the string is `None` when it does not end.
fn split_string(text: &[u8]) -> (Option<String>, &[u8]) {
    let mut escaped = false;
    for (index, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => {
                let (inside, after) = text.split_at(index);
                let quoted = [b"\"", inside, b"\""].concat();
                return (serde_json::from_slice(&quoted).ok(), after.get(1..).unwrap_or_default());
            }
            _ => {}
        }
    }
    (None, &[])
}

/// `/key` or `/index`, escaped; nothing for an object whose key is not read yet.
fn segment(level: &Level) -> String {
    match level {
        Level::Object { key: None } => String::new(),
        Level::Object { key: Some(key) } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Level::Array { index } => format!("/{index}"),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[serde(rename = "a/b~c")]
        _odd: Option<u32>,
        #[serde(rename = "items")]
        _items: Vec<Item>,
    }

    #[derive(Debug, Deserialize)]
    struct Item {
        #[serde(rename = "name")]
        _name: String,
    }

    #[track_caller]
    fn check(text: &str, pointer: &str, expected: Option<&str>, message: &str) {
        let reject = read::<Order>(text.as_bytes(), "arguments", Reject::INVALID_ARGUMENT).unwrap_err();
        assert_eq!(reject.code, "INVALID_ARGUMENT");
        assert_eq!(reject.message, message);
        assert_eq!(reject.details["pointer"], pointer);
        assert_eq!(
            reject.details.get("expected").and_then(|value| value.as_str()),
            expected
        );
    }

    #[test]
    fn a_wrong_value_is_named_by_its_pointer() {
        check(
            r#"{"items": [{"name": "a"}, {"name": 5}]}"#,
            "/items/1/name",
            Some("a string"),
            "arguments at /items/1/name: invalid type: integer `5`, expected a string",
        );
        check(
            "{\n  \"a/b~c\": \"x\",\n \"items\": []}",
            "/a~1b~0c",
            Some("u32"),
            "arguments at /a~1b~0c: invalid type: string \"x\", expected u32",
        );
    }

    #[test]
    fn a_missing_field_is_named_by_the_object_that_lacks_it() {
        let text = r#"{"items": [{"name": "\"}{"}, {}]}"#;
        let message = "arguments at /items/1: missing field `name`";
        check(text, "/items/1", Some("the field `name`"), message);
        check("{}", "", Some("the field `items`"), "arguments: missing field `items`");
    }

    #[test]
    fn an_unknown_field_is_named() {
        let expected = "`a/b~c` or `items`";
        let message = "arguments at /itmes: unknown field `itmes`, expected `a/b~c` or `items`";
        check(r#"{"itmes": []}"#, "/itmes", Some(expected), message);
    }

    #[test]
    fn text_that_is_not_json_is_refused_with_line_and_column() {
        for text in ["{", "{\"items\": [", "nonsense", "\"open", "[\u{1}]", "\\"] {
            let reject = read::<Order>(text.as_bytes(), "arguments", Reject::INVALID_ARGUMENT).unwrap_err();
            assert!(
                reject.message.starts_with("arguments: not JSON: "),
                "{}",
                reject.message
            );
            assert!(reject.message.contains(" at line 1 column "), "{}", reject.message);
        }
    }

    #[test]
    fn every_prefix_of_a_document_has_a_pointer() {
        let text = r#"{"a": [1, {"b\"": [[], "x\\"]}, 3], "c": {"d": null}}"#;
        for offset in 0..=text.len() + 1 {
            pointer_at(text.as_bytes(), offset);
        }
        assert_eq!(pointer_at(text.as_bytes(), text.len() - 2), "/c/d");
        assert_eq!(pointer_at(text.as_bytes(), text.len()), "");
    }
}
