//! Words that stand where something is unfinished.

use super::Finding;
use super::tree::Tree;

/// Put together here, so that this file does not find itself.
const WORDS: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
];

/// The files people write.
const SUFFIXES: [&str; 9] = [".rs", ".md", ".toml", ".py", ".c", ".h", ".yml", ".wat", "/run"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let texts = SUFFIXES.iter().flat_map(|suffix| tree.texts(suffix));
    texts.flat_map(|(path, text)| check_text(path, text)).collect()
}

fn check_text(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let found = WORDS.iter().filter(|word| stands_alone(line, word));
        findings.extend(found.map(|word| Finding::at_line(path, number, format!("`{word}` is work left undone"))));
    }
    findings
}

/// Whether the word is there and is not a part of a longer one.
fn stands_alone(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        let after = line.get(start + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(|c| is_word(c) && !word.ends_with('!'))
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_work_is_found_in_code_and_prose() {
        for word in WORDS {
            let text = format!("fine\n// {word} later\n");
            assert_eq!(
                check(&Tree::from([("abi/src/lib.rs", text.as_str())])).len(),
                1,
                "{word}"
            );
            assert_eq!(check(&Tree::from([("docs/abi.md", text.as_str())])).len(), 1, "{word}");
        }
    }

    #[test]
    fn a_longer_word_is_another_word() {
        let text = format!("the method {}S_ALL and mktemp {}X", WORDS[0], WORDS[2]);
        assert_eq!(check(&Tree::from([("abi/src/lib.rs", text.as_str())])), []);
    }
}
