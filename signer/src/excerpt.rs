//! The places in a file that an error is about: [`Excerpt`].

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use palisade_bundle::is_unsafe_to_show;

/// Places in a text, shown with their lines and carets under them.
#[derive(Clone, Debug)]
pub struct Excerpt {
    title: String,
    name: String,
    text: String,
    marks: Vec<(Range<usize>, String)>,
}

impl Excerpt {
    /// Points at `marks`, each a range of bytes and what to say about it, of `text`, which the user knows as `name`.
    /// Ranges that are none of this text are left out.
    #[must_use]
    pub fn new(title: &str, name: &str, text: &str, marks: impl IntoIterator<Item = (Range<usize>, String)>) -> Self {
        let marks = marks
            .into_iter()
            .filter(|(range, _)| text.get(range.clone()).is_some())
            .collect();
        Self {
            title: title.to_owned(),
            name: name.to_owned(),
            text: text.to_owned(),
            marks,
        }
    }

    /// Whether the words at one of the places say this already.
    pub(crate) fn says(&self, line: &str) -> bool {
        self.marks.iter().any(|(_, label)| label.contains(line))
    }

    /// The `  --> file:line:column` block, styled with ANSI escapes; the caller strips them when unwanted.
    pub(crate) fn render(&self, code: &str) -> String {
        let mut snippet = Snippet::source(&self.text).path(&self.name);
        for (range, label) in &self.marks {
            snippet = snippet.annotation(AnnotationKind::Primary.span(range.clone()).label(label));
        }
        let report = &[Level::ERROR.primary_title(&self.title).id(code).element(snippet)];
        let rendered = Renderer::styled()
            .decor_style(DecorStyle::Ascii)
            .term_width(120)
            .render(report);
        // The renderer draws C0 as pictures; C1 and the rest of ours it lets through. ESC is its own styling.
        rendered
            .chars()
            .map(|char| match char {
                '\n' | '\u{1b}' => char,
                char if is_unsafe_to_show(char) => char::REPLACEMENT_CHARACTER,
                char => char,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str, marks: &[(Range<usize>, &str)]) -> String {
        let marks = marks.iter().map(|(range, label)| (range.clone(), (*label).to_owned()));
        let styled = Excerpt::new("name is wrong", "plugin.json", text, marks).render("INVALID_MANIFEST");
        anstream::adapter::strip_str(&styled).to_string()
    }

    #[test]
    fn points_at_every_place() {
        let text = "{\n  \"id\": \"A\",\n  \"name\": 12\n}\n";
        let drawn = rendered(text, &[(10..13, "expected a lower-case id"), (25..27, "expected text")]);
        insta::assert_snapshot!(drawn, @r#"
        error[INVALID_MANIFEST]: name is wrong
         --> plugin.json:2:9
          |
        2 |   "id": "A",
          |         ^^^ expected a lower-case id
        3 |   "name": 12
          |           ^^ expected text
        "#);
    }

    #[test]
    fn survives_a_place_outside_the_text() {
        assert!(rendered("{}", &[(1..9, "here")]).starts_with("error[INVALID_MANIFEST]"));
        assert!(rendered("é", &[(1..2, "here")]).starts_with("error[INVALID_MANIFEST]"));
        assert!(rendered("", &[(0..0, "here")]).starts_with("error[INVALID_MANIFEST]"));
    }

    #[test]
    fn draws_no_control_characters_of_the_file() {
        let drawn = rendered("{\"name\": \"\u{9b}31m\u{202e}\u{7}\"}", &[(9..10, "here")]);
        assert!(
            !drawn.chars().any(|char| char != '\n' && is_unsafe_to_show(char)),
            "{drawn:?}"
        );
    }
}
