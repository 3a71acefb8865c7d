//! ARCHITECTURE.md against the tree: every crate and module has its place there, and no place is made up.

use std::collections::BTreeSet;

use super::dependencies::Package;
use super::tree::Tree;
use super::{Finding, markdown};

const PAGE: &str = "ARCHITECTURE.md";

/// Crates whose files are no modules of the product: named as a folder, not file by file.
const FOLDER_IS_ENOUGH: [&str; 4] = ["tests", "benches", "xtask", "sample-plugins/"];

/// Endings by which a code span is taken for a path even where its first folder is unknown.
const PATH_ENDINGS: [&str; 6] = [".rs", ".md", ".py", ".h", ".wat", "/"];

pub(super) fn check(tree: &Tree, packages: &[Package]) -> Vec<Finding> {
    let Some(page) = tree.text(PAGE) else {
        return vec![Finding::new(PAGE, "is missing")];
    };
    let mut findings = Vec::new();
    let mut named = BTreeSet::new();
    for mention in mentions(tree, page) {
        match mention.path {
            Some(path) => {
                named.insert(path.trim_end_matches('/').to_owned());
            }
            None => findings.push(Finding::at_line(
                PAGE,
                mention.line,
                format!("there is no `{}`", mention.span),
            )),
        }
    }
    for path in expected_paths(tree, packages) {
        if !named.contains(path.trim_end_matches('/')) {
            findings.push(Finding::new(PAGE, format!("does not name `{path}`")));
        }
    }
    findings
}

/// A code span that is meant as a path.
struct Mention<'a> {
    line: usize,
    span: &'a str,
    /// The path from the top; `None` when there is nothing there.
    path: Option<String>,
}

/// Every path the page mentions. Below a heading such as ``### `signer/` `` the paths may be relative to that folder, or
/// to its `src`.
fn mentions<'a>(tree: &Tree, page: &'a str) -> Vec<Mention<'a>> {
    let top = tree.children("");
    let mut bases = vec![String::new()];
    let mut mentions = Vec::new();
    for (line, text) in markdown::prose(page) {
        if text.starts_with('#') {
            bases = bases_of(text);
        }
        for span in markdown::code_spans(text).filter(|span| is_path(span, &top)) {
            let path = bases
                .iter()
                .map(|base| format!("{base}{span}"))
                .find(|path| tree.has(path));
            mentions.push(Mention { line, span, path });
        }
    }
    mentions
}

/// What paths below a heading are relative to: the top, and the folder the heading is about.
fn bases_of(heading: &str) -> Vec<String> {
    let mut bases = vec![String::new()];
    if let Some(folder) = markdown::code_spans(heading).find(|span| span.ends_with('/')) {
        bases.push(folder.to_owned());
        bases.push(format!("{folder}src/"));
    }
    bases
}

fn is_path(span: &str, top: &[String]) -> bool {
    let plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    let known = span
        .split_once('/')
        .is_some_and(|(first, _)| top.iter().any(|entry| *entry == format!("{first}/")));
    plain && !span.starts_with('.') && (known || PATH_ENDINGS.iter().any(|ending| span.ends_with(ending)))
}

/// Folders of crates, and the modules at the top of each product crate's `src`.
fn expected_paths(tree: &Tree, packages: &[Package]) -> Vec<String> {
    let mut paths = Vec::new();
    for package in packages {
        paths.push(format!("{}/", package.folder));
        if FOLDER_IS_ENOUGH.iter().any(|folder| package.folder.starts_with(folder)) {
            continue;
        }
        let source = format!("{}/src", package.folder);
        let modules = tree
            .children(&source)
            .into_iter()
            .filter(|name| name != "lib.rs" && name != "main.rs");
        paths.extend(modules.map(|name| format!("{source}/{name}")));
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str) -> Vec<String> {
        let tree = Tree::from([
            (PAGE, page),
            ("bundle/src/lib.rs", ""),
            ("bundle/src/key.rs", ""),
            ("bundle/src/trust/mod.rs", ""),
            ("xtask/src/ci.rs", ""),
        ]);
        let packages = [
            Package::new("palisade-bundle", "bundle", &[]),
            Package::new("xtask", "xtask", &[]),
        ];
        check(&tree, &packages).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_page_that_names_everything_passes() {
        assert_eq!(
            found("`bundle/`, `bundle/src/key.rs`, `bundle/src/trust/`, `xtask/`, `plugin.json`"),
            [""; 0]
        );
    }

    #[test]
    fn a_module_without_a_place_is_found() {
        let expected = [
            "ARCHITECTURE.md: does not name `bundle/src/trust/`",
            "ARCHITECTURE.md: does not name `xtask/`",
        ];
        assert_eq!(found("`bundle/` and `bundle/src/key.rs`"), expected);
    }

    #[test]
    fn a_place_without_a_file_is_found() {
        let page = "`bundle/`, `bundle/src/key.rs`, `bundle/src/trust/`, `xtask/`\n`bundle/src/ghost.rs` `gone/`";
        let expected = [
            "ARCHITECTURE.md:2: there is no `bundle/src/ghost.rs`",
            "ARCHITECTURE.md:2: there is no `gone/`",
        ];
        assert_eq!(found(page), expected);
    }

    #[test]
    fn below_a_heading_paths_are_relative_to_its_folder() {
        let page = "### `bundle/`\n`key.rs` `src/trust/`\n### `xtask/`\n`ci.rs`";
        assert_eq!(found(page), [""; 0]);
        let page = "### `bundle/`\n`key.rs` `trust/`\n### `xtask/`\n`key.rs`";
        assert_eq!(found(page), ["ARCHITECTURE.md:4: there is no `key.rs`"]);
    }

    #[test]
    fn a_repository_without_the_page_is_found() {
        assert_eq!(
            check(&Tree::from([("bundle/src/lib.rs", "")]), &[]),
            [Finding::new(PAGE, "is missing")]
        );
    }
}
