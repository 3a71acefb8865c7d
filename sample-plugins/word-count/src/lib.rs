//! Bytes in, JSON out: statistics of a text.

use std::collections::BTreeMap;

use palisade_sdk::{Reject, data, plugin};

/// How many words are listed as frequent.
const FREQUENT_MAX: usize = 10;

/// Counts words.
#[derive(Default)]
pub struct WordCount;

/// What `count` answers.
#[data]
#[derive(Debug, PartialEq)]
pub struct Counts {
    /// Lines, whether or not the last one ends.
    pub lines: usize,
    /// Words: letters and digits, with apostrophes inside.
    pub words: usize,
    /// Unicode characters, line ends included.
    pub characters: usize,
    /// The most frequent words in lower case and how often they occur, at most ten.
    pub frequent: Vec<(String, usize)>,
}

#[plugin]
impl WordCount {
    /// Counts lines, words and characters of a UTF-8 text, and lists its most frequent words.
    #[command(idempotent)]
    pub fn count(&self, input: &[u8]) -> Result<Counts, Reject> {
        let text = std::str::from_utf8(input)?;
        let lowercase = text.to_lowercase();
        let mut times = BTreeMap::<&str, usize>::new();
        for word in words(&lowercase) {
            *times.entry(word).or_default() += 1;
        }
        let mut frequent: Vec<_> = times.iter().map(|(word, times)| ((*word).to_owned(), *times)).collect();
        frequent.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        frequent.truncate(FREQUENT_MAX);
        Ok(Counts {
            lines: text.lines().count(),
            words: times.values().sum(),
            characters: text.chars().count(),
            frequent,
        })
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '\'' | '’'));
    words
        .map(|word| word.trim_matches(['\'', '’']))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_text_in_any_language() {
        let counts = WordCount.count("Das Öl, das 'Öl'.\nIt's ok\n".as_bytes()).unwrap();
        assert_eq!((counts.lines, counts.words, counts.characters), (2, 6, 26));
        let frequent: Vec<_> = counts
            .frequent
            .iter()
            .map(|(word, times)| (word.as_str(), *times))
            .collect();
        assert_eq!(frequent, [("das", 2), ("öl", 2), ("it's", 1), ("ok", 1)]);
    }

    #[test]
    fn refuses_what_is_no_text() {
        assert_eq!(WordCount.count(b"\xff").unwrap_err().code, Reject::INVALID_ARGUMENT);
    }
}
