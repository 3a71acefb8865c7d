//! Texts for people, and links.

use fluent_uri::Uri;

use super::read::{At, Problems};
use super::values::{distinct, text};
use crate::permission::is_word;
use crate::text::printable;

/// Longest name or author: one line in a table and in a log.
pub const MAX_NAME_CHARS: usize = 128;

/// Longest description: a screenful, not a manual.
pub const MAX_DESCRIPTION_CHARS: usize = 4_096;

/// Longest keyword: a tag, not a sentence.
pub const MAX_KEYWORD_CHARS: usize = 64;

/// Longest link: what browsers and proxies take.
const MAX_URL_BYTES: usize = 2_048;

/// One line of 1 to 128 characters.
pub(super) fn name(at: &At<'_>, problems: &mut Problems<'_>) -> Option<String> {
    line(at, problems, MAX_NAME_CHARS)
}

pub(super) fn keywords(at: &At<'_>, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    let keyword = |at: &At<'_>, problems: &mut Problems<'_>| line(at, problems, MAX_KEYWORD_CHARS);
    distinct(at, problems, keyword, ("keyword", String::clone))
}

/// Text of at most 4,096 characters that may have several lines.
pub(super) fn description(at: &At<'_>, problems: &mut Problems<'_>) -> Option<String> {
    let expected = format!("text of at most {MAX_DESCRIPTION_CHARS} characters without control characters");
    text(at, problems, &expected, |value| {
        let fits = value.chars().count() <= MAX_DESCRIPTION_CHARS && value.lines().all(is_printable);
        if fits { Ok(value.to_owned()) } else { Err(None) }
    })
}

pub(super) fn url(at: &At<'_>, problems: &mut Problems<'_>) -> Option<String> {
    text(at, problems, "a URL that starts with https:// or http://", |value| {
        if is_web_url(value) {
            return Ok(value.to_owned());
        }
        let completed = format!("https://{value}");
        let forgot_scheme = !value.contains(':') && value.contains('.') && is_web_url(&completed);
        Err(forgot_scheme.then_some(completed))
    })
}

/// A name that programs use: `[a-z][a-z0-9_-]{0,63}`.
pub(super) fn identifier(at: &At<'_>, problems: &mut Problems<'_>) -> Option<String> {
    text(
        at,
        problems,
        "a name of at most 64 characters: a-z, then a-z, 0-9, _ or -",
        |value| {
            if is_word(value) {
                return Ok(value.to_owned());
            }
            let spelled = snake_case(value);
            Err(is_word(&spelled).then_some(spelled))
        },
    )
}

fn line(at: &At<'_>, problems: &mut Problems<'_>, most_chars: usize) -> Option<String> {
    let expected = format!("one line of 1 to {most_chars} characters, not only spaces");
    text(at, problems, &expected, |value| {
        let fits = (1..=most_chars).contains(&value.chars().count());
        if fits && !value.trim().is_empty() && is_printable(value) {
            Ok(value.to_owned())
        } else {
            Err(None)
        }
    })
}

fn is_printable(line: &str) -> bool {
    printable(line) == line
}

fn is_web_url(value: &str) -> bool {
    let Ok(url) = Uri::parse(value) else { return false };
    let web = ["http", "https"]
        .iter()
        .any(|scheme| url.scheme().as_str().eq_ignore_ascii_case(scheme));
    let has_host = url
        .authority()
        .is_some_and(|authority| !authority.host().is_empty() && !authority.has_userinfo());
    web && has_host && value.len() <= MAX_URL_BYTES
}

/// `wordCount`, `Word Count` → `word_count`.
fn snake_case(value: &str) -> String {
    let mut snake = String::new();
    let mut after_lower = false;
    for character in value.trim().chars() {
        if character.is_ascii_uppercase() && after_lower {
            snake.push('_');
        }
        after_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        snake.push(if matches!(character, ' ' | '.' | ':' | '/') {
            '_'
        } else {
            character.to_ascii_lowercase()
        });
    }
    snake
}
