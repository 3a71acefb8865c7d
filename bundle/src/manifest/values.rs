//! Readers of plain values: numbers, sizes, durations, words, lists, anything.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Number, Value};

use super::read::{At, Problems, report_duplicates};
use super::source::Kind;
use crate::suggest::closest;
use crate::{ByteSize, parse_duration};

/// Any value, without duplicate keys.
pub(super) fn any(at: &At<'_>, problems: &mut Problems<'_>) -> Value {
    match at.kind() {
        Kind::Null => Value::Null,
        Kind::Bool(value) => Value::Bool(*value),
        Kind::Number(number) => Value::Number(number.clone()),
        Kind::Text(text) => Value::String(text.clone()),
        Kind::List(_) => at.items().map(|item| any(&item, problems)).collect(),
        Kind::Object(members) => {
            report_duplicates(at, members, problems);
            let entries = members
                .iter()
                .map(|member| (member.key.clone(), any(&at.member(member), problems)));
            Value::Object(entries.collect())
        }
    }
}

/// Any object.
pub(super) fn any_object(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Map<String, Value>> {
    match any(at, problems) {
        Value::Object(object) => Some(object),
        _ => {
            problems.unexpected(at, "an object");
            None
        }
    }
}

pub(super) fn boolean(at: &At<'_>, problems: &mut Problems<'_>) -> Option<bool> {
    if let Kind::Bool(value) = at.kind() {
        return Some(*value);
    }
    let suggestion = at
        .as_text()
        .filter(|text| matches!(*text, "true" | "false"))
        .map(str::to_owned);
    problems.unexpected_but(at, "true or false", suggestion);
    None
}

/// A whole number from 1 to `maximum`.
pub(super) fn count(maximum: u64) -> impl Fn(&At<'_>, &mut Problems<'_>) -> Option<u64> {
    move |at, problems| {
        let number = at
            .as_number()
            .and_then(Number::as_u64)
            .filter(|number| (1..=maximum).contains(number));
        if number.is_none() {
            let suggestion = at
                .as_text()
                .filter(|text| text.parse::<u64>().is_ok())
                .map(str::to_owned);
            problems.unexpected_but(at, &format!("a whole number from 1 to {maximum}"), suggestion);
        }
        number
    }
}

/// A whole number from 1 to `u32::MAX`.
pub(super) fn count_u32(at: &At<'_>, problems: &mut Problems<'_>) -> Option<u32> {
    count(u32::MAX.into())(at, problems)?.try_into().ok()
}

pub(super) fn size(at: &At<'_>, problems: &mut Problems<'_>) -> Option<ByteSize> {
    let size = match (at.as_number(), at.as_text()) {
        (Some(number), _) => number.as_u64().map(ByteSize::from_bytes),
        (None, Some(text)) => text.parse().ok(),
        (None, None) => None,
    };
    let size = size.filter(|size| size.as_bytes() > 0);
    if size.is_none() {
        problems.unexpected(at, "a size above zero such as \"64MB\" or a number of bytes");
    }
    size
}

pub(super) fn duration(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Duration> {
    let text = at
        .as_number()
        .map(ToString::to_string)
        .or_else(|| at.as_text().map(str::to_owned));
    let duration = text
        .and_then(|text| parse_duration(&text).ok())
        .filter(|duration| !duration.is_zero());
    if duration.is_none() {
        problems.unexpected(at, "a duration above zero such as \"30s\" or a number of seconds");
    }
    duration
}

/// A text that `read` accepts; when it does not, it may say what was meant.
pub(super) fn text<T>(
    at: &At<'_>,
    problems: &mut Problems<'_>,
    expected: &str,
    read: impl FnOnce(&str) -> Result<T, Option<String>>,
) -> Option<T> {
    match at.as_text().map(read) {
        Some(Ok(value)) => return Some(value),
        Some(Err(suggestion)) => problems.unexpected_but(at, expected, suggestion),
        None => problems.unexpected(at, expected),
    }
    None
}

/// One of a few words.
pub(super) fn word<T: Copy>(at: &At<'_>, problems: &mut Problems<'_>, choices: &[(&str, T)]) -> Option<T> {
    let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    text(at, problems, &format!("one of {}", words.join(", ")), |text| {
        let choice = choices
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, choice)| *choice);
        choice.ok_or_else(|| closest(text, choices.iter().map(|(word, _)| *word)).map(str::to_owned))
    })
}

/// A list of what `read` reads.
pub(super) fn list<'s, T>(
    at: &At<'_>,
    problems: &mut Problems<'s>,
    read: impl Fn(&At<'_>, &mut Problems<'s>) -> Option<T>,
) -> Option<Vec<T>> {
    if !matches!(at.kind(), Kind::List(_)) {
        problems.unexpected(at, "a list");
        return None;
    }
    let items: Vec<Option<T>> = at.items().map(|item| read(&item, problems)).collect();
    items.into_iter().collect()
}

/// A list in which no two items have the same `key`; `what` names the key in the message.
pub(super) fn distinct<'s, T, K: Ord>(
    at: &At<'_>,
    problems: &mut Problems<'s>,
    read: impl Fn(&At<'_>, &mut Problems<'s>) -> Option<T>,
    (what, key): (&str, impl Fn(&T) -> K),
) -> Option<Vec<T>> {
    let items = list(at, problems, read)?;
    let mut seen = BTreeSet::new();
    for (item, place) in items.iter().zip(at.items()) {
        if !seen.insert(key(item)) {
            problems.contrary(
                &place,
                &format!("each {what} once"),
                "it a second time".to_owned(),
                None,
            );
        }
    }
    Some(items)
}
