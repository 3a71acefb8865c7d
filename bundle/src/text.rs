//! Text of strangers (bundles, plugins, file names) made safe to show: [`Visible`] and [`VisibleLines`].
//!
//! A terminal obeys control characters, and bidirectional ones reorder what a reader sees. Both are written as
//! escapes, so that no plugin can repaint a screen or hide a permission.

use std::fmt::{self, Write as _};

/// One line of foreign text: every control and bidirectional character is shown as an escape, line breaks too.
#[derive(Clone, Copy, Debug)]
pub struct Visible<T>(pub T);

impl<T: AsRef<str>> fmt::Display for Visible<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, self.0.as_ref(), is_unsafe_to_show)
    }
}

/// Foreign text of several lines: as [`Visible`], but line breaks and tabs stay.
#[derive(Clone, Copy, Debug)]
pub struct VisibleLines<T>(pub T);

impl<T: AsRef<str>> fmt::Display for VisibleLines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, self.0.as_ref(), |char| {
            !matches!(char, '\n' | '\t') && is_unsafe_to_show(char)
        })
    }
}

/// `text` as [`Visible`] shows it.
#[must_use]
pub fn printable(text: &str) -> String {
    Visible(text).to_string()
}

/// Whether a terminal acts on `char` instead of drawing it: C0, DEL, C1, line separators, and the directional
/// characters of Unicode TR 36 section 3.
#[must_use]
pub fn is_unsafe_to_show(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str, escapes: impl Fn(char) -> bool) -> fmt::Result {
    for char in text.chars() {
        if escapes(char) {
            write!(f, "{}", char.escape_default())?;
        } else {
            f.write_char(char)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_commands_become_text() {
        assert_eq!(
            Visible("\u{1b}[2Jhi\u{9b}31m\u{7f}").to_string(),
            r"\u{1b}[2Jhi\u{9b}31m\u{7f}"
        );
    }

    #[test]
    fn reordering_characters_become_text() {
        assert_eq!(Visible("a\u{202e}b\u{2066}c").to_string(), r"a\u{202e}b\u{2066}c");
    }

    #[test]
    fn a_line_stays_one_line_and_lines_stay_lines() {
        assert_eq!(Visible("a\nb\tc").to_string(), r"a\nb\tc");
        assert_eq!(VisibleLines("a\nb\tc\r").to_string(), "a\nb\tc\\r");
    }

    #[test]
    fn ordinary_text_of_any_script_is_left_alone() {
        assert_eq!(Visible("Grüße, 你好, مرحبا 👩‍💻").to_string(), "Grüße, 你好, مرحبا 👩‍💻");
    }
}
