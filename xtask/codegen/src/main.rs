//! Writes the pages of `docs/` that say what the code says: `cargo xtask codegen`.
//!
//! A page is a function from the code to text. Prose around a table stands in the `.in` file beside it, in which
//! `{{name}}` is where a table goes. A program of its own, so that the other tasks start without building what it reads.

mod abi;
mod errors;
mod limits;
mod manifest;
mod permissions;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Parser;

/// Writes the pages of docs/ that are made from the code
#[derive(Parser)]
struct Arguments {
    /// Write nothing; print the pages that are not what the code would make
    #[arg(long)]
    check: bool,
    /// The top of the repository
    root: std::path::PathBuf,
}

/// A file that nobody edits.
struct Page {
    path: &'static str,
    text: String,
}

fn main() -> Result<()> {
    let Arguments { check, root } = Arguments::parse();
    let pages = pages()?;
    if check {
        for path in stale_in(&root, &pages) {
            println!("{path}");
        }
        return Ok(());
    }
    for page in &pages {
        fs::write(root.join(page.path), &page.text).with_context(|| format!("cannot write {}", page.path))?;
        println!("wrote {}", page.path);
    }
    Ok(())
}

/// The pages that differ from what the code makes.
fn stale_in(root: &Path, pages: &[Page]) -> Vec<&'static str> {
    let differs = |page: &&Page| fs::read_to_string(root.join(page.path)).ok().as_deref() != Some(&page.text);
    pages.iter().filter(differs).map(|page| page.path).collect()
}

fn pages() -> Result<Vec<Page>> {
    Ok(vec![
        Page {
            path: "docs/openapi.json",
            text: serde_json::to_string_pretty(&palisade_server::openapi())? + "\n",
        },
        Page {
            path: "docs/abi.md",
            text: abi::page()?,
        },
        Page {
            path: "docs/errors.md",
            text: errors::page()?,
        },
        Page {
            path: "docs/limits.md",
            text: limits::page()?,
        },
        Page {
            path: "docs/permissions.md",
            text: permissions::page()?,
        },
        Page {
            path: "docs/manifest.schema.json",
            text: manifest::schema()?,
        },
    ])
}

/// Puts each table where the template has its `{{name}}`; one without a place, or a place without one, is an error.
fn filled(template: &str, tables: &[(&str, String)]) -> Result<String> {
    let mut text = template.to_owned();
    for (name, table) in tables {
        let place = format!("{{{{{name}}}}}");
        if !text.contains(&place) {
            bail!("the template has no {place}");
        }
        text = text.replace(&place, table.trim_end());
    }
    if let Some((_, rest)) = text.split_once("{{") {
        bail!("nothing fills {{{{{}", rest.lines().next().unwrap_or_default());
    }
    Ok(text)
}

/// A Markdown table; `|` in a cell is escaped.
fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| format!("| {} |\n", cells.map(|cell| cell.replace('|', r"\|")).join(" | "));
    let rule = format!("|{}\n", " --- |".repeat(N));
    let rows: String = rows.into_iter().map(line).collect();
    line(head.map(str::to_owned)) + &rule + &rows
}

fn yes_or_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_can_be_made() {
        for page in pages().unwrap() {
            assert!(page.text.len() > 1000 && page.text.ends_with('\n'), "{}", page.path);
        }
    }

    #[test]
    fn a_page_that_was_edited_or_never_written_is_stale() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("current"), "text").unwrap();
        fs::write(root.path().join("edited"), "text, and a word").unwrap();
        let pages = ["current", "edited", "missing"].map(|path| Page {
            path,
            text: "text".to_owned(),
        });
        assert_eq!(stale_in(root.path(), &pages), ["edited", "missing"]);
    }

    #[test]
    fn a_template_and_its_tables_belong_together() {
        assert_eq!(filled("a {{b}} c", &[("b", "x\n".to_owned())]).unwrap(), "a x c");
        assert!(filled("a {{b}} c", &[]).is_err());
        assert!(filled("a c", &[("b", String::new())]).is_err());
    }

    #[test]
    fn a_cell_cannot_break_its_table() {
        let expected = "| a | b |\n| --- | --- |\n| 1 \\| 2 | 3 |\n";
        assert_eq!(table(["a", "b"], [["1 | 2".to_owned(), "3".to_owned()]]), expected);
    }
}
