//! `cargo xtask tidy`: what has to hold and no compiler checks.
//!
//! Each check is a pure function from the tree to findings, with a test in which it finds something: a check that
//! cannot fail is no check.

mod code_map;
mod dependencies;
mod engine;
mod length;
mod links;
mod markdown;
mod tokens;
mod tree;
mod unfinished;
mod unsafe_code;

use std::fmt;

use anyhow::{Result, bail};

use self::dependencies::Package;
use self::tree::Tree;
use crate::{codegen, repository};

/// One thing that is not as it should be, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    place: String,
    what: String,
}

impl Finding {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            what: what.into(),
        }
    }

    fn at_line(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self::new(format!("{path}:{line}"), what)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Runs every check and fails when one of them finds something.
pub(crate) fn run() -> Result<()> {
    let tree = Tree::read(&repository::root())?;
    let packages = dependencies::workspace_packages()?;
    let mut findings = check(&tree, &packages);
    for page in codegen::stale()? {
        findings.push(Finding::new(
            page,
            "is not what the code makes now; `cargo xtask codegen` writes it",
        ));
    }
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy found {}", findings.len());
    }
    println!("tidy: {} files, {} packages, nothing found", tree.len(), packages.len());
    Ok(())
}

fn check(tree: &Tree, packages: &[Package]) -> Vec<Finding> {
    [
        dependencies::check(packages),
        engine::check_packages(packages),
        engine::check_sources(tree),
        unsafe_code::check(tree),
        code_map::check(tree, packages),
        length::check(tree),
        unfinished::check(tree),
        links::check(tree),
    ]
    .concat()
}
