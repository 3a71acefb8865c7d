//! The engine is named in one folder: what may go wrong between host and guest is there, and nowhere else.

use super::dependencies::Package;
use super::tree::Tree;
use super::{Finding, tokens};

/// The one folder whose source may name the engine.
const SANDBOX: &str = "runtime/src/sandbox/";

/// What measures the sandbox against the bare engine has to name it.
const MEASURED_AGAINST: &str = "benches/";

/// The packages whose manifest may name the engine.
const DEPENDANTS: [&str; 2] = ["palisade", "palisade-benches"];

pub(super) fn check_packages(packages: &[Package]) -> Vec<Finding> {
    let others = packages
        .iter()
        .filter(|package| !DEPENDANTS.contains(&package.name.as_str()));
    let naming = others.flat_map(|package| package.dependencies.iter().map(move |name| (package, name)));
    let refused = naming.filter(|(_, name)| is_engine(name));
    let finding = |(package, name): (&Package, &String)| {
        Finding::new(
            format!("{}/Cargo.toml", package.folder),
            format!("only the host library depends on `{name}`"),
        )
    };
    refused.map(finding).collect()
}

pub(super) fn check_sources(tree: &Tree) -> Vec<Finding> {
    let free = |path: &str| path.starts_with(SANDBOX) || path.starts_with(MEASURED_AGAINST);
    let sources = tree.texts(".rs").filter(|(path, _)| !free(path));
    sources.flat_map(|(path, source)| check_source(path, source)).collect()
}

fn check_source(path: &str, source: &str) -> Vec<Finding> {
    let words = tokens::words(source).unwrap_or_default();
    let naming = words.into_iter().filter(|word| is_engine(&word.text));
    naming
        .map(|word| Finding::at_line(path, word.line, format!("`{}` is named outside {SANDBOX}", word.text)))
        .collect()
}

/// The engine's crates: `wasmtime`, `wasmtime-wasi`, `wasmtime_wasi`, …
fn is_engine(name: &str) -> bool {
    name == "wasmtime" || name.starts_with("wasmtime-") || name.starts_with("wasmtime_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sandbox_may_name_the_engine() {
        let tree = Tree::from([("runtime/src/sandbox/engine.rs", "use wasmtime::Engine;")]);
        assert_eq!(check_sources(&tree), []);
        assert_eq!(
            check_packages(&[Package::new("palisade", "runtime", &["wasmtime", "wasmtime-wasi"])]),
            []
        );
    }

    #[test]
    fn its_neighbour_may_not() {
        let tree = Tree::from([("runtime/src/policy.rs", "//! Not wasmtime.\nuse wasmtime_wasi::p1;")]);
        let finding = Finding::at_line(
            "runtime/src/policy.rs",
            2,
            "`wasmtime_wasi` is named outside runtime/src/sandbox/",
        );
        assert_eq!(check_sources(&tree), [finding]);
    }

    #[test]
    fn another_package_may_not_depend_on_it() {
        let packages = [Package::new(
            "palisade-bundle",
            "bundle",
            &["wasmparser", "wasmtime-environ"],
        )];
        let finding = Finding::new(
            "bundle/Cargo.toml",
            "only the host library depends on `wasmtime-environ`",
        );
        assert_eq!(check_packages(&packages), [finding]);
    }
}
