//! Two files may hold `unsafe`; whoever audits this reads those two.

use super::tree::Tree;
use super::{Finding, tokens};

/// Where a guest meets its host through raw pointers, and where compiled code comes back from disk.
const ALLOWED: [&str; 2] = ["sdk/src/ffi.rs", "runtime/src/sandbox/cache.rs"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let sources = tree.texts(".rs").filter(|(path, _)| !ALLOWED.contains(path));
    sources.flat_map(|(path, source)| check_source(path, source)).collect()
}

fn check_source(path: &str, source: &str) -> Vec<Finding> {
    match tokens::words(source) {
        Err(line) => vec![Finding::at_line(
            path,
            line,
            "is not Rust, so nothing in it can be checked",
        )],
        Ok(words) => {
            let found = words.into_iter().filter(|word| word.text == "unsafe");
            found
                .map(|word| Finding::at_line(path, word.line, "`unsafe` outside the two files for it"))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_files_may_hold_it() {
        let tree = Tree::from([
            ("sdk/src/ffi.rs", "unsafe { f() }"),
            ("abi/src/lib.rs", "#![deny(unsafe_code)]"),
        ]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn any_other_may_not_even_in_an_attribute() {
        let tree = Tree::from([
            ("bundle/src/key.rs", "fn f() {\n    unsafe { g() }\n}"),
            (
                "sdk/macros/src/lib.rs",
                "fn f() { quote! { #[unsafe(no_mangle)] fn g() {} } }",
            ),
        ]);
        let places: Vec<_> = check(&tree).into_iter().map(|finding| finding.place).collect();
        assert_eq!(places, ["bundle/src/key.rs:2", "sdk/macros/src/lib.rs:1"]);
    }

    #[test]
    fn a_file_that_cannot_be_read_as_rust_is_no_hiding_place() {
        assert_eq!(
            check(&Tree::from([("abi/src/lib.rs", "fn f() { unsafe { } ) }")])).len(),
            1
        );
    }
}
