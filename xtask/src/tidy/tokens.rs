//! Rust source as tokens: comments and the insides of strings are not code, however much they look like it.

use proc_macro2::{TokenStream, TokenTree};

/// An identifier or keyword and its line.
pub(super) struct Word {
    pub(super) text: String,
    pub(super) line: usize,
}

/// Every identifier and keyword of a source file in order.
///
/// # Errors
/// The line at which the text stops being Rust tokens.
pub(super) fn words(source: &str) -> Result<Vec<Word>, usize> {
    let stream: TokenStream = source
        .parse()
        .map_err(|error: proc_macro2::LexError| error.span().start().line)?;
    let mut words = Vec::new();
    collect(stream, &mut words);
    Ok(words)
}

fn collect(stream: TokenStream, words: &mut Vec<Word>) {
    for token in stream {
        match token {
            TokenTree::Group(group) => collect(group.stream(), words),
            TokenTree::Ident(ident) => words.push(Word {
                text: ident.to_string(),
                line: ident.span().start().line,
            }),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_documentation_and_strings_hold_no_words() {
        let source = "// unsafe\n/// unsafe\nfn f() { g(\"unsafe\", r#\"unsafe\"#) } /* unsafe */\nmod unsafe_code {}";
        let texts: Vec<_> = words(source).unwrap().into_iter().map(|word| word.text).collect();
        assert_eq!(texts, ["doc", "fn", "f", "g", "mod", "unsafe_code"]);
    }

    #[test]
    fn a_word_knows_its_line_inside_groups_too() {
        let found = words("fn f() {\n    {\n        deep();\n    }\n}").unwrap();
        assert_eq!(
            found.last().map(|word| (word.text.as_str(), word.line)),
            Some(("deep", 3))
        );
    }

    #[test]
    fn text_that_is_no_rust_is_told() {
        assert!(words("fn f() { ) }").is_err());
    }
}
