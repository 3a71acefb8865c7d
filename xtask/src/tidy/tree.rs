//! The files of the repository, read once.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

/// Build output and history: nothing a person wrote.
const SKIPPED_FOLDERS: [&str; 3] = ["target", ".git", "node_modules"];

/// Every file by its path from the top, with `/` between the parts; the text of those that are UTF-8.
pub(super) struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        collect(root, "", &mut files)?;
        Ok(Self { files })
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Paths and texts of the files whose name ends in `suffix`.
    pub(super) fn texts<'a>(&'a self, suffix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let files = self.files.iter().filter(move |(path, _)| path.ends_with(suffix));
        files.filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Whether a file or a folder has this path; a trailing `/` asks for a folder.
    pub(super) fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        let has_folder = folder == "/"
            || self
                .files
                .range(folder.clone()..)
                .next()
                .is_some_and(|(p, _)| p.starts_with(&folder));
        has_folder || self.files.contains_key(path)
    }

    /// What stands directly in a folder, folders with a trailing `/`, sorted, each once.
    pub(super) fn children(&self, folder: &str) -> Vec<String> {
        let prefix = if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        };
        let mut children: Vec<String> = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix))
            .map(|rest| {
                rest.split_once('/')
                    .map_or_else(|| rest.to_owned(), |(first, _)| format!("{first}/"))
            })
            .collect();
        children.dedup();
        children
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Tree {
    fn from(files: [(&str, &str); N]) -> Self {
        Self {
            files: files
                .into_iter()
                .map(|(path, text)| (path.to_owned(), Some(text.to_owned())))
                .collect(),
        }
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Option<String>>) -> Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            if !SKIPPED_FOLDERS.contains(&name.as_str()) {
                collect(&entry.path(), &format!("{path}/"), files)?;
            }
        } else {
            files.insert(path, String::from_utf8(std::fs::read(entry.path())?).ok());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_knows_its_files_folders_and_children() {
        let tree = Tree::from([("a/b.rs", ""), ("a/c/d.rs", ""), ("a/c/e.rs", ""), ("ab.md", "")]);
        assert!(tree.has("a/b.rs") && tree.has("a/c") && tree.has("a/c/") && tree.has("ab.md"));
        assert!(!tree.has("a/b") && !tree.has("ab.md/") && !tree.has("a/x"));
        assert_eq!(tree.children("a"), ["b.rs", "c/"]);
        assert_eq!(tree.children(""), ["a/", "ab.md"]);
    }

    #[test]
    fn build_output_is_no_part_of_the_tree() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("target/debug")).unwrap();
        std::fs::write(folder.path().join("target/debug/x.rs"), "").unwrap();
        std::fs::write(folder.path().join("y.rs"), "").unwrap();
        std::fs::write(folder.path().join("z.bin"), [0xff, 0xfe]).unwrap();
        let tree = Tree::read(folder.path()).unwrap();
        assert_eq!(tree.children(""), ["y.rs", "z.bin"]);
        assert_eq!(tree.text("z.bin"), None);
    }
}
