//! A long file usually has two rooms in it.

use super::Finding;
use super::tree::Tree;

/// About 400 lines is where a file starts to hold two things; some slack, so that a doc comment never forces a split.
const MOST_LINES: usize = 450;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let sources = tree.texts(".rs").filter(|(path, _)| !is_test(path));
    let long = sources
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES);
    long.map(|(path, lines)| Finding::new(path, format!("{lines} lines; more than {MOST_LINES} ask for a split")))
        .collect()
}

fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_one_line_past_the_bound() {
        let longest = "x\n".repeat(MOST_LINES);
        let too_long = "x\n".repeat(MOST_LINES + 1);
        assert_eq!(check(&Tree::from([("bundle/src/a.rs", longest.as_str())])), []);
        assert_eq!(check(&Tree::from([("bundle/src/a.rs", too_long.as_str())])).len(), 1);
        assert_eq!(check(&Tree::from([("tests/behaviour/a.rs", too_long.as_str())])), []);
    }
}
