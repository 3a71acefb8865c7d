//! Every link inside the repository leads somewhere.

use super::tree::Tree;
use super::{Finding, markdown};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.texts(".md")
        .flat_map(|(path, text)| check_page(tree, path, text))
        .collect()
}

fn check_page(tree: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in markdown::prose(text) {
        for target in markdown::link_targets(line) {
            if !is_elsewhere(&target) && !leads_somewhere(tree, path, &target) {
                findings.push(Finding::at_line(
                    path,
                    number,
                    format!("the link to `{target}` leads nowhere"),
                ));
            }
        }
    }
    findings
}

fn is_elsewhere(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

fn leads_somewhere(tree: &Tree, from: &str, target: &str) -> bool {
    let (file, anchor) = target
        .split_once('#')
        .map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let path = if file.is_empty() {
        Some(from.to_owned())
    } else {
        resolved(from, file)
    };
    let Some(path) = path.filter(|path| tree.has(path)) else {
        return false;
    };
    anchor.is_none_or(|anchor| {
        tree.text(&path)
            .is_some_and(|text| markdown::anchors(text).iter().any(|found| found == anchor))
    })
}

/// A path relative to the folder of `from`, from the top; `None` when it leaves the repository.
fn resolved(from: &str, file: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(link: &str) -> Vec<Finding> {
        let page = format!("# Page\n\n[text]({link})\n");
        check(&Tree::from([
            ("docs/page.md", page.as_str()),
            ("docs/other.md", "## A heading\n"),
            ("README.md", ""),
        ]))
    }

    #[test]
    fn links_to_files_folders_and_headings_pass() {
        for link in [
            "other.md",
            "./other.md#a-heading",
            "../README.md",
            "../docs/",
            "#page",
            "https://example.com/x",
        ] {
            assert_eq!(tree(link), [], "{link}");
        }
    }

    #[test]
    fn links_to_nothing_are_found() {
        for link in [
            "another.md",
            "other.md#no-heading",
            "../../README.md",
            "#other",
            "README.md",
        ] {
            let what = format!("the link to `{link}` leads nowhere");
            assert_eq!(tree(link), [Finding::at_line("docs/page.md", 3, what)]);
        }
    }
}
